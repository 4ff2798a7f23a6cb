# SPDX-License-Identifier: Apache-2.0
"""Cycles and resources of PE x SIMD stages, after FINN's matrix-vector unit.

A matrix of mw inputs and mh outputs per position is computed by ``pe`` rows of ``simd`` multipliers, so a position
takes (mh / pe) * (mw / simd) cycles (FINN, MVAU get_exp_cycles; 99 synthesised units of
github:asadalam/FINN_MatrixVector_RTL agree within 5 cycles).  A depthwise layer takes
channels * taps / (pe * simd) per position (VVAU).  ``pe`` divides mh (channels for depthwise layers and for stages
without weights), ``simd`` divides the inputs of one kernel position, because the line buffer in front of a window gives
one position per cycle; it takes ``simd`` values, or one row of padding, per cycle.  A pooling takes the positions of a
window one after the other.  These are the cycles of hls/rtl, stated for one stage at a time in dataflow/.

A folding's ``multiplier`` and ``memory`` say where products are computed and weights are kept. Left to "auto", products
of at most 4 bits live in LUTs and others in DSP blocks, shared by the rows of one input as far as fit
(multipliers.py: two of 5 to 8 bits, as in FINN rtllib mvu_8sx8u_dsp48); small memories live in LUTs, others in block
RAM, filled as hls/templates/ram.py divides them.
"""

from collections.abc import Sequence

import numpy as np

from hwsim.design import Folding
from hwsim.fpga import matrix_unit
from hwsim.fpga import resources as r
from hwsim.fpga.hls4ml import Columns, Cost, Mask, divisors
from hwsim.fpga.matrix_unit import Arithmetic, Materials
from hwsim.fpga.resources import Array
from hwsim.fpga.stages import Stage

PART_BITS = 17.0  # of operands that are cut for several DSP blocks (hls/rtl/scale.sv)
SHORT_FIFO = 32  # words that stand in shift registers or LUT RAM (hls/rtl/fifo.sv)
# The units around products of an int8 ResNet-8, as yosys counts them (see matrix_unit.py): control of a FIFO in memory
# and per bit of its words, control of a line buffer (and two FF per bit), the cast behind an accumulator per row.
FIFO_LUT, FIFO_BIT_LUT, FIFO_FF, FIFO_BIT_FF = 62.0, 3.4, 60.0, 3.7
WINDOW_LUT, WINDOW_FF = 88.0, 85.0
CAST_LUT, CAST_FF = 17.0, 19.0
PIPELINE_DEPTH = 6.0  # cycles through multiplier, accumulator and output registers besides the adder tree


def legal_pe(stage: Stage) -> tuple[int, ...]:
    """The ``pe`` a stage allows: divisors of a group's output channels, or of every input's channels without a matrix.

    A depthwise layer may also take all output channels of several groups at a time.
    """
    if stage.kind not in ("matrix", "depthwise"):
        return divisors(stage.channels_each)
    side_by_side = divisors(stage.groups) if stage.kind == "depthwise" else ()
    return tuple(sorted({*divisors(stage.mh), *(stage.mh * groups for groups in side_by_side)}))


def legal_simd(stage: Stage) -> tuple[int, ...]:
    """The ``simd`` a stage allows: divisors of the inputs of one kernel position, 1 where it has no matrix."""
    has_matrix = stage.kind in ("matrix", "depthwise")
    return divisors(stage.mw // (stage.kernel_rows * stage.kernel_columns)) if has_matrix else (1,)


def cycles(column: Columns, folds: Mask, pe: Array, simd: Array) -> Array:
    """Busy cycles per inference of design points; `folds` says whether a point's stage has a matrix."""
    pixels_in = column("rows_in") * column("columns_in")
    pixels_out = column("rows_out") * column("columns_out")
    taps = column("kernel_rows") * column("kernel_columns")
    compute = pixels_out * column("mh") * column("groups") * column("mw") / (pe * simd)
    blocks = np.ceil(column("channels_in") / _lanes(column, folds, pe, simd))
    written = pixels_in * blocks + column("padding_rows")
    has_windows = (taps > 1) | (column("stride_rows") > 1) | (column("stride_columns") > 1)
    buffered = np.where(has_windows, written, 0.0)
    moved = np.maximum(pixels_in, pixels_out * taps) * blocks
    return np.maximum(np.where(folds, compute, moved), buffered)


def _lanes(column: Columns, folds: Mask, pe: Array, simd: Array) -> Array:
    """Values per beat in front of a stage; a depthwise layer reads as many channels as it computes side by side."""
    side_by_side = np.maximum(1.0, pe / np.maximum(column("mh"), 1.0))
    return np.where(folds, np.minimum(simd, column("channels_in")) * side_by_side, pe)


def materials(foldings: Sequence[Folding]) -> Materials:
    """The materials that foldings name."""
    multiplier = np.array([folding.multiplier for folding in foldings], dtype=np.str_)
    memory = np.array([folding.memory for folding in foldings], dtype=np.str_)
    in_luts = (memory == "logic") | (memory == "distributed")
    return Materials(multiplier == "lut", multiplier == "dsp", in_luts, memory == "block")


def cost(
    column: Columns, folds: Mask, pe: Array, simd: Array, fifo_depth: Array, made: Materials
) -> Cost:  # fmt: skip
    """Cycles and resources of design points with the FIFOs behind them, ``fifo_depth`` pixels deep; see `cycles`."""
    w, a, mh = column("weight_bits"), column("input_bits"), np.maximum(column("mh"), 1.0)
    in_dsp = made.in_dsp(w, a)
    unit = Arithmetic(w, a, r.accumulator_bits(w, a, column("mw")), pe, simd, np.maximum(1.0, pe / mh))
    rom = matrix_unit.weights(pe * simd * w, column("mw") * column("mh") * column("groups") / (pe * simd), made)
    replayed = matrix_unit.replay_buffer(unit.vectors * simd * a, np.where(pe < mh, column("mw") / simd, 0.0))
    window, streams = _window(column, folds, pe, simd), _streams(column, pe, fifo_depth)
    taps = column("kernel_rows") * column("kernel_columns")
    scales = (w > 0) & ~folds
    moved = r.UNIT_LUT + pe * (r.ADD_LUT * a * taps + np.where(scales & ~in_dsp, r.MULTIPLY_LUT * w * a, 0.0))
    scaling = np.where(scales & in_dsp, pe * np.ceil(w / PART_BITS) * np.ceil(a / PART_BITS), 0.0)
    dsp = np.where(folds, np.where(in_dsp, unit.dsp(), 0.0), scaling)
    unsure = folds & ~made.products_in_luts & ~made.products_in_dsp & r.dsp_unsure(w, a)
    return Cost(
        busy=cycles(column, folds, pe, simd),
        depth=PIPELINE_DEPTH + np.where(folds, np.ceil(np.log2(np.maximum(simd, 1))), 0.0),
        lut=np.where(folds, unit.lut(in_dsp) + rom[0] + replayed[0] + CAST_LUT * pe, moved) + window[0] + streams[0],
        ff=np.where(folds, unit.ff(in_dsp) + CAST_FF * pe, r.UNIT_FF + pe * (a * taps + column("output_bits")))
        + window[1] + streams[1],
        dsp=dsp,
        dsp_high=np.maximum(dsp, np.where(unsure, pe * simd, 0.0)),
        bram18=np.where(folds, rom[1] + replayed[1], 0.0) + window[2] + streams[2],
    )  # fmt: skip


def _window(column: Columns, folds: Mask, pe: Array, simd: Array) -> tuple[Array, Array, Array]:
    """LUT, FF and BRAM18 of the line buffer in front of windows, or of rows that are repeated."""
    lanes = _lanes(column, folds, pe, simd)
    width = lanes * column("input_bits")
    depth = column("buffered_rows") * column("padded_columns") * np.ceil(column("channels_in") / lanes)
    there = column("buffered_rows") > 0
    lut = WINDOW_LUT + r.lutram(width, depth)
    return np.where(there, lut, 0.0), np.where(there, WINDOW_FF + 2 * width, 0.0), r.bram18(width, depth)


def _streams(column: Columns, pe: Array, pixels: Array) -> tuple[Array, Array, Array]:
    """LUT, FF and BRAM18 of the FIFOs behind a stage, one for each reader."""
    lanes = np.minimum(pe, column("channels_out"))
    width, depth = lanes * column("output_bits"), pixels * np.ceil(column("channels_out") / lanes)
    short = r.fifo(width, np.minimum(depth, SHORT_FIFO))
    deep = depth > SHORT_FIFO
    found = (
        np.where(deep, FIFO_LUT + FIFO_BIT_LUT * width + r.lutram(width, depth), short[0]),
        np.where(deep, FIFO_FF + FIFO_BIT_FF * width, short[1]),
        np.where(deep, r.bram18(width, depth), 0.0),
    )
    lut, ff, blocks = (column("readers") * one for one in found)
    return lut, ff, blocks
