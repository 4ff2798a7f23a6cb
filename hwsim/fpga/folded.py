# SPDX-License-Identifier: Apache-2.0
"""Cycles and resources of PE x SIMD stages, after FINN's matrix-vector unit.

A matrix of mw inputs and mh outputs per position is computed by ``pe`` rows of ``simd`` multipliers, so a position
takes (mh / pe) * (mw / simd) cycles (FINN, MVAU get_exp_cycles; 99 synthesised units of
github:asadalam/FINN_MatrixVector_RTL agree within 5 cycles).  A depthwise layer takes
channels * taps / (pe * simd) per position (VVAU).  ``pe`` divides mh (channels for depthwise layers and for stages
without weights), ``simd`` divides the inputs of one kernel position, because the line buffer in front of a window gives
one position per cycle; it takes ``simd`` values, or one row of padding, per cycle.  A pooling takes the positions of a
window one after the other.  These are the cycles of hls/rtl, stated for one stage at a time in dataflow/.

Products of at most 4 bits live in LUTs, of 5 to 8 bits two in a DSP block (FINN rtllib mvu_8sx8u_dsp48), of more
bits one to four blocks each.
"""

import numpy as np

from hwsim.fpga import resources as r
from hwsim.fpga.hls4ml import Columns, Cost, Mask, divisors
from hwsim.fpga.resources import Array
from hwsim.fpga.stages import Stage

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


def cost(column: Columns, folds: Mask, pe: Array, simd: Array, fifo_depth: Array) -> Cost:
    """Cycles and resources of design points with the FIFOs behind them; see `cycles` for the arguments."""
    w, a = column("weight_bits"), column("input_bits")
    acc = r.accumulator_bits(w, a, column("mw"))
    count = pe * simd
    dsp = _dsp(w, a, pe, simd)
    product = np.where(dsp > 0, 0.0, r.MULTIPLY_LUT * w * a)
    lut = r.UNIT_LUT + count * (product + r.ADD_LUT * (w + a)) + pe * acc * r.ACCUMULATE_LUT
    ff = r.UNIT_FF + r.MULTIPLY_FF * count * (w + a) + pe * acc * r.ACCUMULATE_FF
    words = column("mw") * column("mh") * column("groups") / count
    memory = count * w
    taps = column("kernel_rows") * column("kernel_columns")
    moved = pe * (r.ADD_LUT * a * taps + np.where(w > 0, r.MULTIPLY_LUT * w * a, 0.0))
    lanes = _lanes(column, folds, pe, simd)
    buffer_width = lanes * a
    buffer_depth = column("buffered_rows") * column("padded_columns") * np.ceil(column("channels_in") / lanes)
    fifos = r.fifo(np.minimum(pe, column("channels_out")) * column("output_bits"), fifo_depth)
    readers = column("readers")
    return Cost(
        busy=cycles(column, folds, pe, simd),
        depth=PIPELINE_DEPTH + np.where(folds, np.ceil(np.log2(np.maximum(simd, 1))), 0.0),
        lut=np.where(folds, lut + r.lutram(memory, words), r.UNIT_LUT + moved)
        + r.lutram(buffer_width, buffer_depth) + readers * fifos[0],
        ff=np.where(folds, ff, r.UNIT_FF + pe * (a * taps + column("output_bits"))) + readers * fifos[1],
        dsp=np.where(folds, dsp, 0.0),
        dsp_high=np.where(folds, np.maximum(dsp, np.where(r.dsp_unsure(w, a), count, 0.0)), 0.0),
        bram18=np.where(folds, r.bram18(memory, words), 0.0) + r.bram18(buffer_width, buffer_depth)
        + readers * fifos[2],
    )  # fmt: skip


def _dsp(w: Array, a: Array, pe: Array, simd: Array) -> Array:
    narrow, wide = np.minimum(w, a), np.maximum(w, a)
    paired = np.ceil(pe / 2) * simd
    single = pe * simd * np.ceil(wide / 25) * np.ceil(narrow / 18)
    return np.where(narrow < r.DSP_MIN_BITS, 0.0, np.where(wide <= 8, paired, single))
