# SPDX-License-Identifier: Apache-2.0
"""Trials of the driver on the emulated board: what it costs the host per transfer, and whether memory grows."""

from __future__ import annotations

import cProfile
import pstats
from pathlib import Path

import numpy as np

from boards.driver import Accelerator
from boards.driver.worker import Answer

_STATUS = Path("/proc/self/status")


def overhead(one: Accelerator, images: np.ndarray, runs: int) -> Answer:
    """Seconds per transfer of the same images, by who spends them: driver, pynq, copies and board.

    By the interpreter's profiler, whose own time per call makes each an upper bound. ``copies`` are numpy's, checksums
    included; ``board`` is the emulation; ``pynq`` its drivers and its way to registers, which is longer here than on a
    board.
    """
    one.run(images)
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(runs):
        one.run(images)
    profile.disable()
    spent = dict.fromkeys(("driver", "pynq", "copies", "board"), 0.0)
    for (file, _, name), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        for place, share in _shares(file, name, own, callers):
            spent[place] += share / runs
    return {"seconds": spent}, []


_Callers = dict[tuple[str, int, str], tuple[float, ...]]


def _shares(file: str, name: str, own: float, callers: _Callers) -> list[tuple[str, float]]:
    """Whose time a function's own is; that of built-in functions is their callers'."""
    if file != "~":
        return [(_place(file, name), own)]
    if "crc32" in name:
        return [("copies", own)]
    return [(_place(caller[0], caller[2]), times[2]) for caller, times in callers.items()]


def _place(file: str, name: str) -> str:
    if "/emulated/" in file or file.endswith("struct.py"):
        return "board"
    if "/boards/driver/" in file:
        return "copies" if file.endswith("packing.py") or name == "received" else "driver"
    return "copies" if "/numpy/" in file else "pynq"


def soak(one: Accelerator, images: np.ndarray, total_bytes: int) -> Answer:
    """Stream so many bytes to the accelerator and back: resident memory before and after, and runs that were wrong."""
    expected = one.run(images)
    per_run = len(images) * (one.manifest.input.image_bytes + one.manifest.output.image_bytes)
    runs = -(-total_bytes // per_run)
    before = resident_bytes()
    wrong = sum(not np.array_equal(one.run(images), expected) for _ in range(runs))
    return {"before": before, "after": resident_bytes(), "bytes": runs * per_run, "runs": runs, "wrong": wrong}, []


def resident_bytes() -> int:
    """Memory of this process (Linux, proc(5), VmRSS)."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
