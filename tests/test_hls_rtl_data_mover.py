# SPDX-License-Identifier: Apache-2.0
"""The data mover between a memory and two streams, under cocotb: every case of ``data_mover_bench.py``."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hls.bench import SIMULATORS, run_job, simulator_environment
from hls.templates import RTL, sources

HERE = Path(__file__).parent
#: Beats of memory as wide as words and wider; bursts that a page cuts, and long ones.
SIZES = {
    "narrow": {"IN_BYTES": 4, "IN_WORD": 1, "IN_BURST": 16, "OUT_BYTES": 4, "OUT_WORD": 2, "OUT_BURST": 4},
    "wide": {"IN_BYTES": 16, "IN_WORD": 16, "IN_BURST": 16, "OUT_BYTES": 8, "OUT_WORD": 8, "OUT_BURST": 2},
}


@pytest.mark.parametrize(
    ("sizes", "simulator"),
    [
        pytest.param("narrow", "verilator", marks=pytest.mark.needs("cocotb", "verilator", "g++")),
        pytest.param("wide", "verilator", marks=[pytest.mark.slow, pytest.mark.needs("cocotb", "verilator", "g++")]),
        pytest.param("wide", "icarus", marks=[pytest.mark.slow, pytest.mark.needs("cocotb", "iverilog")]),
    ],
)
def test_every_case_passes(sizes: str, simulator: str, tmp_path: Path) -> None:
    names = [f"{module}.sv" for module in sources({"data_mover"})]
    for name in names:
        shutil.copy(RTL / name, tmp_path)
    shutil.copy(HERE / "data_mover_top.sv", tmp_path)
    job = {
        "folder": str(tmp_path), "home": str(tmp_path), "simulator": simulator, "top": "data_mover_top",
        "sources": ["data_mover_top.sv", *names], "module": "data_mover_bench", "parameters": SIZES[sizes],
        "build_args": SIMULATORS[simulator],
    }  # fmt: skip
    environment = {**simulator_environment(simulator), "SLIMFAB_MOVER": json.dumps(SIZES[sizes])}
    environment["PYTHONPATH"] = f"{HERE}:{environment.get('PYTHONPATH', '')}"
    code = run_job(job, environment)
    results = tmp_path / "results.xml"
    logs = "\n".join(log.read_text(errors="replace")[-6000:] for log in tmp_path.glob("*.log"))
    assert results.exists(), logs
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = [case.attrib["name"] for case in cases if case.find("failure") is not None]
    assert (len(cases), failed, code) == (15, [], 0), logs
