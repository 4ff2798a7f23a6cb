# SPDX-License-Identifier: Apache-2.0
"""What ``slimfab calibrate`` does."""

import os
from collections.abc import Callable
from pathlib import Path

import yaml

from hwsim import calibrate_gpu, device_file
from hwsim.device import FOLDER, load
from hwsim.errors import InputError, OutputError, UnknownNameError
from hwsim.registry import suggest
from slimfab.measure import cuda, host, micro

TARGETS = ("cpu", "cuda")
Listen = Callable[[float, str], None]


def calibrate_to(
    output: Path, target: str, runtime: str, threads: int, count: int, like: str, seed: int, listen: Listen
) -> list[str]:
    """Measure, write the device file, and say in lines what it is worth.

    Raises:
        UnknownNameError: no such target or runtime.
        InputError: a number is impossible, or there is no GPU.
        OutputError: the file cannot be written.
    """
    if target not in TARGETS:
        raise UnknownNameError(f"unknown target '{target}'; {suggest(target, TARGETS)}")
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(f"output: got {output}; expected a file that ends in .yaml, as targets name it; rename it")
    if target == "cuda":
        return _cuda(output, runtime or "graph", count, like, seed, listen)
    threads = threads or len(os.sched_getaffinity(0))
    content, surfaces, found = host.calibrate(runtime or "onnxruntime", threads, count, seed, listen)
    _write(output, device_file.text_of(content, f"{content['title']}, measured by slimfab calibrate", surfaces))
    lines = [
        f"{dtype}: {one.runs} networks; 19 of 20 that had no part in the fit are within a factor of {one.error:.2f}"
        for dtype, one in found.items()
    ]
    return [*lines, f"device file  {output}\nuse it as    cpu:{output}"]


def _cuda(output: Path, mode: str, count: int, like: str, seed: int, listen: Listen) -> list[str]:
    where = cuda.require_gpu()
    shipped = [path.stem for path in FOLDER.glob("*.yaml") if load(path.stem).kind == "gpu"]
    if like not in shipped:
        raise UnknownNameError(f"like: unknown GPU '{like}'; {suggest(like, shipped)}")
    networks = micro.networks(count, seed)
    times = cuda.measure(networks, mode, listen)
    known = yaml.safe_load((FOLDER / f"{like}.yaml").read_text(encoding="utf-8"))
    content = calibrate_gpu.calibrate(known, load(like), {"fp32": (networks, times)}, f"{where}, {mode} mode")
    _write(output, device_file.text_of(content, f"{where}, {mode} mode, measured by slimfab calibrate"))
    factor = content["numbers"]["error"]["fp32"]["value"]
    return [f"fp32: {count} networks; 19 of 20 that had no part in the fit are within a factor of {factor:.2f}",
            f"device file  {output}\nuse it as    gpu:{output}"]  # fmt: skip


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; choose another path") from None
