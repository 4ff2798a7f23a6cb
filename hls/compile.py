# SPDX-License-Identifier: Apache-2.0
"""Compile an hls4ml project for C simulation: once per content, with the compiler's words kept.

Two things make the simulation about ten times faster than hls4ml's own ``build_lib.sh`` and change no result:
``-march=native``, and a copy of AMD's ap_private.h in which one member function is no longer ``volatile``
(clearUnusedBits writes and rereads the value through memory on every operation otherwise).
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hls.project import PROJECT_NAME, Project
from hwsim.errors import OutputError, ToolFailed, ToolMissing

FAST = ("-O3", "-march=native")
QUICK = ("-O1",)  # compiles in two thirds of the time, runs at half the speed
# io_parallel writes every window of every convolution as code; optimising megabytes of it takes minutes.
_LARGE_CODE_BYTES = 1_000_000
_FLAGS = ("-std=c++17", "-w", "-fPIC", "-shared")
_VOLATILE, _PLAIN = "clearUnusedBits(void) volatile", "clearUnusedBits(void)"

# What g++ says → what it means.
_CAUSES: Mapping[str, str] = {
    r"DenseResource_rf_gt_nin\b": "hls4ml 1.3.0 lacks this reuse factor; choose a legal one (hls.legality)",
    r"No space left on device": "the disk is full; free some space",
    r"out of memory|Killed signal|virtual memory exhausted": "not enough memory for g++; close other programs",
    r"cannot find crt|fatal error: (iostream|cmath)": "the C++ library is incomplete; install g++ and libstdc++",
}


@dataclass(frozen=True)
class Library:
    """A compiled C simulation. ``folder`` holds csim.so, weights/ and compile.log."""

    folder: Path
    project: Project

    @property
    def path(self) -> Path:
        """The shared library."""
        return self.folder / "csim.so"


def default_cache() -> Path:
    """Where compiled simulations are kept: ``$XDG_CACHE_HOME/slimfab/csim`` or ``~/.cache/slimfab/csim``."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "slimfab" / "csim"


def compile_project(project: Project, cache_folder: Path | None = None, optimise: tuple[str, ...] = FAST) -> Library:
    """Compile a project, or find what was compiled from the same sources with the same compiler before.

    Raises:
        ToolMissing: there is no g++.
        ToolFailed: g++ failed; with its last error, the cause where it is known, and the path of its log.
        OutputError: the cache folder cannot be written.
    """
    compiler = _find_compiler()
    generated = project.folder / "firmware" / "nnet_utils" / "nnet_code_gen.h"
    if generated.exists() and generated.stat().st_size > _LARGE_CODE_BYTES:
        optimise = QUICK
    root = cache_folder or default_cache()
    folder = root / _key(project, compiler, optimise)
    library = Library(folder, project)
    if library.path.exists():
        return library
    try:
        root.mkdir(parents=True, exist_ok=True)
        build = Path(tempfile.mkdtemp(dir=root, prefix="."))
    except OSError as error:
        raise OutputError(f"{root}: cannot write ({error.strerror}); choose a writable cache folder") from error
    try:
        _compile(project, compiler, optimise, build)
        _publish(build, folder)
    finally:
        shutil.rmtree(build, ignore_errors=True)
    return library


def _compile(project: Project, compiler: str, optimise: tuple[str, ...], build: Path) -> None:
    source = project.folder.resolve()
    try:
        shutil.copytree(source / "firmware" / "weights", build / "weights")
        _write_fast_types(source / "firmware" / "ap_types", build / "types")
        # One translation unit: the headers are read once instead of twice.
        (build / "csim.cpp").write_text(
            f'#include "{source}/firmware/{PROJECT_NAME}.cpp"\n#include "{source}/{PROJECT_NAME}_bridge.cpp"\n'
        )
    except OSError as error:
        raise OutputError(f"{build}: cannot write ({error.strerror}); free some space") from error
    command = [compiler, *optimise, *_FLAGS, f"-I{build}/types", f"-I{source}/firmware/ap_types"]
    command += ['-DWEIGHTS_DIR="weights"', str(build / "csim.cpp"), "-o", str(build / "csim.so")]
    with (build / "compile.log").open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code != 0:
        raise ToolFailed(_explain(project, build / "compile.log", code))


def _write_fast_types(types: Path, overlay: Path) -> None:
    original = types / "etc" / "ap_private.h"
    (overlay / "etc").mkdir(parents=True)
    (overlay / "etc" / "ap_private.h").write_text(original.read_text().replace(_VOLATILE, _PLAIN))


def _explain(project: Project, log: Path, code: int) -> str:
    text = log.read_text(errors="replace")
    kept = project.folder / "csim_compile.log"
    try:
        shutil.copyfile(log, kept)
    except OSError:
        kept = Path("unsaved")
    errors = [line for line in text.splitlines() if "error" in line.lower()]
    first = errors[0].strip() if errors else f"exit code {code}"
    cause = next((meaning for pattern, meaning in _CAUSES.items() if re.search(pattern, text)), "see the log")
    return f"{project.lowered.name}: g++ failed on the generated C++ ({first[:200]}); {cause}; log: {kept}"


def _publish(build: Path, folder: Path) -> None:
    shutil.rmtree(build / "types")
    try:
        os.replace(build, folder)
        folder.chmod(0o755)
    except OSError as error:
        if not (folder / "csim.so").exists():  # another process may have published the same library first
            raise OutputError(f"{folder}: cannot write ({error.strerror}); choose another cache folder") from error


def _find_compiler() -> str:
    compiler = shutil.which("g++")
    if compiler is None:
        raise ToolMissing("g++ is not installed; C simulation needs a C++17 compiler; apt-get install g++")
    return compiler


def _key(project: Project, compiler: str, optimise: tuple[str, ...]) -> str:
    parts = [project.source_hash, _version(compiler), *optimise, *_FLAGS]
    if "-march=native" in optimise:
        parts.append(_cpu())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def _version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout


@cache
def _cpu() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
