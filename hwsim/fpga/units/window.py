# SPDX-License-Identifier: Apache-2.0
"""The module sliding_window: a line buffer, and counters that find the windows in it."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Cells, Parameters, bits, number

# LUTs of the counters: in all, per bit of an address, less where rows are powers of two, less without a kernel, more
# for one of more than 4.
CONTROL, PER_ADDRESS_BIT, EVEN_ROWS, ONE_TAP, LARGE = 60.0, 8.5, 25.0, 50.0, 12.0


def sliding_window(parameters: Parameters) -> Cells:
    """Resources of units; see hls/rtl/sliding_window.sv for the parameters."""
    lanes, blocks = number(parameters, "LANES"), number(parameters, "BLOCKS")
    line = number(parameters, "COLUMNS") * blocks
    depth = number(parameters, "BUFFER_ROWS") * line
    word = lanes * number(parameters, "WIDTH")
    lut, block = memory.ram(word, depth, number(parameters, "BANK"))
    taps = number(parameters, "KERNEL_Y") * number(parameters, "KERNEL_X")
    control = CONTROL + PER_ADDRESS_BIT * bits(depth) - ONE_TAP * (taps == 1) + LARGE * (taps > 16)
    return Cells(lut + control - EVEN_ROWS * (np.log2(line) % 1 == 0), np.zeros_like(block), block)
