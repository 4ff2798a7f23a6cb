# SPDX-License-Identifier: Apache-2.0
"""LUTs, DSP blocks and block RAM of the SystemVerilog units of ``hls/rtl``, as yosys maps them to a 7-series device.

A function per module, of the module's parameters by name (``Unit.parameters``): numbers, or arrays of shape (units,)
for many units at once. `benchmarks/template_resources.py` synthesises units and compares.

    memory.py    memories in LUTs and block RAM, and which of both
    matrix.py    matrix_vector
    window.py    sliding_window
    streams.py   fifo, cast, add, stream_fork, width_converter, max_pool
    channels.py  lookup, scale, threshold, argmax, accumulate, concat, pad, upsample
"""

from collections.abc import Callable, Mapping

from hwsim.fpga.units import channels, matrix, streams, window
from hwsim.fpga.units.cells import Cells, Parameters

#: By module: its resources.
RESOURCES: Mapping[str, Callable[[Parameters], Cells]] = {
    "accumulate": channels.accumulate,
    "add": streams.add,
    "argmax": channels.argmax,
    "cast": streams.cast,
    "concat": channels.concat,
    "fifo": streams.fifo,
    "lookup": channels.lookup,
    "matrix_vector": matrix.matrix_vector,
    "max_pool": streams.max_pool,
    "pad": channels.pad,
    "scale": channels.scale,
    "sliding_window": window.sliding_window,
    "stream_fork": streams.stream_fork,
    "threshold": channels.threshold,
    "upsample": channels.upsample,
    "width_converter": streams.width_converter,
}

__all__ = ["RESOURCES", "Cells", "Parameters"]
