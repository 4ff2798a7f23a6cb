# SPDX-License-Identifier: Apache-2.0
"""The Verilated design in this process: reset, streamed through in slices of cycles, its registers read and written."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hls.rtl_worker import FOR_EVER, RESET_CYCLES, Traffic

ALL_BYTES = 0xF  # strobes of a register


@dataclass(frozen=True)
class Slice:
    """What happened in some cycles: beats taken, beats that came, whether the last of them had TLAST."""

    taken: int
    came: int
    ended: bool
    cycles: int


class Design:
    """One instance of the compiled library of an emitted folder, fresh from reset.

    Args:
        library: what :func:`hls.rtl_compile.compile_design` returned.
        folder: the emitted folder, from which the weights are read.
    """

    def __init__(self, library: Path, folder: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.slimfab_new.restype = ctypes.c_void_p
        before = Path.cwd()
        os.chdir(folder)  # the design reads its memories when it is made
        try:
            self._design = ctypes.c_void_p(self._library.slimfab_new())
        finally:
            os.chdir(before)
        self._library.slimfab_reset(self._design, ctypes.c_uint64(RESET_CYCLES))

    def stream(self, given: np.ndarray, room: np.ndarray, cycles: int) -> Slice:
        """Some cycles with beats to take and room for beats.

        Args:
            given: (beats, bytes) to send, TLAST with the last one.
            room: (beats, bytes) that are filled, up to TLAST.
        """
        beats_in, beats_out = min(len(given), cycles), min(len(room), cycles)  # a beat a cycle at most
        stamps = np.empty(max(beats_in, 1), np.uint64), np.empty(max(beats_out, 1), np.uint64)
        last = np.zeros(max(beats_out, 1), np.uint8)
        traffic = Traffic(
            in_beats=given.ctypes.data, beats_in=beats_in, in_bytes=given.shape[1], frame_in=max(len(given), 1),
            out_beats=room.ctypes.data, beats_out=beats_out, out_bytes=room.shape[1], last=last.ctypes.data,
            in_cycle=stamps[0].ctypes.data, out_cycle=stamps[1].ctypes.data, patience=FOR_EVER, until=cycles,
            stop_at_last=1,
        )  # fmt: skip
        self._library.slimfab_stream(self._design, ctypes.byref(traffic))
        taken, came = int(traffic.taken), int(traffic.given)
        return Slice(taken, came, bool(came and last[came - 1]), int(traffic.cycles))

    def idle(self, cycles: int) -> None:
        """Cycles in which nothing is offered and nothing is taken."""
        self._library.slimfab_idle(self._design, ctypes.c_uint64(cycles))

    def read(self, offset: int) -> int:
        """A register; 0 where there is none, as pynq's bus gives no error."""
        data = ctypes.c_uint32()
        self._library.slimfab_read(self._design, ctypes.c_uint32(offset), ctypes.byref(data))
        return data.value

    def write(self, offset: int, value: int) -> None:
        """A register; nothing happens where there is none."""
        strobes = ctypes.c_uint32(ALL_BYTES)
        self._library.slimfab_write(self._design, ctypes.c_uint32(offset), ctypes.c_uint32(value), strobes)

    def free(self) -> None:
        """End the simulation."""
        self._library.slimfab_free(self._design)
