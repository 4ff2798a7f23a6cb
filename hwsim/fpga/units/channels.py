# SPDX-License-Identifier: Apache-2.0
"""Modules whose constants change from channel to channel: lookup, threshold; scale.py has another."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Parameters, Parts, counter, number, style, tree, tree_registers


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
