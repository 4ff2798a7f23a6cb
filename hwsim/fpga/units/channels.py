# SPDX-License-Identifier: Apache-2.0
"""Modules whose constants change from channel to channel: lookup, scale, threshold."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Array, Parameters, Parts, counter, number, style, tree, tree_registers

PART = 17.0  # bits of an operand's part in scale.sv


def lookup(parameters: Parameters) -> Parts:
    """A table per lane, or one for two lanes where block RAM has two ports."""
    lanes, width, address, bank = (number(parameters, name) for name in ("LANES", "OUT_WIDTH", "IN_WIDTH", "BANK"))
    one = np.ones_like(lanes)
    table = memory.rom(width, 2.0**address, bank, style(parameters))
    return Parts(
        lut={"control": one, "tables": lanes * table.lut},
        ff={"control": one, "inputs": lanes * address, "tables": lanes * table.ff},
        bram18=np.ceil(lanes / 2) * table.bram18,
    )


def scale(parameters: Parameters) -> Parts:
    """Products of parts of 17 bits in DSP blocks, or all in LUTs, and their sum with the shift."""
    lanes, blocks, x, s, out = (
        number(parameters, name) for name in ("LANES", "BLOCKS", "IN_WIDTH", "S_WIDTH", "OUT_WIDTH")
    )
    in_dsp = number(parameters, "DSP") > 0
    cut = _parts(x, number(parameters, "IN_SIGNED")) * _parts(s, number(parameters, "S_SIGNED"))
    parts = np.where(in_dsp, cut, 1.0)
    factors = memory.rom(lanes * s, blocks, blocks, style(parameters))
    shifts = memory.rom(lanes * np.minimum(out, x), blocks, blocks, style(parameters))
    narrow, wide = np.minimum(x, s), np.maximum(x, s)
    pairs, in_luts = np.ceil(narrow / 2), np.where(in_dsp, 0.0, 1.0)
    # The sum of one product is made in its DSP block; further parts stand higher by their bits.
    width, one = np.minimum(out, x + s), np.ones_like(lanes)
    return Parts(
        lut={
            "control": one,
            "blocks": counter(blocks),
            "memories": factors.lut + shifts.lut,
            "parts": np.where(in_dsp, lanes * (parts - 1) * np.maximum(width - PART, 1.0), 0.0),
            "pairs": in_luts * lanes * pairs * (wide + 2),
            "pair_sums": in_luts * lanes * tree(pairs, x + s, False),
            "sums": in_luts * lanes * width,
        },
        ff={
            "control": one,
            "blocks": counter(blocks),
            "memories": factors.ff + shifts.ff,
            "inputs": lanes * x,
            "parts": np.where(in_dsp, lanes * (parts - 1) * width, 0.0),
            "pairs": in_luts * lanes * pairs * (wide + 2),
            "pair_sums": in_luts * lanes * tree_registers(pairs, x + s, False),
            "sums": in_luts * lanes * out,
        },
        dsp=np.where(in_dsp, lanes * parts, 0.0),
        bram18=factors.bram18 + shifts.bram18,
    )


def _parts(width: Array, signed: Array) -> Array:
    whole = width + 1 - signed
    return np.where(whole == 1, 1.0, np.floor((whole + PART - 2) / PART))


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
