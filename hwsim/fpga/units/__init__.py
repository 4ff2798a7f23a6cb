# SPDX-License-Identifier: Apache-2.0
"""LUTs, flip-flops, DSP blocks and block RAM of the units of ``hls/rtl``, as yosys maps them to a 7-series device.

A function per module, of the module's parameters by name (``Unit.parameters``): numbers, or arrays of shape (units,)
for many units at once. Formulas count what the source says; constants say how often each part of it counts
(constants.py, written by ``benchmarks/template_resources.py --fit``). Modules that stand inside others – memories,
adder trees, multipliers, bus and monitor – are counted there.

    cells.py        what is counted, counters and adder trees
    memory.py       memories in LUTs and block RAM, and which of both
    matrix.py       matrix_vector, sparse_matrix_vector
    window.py       sliding_window
    streams.py      fifo, stream_fork, width_converter, concat, pad, upsample, frame_last
    arithmetic.py   cast, add, max_pool, argmax, accumulate, divide
    products.py     products in LUTs, and by constants of few words
    scale.py        scale
    channels.py     lookup, threshold
    outside.py      control
"""

from collections.abc import Callable, Mapping

import numpy as np

from hwsim.fpga.linear import evaluate
from hwsim.fpga.units import arithmetic, channels, matrix, outside, scale, streams, window
from hwsim.fpga.units.cells import Array, Cells, Parameters, Parts
from hwsim.fpga.units.constants import FF, LUT

#: By module: what its cells are counted from.
PARTS: Mapping[str, Callable[[Parameters], Parts]] = {
    "accumulate": arithmetic.accumulate,
    "add": arithmetic.add,
    "argmax": arithmetic.argmax,
    "cast": arithmetic.cast,
    "concat": streams.concat,
    "control": outside.control,
    "divide": arithmetic.divide,
    "fifo": streams.fifo,
    "frame_last": streams.frame_last,
    "lookup": channels.lookup,
    "matrix_vector": matrix.matrix_vector,
    "max_pool": arithmetic.max_pool,
    "pad": streams.pad,
    "scale": scale.scale,
    "sliding_window": window.sliding_window,
    "sparse_matrix_vector": matrix.sparse_matrix_vector,
    "stream_fork": streams.stream_fork,
    "threshold": channels.threshold,
    "upsample": streams.upsample,
    "width_converter": streams.width_converter,
}


def resources(module: str, parameters: Parameters) -> Cells:
    """Cells of units of one module, (units,)."""
    parts = PARTS[module](parameters)
    lut, ff = evaluate(parts.lut, LUT[module]), evaluate(parts.ff, FF[module])
    lutram, dsp, bram18 = (np.broadcast_to(np.asarray(count, np.float64), lut.shape)
                           for count in (parts.lutram, parts.dsp, parts.bram18))  # fmt: skip
    return Cells(lut + lutram, lutram, ff, dsp, bram18)


__all__ = ["PARTS", "Array", "Cells", "Parameters", "Parts", "resources"]
