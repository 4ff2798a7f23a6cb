# SPDX-License-Identifier: Apache-2.0
"""The doctor's findings, and the command line in an environment that has only the base requirements."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest
from command_line import succeeds

from hwsim import serial
from hwsim.network import Layer, Network, Tensor, save
from slimfab.doctor import Finding, examine

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to what ``pip install slimfab`` installs, and to nothing else."""
    folder = tmp_path_factory.mktemp("base")
    names = [_name(one) for one in metadata.requires("slimfab") or () if "extra ==" not in one]
    seen: set[str] = set()
    while names:
        name = names.pop()
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # of another platform or Python
        if name not in seen:
            seen.add(name)
            names += [_name(one) for one in found.requires or () if "extra ==" not in one]
            for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
                if not (folder / top).exists():
                    (folder / top).symlink_to(found.locate_file(top))
    for package in ("slimfab", "hwsim", "hls", "quant", "prune", "boards"):
        (folder / package).symlink_to(ROOT / package)
    return folder


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match
    return match[0]


def bare(base: Path, *arguments: str, code: int = 0) -> str:
    """What ``slimfab ARGUMENTS`` prints with only the base packages and an empty PATH."""
    environment = {"PYTHONPATH": str(base), "PATH": str(base), "HOME": str(base), "COLUMNS": "200"}
    command = [sys.executable, "-S", "-W", "error", "-m", "slimfab.cli", *arguments]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def by_name() -> Mapping[str, Finding]:
    return {finding.name: finding for finding in examine()}


def test_what_is_installed_is_found_with_its_version() -> None:
    found = by_name()
    assert found["python"].version == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"].found
    assert found["numpy"].version == metadata.version("numpy")
    assert all(one.enables for one in found.values())


def test_a_remedy_stands_only_where_something_is_missing() -> None:
    for finding in examine():
        assert bool(finding.remark) == (not finding.found), finding.name


def test_a_program_is_found_and_asked_for_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vivado"
    program.write_text("#!/bin/sh\necho 'Vivado v2023.1 (64-bit)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert by_name()["vivado"] == Finding("vivado", True, "2023.1", by_name()["vivado"].enables)
    assert re.search(r"✓ +vivado +2023\.1 +bitstreams", succeeds("doctor"))


def test_the_doctor_lists_what_the_base_lacks(base: Path) -> None:
    text = bare(base, "doctor")
    assert re.search(r"✓ +numpy +\d", text)
    for name, extra in (
        ("torch", "torch"),
        ("brevitas", "quant"),
        ("hls4ml", "hls"),
        ("da4ml", "da"),
        ("cocotb", "bench"),
        ("plotly", "report"),
    ):
        assert re.search(rf"– +{name} +\w.*pip install 'slimfab\[{extra}\]'", text), name
    for name in ("verilator", "iverilog", "yosys", "nextpnr-ecp5"):
        assert re.search(rf"[✓–] +{name} ", text), name
    assert re.search(r"– +g\+\+ +C simulation .*apt-get install g\+\+", text)


def test_the_base_compares_and_checks_a_saved_network(base: Path, tmp_path: Path) -> None:
    layers = (
        Layer("input", "input", (), ("x",)),
        Layer("relu", "relu", ("x",), ("y",)),
        Layer("output", "output", ("y",), ("z",)),
    )
    network = Network("tiny", layers, {name: Tensor((2, 3, 3)) for name in "xyz"}, ("x",), ("z",))
    save(network, {}, tmp_path / "net")
    assert "cpu:cortex-a9" in bare(base, "compare", str(tmp_path / "net"))
    assert "every layer maps exactly" in bare(base, "check", str(tmp_path / "net"))
    assert "fpga:pynq-z2" in bare(base, "targets")


@pytest.mark.parametrize(("arguments", "message"), [
    (("compare", "vgg_tiny"), r"torch is not installed; .*pip install 'slimfab\[torch\]'"),
    (("zoo",), r"torch is not installed; .*pip install 'slimfab\[torch\]'"),
    (("run", "{recipe}"), r"torch is not installed; .*pip install 'slimfab\[torch\]'"),
    (("compare", "{onnx}"), r"/.*x\.onnx: reading it needs the onnx package; pip install 'slimfab\[quant\]'"),
], ids=str)  # fmt: skip
def test_what_the_base_cannot_do_is_one_line(
    base: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    files = {"onnx": tmp_path / "x.onnx", "recipe": ROOT / "slimfab/recipes/digits_vgg_tiny.yaml"}
    serial.atomic_write(files["onnx"], b"")
    (line,) = bare(base, *(one.format(**files) for one in arguments), code=2).splitlines()
    assert re.match(f"error: {message}", line)
