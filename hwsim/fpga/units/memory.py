# SPDX-License-Identifier: Apache-2.0
"""Memories on 7 series as yosys maps them: the cheaper of LUTs and block RAM (memory_libmap).

Costs are yosys's (techlibs/xilinx/brams_xc4v.txt, lutrams_xc5v.txt, synth_xilinx): 129 for an 18-kbit block, 8 for a
LUT RAM of four LUTs, 1/64 per bit of a read-only memory in LUTs. A LUT RAM holds 32 words of 6 bits or 64 of 3 (UG474).
"""

import numpy as np
import numpy.typing as npt

from hwsim.fpga.resources import blocks_of_one_shape
from hwsim.fpga.units.cells import Array

BLOCK_COST, LUT_RAM_COST, ROM_BITS_PER_COST = 129.0, 8.0, 64.0
LUTS_PER_LUT_RAM = 4.0


def rom(width: Array, depth: Array, bank: Array, style: npt.NDArray[np.str_]) -> tuple[Array, Array]:
    """LUTs and blocks of the module ``rom``; banks stand side by side, a multiplexer behind them.

    Args:
        style: "auto", "block" or "luts" of every memory, with or without quotes.
    """
    banks = np.ceil(depth / bank)
    lines = np.where(banks > 1, bank, depth)
    total = banks * width
    # Of few words, some bits are the same in all of them, and no memory.
    kept = np.minimum(total, np.floor(total * (1 - 2.0 ** (1 - np.minimum(lines, 60.0)))) + 1)
    in_block = blocks_of_one_shape(kept, lines)
    plain = np.char.strip(style, '"')
    cheap = total * lines / ROM_BITS_PER_COST <= BLOCK_COST * in_block
    in_luts = (plain == "luts") | ((plain != "block") & cheap)
    choice = np.where(banks > 1, width * multiplexer(banks), 0.0)
    return np.where(in_luts, constants(total, lines), 0.0) + choice, np.where(in_luts, 0.0, in_block)


def constants(width: Array, depth: Array) -> Array:
    """LUTs of ``width`` functions of an address: one per 64 words; few words have few different functions."""
    address = np.ceil(np.log2(np.maximum(depth, 1.0)))
    functions = 2.0 ** np.minimum(2.0 ** np.minimum(address, 6.0), 60.0) / 2
    different = functions * -np.expm1(width * np.log1p(-1 / np.maximum(functions, 1.001)))
    small = np.where(depth <= 2, 0.0, np.minimum(width, different))
    return np.where(address > 6, width * np.ceil(depth / 64) * 1.0, small)


def ram(width: Array, depth: Array, bank: Array) -> tuple[Array, Array]:
    """LUTs and blocks of the module ``ram``: one write and one read port; banks are memories of their own."""
    whole = np.floor(depth / bank)
    rest = depth - whole * bank
    full, part = single_bank(width, np.minimum(bank, depth)), single_bank(width, np.maximum(rest, 1.0))
    banks = np.ceil(depth / bank)
    single = depth <= bank
    lut, block = (
        np.where(single, all_, whole * all_ + np.where(rest > 0, left, 0.0))
        for all_, left in zip(full, part, strict=True)
    )
    return lut + np.where(banks > 1, width * multiplexer(banks), 0.0), block


def single_bank(width: Array, depth: Array) -> tuple[Array, Array]:
    """LUTs and blocks of a memory with a write and a read port, in whichever costs less."""
    per_cell = np.where(depth <= 32, 6.0, 3.0)
    cells = np.ceil(width / per_cell) * np.ceil(depth / 64)
    in_block = blocks_of_one_shape(width, depth)
    ways = np.ceil(depth / 64)
    choice = np.where(ways > 2, width * multiplexer(ways), 0.0)  # of two goes into the LUTs behind
    in_luts = LUT_RAM_COST * cells + choice < BLOCK_COST * in_block
    return np.where(in_luts, LUTS_PER_LUT_RAM * cells + choice, 0.0), np.where(in_luts, 0.0, in_block)


def one_port(width: Array, depth: Array) -> tuple[Array, Array]:
    """LUTs and blocks of a memory that reads and writes at one address: 32 words of 8 bits to a LUT RAM, or 64 of 4."""
    per_cell = np.select([depth <= 32, depth <= 64, depth <= 128], [8.0, 4.0, 2.0], 1.0)
    cells = np.ceil(width / per_cell) * np.ceil(depth / 256)
    in_block = blocks_of_one_shape(width, depth)
    in_luts = LUT_RAM_COST * cells < BLOCK_COST * in_block
    return np.where(in_luts, LUTS_PER_LUT_RAM * cells, 0.0), np.where(in_luts, 0.0, in_block)


def multiplexer(ways: Array) -> Array:
    """LUTs per bit of a choice by a variable index; yosys takes one for every two further ways."""
    return np.where(ways <= 2, ways - 1, (np.maximum(ways, 1.0) - 1) / 2)
