# SPDX-License-Identifier: Apache-2.0
"""One run of a verilated design, in a process of its own: it may end the process it is loaded into.

Called with a JSON job. Runs in the emitted folder, from which the design reads its memories. Needs nothing but Python's
standard library, because most simulations take less time than importing numpy.
"""

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

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
    """Stream the beats of ``inputs`` through the library; the job's folder then holds what came, byte for byte.

    That is ``out_beats``, ``last``, ``in_cycle`` and ``out_cycle``, see :class:`Traffic`, and ``counts.json``. For each
    number of ``resets`` the stream is broken off by aresetn after so many cycles, and starts anew.
    """
    folder, count = Path(job["folder"]), int(job["beats_out"])
    beats = (folder / "inputs").read_bytes()
    taken = len(beats) // int(job["bytes_in"])
    arrays: dict[str, ctypes.Array[Any]] = {
        "out_beats": (ctypes.c_uint8 * (count * int(job["bytes_out"])))(),
        "last": (ctypes.c_uint8 * count)(),
        "in_cycle": (ctypes.c_uint64 * taken)(),
        "out_cycle": (ctypes.c_uint64 * count)(),
    }
    traffic = Traffic(
        in_beats=ctypes.cast(ctypes.c_char_p(beats), ctypes.c_void_p), beats_in=taken, in_bytes=job["bytes_in"],
        frame_in=job["frame_in"], beats_out=count, out_bytes=job["bytes_out"], idle=job["idle"], stall=job["stall"],
        seed=job["seed"], patience=job["patience"],
        **{name: ctypes.addressof(array) for name, array in arrays.items()},
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
    for name, array in arrays.items():
        (folder / name).write_bytes(array)
    counts = {"given": traffic.given, "stalls": [traffic.stall_in, traffic.stall_out], "registers": registers}
    (folder / "counts.json").write_text(json.dumps(counts))


def read(library: ctypes.CDLL, design: ctypes.c_void_p, offset: int) -> int:
    """One register, by AXI4-Lite."""
    data = ctypes.c_uint32()
    response = library.slimfab_read(design, ctypes.c_uint32(offset), ctypes.byref(data))
    if response != 0:
        raise SystemExit(f"register 0x{offset:02x}: got response {response}; expected OKAY")
    return data.value


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
