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
from dataclasses import dataclass

import numpy as np

from hwsim.design import Folding
from hwsim.fpga import resources as r
from hwsim.fpga.hls4ml import Columns, Cost, Mask, divisors
from hwsim.fpga.multipliers import rows_per_dsp
from hwsim.fpga.resources import Array
from hwsim.fpga.stages import Stage

PART_BITS = 17.0  # of operands that are cut for several DSP blocks (hls/rtl/scale.sv)
# Words and bits of an 18-kbit block RAM: AMD UG473 table 1-9 and UG573 (RAMB18).
RAM_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
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


@dataclass(frozen=True, eq=False)
class Materials:
    """Out of what design points are made, shape (points,): products and weights that are not left to synthesis."""

    products_in_luts: Mask
    products_in_dsp: Mask
    weights_in_luts: Mask
    weights_in_blocks: Mask


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
    w, a = column("weight_bits"), column("input_bits")
    acc = r.accumulator_bits(w, a, column("mw"))
    count = pe * simd
    in_dsp = _in_dsp(w, a, made)
    dsp, overlaps = _dsp(column, pe, simd)
    # Products that share a block are taken apart, and narrow ones computed in part a second time.
    product = np.where(in_dsp, overlaps * r.ADD_LUT * (w + a), r.MULTIPLY_LUT * w * a)
    lut = r.UNIT_LUT + count * (product + r.ADD_LUT * (w + a)) + pe * acc * r.ACCUMULATE_LUT
    ff = r.UNIT_FF + r.MULTIPLY_FF * count * (w + a) + pe * acc * r.ACCUMULATE_FF
    memory_lut, memory_blocks = _weights(count * w, column("mw") * column("mh") * column("groups") / count, made)
    taps = column("kernel_rows") * column("kernel_columns")
    scales = (w > 0) & ~folds
    moved = pe * (r.ADD_LUT * a * taps + np.where(scales & ~in_dsp, r.MULTIPLY_LUT * w * a, 0.0))
    lanes = _lanes(column, folds, pe, simd)
    buffer_width = lanes * a
    buffer_depth = column("buffered_rows") * column("padded_columns") * np.ceil(column("channels_in") / lanes)
    out = np.minimum(pe, column("channels_out"))
    fifos = r.fifo(out * column("output_bits"), fifo_depth * np.ceil(column("channels_out") / out))
    readers = column("readers")
    scaling = np.where(scales & in_dsp, pe * np.ceil(w / PART_BITS) * np.ceil(a / PART_BITS), 0.0)
    found = np.where(folds, np.where(in_dsp, dsp, 0.0), scaling)
    unsure = folds & ~made.products_in_luts & ~made.products_in_dsp & r.dsp_unsure(w, a)
    return Cost(
        busy=cycles(column, folds, pe, simd),
        depth=PIPELINE_DEPTH + np.where(folds, np.ceil(np.log2(np.maximum(simd, 1))), 0.0),
        lut=np.where(folds, lut + memory_lut, r.UNIT_LUT + moved)
        + r.lutram(buffer_width, buffer_depth) + readers * fifos[0],
        ff=np.where(folds, ff, r.UNIT_FF + pe * (a * taps + column("output_bits"))) + readers * fifos[1],
        dsp=found,
        dsp_high=np.maximum(found, np.where(unsure, count, 0.0)),
        bram18=np.where(folds, memory_blocks, 0.0) + r.bram18(buffer_width, buffer_depth) + readers * fifos[2],
    )  # fmt: skip


def _in_dsp(w: Array, a: Array, made: Materials) -> Mask:
    wide_enough = np.minimum(w, a) >= r.DSP_MIN_BITS
    found: Mask = made.products_in_dsp | (wide_enough & ~made.products_in_luts)
    return found


def _dsp(column: Columns, pe: Array, simd: Array) -> tuple[Array, Mask]:
    """DSP blocks of a matrix unit, and whether products in them overlap; rows of different inputs share none."""
    w, a = column("weight_bits"), column("input_bits")
    narrow, wide = np.minimum(w, a), np.maximum(w, a)
    rows = np.where(w > 0, rows_per_dsp(a, np.maximum(w, 1.0)), 1.0)
    side_by_side = np.maximum(1.0, pe / np.maximum(column("mh"), 1.0))
    blocks = np.where(rows > 1, 1.0, np.ceil(wide / 25) * np.ceil(narrow / 18))
    shared = side_by_side * np.ceil(pe / side_by_side / rows)
    return shared * simd * blocks, (rows > 1) & (narrow >= 2) & (narrow < r.DSP_MIN_BITS)


def _weights(width: Array, depth: Array, made: Materials) -> tuple[Array, Array]:
    """LUT and 18-kbit blocks of the weights' memory."""
    in_luts = made.weights_in_luts | (~made.weights_in_blocks & (width * depth <= r.LUTRAM_BITS))
    shapes = np.array(RAM_SHAPES)
    lines = np.ceil(np.ceil(depth[..., None] / shapes[:, 0]) * width[..., None] / shapes[:, 1])
    return np.where(in_luts, np.ceil(depth / 64) * width, 0.0), np.where(in_luts, 0.0, lines.min(axis=-1))
