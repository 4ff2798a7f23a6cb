# SPDX-License-Identifier: Apache-2.0
"""Small modules between layers: fifo, cast, add, stream_fork, width_converter, max_pool."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Array, Cells, Parameters, bits, number

FEW = 32  # words a FIFO keeps in LUT RAM (hls/rtl/fifo.sv)
SHORT = 4  # words of the FIFO behind a memory (hls/rtl/fifo_memory.sv)


def fifo(parameters: Parameters) -> Cells:
    """A word in front, a second one or a LUT RAM behind it; above 32 words block RAM and a short FIFO."""
    width, depth = number(parameters, "WIDTH"), number(parameters, "DEPTH")
    return Cells(
        _fifo_lut(width, depth), np.zeros_like(width), np.where(depth > FEW, memory.single_bank(width, depth)[1], 0.0)
    )


def _fifo_lut(width: Array, depth: Array) -> Array:
    """The choice in front of every register; behind a memory three of them, and four counters."""
    places = np.where(depth > FEW, SHORT, depth) - 1
    ring = np.where(places > 1, memory.LUTS_PER_LUT_RAM * np.ceil(width / 6), 0.0)
    pointers = np.where(places > 1, 5 * bits(places) + 8, 4.0)
    many = memory.single_bank(width, depth)[0] + 2 * width + 3.25 * bits(depth) + 26
    return width + ring + pointers + np.where(depth > FEW, many, 0.0)


def stream_fork(parameters: Parameters) -> Cells:
    """Who has taken a beat already."""
    count = number(parameters, "COUNT")
    return _luts(3 * count - 1)


def width_converter(parameters: Parameters) -> Cells:
    """A shift register, loaded in parallel where words become shorter."""
    width, lanes_in, lanes_out = (number(parameters, name) for name in ("WIDTH", "IN_LANES", "OUT_LANES"))
    ratio = np.maximum(lanes_in, lanes_out) / np.minimum(lanes_in, lanes_out)
    narrows = lanes_in > lanes_out
    shifted = np.where(narrows, (lanes_in - lanes_out) * width, 0.0)
    return _luts(np.where(ratio > 1, shifted + bits(ratio) + 2, 0.0))


def add(parameters: Parameters) -> Cells:
    """Adder trees, one per lane."""
    count, lanes, width = (number(parameters, name) for name in ("COUNT", "LANES", "WIDTH"))
    return _luts(lanes * (count - 1) * width + bits(count) + count)


def cast(parameters: Parameters) -> Cells:
    """Per lane a choice between value and bounds, what decides ties, and inverters of the comparison with the bound.

    The sum of rounding takes carry cells alone.
    """
    lanes, width, out, right = (number(parameters, name) for name in ("LANES", "WIDTH", "OUT_WIDTH", "RIGHT"))
    rounds = (number(parameters, "ROUNDING") > 0) & (right > 0)
    even = (number(parameters, "ROUNDING") == 2) & (right > 1)
    saturates = number(parameters, "HAS_LOW") + number(parameters, "HAS_HIGH") > 0
    clipped = np.where(saturates, out + np.maximum(width + 2 - out, 0.0), 0.0)
    return _luts(lanes * (clipped + np.where(even, np.ceil((right - 1) / 5), 0.0) + rounds) + 4)


def max_pool(parameters: Parameters) -> Cells:
    """A comparison per lane."""
    lanes, width, taps = (number(parameters, name) for name in ("LANES", "WIDTH", "TAPS"))
    return _luts(np.round(lanes * 0.87 * width) + bits(taps) + 3)


def _luts(count: Array) -> Cells:
    return Cells(count, np.zeros_like(count), np.zeros_like(count))
