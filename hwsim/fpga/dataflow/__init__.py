# SPDX-License-Identifier: Apache-2.0
"""Exact cycles of the SystemVerilog units of ``hls/rtl``, one function per unit.

All functions answer for a unit whose input is always valid and whose output is always taken. The contract tests of
``hls/templates`` compare every one with RTL simulation by ``==``.
"""

from hwsim.fpga.dataflow.matrix import matrix_vector
from hwsim.fpga.dataflow.pointwise import argmax, lookup, scale, threshold
from hwsim.fpga.dataflow.pool import Division, accumulate, divide, max_pool
from hwsim.fpga.dataflow.shape import concat, pad, upsample
from hwsim.fpga.dataflow.sparse import sparse_matrix_vector
from hwsim.fpga.dataflow.streams import (
    MIN_DEPTH,
    add,
    cast,
    conversion_steps,
    fifo,
    is_identity,
    stream_fork,
    width_converter,
)
from hwsim.fpga.dataflow.timing import Timing
from hwsim.fpga.dataflow.unrolled import unrolled
from hwsim.fpga.dataflow.window import Window, sliding_window, smallest_buffer

__all__ = [
    "MIN_DEPTH",
    "Division",
    "Timing",
    "Window",
    "accumulate",
    "add",
    "argmax",
    "cast",
    "concat",
    "conversion_steps",
    "divide",
    "fifo",
    "is_identity",
    "lookup",
    "matrix_vector",
    "max_pool",
    "pad",
    "scale",
    "sliding_window",
    "smallest_buffer",
    "sparse_matrix_vector",
    "stream_fork",
    "threshold",
    "unrolled",
    "upsample",
    "width_converter",
]
