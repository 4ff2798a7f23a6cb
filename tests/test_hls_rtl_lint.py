# SPDX-License-Identifier: Apache-2.0
"""Every module alone, and an emitted network, without a complaint from three tools."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_hls_emit import tiny

from hls.emit import emit
from hls.rtl_compile import FASTER, lint
from hls.templates import MODULES, RTL, sources


def test_every_module_has_a_file_and_every_file_a_module() -> None:
    assert {file.stem for file in RTL.glob("*.sv")} == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_a_file_holds_its_module_its_cycles_and_closes_what_it_opens(name: str) -> None:
    text = (RTL / f"{name}.sv").read_text()
    assert f"\nmodule {name} " in text
    header = text[: text.index("`default_nettype none")]
    assert "latency" in header
    assert "II " in header
    assert text.endswith("endmodule\n`default_nettype wire\n")


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    for file in RTL.glob("*.sv"):
        shutil.copy(file, tmp_path)
    return tmp_path


def files(name: str) -> list[str]:
    return [f"{module}.sv" for module in sources({name})]


@pytest.mark.needs("verilator")
@pytest.mark.parametrize("name", MODULES)
def test_verilator_finds_nothing(name: str, modules: Path) -> None:
    assert lint(modules, files(name), name) == ""


@pytest.mark.needs("verilator")
@pytest.mark.parametrize("shape", ["PE=8 STEPS=2", "SIMD=16", "PE=8 SIMD=16 STEPS=1", "PE=1 SIMD=1 STEPS=60 DEPTH=40"])
@pytest.mark.parametrize("name", ["matrix_vector", "sparse_matrix_vector"])
def test_verilator_finds_nothing_in_matrix_units_of_one_block(name: str, shape: str, modules: Path) -> None:
    text = (modules / f"{name}.sv").read_text()
    given = [f"-G{one}" for one in [*shape.split(), "ACC_WIDTH=22"] if f" {one.split('=')[0]} " in text]
    assert lint(modules, [*given, *files(name)], name) == ""


def interface(file: Path) -> str:
    """Parameters and ports, without comments and white space."""
    code = re.sub(r"//.*", "", file.read_text())
    return "".join(code[code.index("\nmodule ") : code.index("\n);\n")].split())


@pytest.mark.parametrize("file", sorted(FASTER.glob("*.sv")), ids=lambda file: file.stem)
def test_a_module_for_simulation_has_the_parameters_and_ports_of_what_it_replaces(file: Path) -> None:
    assert f"\nmodule {file.stem} " in file.read_text()
    assert file.stem == "matrix_products" or interface(file) == interface(RTL / file.name)


@pytest.mark.needs("verilator")
@pytest.mark.parametrize("name", sorted(file.stem for file in FASTER.glob("*.sv")))
def test_verilator_finds_nothing_in_modules_for_simulation(name: str) -> None:
    files = [str(RTL / "verilator.vlt"), "-y", str(FASTER), "-y", str(RTL), str(FASTER / f"{name}.sv")]
    assert lint(FASTER, files, name) == ""


@pytest.mark.needs("verilator")
def test_verilator_finds_nothing_in_an_emitted_network(tmp_path: Path) -> None:
    emit(*tiny(), tmp_path)
    assert lint(tmp_path, (tmp_path / "files.f").read_text().split(), "top") == ""


@pytest.mark.needs("verilator")
def test_verilator_finds_a_planted_fault(modules: Path) -> None:
    text = (modules / "frame_last.sv").read_text().replace("  reg [BW", "  wire lost = s_axis_tvalid;\n  reg [BW")
    (modules / "frame_last.sv").write_text(text)
    assert "UNUSEDSIGNAL" in lint(modules, ["frame_last.sv"], "frame_last")


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr + (f"exit code {done.returncode}" if done.returncode else "")


@pytest.mark.needs("iverilog")
@pytest.mark.parametrize("name", MODULES)
def test_icarus_finds_nothing(name: str, modules: Path) -> None:
    command = ["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-o", "out", "-s", name, *files(name)]
    assert run(command, modules) == ""


@pytest.mark.needs("iverilog")
def test_icarus_compiles_an_emitted_network(tmp_path: Path) -> None:
    emit(*tiny(), tmp_path)
    listed = (tmp_path / "files.f").read_text().split()
    assert run(["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-o", "out", "-s", "top", *listed], tmp_path) == ""


@pytest.mark.needs("yosys")
@pytest.mark.parametrize("name", MODULES)
def test_yosys_finds_nothing(name: str, modules: Path) -> None:
    script = f"read_verilog -sv {' '.join(files(name))}; hierarchy -check -top {name}; proc; check -assert"
    assert run(["yosys", "-q", "-p", script], modules) == ""


@pytest.mark.needs("yosys")
def test_yosys_elaborates_an_emitted_network(tmp_path: Path) -> None:
    emit(*tiny(), tmp_path)
    listed = " ".join((tmp_path / "files.f").read_text().split())
    script = f"read_verilog -sv {listed}; hierarchy -check -top top; proc; check -assert"
    assert run(["yosys", "-q", "-p", script], tmp_path) == ""
