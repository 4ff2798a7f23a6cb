# SPDX-License-Identifier: Apache-2.0
"""Modules whose constants change from channel to channel: lookup, scale, threshold."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Array, Parameters, Parts, counter, number, style, tree, tree_registers
from hwsim.fpga.units.matrix import LEAST_OPERAND, LEAST_PRODUCT

PART = 17.0  # bits of an operand's part in scale.sv


def lookup(parameters: Parameters) -> Parts:
    """A table per lane, or one for two lanes where block RAM has two ports."""
    lanes, width, address, bank = (number(parameters, name) for name in ("LANES", "OUT_WIDTH", "IN_WIDTH", "BANK"))
    one = np.ones_like(lanes)
    where = style(parameters)
    table = memory.rom(width, 2.0**address, bank, where, two_ports=(lanes > 1) & (where != "luts"))
    return Parts(
        lut={"control": one, "tables": lanes * table.lut},
        ff={"control": 3 * one, "inputs": lanes * address, "tables": lanes * table.ff},
        bram18=np.ceil(lanes / 2) * table.bram18,
    )


def scale(parameters: Parameters) -> Parts:
    """Products of parts of 17 bits in DSP blocks, or all in LUTs, and their sum with the shift.

    SHIFT_BITS, which is no parameter of hls/rtl/scale.sv, says how many bits of shifts differ.
    """
    lanes, blocks, x, s, out = (
        number(parameters, name) for name in ("LANES", "BLOCKS", "IN_WIDTH", "S_WIDTH", "OUT_WIDTH")
    )
    in_dsp = number(parameters, "DSP") > 0
    parts = _parts(x, number(parameters, "IN_SIGNED")), _parts(s, number(parameters, "S_SIGNED"))
    told = number(parameters, "SHIFT_BITS") if "SHIFT_BITS" in parameters else x
    factors = memory.rom(lanes * s, blocks, blocks, style(parameters))
    shifts = memory.rom(lanes * np.minimum(out, told), blocks, blocks, style(parameters))
    narrow, wide = np.minimum(x, s), np.maximum(x, s)
    pairs, in_luts, one = np.ceil(narrow / 2), np.where(in_dsp, 0.0, lanes), np.ones_like(lanes)
    several, width = np.where(blocks > 1, 1.0, 0.0), np.minimum(out, x + s)
    count = parts[0] * parts[1]
    further = np.where(in_dsp & (count > 1), lanes, 0.0)
    return Parts(
        lut={
            "control": one,
            "blocks": counter(blocks),
            "memories": factors.lut + shifts.lut,
            "parts": further * tree(count + 1, width, False),
            "pairs": several * in_luts * pairs * (wide + 2),
            "constant": (1 - several) * in_luts * pairs * (wide + 2),
            "pair_sums": in_luts * tree(pairs, x + s, False),
            "sums": in_luts * width,
        },
        ff={
            "control": 4 * one,
            "blocks": counter(blocks),
            # A DSP block has the last register of its factor and of what it adds, and both of x.
            "factors": np.where(in_dsp, factors.ff / 2, factors.ff),
            "shifts": np.where(in_dsp, shifts.ff / 2, shifts.ff),
            "inputs": in_luts * x,
            "parts": further * tree_registers(count + 1, width, False),
            "pairs": in_luts * pairs * (wide + 2),
            "pair_sums": in_luts * tree_registers(pairs, x + s, False),
            "sums": in_luts * out,
        },
        dsp=np.where(in_dsp, lanes * _blocks(x, s, *parts), 0.0),
        bram18=factors.bram18 + shifts.bram18,
    )


def _parts(width: Array, signed: Array) -> Array:
    whole = width + 1 - signed
    return np.where(whole == 1, 1.0, np.floor((whole + PART - 2) / PART))


def _blocks(x: Array, s: Array, x_parts: Array, s_parts: Array) -> Array:
    """DSP blocks of a product in parts; those of the last two parts may be too small for one (see matrix.py)."""
    last_x, last_s = x - PART * (x_parts - 1), s - PART * (s_parts - 1)
    small = (np.minimum(last_x, last_s) < LEAST_OPERAND) | (last_x + last_s < LEAST_PRODUCT)
    return np.asarray(x_parts * s_parts - np.where(small, 1.0, 0.0))


def threshold(parameters: Parameters) -> Parts:
    """Thresholds of all steps, a comparison with each, a count, and its product with a slope."""
    lanes, blocks, steps, x, s, out = (
        number(parameters, name) for name in ("LANES", "BLOCKS", "STEPS", "IN_WIDTH", "S_WIDTH", "OUT_WIDTH")
    )
    widths = (lanes * steps * (x + 1), lanes * s, lanes * out)
    kinds = style(parameters)
    heights, slopes, starts = (memory.rom(width, blocks, blocks, kinds) for width in widths)
    one, count = np.ones_like(lanes), np.ceil(np.log2(steps + 1))
    several = np.where(blocks > 1, 1.0, 0.0)
    return Parts(
        lut={
            "control": one,
            "blocks": counter(blocks),
            "memories": heights.lut + slopes.lut + starts.lut,
            "compare": several * lanes * steps * x,
            "comparisons": several * lanes * steps,
            "constant": (1 - several) * lanes * steps * x,
            "count": lanes * tree(steps, one, True),
            "sums": lanes * tree(count + 1, out, False),
        },
        ff={
            "control": one,
            "blocks": counter(blocks),
            "heights": heights.ff,
            "memories": slopes.ff + starts.ff,
            "inputs": lanes * x,
            "reached": lanes * steps,
            "count": lanes * tree_registers(steps, one, True),
            "sums": lanes * out,
            "flags": np.ceil(np.log2(steps)) + np.ceil(np.log2(count + 1)),
        },
        bram18=heights.bram18 + slopes.bram18 + starts.bram18,
    )
