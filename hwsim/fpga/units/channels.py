# SPDX-License-Identifier: Apache-2.0
"""Modules that work channel by channel, or move images.

lookup, scale, threshold, argmax, accumulate, concat, pad, upsample. A comparison of two values takes 0.87 LUTs per bit
in yosys's netlists, one with thresholds 0.7.
"""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Array, Cells, Parameters, bits, number, tree

COMPARE, COMPARE_THRESHOLD = 0.87, 0.7
PART = 17.0  # bits of an operand's part in scale.sv


def lookup(parameters: Parameters) -> Cells:
    """A table per lane, or one for two lanes where block RAM has two ports."""
    lanes, width, address, bank = (number(parameters, name) for name in ("LANES", "OUT_WIDTH", "IN_WIDTH", "BANK"))
    depth = 2.0**address
    style = np.atleast_1d(np.asarray(parameters["MEMORY"], dtype=np.str_))
    lut, block = memory.rom(width, depth, bank, style)
    return Cells(lanes * lut + 2, np.zeros_like(lut), np.ceil(lanes / 2) * block)


def scale(parameters: Parameters) -> Cells:
    """Products of parts of 17 bits in DSP blocks, or all in LUTs, and their sum with the shift."""
    lanes, blocks, x, s, out = (
        number(parameters, name) for name in ("LANES", "BLOCKS", "IN_WIDTH", "S_WIDTH", "OUT_WIDTH")
    )
    in_dsp = number(parameters, "DSP") > 0
    parts = np.where(
        in_dsp, _parts(x, number(parameters, "IN_SIGNED")) * _parts(s, number(parameters, "S_SIGNED")), 1.0
    )
    style = np.atleast_1d(np.asarray(parameters["MEMORY"], dtype=np.str_))
    memories = [memory.rom(lanes * width, blocks, blocks, style) for width in (s, np.minimum(out, x))]
    narrow, wide = np.minimum(x, s), np.maximum(x, s)
    product = 1.4 * np.ceil(narrow / 2) * (wide + 2) + tree(np.ceil(narrow / 2), x + s, False)
    # The sum of one product is made in its DSP block; further parts stand higher by their bits.
    width = np.minimum(out, x + s)
    sums = np.where(in_dsp, (parts - 1) * np.maximum(width - PART, 1.0), width)
    lut = lanes * (sums + np.where(in_dsp, 0.0, product)) + sum(each[0] for each in memories) + 2 * bits(blocks) + 4
    return Cells(lut, np.where(in_dsp, lanes * parts, 0.0), np.asarray(sum(each[1] for each in memories)))


def _parts(width: Array, signed: Array) -> Array:
    whole = width + 1 - signed
    return np.where(whole == 1, 1.0, np.floor((whole + PART - 2) / PART))


def threshold(parameters: Parameters) -> Cells:
    """Thresholds of all steps, a comparison with each, a count, and its product with a slope."""
    lanes, blocks, steps, x, s, out = (
        number(parameters, name) for name in ("LANES", "BLOCKS", "STEPS", "IN_WIDTH", "S_WIDTH", "OUT_WIDTH")
    )
    style = np.atleast_1d(np.asarray(parameters["MEMORY"], dtype=np.str_))
    widths = (lanes * steps * x, lanes * s, lanes * out)
    memories = [memory.rom(width, blocks, blocks, style) for width in widths]
    each = (
        steps * COMPARE_THRESHOLD * x + tree(steps, np.ones_like(steps), True) + tree(bits(steps + 1) + 1, out, False)
    )
    lut = lanes * each + sum(one[0] for one in memories) + bits(blocks) + 4
    return Cells(lut, np.zeros_like(lut), np.asarray(sum(one[1] for one in memories)))


def argmax(parameters: Parameters) -> Cells:
    """A tree of comparisons and choices, and a comparison with the best so far."""
    lanes, x, out = (number(parameters, name) for name in ("LANES", "IN_WIDTH", "OUT_WIDTH"))
    return _luts(lanes * COMPARE * x + (lanes - 1) * x + 2 * out)


def accumulate(parameters: Parameters) -> Cells:
    """An adder per lane, and sums of several blocks in a memory."""
    blocks = number(parameters, "BLOCKS")
    word = number(parameters, "LANES") * number(parameters, "ACC_WIDTH")
    lut, block = memory.ram(word, blocks, number(parameters, "BANK"))
    stored = blocks > FEW
    control = bits(number(parameters, "PIXELS")) + np.where(stored, 3.0, 1.0) * bits(blocks)
    return Cells(word + np.where(stored, lut, 0.0) + control, np.zeros_like(word), np.where(stored, block, 0.0))


FEW = 3  # blocks whose sums stay in registers (hls/rtl/accumulate.sv)


def concat(parameters: Parameters) -> Cells:
    """A choice of a stream."""
    count, width, most = (number(parameters, name) for name in ("COUNT", "WIDTH", "MOST"))
    return _luts(width * np.ceil(count / 4) + 2 * bits(most) + 2 * count)


def pad(parameters: Parameters) -> Cells:
    """Counters of rows, columns and blocks."""
    rows, columns = number(parameters, "ROWS"), number(parameters, "COLUMNS")
    return _luts(bits(rows + 2) + bits(columns + 2) + bits(number(parameters, "BLOCKS")) + 10)


def upsample(parameters: Parameters) -> Cells:
    """A row in memory, and counters."""
    width, blocks, columns = (number(parameters, name) for name in ("WIDTH", "BLOCKS", "COLUMNS"))
    depth = np.where(number(parameters, "FACTOR_Y") > 1, columns * blocks, blocks)
    lut, block = memory.one_port(width, depth)
    return Cells(lut + width + 3.3 * bits(depth) + 10, np.zeros_like(width), block)


def _luts(count: Array) -> Cells:
    return Cells(count, np.zeros_like(count), np.zeros_like(count))
