# SPDX-License-Identifier: Apache-2.0
"""The module sliding_window: a line buffer, and counters that find the windows in it."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Cells, Parameters, bits, number

CONTROL, PER_ADDRESS_BIT = 60.0, 8.5  # LUTs of the counters


def sliding_window(parameters: Parameters) -> Cells:
    """Resources of units; see hls/rtl/sliding_window.sv for the parameters."""
    lanes, blocks = number(parameters, "LANES"), number(parameters, "BLOCKS")
    line = number(parameters, "COLUMNS") * blocks
    depth = number(parameters, "BUFFER_ROWS") * line
    word = lanes * number(parameters, "WIDTH")
    lut, block = memory.ram(word, depth, number(parameters, "BANK"))
    return Cells(lut + CONTROL + PER_ADDRESS_BIT * bits(depth), np.zeros_like(block), block)
