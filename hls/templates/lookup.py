# SPDX-License-Identifier: Apache-2.0
"""Functions of one number as tables: one word for every integer of the input's format."""

import numpy as np

from hls.templates.ram import banked, line_words
from hls.templates.unit import Array, Unit, rom_style, words
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow

MAX_INPUT_BITS = 16  # 65,536 words


def lookup(
    name: str,
    layer: str,
    wires: tuple[str, str],
    table: tuple[int, Array],
    formats: tuple[FixedPoint, FixedPoint],
    folding: Folding,
    beats: int,
) -> Unit:
    """table[x], ``pe`` values per beat.

    Args:
        wires: in and out.
        table: the first integer it holds, and (words,) integers.
        formats: of the input and of the words.
        folding: ``memory`` says where the table is kept.
        beats: per image.

    Raises:
        UnsupportedError: the input may leave the table or has more than 16 bits, or the folding's memory cannot
            start with a content.
    """
    source, result = formats
    if source.width > MAX_INPUT_BITS:
        raise UnsupportedError(
            f"{layer}: got a table for {source.width} bits; expected at most {MAX_INPUT_BITS}; narrow its input"
        )
    file, depth = f"{name}_table.mem", 1 << source.width
    in_blocks = folding.memory in ("auto", "block")  # block RAM is slow, LUTs need no banks
    bank = line_words(result.width, depth) if in_blocks else depth
    parameters: dict[str, int | str] = {
        "LANES": folding.pe,
        "IN_WIDTH": source.width,
        "OUT_WIDTH": result.width,
        "BANK": bank,
        "MEMORY": rom_style(layer, folding.memory, "a table"),
        "FILE": f'"{file}"',
    }
    memories = {file: words(banked(by_code(layer, *table, source)[:, None], bank), result.width)}
    return Unit(name, "lookup", layer, parameters, dataflow.lookup(beats), (wires[0],), (wires[1],), memories)


def by_code(layer: str, first: int, table: Array, source: FixedPoint) -> Array:
    """(2**width,) words in the order of the input's bits, which in two's complement begins at 0.

    Raises:
        UnsupportedError: an integer of the input's format is not in the table.
    """
    last = first + len(table) - 1
    if first > source.min_int or last < source.max_int:
        raise UnsupportedError(
            f"{layer}: got a table of {first}..{last}; expected {source.min_int}..{source.max_int}, all of {source}; "
            "make the table for the whole format, or narrow its input"
        )
    found = np.zeros(1 << source.width, dtype=np.int64)  # SAT_SYM leaves out one integer
    integers = np.arange(source.min_int, source.max_int + 1)
    found[integers % len(found)] = table[integers - first]
    return found
