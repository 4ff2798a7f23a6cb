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


def main(job: dict[str, Any]) -> None:
    """Stream the beats of ``inputs.npy`` through the library and write ``results.npz`` into the job's folder."""
    folder = Path(job["folder"])
    beats = np.ascontiguousarray(np.load(folder / "inputs.npy"))
    count = int(job["beats_out"])
    out = np.zeros((count, int(job["bytes_out"])), dtype=np.uint8)
    in_cycle, out_cycle = np.zeros(len(beats), dtype=np.uint64), np.zeros(count, dtype=np.uint64)
    last = np.zeros(count, dtype=np.uint8)
    run = ctypes.CDLL(job["library"]).slimfab_run
    run.restype = ctypes.c_uint64
    array, number, word = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32
    run.argtypes = [array, number, number, array, array, number, number, array, array, word, word, word, number]
    given = run(
        beats.ctypes.data, len(beats), beats.shape[1], in_cycle.ctypes.data,
        out.ctypes.data, count, out.shape[1], out_cycle.ctypes.data,
        last.ctypes.data, job["idle"], job["stall"], job["seed"], job["patience"],
    )  # fmt: skip
    np.savez(folder / "results.npz", out=out[:given], in_cycle=in_cycle, out_cycle=out_cycle[:given], last=last[:given])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
