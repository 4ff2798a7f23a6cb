# SPDX-License-Identifier: Apache-2.0
"""Runs a compiled C simulation over a range of images, in a process of its own.

Generated C++ contains asserts, which would take the caller with them. Started as a script with one argument, a JSON
job; imports nothing of ours, so that it starts fast. Weights are read from ``weights/`` in the current folder.

Job: ``library`` path, ``function`` name, ``inputs`` and ``results`` npy files of float64 (N, elements), ``start`` and
``stop`` rows, ``output_size`` elements, ``trace`` [[node name, elements], …] (empty: results are the outputs;
otherwise results are the traced nodes one after the other), ``progress`` file descriptor that gets a byte per image.
"""

import ctypes
import json
import os
import sys
from typing import Any

import numpy as np


class _TraceData(ctypes.Structure):
    """``struct trace_data`` of hls4ml's myproject_bridge.cpp."""

    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.POINTER(ctypes.c_double))]


def main(job: dict[str, Any]) -> None:
    """Run the job."""
    library = ctypes.CDLL(job["library"])
    pointer = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
    top = getattr(library, job["function"])
    top.restype, top.argtypes = None, [pointer, pointer]
    inputs = np.load(job["inputs"], mmap_mode="r")
    results = np.load(job["results"], mmap_mode="r+")
    sizes = dict(job["trace"])
    if sizes:
        library.allocate_trace_storage(ctypes.c_size_t(8))  # float64
    output = np.zeros(job["output_size"])
    for row in range(job["start"], job["stop"]):
        top(np.ascontiguousarray(inputs[row]), output)
        results[row] = np.concatenate(_collect(library, sizes)) if sizes else output
        os.write(job["progress"], b".")
    results.flush()


def _collect(library: ctypes.CDLL, sizes: dict[str, int]) -> list[Any]:
    """The traced nodes of the last image in the order of ``sizes``."""
    found = (_TraceData * len(sizes))()
    library.collect_trace_output(found)
    by_name = {item.name.decode(): item.data for item in found}
    return [np.ctypeslib.as_array(by_name[name], shape=(size,)).copy() for name, size in sizes.items()]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
