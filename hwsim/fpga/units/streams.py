# SPDX-License-Identifier: Apache-2.0
"""Modules that hold or move values: fifo, stream_fork, width_converter, concat, pad, upsample, frame_last."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Parameters, Parts, bits, counter, number, wrap

FEW = 32  # words a FIFO keeps in LUT RAM (hls/rtl/fifo.sv)
SHORT = 4  # words of the FIFO behind a memory (hls/rtl/fifo_memory.sv)


def fifo(parameters: Parameters) -> Parts:
    """A word in front, a second one or a LUT RAM behind it; above 32 words a memory and a short FIFO."""
    width, depth = number(parameters, "WIDTH"), number(parameters, "DEPTH")
    many = depth > FEW
    places = np.where(many, SHORT, depth) - 1
    ring, pointer = places > 1, np.where(places > 1, bits(places), 0.0)
    held = memory.single_bank(width, depth)
    address, count = bits(depth), bits(depth + 1)
    one = np.ones_like(width)
    return Parts(
        lut={
            "control": one,
            "front": width,
            "pointers": pointer,
            "choice": np.where(many, 2 * width + held.lut, 0.0),
            "many": np.where(many, one, 0.0),
            "counters": np.where(many, 2 * count + 2 * address, 0.0),
            "wrap": np.where(many, wrap(depth), wrap(places)),
        },
        ff={
            "front": width + 3,
            "word": np.where(ring, 0.0, width),
            "pointers": 3 * pointer,
            "past": np.where(many, 3 * width + held.ff, 0.0),
            "counters": np.where(many, 2 * count + 2 * address + 9, 0.0),
        },
        lutram=np.where(ring, memory.LUTS_PER_LUT_RAM * np.ceil(width / 6), 0.0) + np.where(many, held.lutram, 0.0),
        bram18=np.where(many, held.bram18, 0.0),
    )


def stream_fork(parameters: Parameters) -> Parts:
    """Who has taken a beat already."""
    count = number(parameters, "COUNT")
    return Parts({"control": np.ones_like(count), "readers": count}, {"readers": count})


def width_converter(parameters: Parameters) -> Parts:
    """A shift register, loaded in parallel where words become shorter."""
    width, lanes_in, lanes_out = (number(parameters, name) for name in ("WIDTH", "IN_LANES", "OUT_LANES"))
    ratio = np.maximum(lanes_in, lanes_out) / np.minimum(lanes_in, lanes_out)
    converts = np.where(ratio > 1, 1.0, 0.0)
    loaded = np.where(lanes_in > lanes_out, (lanes_in - lanes_out) * width, 0.0)
    return Parts(
        lut={"control": converts, "loaded": loaded, "part": counter(ratio), "wrap": wrap(ratio)},
        ff={
            "control": converts,
            "word": converts * np.maximum(lanes_in, lanes_out) * width,
            "part": counter(ratio),
        },
    )


def concat(parameters: Parameters) -> Parts:
    """A choice of a stream."""
    count, width, beat = number(parameters, "COUNT"), number(parameters, "WIDTH"), bits(number(parameters, "MOST") + 1)
    return Parts(
        lut={"choice": width * np.ceil(count / 3), "beat": beat, "turn": count, "control": np.ones_like(count)},
        ff={"word": width, "beat": beat, "turn": count, "control": np.ones_like(count)},
    )


def pad(parameters: Parameters) -> Parts:
    """Counters of rows, columns and blocks."""
    top, left, bottom, right, rows, columns, blocks, width = (
        number(parameters, name) for name in ("TOP", "LEFT", "BOTTOM", "RIGHT", "ROWS", "COLUMNS", "BLOCKS", "WIDTH")
    )
    row, column = bits(top + rows + bottom + 1), bits(left + columns + right + 1)
    block = np.where(blocks > 1, bits(blocks + 1), 0.0)
    edges = sum(np.where(size > 0, 1.0, 0.0) for size in (top, left, bottom, right))
    one = np.ones_like(row)
    return Parts(
        lut={"control": one, "counters": row + column + block, "edges": np.asarray(edges)},
        ff={"control": one, "counters": row + column + block, "word": width},
    )


def upsample(parameters: Parameters) -> Parts:
    """A row in memory, and counters."""
    width, blocks, columns, down, across = (
        number(parameters, name) for name in ("WIDTH", "BLOCKS", "COLUMNS", "FACTOR_Y", "FACTOR_X")
    )
    depth = np.where(down > 1, columns * blocks, blocks)
    row = memory.one_port(width, depth)
    count = [np.where(size > 1, bits(size + 1), 0.0) for size in (down, across, columns, blocks)]
    one = np.ones_like(width)
    counters, address = np.asarray(sum(count)), counter(depth)
    return Parts(
        lut={"control": one, "choice": width, "counters": counters, "addresses": address},
        ff={"control": one, "words": 3 * width, "counters": counters + address, "row": row.ff},
        lutram=row.lutram,
        bram18=row.bram18,
    )


def frame_last(parameters: Parameters) -> Parts:
    """A counter of beats."""
    beats = number(parameters, "BEATS")
    one = np.ones_like(beats)
    return Parts({"control": np.where(beats > 1, one, 0.0), "beat": counter(beats)}, {"beat": counter(beats)})
