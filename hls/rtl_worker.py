# SPDX-License-Identifier: Apache-2.0
"""One run of a verilated design, in a process of its own: it may end the process it is loaded into.

Called with a JSON job. Runs in the emitted folder, from which the design reads its memories.
"""

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

RESET_CYCLES = 2
FOR_EVER = (1 << 64) - 1


class Traffic(ctypes.Structure):
    """See hls/rtl/harness.cpp; arrays are given by their addresses."""

    _fields_ = (
        ("in_beats", ctypes.c_void_p),
        ("beats_in", ctypes.c_uint64),
        ("in_bytes", ctypes.c_uint64),
        ("frame_in", ctypes.c_uint64),
        ("out_beats", ctypes.c_void_p),
        ("beats_out", ctypes.c_uint64),
        ("out_bytes", ctypes.c_uint64),
        ("in_cycle", ctypes.c_void_p),
        ("out_cycle", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("patience", ctypes.c_uint64),
        ("until", ctypes.c_uint64),
        ("taken", ctypes.c_uint64),
        ("given", ctypes.c_uint64),
        ("stall_in", ctypes.c_uint64),
        ("stall_out", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("idle", ctypes.c_uint32),
        ("stall", ctypes.c_uint32),
        ("seed", ctypes.c_uint32),
        ("stop_at_last", ctypes.c_uint32),
    )


def main(job: dict[str, Any]) -> None:
    """Stream the beats of ``inputs.npy`` through the library and write ``results.npz`` into the job's folder.

    For every number in ``resets`` the stream is broken off by aresetn after so many cycles, and starts anew.
    """
    folder = Path(job["folder"])
    beats = np.ascontiguousarray(np.load(folder / "inputs.npy"))
    count = int(job["beats_out"])
    out = np.zeros((count, int(job["bytes_out"])), dtype=np.uint8)
    cycles = {"in_cycle": np.zeros(len(beats), dtype=np.uint64), "out_cycle": np.zeros(count, dtype=np.uint64)}
    last = np.zeros(count, dtype=np.uint8)
    traffic = Traffic(
        in_beats=beats.ctypes.data, beats_in=len(beats), in_bytes=beats.shape[1], frame_in=job["frame_in"],
        out_beats=out.ctypes.data, beats_out=count, out_bytes=out.shape[1], last=last.ctypes.data,
        idle=job["idle"], stall=job["stall"], seed=job["seed"], patience=job["patience"],
        **{name: array.ctypes.data for name, array in cycles.items()},
    )  # fmt: skip
    library = ctypes.CDLL(job["library"])
    library.slimfab_new.restype = ctypes.c_void_p
    design = ctypes.c_void_p(library.slimfab_new())
    for until in (*job["resets"], FOR_EVER):
        library.slimfab_reset(design, ctypes.c_uint64(RESET_CYCLES))
        traffic.until = until
        library.slimfab_stream(design, ctypes.byref(traffic))
    registers = {name: read(library, design, offset) for name, offset in job["registers"].items()}
    library.slimfab_free(design)
    given = traffic.given
    np.savez(
        folder / "results.npz", out=out[:given], last=last[:given], in_cycle=cycles["in_cycle"],
        out_cycle=cycles["out_cycle"][:given], stalls=np.array([traffic.stall_in, traffic.stall_out]),
        registers=np.array(list(registers.values()), dtype=np.int64),
    )  # fmt: skip


def read(library: ctypes.CDLL, design: ctypes.c_void_p, offset: int) -> int:
    """One register, by AXI4-Lite."""
    data = ctypes.c_uint32()
    response = library.slimfab_read(design, ctypes.c_uint32(offset), ctypes.byref(data))
    if response != 0:
        raise SystemExit(f"register 0x{offset:02x}: got response {response}; expected OKAY")
    return data.value


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
