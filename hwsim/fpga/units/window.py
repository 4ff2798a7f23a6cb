# SPDX-License-Identifier: Apache-2.0
"""The module sliding_window: a line buffer, and counters that find the windows in it."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Parameters, Parts, bits, counter, number


def sliding_window(parameters: Parameters) -> Parts:
    """Resources of units; see hls/rtl/sliding_window.sv for the parameters."""
    (blocks, rows, columns, kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x, top, out_rows, out_columns,
     buffer_rows, groups) = (
        number(parameters, name)
        for name in ("BLOCKS", "ROWS", "COLUMNS", "KERNEL_Y", "KERNEL_X", "STRIDE_Y", "STRIDE_X", "DILATION_Y",
                     "DILATION_X", "PAD_TOP", "OUT_ROWS", "OUT_COLUMNS", "BUFFER_ROWS", "GROUPS")
    )  # fmt: skip
    line = columns * blocks
    word, depth = number(parameters, "LANES") * number(parameters, "WIDTH"), buffer_rows * line
    lines = memory.ram(word, depth, number(parameters, "BANK"))
    extent = dilation_y * (kernel_y - 1) + 1
    row = bits(np.maximum((out_rows - 1) * stride_y + extent, top + rows) + 1)
    phase = np.where(stride_y > 1, bits(stride_y + 1), 0.0)
    reading = sum(counter(count) for count in (out_rows, out_columns, groups, kernel_y, kernel_x, blocks / groups))
    right = (out_columns - 1) * stride_x * blocks + (kernel_x - 1) * dilation_x * blocks + blocks - 1
    column = bits(np.maximum(right, line) + 1) + 1
    address, slots = bits(depth), bits(buffer_rows + 1)
    return Parts(
        lut={
            "control": np.ones_like(line),
            "counters": np.asarray(row + phase + counter(line + 1) + reading),
            "addresses": address,
            "uneven": np.where(np.log2(line) % 1 > 0, address, 0.0),
            "column": column,
            "place": row,
            "slots": slots,
            "kernel": counter(kernel_y) + counter(kernel_x),
            "choice": lines.lut,
        },
        ff={
            "control": np.ones_like(line),
            "counters": np.asarray(row + phase + counter(line + 1) + reading),
            "addresses": 4 * address + column + row + 1,
            "slots": 3 * slots + 1,
            "result": word,
            "lines": lines.ff,
        },
        # Two flags of the way out stand in shift registers, and where there are banks their choice.
        lutram=lines.lutram + 1 + np.where(depth > number(parameters, "BANK"), 3.0, 0.0),
        bram18=lines.bram18,
    )
