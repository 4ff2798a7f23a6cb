# SPDX-License-Identifier: Apache-2.0
"""Memories on 7 series as yosys maps them: the cheaper of LUTs and block RAM (memory_libmap).

Costs are yosys's (techlibs/xilinx/brams_xc4v.txt, lutrams_xc5v.txt, synth_xilinx): 129 for an 18-kbit block, 8 for a
LUT RAM of four LUTs, 1/64 per bit of a read-only memory in LUTs. A LUT RAM holds 32 words of 6 bits or 64 of 3 (UG474).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hwsim.fpga.resources import BLOCK_SHAPES, blocks_of_one_shape
from hwsim.fpga.units.cells import Array, bits, counter

BLOCK_COST, LUT_RAM_COST, ROM_BITS_PER_COST = 129.0, 8.0, 64.0
LUTS_PER_LUT_RAM = 4.0
SPARE = 16  # one block more for as many is a fair price for fewer banks of the module rom
PAGE = 64.0  # words of a function of an address in one LUT
LUT_INPUTS = 6.0
OR_INPUTS = 3.2  # counted in ROMs of 7 to 49 banks, yosys 0.70
BYTE = 9.0  # bits that are written together at least, of words wider than that


@dataclass(frozen=True, eq=False)
class Memory:
    """LUTs of constants and choices, LUT RAM, block RAM and registers, (units,)."""

    lut: Array
    lutram: Array
    bram18: Array
    ff: Array


def rom(
    width: Array,
    depth: Array,
    bank: Array,
    style: npt.NDArray[np.str_],
    third: bool = False,
    two_ports: npt.NDArray[np.bool_] | bool = False,
) -> Memory:
    """The module ``rom`` with its registers; banks stand side by side, an OR of their words behind them.

    Args:
        style: "auto", "block" or "luts" of every memory.
        third: a third register, behind the choice between banks or else of the address.
        two_ports: one of the two ports of a table in the module ``lookup``, with a multiplexer for the OR.
    """
    banks = np.ceil(depth / bank)
    lines = np.where(banks > 1, bank, depth)
    total = banks * width
    # Of few words, some bits are the same in all of them, and no memory.
    kept = np.minimum(total, np.floor(total * (1 - 2.0 ** (1 - np.minimum(lines, 60.0)))) + 1)
    in_block = blocks_of_one_shape(kept, lines)
    cheap = total * lines / ROM_BITS_PER_COST <= BLOCK_COST * in_block
    in_luts = (style == "luts") | ((style != "block") & cheap) | (lines <= 1)  # one word is no memory
    several = banks > 1
    held = different(total, lines)
    last = np.where(several, width, counter(lines)) if third else 0.0
    # The second register of a bank becomes zero where another bank is asked for, unless a multiplexer chooses.
    choice = np.where(two_ports, width * multiplexer(banks), width * any_of(banks) + banks)
    chosen = np.where(two_ports, 2.0, 1.0) * bits(banks)
    return Memory(
        lut=np.where(in_luts, constants(total, lines), 0.0) + np.where(several, choice, 0.0),
        lutram=np.zeros_like(total),
        bram18=np.where(in_luts, 0.0, in_block),
        ff=np.where(in_luts, 2 * held, total) + np.where(several, chosen, 0.0) + last,
    )


def different(width: Array, lines: Array) -> Array:
    """How many of ``width`` random functions of as many words differ, and are not the same for all words."""
    functions = np.maximum(2.0 ** np.minimum(lines, 60.0) - 2, 0.0)
    share = -np.expm1(width * np.log1p(-1 / np.maximum(functions + 2, 1.001)))
    return np.where(lines > 1, np.minimum(width, functions * share), 0.0)


def constants(width: Array, depth: Array) -> Array:
    """LUTs of ``width`` functions of an address: one per 64 words; few words have few different functions.

    A 7-series slice joins two or four LUTs by multiplexers of its own (UG474, F7AMUX and F8MUX); of more than 256
    words, yosys chooses between pages of 64 in LUTs of four inputs each.
    """
    address = np.ceil(np.log2(np.clip(depth, 1.0, PAGE)))
    functions = 2.0 ** np.minimum(2.0**address, 60.0) / 2
    distinct = functions * -np.expm1(width * np.log1p(-1 / np.maximum(functions, 1.001)))
    # Neither the bits of the address nor the same bit for all words take a LUT.
    small = np.where(depth <= 2, 0.0, np.minimum(width, distinct) * (1 - (1 + address) / functions))
    pages = np.ceil(depth / PAGE)
    joined = 2.0 ** np.ceil(np.log2(np.maximum(pages, 1.0)))
    return np.where(pages > 1, width * np.where(pages <= 4, joined, pages + (pages - 1) / 3), small)


def ram(width: Array, depth: Array, bank: Array, one_address: bool = False) -> Memory:
    """The module ``ram`` with both registers; banks are memories of their own.

    Args:
        one_address: it is written where it is read, which yosys makes one port of.
    """
    kind = shared_bank if one_address else single_bank
    whole = np.floor(depth / bank)
    rest = depth - whole * bank
    full, part = kind(width, np.minimum(bank, depth)), kind(width, np.maximum(rest, 1.0))
    banks = np.ceil(depth / bank)
    single, left = depth <= bank, rest > 0

    def sum_of(name: str) -> Array:
        one, last = getattr(full, name), getattr(part, name)
        return np.asarray(np.where(single, one, whole * one + np.where(left, last, 0.0)), dtype=np.float64)

    choice = np.where(banks > 1, width * multiplexer(banks), 0.0)
    ff = sum_of("ff") + banks * width + np.where(banks > 1, 2 * bits(banks), 0.0)
    return Memory(sum_of("lut") + choice, sum_of("lutram"), sum_of("bram18"), ff)


def single_bank(width: Array, depth: Array) -> Memory:
    """A memory with a write and a registered read port, in whichever costs less; one word is a register."""
    rows = [np.ceil(depth / 32), np.ceil(depth / 64)]
    cells = [np.ceil(width / 6) * rows[0], np.ceil(width / 3) * rows[1]]
    costs = [LUT_RAM_COST * count + width * (ways - 1) / 2 for count, ways in zip(cells, rows, strict=True)]
    short = costs[0] < costs[1]
    ways, count, cost = (np.where(short, few, many) for few, many in (rows, cells, costs))
    in_block = written_blocks(width, depth)
    word = depth <= 1
    in_luts = ~word & (cost < BLOCK_COST * in_block)
    in_blocks = ~word & ~in_luts
    return Memory(
        lut=np.where(in_luts, width * multiplexer(ways), 0.0),
        lutram=np.where(in_luts, LUTS_PER_LUT_RAM * count, 0.0),
        bram18=np.where(in_blocks, in_block, 0.0),
        ff=np.where(in_blocks, 0.0, width * np.where(word, 2.0, 1.0)),
    )


def written_blocks(width: Array, depth: Array) -> Array:
    """The fewest blocks of one shape where several words stand side by side in a line, written byte by byte."""
    found = []
    for words, bits_ in BLOCK_SHAPES:
        side_by_side = np.ceil(depth / words)
        word = np.where(side_by_side > 1, np.ceil(width / min(bits_, BYTE)) * min(bits_, BYTE), width)
        found.append(np.ceil(side_by_side * word / bits_))
    return np.asarray(np.min(np.stack(found), axis=0), dtype=np.float64)


def shared_bank(width: Array, depth: Array) -> Memory:
    """A memory with a registered port that reads and writes, in whichever costs less; one word is a register."""
    return _one_port(width, depth, written_blocks(width, depth))


def one_port(width: Array, depth: Array) -> Memory:
    """A memory that reads and writes whole words at one address, with a second register."""
    held = _one_port(width, depth, blocks_of_one_shape(width, depth))
    return replace(held, ff=held.ff + width)


def _one_port(width: Array, depth: Array, in_block: Array) -> Memory:
    """32 words of 8 bits go to a LUT RAM, or 64 of 4, 128 of 2, 256 of one."""
    per_cell = np.select([depth <= 32, depth <= 64, depth <= 128], [8.0, 4.0, 2.0], 1.0)
    cells = np.ceil(width / per_cell) * np.ceil(depth / 256)
    word = depth <= 1
    in_luts = ~word & (LUT_RAM_COST * cells < BLOCK_COST * in_block)
    return Memory(
        lut=np.zeros_like(width),
        lutram=np.where(in_luts, LUTS_PER_LUT_RAM * cells, 0.0),
        bram18=np.where(in_luts | word, 0.0, in_block),
        ff=np.where(in_luts | word, width * np.where(word, 2.0, 1.0), 0.0),
    )


def multiplexer(ways: Array) -> Array:
    """LUTs per bit of a choice by a variable index; yosys takes one for every two further ways."""
    return np.where(ways <= 2, ways - 1, (np.maximum(ways, 1.0) - 1) / 2)


def any_of(ways: Array) -> Array:
    """LUTs per bit of an OR: one of up to six inputs; of more, yosys makes a balanced tree of OR_INPUTS each."""
    return np.where(ways > LUT_INPUTS, (ways - 1) / OR_INPUTS, np.where(ways > 1, 1.0, 0.0))


def line_words(width: Array, depth: Array) -> Array:
    """Words per bank of the module ``rom``, whose banks stand side by side: as hls/templates/ram.py divides them."""
    blocks = np.stack([np.ceil(np.ceil(depth / words) * width / bits_) for words, bits_ in BLOCK_SHAPES])
    fewest = blocks.min(axis=0)
    depths = np.array([words for words, _ in BLOCK_SHAPES], dtype=np.float64)[:, None]
    found: Array = np.where(blocks <= fewest + np.floor(fewest / SPARE), depths, 0.0).max(axis=0)
    return found


def bank_words(width: Array, depth: Array) -> Array:
    """Words per bank of the module ``ram``: as hls/templates/ram.py divides them."""
    return _best(np.stack([np.ceil(depth / words) * np.ceil(width / bits_) for words, bits_ in BLOCK_SHAPES]))


def _best(blocks: Array) -> Array:
    """The depth of the shape with the fewest blocks, the deepest of several."""
    depths = np.array([words for words, _ in BLOCK_SHAPES], dtype=np.float64)
    found: Array = depths[np.argmin(blocks, axis=0)]
    return found
