# SPDX-License-Identifier: Apache-2.0
"""Trials of the driver on the emulated board: what it costs the host per transfer, and whether memory grows."""

from __future__ import annotations

import cProfile
import pstats
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boards.driver import Accelerator
from boards.driver.worker import Answer
from boards.emulated.replay import Recorder, Replay, in_place_of_board

if TYPE_CHECKING:
    from boards.emulated.device import EmulatedDevice

_STATUS = Path("/proc/self/status")


PLACES = ("driver", "pynq", "copies", "checksum", "board")


def overhead(one: Accelerator, device: EmulatedDevice, images: np.ndarray, runs: int) -> Answer:
    """Seconds per transfer of the same images, by who spends them, each an upper bound.

    The runs are recorded with the emulated board and then timed against its answers alone, by the interpreter's
    profiler, whose own time per call is in all that it says.

    ``copies`` are all of :mod:`boards.driver.packing`: numpy's passes over the images; ``checksum`` is zlib's pass over
    the results; ``pynq`` its drivers and its way to registers, which is longer here than on a board; ``board`` the
    answers. Whatever is none of these is the ``driver``'s.
    """
    recorder = Recorder(device.board)
    with in_place_of_board(device, recorder):
        one.recover()  # both times from the same state
        for _ in range(runs + 1):
            one.run(images)
    profile = cProfile.Profile()
    with in_place_of_board(device, Replay(recorder.accesses)):
        one.recover()
        one.run(images)
        profile.enable()
        for _ in range(runs):
            one.run(images)
        profile.disable()
    spent = dict.fromkeys(PLACES, 0.0)
    for (file, _, name), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        for place, share in _shares(file, name, own, callers):
            spent[place] += share / runs
    return {"seconds": spent}, []


_Callers = dict[tuple[str, int, str], tuple[float, ...]]


def _shares(file: str, name: str, own: float, callers: _Callers) -> list[tuple[str, float]]:
    """Whose time a function's own is; that of built-in functions and Python's library is their callers'."""
    place = _place(file, name)
    if place is not None:
        return [(place, own)]
    return [(_place(caller[0], caller[2]) or "driver", times[2]) for caller, times in callers.items()]


def _place(file: str, name: str) -> str | None:
    if "crc32" in name:
        return "checksum"
    if "/boards/driver/" in file:
        return "copies" if file.endswith("packing.py") else "driver"
    known = {"/emulated/": "board", "struct.py": "board", "/numpy/": "copies", "/pynq/": "pynq"}
    return next((place for part, place in known.items() if part in file), None)


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
