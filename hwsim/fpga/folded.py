# SPDX-License-Identifier: Apache-2.0
"""Cycles and resources of PE x SIMD stages, after FINN's matrix-vector unit.

A matrix of mw inputs and mh outputs per position is computed by ``pe`` rows of ``simd`` multipliers, so a position
takes (mh / pe) * (mw / simd) cycles (FINN, MVAU get_exp_cycles; 99 synthesised units of
github:asadalam/FINN_MatrixVector_RTL agree within 5 cycles).  A depthwise layer takes
channels * taps / (pe * simd) per position (VVAU).  ``pe`` divides mh (channels for depthwise layers and for stages
without weights), ``simd`` divides the inputs of one kernel position, because the line buffer in front of a window gives
one position per cycle; it takes ``simd`` values, or one row of padding, per cycle.  A pooling takes the positions of a
window one after the other.  These are the cycles of hls/rtl, stated for one stage at a time in dataflow/.

Resources are those of the units that hls makes of a stage (stage_units.py), each by the formulas in units/. A folding's
``multiplier`` and ``memory`` say where products are computed and weights are kept. Left to "auto", products of at most
4 bits live in LUTs and others in DSP blocks, shared by the rows of one input as far as fit (multipliers.py: two of 5 to
8 bits, as in FINN rtllib mvu_8sx8u_dsp48); memories live where yosys finds them cheaper.
"""

from collections.abc import Sequence

import numpy as np

from hwsim.design import Folding
from hwsim.fpga.hls4ml import Columns, Cost, Mask, divisors
from hwsim.fpga.resources import Array
from hwsim.fpga.stage_units import Materials, Points, unit_groups
from hwsim.fpga.stages import Stage
from hwsim.fpga.units import resources
from hwsim.fpga.units.constants import BARS, RANGE

COUNTED = ("lut", "ff", "dsp", "bram18")
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


def cost(points: Points) -> Cost:
    """Cycles and resources of design points with the FIFOs behind them: the sums over their units."""
    column, folds, pe, simd = points.column, points.folds, points.pe, points.simd
    totals, errors = ({name: np.zeros(pe.shape) for name in COUNTED} for _ in range(2))
    for group in unit_groups(points):
        if not group.where.any():
            continue
        parameters = {name: np.asarray(value)[group.where] for name, value in group.parameters.items()}
        cells, count = resources(group.module, parameters), np.broadcast_to(group.count, pe.shape)[group.where]
        for name in COUNTED:
            found = count * getattr(cells, name)
            totals[name][group.where] += found
            errors[name][group.where] += BARS[group.module][name] * found
    return Cost(
        busy=cycles(column, folds, pe, simd),
        depth=PIPELINE_DEPTH + np.where(folds, np.ceil(np.log2(np.maximum(simd, 1))), 0.0),
        lut=totals["lut"],
        ff=totals["ff"],
        dsp=totals["dsp"],
        dsp_high=totals["dsp"] + errors["dsp"],
        bram18=totals["bram18"],
        errors=errors,
    )


def extrapolated(points: Points) -> Mask:
    """Which design points have a unit with a parameter beyond those that the constants were fitted to."""
    found: Mask = np.zeros(points.pe.shape, dtype=np.bool_)
    for group in unit_groups(points):
        for name, (low, high) in RANGE[group.module].items():
            if name in group.parameters:
                value = np.broadcast_to(np.asarray(group.parameters[name], dtype=np.float64), found.shape)
                found |= group.where & ((value < low) | (value > high))
    return found
