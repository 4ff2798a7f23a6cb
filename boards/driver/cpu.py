# SPDX-License-Identifier: Apache-2.0
"""The same network on the processor that this runs on: compiled here, checked integer by integer, timed.

What an accelerator is compared with. ``cpu/`` of a bundle holds the network as C++ and, where it can be written as one,
as an ONNX file for ONNX Runtime, which is timed where it is installed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import packing
from .errors import CpuError
from .manifest import Manifest
from .packing import Array

FOLDER, SOURCE, PARAMETERS, REASON = "cpu", "network.cpp", "parameters.bin", "missing.txt"
MODEL, MODEL_REASON = "network.onnx", "missing-onnx.txt"
COMPILERS = ("g++", "c++", "clang++")
_LANGUAGE = ("-std=c++17", "-O3", "-fno-strict-aliasing", "-shared", "-fPIC")
#: Vector instructions of the processor that this is; NEON is left out by default on 32-bit ARM (GCC, "ARM Options").
_TARGET = {"armv7l": ("-mcpu=native", "-mfpu=neon"), "aarch64": ("-mcpu=native",), "x86_64": ("-march=native",)}
_CPUINFO = Path("/proc/cpuinfo")
CORES = {"0xc09": "Cortex-A9", "0xd03": "Cortex-A53", "0xd08": "Cortex-A72"}  # MIDR, PartNum (Arm, each core's TRM)
_COMPILE_S = 600.0
_BUDGET_S = 10.0  # of the runs of one image; slow processors run fewer
_MIN_RUNS = 10


@dataclass(frozen=True)
class Effort:
    """Runs of one image at most, and of many images on all threads."""

    warm_up: int = 10
    runs: int = 1000
    repeats: int = 5


class CpuNetwork:
    """The network of an unpacked bundle on this processor.

    Raises:
        CpuError: there is no compiler, the network does not compile, or is another one; says which.
    """

    def __init__(self, folder: Path | str, manifest: Manifest) -> None:
        self.manifest, home = manifest, Path(folder) / FOLDER
        if not (home / SOURCE).exists():
            reason = home / REASON
            raise CpuError(reason.read_text().strip() if reason.exists() else "the bundle holds no C++; build it again")
        self.compiler = find_compiler()
        with tempfile.TemporaryDirectory(prefix="slimfab-cpu-") as build:
            path, self.options = _compiled(self.compiler, home / SOURCE, Path(build))
            library = ctypes.CDLL(str(path))
        self._parameters = np.frombuffer((home / PARAMETERS).read_bytes() or b"\0", np.uint8)
        library.slimfab_network.restype = ctypes.c_uint64
        library.slimfab_run.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64]
        library.slimfab_run.restype = None
        found = f"{library.slimfab_network():016x}"
        if found != manifest.model_hash:
            raise CpuError(f"cpu: got network {found}; expected {manifest.model_hash}; build the bundle again")
        self._run = library.slimfab_run

    def run(self, integers: Array) -> Array:
        """(N, *input shape) integers → (N, *output shape) integers, in a new array, on one thread."""
        source, result = self.manifest.input, self.manifest.output
        x = np.ascontiguousarray(integers, packing.container(source))
        y = np.empty((len(x), *result.shape), packing.container(result))
        self._run(self._parameters.ctypes.data, x.ctypes.data, y.ctypes.data, len(x))
        return y

    @property
    def version(self) -> str:
        """The compiler with its options."""
        said = subprocess.run([self.compiler, "-dumpfullversion"], capture_output=True, text=True, check=False).stdout
        return " ".join([Path(self.compiler).name, said.strip(), *self.options])


def find_compiler() -> str:
    """A C++ compiler of this machine.  Raises CpuError where there is none."""
    found = next(filter(None, map(shutil.which, COMPILERS)), None)
    if found is None:
        raise CpuError(f"cpu: no C++ compiler here; expected one of {', '.join(COMPILERS)}; apt-get install g++")
    return found


def _compiled(compiler: str, source: Path, build: Path) -> tuple[Path, tuple[str, ...]]:
    """The library, and the options that it was compiled with: this processor's, unless the compiler knows none."""
    own = (*_LANGUAGE, *_TARGET.get(platform.machine(), ()))
    try:
        return _compile(compiler, own, source, build), own
    except CpuError:
        if own == _LANGUAGE:
            raise
        return _compile(compiler, _LANGUAGE, source, build), _LANGUAGE


def _compile(compiler: str, options: tuple[str, ...], source: Path, build: Path) -> Path:
    library = build / "network.so"
    command = [compiler, *options, "-o", str(library), str(source)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CpuError(f"cpu: {compiler} did not finish ({error}); expected a library; compile it by hand") from error
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if "error" in line), f"exit code {done.returncode}")
        raise CpuError(f"cpu: {compiler} failed: {said[:200]}; expected a library; it needs C++17")
    return library


def measure_cpu(folder: Path, manifest: Manifest, images: Array, effort: Effort) -> tuple[dict[str, Any], Array]:
    """The network as C++ on this processor, timed in the window in which the accelerator is: integers in, integers out.

    Args:
        images: (N, *input shape) integers.

    Returns:
        runtime, version, processor and threads; seconds of single images on one thread (latency_s), and per image of
        all images on all threads (interval_s). Or in ``missing`` why there is none of these. And (N, *output shape)
        integers, or none.
    """
    row: dict[str, Any] = {"runtime": "C++", "processor": processor_name()}
    try:
        network = CpuNetwork(folder, manifest)
    except CpuError as error:
        return {**row, "missing": str(error)}, np.zeros(0, np.int64)
    outputs = network.run(images)
    return {**row, "version": network.version, **timed(network.run, images, effort)}, outputs


def measure_onnx(folder: Path, manifest: Manifest, images: Array, classes: Array, effort: Effort) -> dict[str, Any]:
    """The network as an 8-bit ONNX file under ONNX Runtime, one image at a time; it rounds otherwise.

    Args:
        classes: (N,) places of the largest output of every image.

    Returns:
        a row as :func:`measure_cpu` has it; ``same_class`` says for how many images the largest output is the same.
    """
    row: dict[str, Any] = {"runtime": "ONNX Runtime", "processor": processor_name()}
    model, reason = folder / FOLDER / MODEL, folder / FOLDER / MODEL_REASON
    if not model.exists():
        missing = reason.read_text().strip() if reason.exists() else "the bundle holds no ONNX file; build it again"
        return {**row, "missing": missing}
    try:
        import onnxruntime
    except ImportError:
        return {**row, "missing": f"not installed for {sys.executable}; pip install onnxruntime, where it has a wheel"}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # threads are callers, as for C++
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    name, scale = session.get_inputs()[0].name, np.float32(manifest.input.scale)

    def run(integers: Array) -> list[Array]:
        return [session.run(None, {name: image[None] * scale})[0] for image in integers.astype(np.float32)]

    found = np.array([np.argmax(one) for one in run(images)])
    same = int(np.count_nonzero(found == classes))
    version = f"onnxruntime {onnxruntime.__version__}, 8 bits"
    return {**row, "version": version, "same_class": same, **timed(run, images, effort)}


def timed(run: Callable[[Array], Any], images: Array, effort: Effort, threads: int | None = None) -> dict[str, Any]:
    """Seconds of a function of images: of single ones, and per image with ``threads`` callers at once.

    Args:
        run: may be called from several threads; with ``threads`` 1 it is called by one.
        threads: as many as there are processors for this process by default.
    """
    one = images[:1]
    for _ in range(max(1, effort.warm_up)):
        first = _seconds(run, one)
        if first * effort.warm_up > _BUDGET_S:
            break
    runs = max(_MIN_RUNS, min(effort.runs, int(_BUDGET_S / max(first, 1e-9))))
    latencies = [_seconds(run, one) for _ in range(runs)]
    count = len(os.sched_getaffinity(0)) if threads is None else threads
    parts = [part for part in np.array_split(images, count) if len(part)]
    repeats = max(1, min(effort.repeats, int(_BUDGET_S / (first * len(images)))))
    with ThreadPoolExecutor(len(parts)) as pool:
        intervals = []
        for _ in range(repeats):
            start = time.perf_counter()
            list(pool.map(run, parts))
            intervals.append((time.perf_counter() - start) / len(images))
    return {"threads": len(parts), "latency_s": latencies, "interval_s": intervals}


def _seconds(run: Callable[[Array], Any], images: Array) -> float:
    start = time.perf_counter()
    run(images)
    return time.perf_counter() - start


def processor_name() -> str:
    """What Linux calls this processor, and how many there are of it."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    part = fields.get("CPU part", "").lower()
    name = CORES.get(part) or fields.get("model name") or platform.machine()
    return f"{os.cpu_count()} x {name}"
