# SPDX-License-Identifier: Apache-2.0
"""Cycles and resources of the stages that hls4ml generates, as functions of the reuse factor.

Cycles follow the loops of hls4ml 1.3 (nnet_utils/nnet_conv2d_stream.h, nnet_dense_resource.h) and were checked
against synthesis reports:

* io_stream, resource: the pixel loop is not pipelined; a pixel that completes a window costs rf + 4, another one 2.
  (github:fastmachinelearning/hls4ml-live-demo, pynqz2_rn06_v8: 100 pixels x (9216 + 4) = 922,000 cycles.)
* io_stream, latency: pipelined over input pixels with II = rf.  (hls4ml-tutorial part 6: 32 x 32 pixels, II 1028.)
* io_parallel, resource, dense: II = rf, latency = rf + 2 (871 designs of github:Dendendelen/wa-hls4ml-search).
* io_parallel, latency: products take turns at the multipliers that hls4ml allows, and the layer starts again two cycles
  after the last turn or after rf cycles, whichever is sooner (its 14 designs; hwsim/fpga/hls4ml_dense.py).
* activations, additions and poolings: one pixel per cycle and 3 to 4 cycles of depth (ALVEO-PYNQ_ML reports).

A matrix of mw x mh with reuse factor rf has mw * mh / rf multipliers; rf must divide mw, or be mw times a divisor
of mh (hls4ml, FPGABackend._validate_reuse_factor), and at most 4096 multipliers can be unrolled (Vitis HLS limit).
A network has no weights here: unrolled layers are costed as if no weight were zero, and as spread as Keras draws them
(hwsim/fpga/constant_products.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hwsim.fpga import resources as r
from hwsim.fpga.constant_products import uniform
from hwsim.fpga.hls4ml_dense import untrained_limit
from hwsim.fpga.resources import Array
from hwsim.fpga.stages import Stage

MAX_UNROLL = 4096
TURN_OVERHEAD = 2.0  # cycles between the last turn at a multiplier and the next inference
PIXEL_OVERHEAD = 4.0  # cycles around the reuse loop of a pixel that completes a window
PIXEL_SKIP = 2.0  # cycles of a pixel that does not
# Flip-flops of folded layers: non-negative least squares on 703 dense layers of github:Dendendelen/wa-hls4ml-search
# (resource strategy, rf > 1), mean error 5 %; HLS label, which synthesis changes by a factor of 0.7 to 1.2 only.
FOLDED_FF = 116.0  # control of one layer
ACCUMULATOR_FF = 1.02  # per bit of one of mh accumulators
PRODUCT_FF = 0.33  # per operand bit of one multiplier
# Unrolled layers: the two networks of hls4ml-tutorial part 6 after logic synthesis (half of 13,552 weights zero,
# 18 LUT and 5 to 6 FF per weight that is not).
CONSTANT_PRODUCT = 0.25  # LUTs of a product by a constant, relative to a variable one
UNROLLED_ADD = 0.7  # LUTs of its addition, relative to ADD_LUT: the tree starts narrow, DSP blocks add too
UNROLLED_FF = 0.28  # FF per operand bit of an unrolled product
Columns = Callable[[str], Array]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Cost:
    """What design points cost; all arrays have the shape of the points.

    ``errors`` are half-widths of error bars by resource, where the formulas have bars of their own.
    """

    busy: Array
    depth: Array
    lut: Array
    ff: Array
    dsp: Array
    dsp_high: Array
    bram18: Array
    errors: Mapping[str, Array] | None = None


@dataclass(frozen=True, eq=False)
class Masks:
    """What kind of stage a design point belongs to, shape (points,): with a matrix, a dense layer, pipelined."""

    folds: Mask
    dense: Mask
    pipelined: Mask


@lru_cache(maxsize=4096)
def divisors(number: int) -> tuple[int, ...]:
    """All divisors in ascending order."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return tuple(sorted({*small, *(number // d for d in small)}))


def legal_reuse_factors(stage: Stage, io_type: str = "io_stream") -> tuple[int, ...]:
    """Reuse factors that hls4ml computes correctly for a stage; only 1 where there is nothing to fold.

    A convolution in io_parallel computes something else above its inputs per output (hls4ml 1.3,
    nnet_conv2d_resource.h).
    """
    if stage.kind == "depthwise":
        return divisors(stage.mw * stage.groups * stage.mh)
    if stage.kind != "matrix":
        return (1,)
    # hls4ml builds one matrix per layer; a grouped one is as large as its non-zero blocks.
    columns = stage.mw * stage.groups
    if stage.op == "conv2d" and io_type == "io_parallel":
        return divisors(columns)
    return _dense_reuse_factors(columns, stage.mh)


def nearest_legal_reuse(n_in: Array, n_out: Array, asked: Array) -> Array:
    """The reuse factors hls4ml takes in place of those asked for in dense layers, the smaller of two equally near.

    (hls4ml, FPGABackend.get_closest_reuse_factor.)
    """
    points, of_point = np.unique(np.stack([n_in, n_out, asked], axis=1), axis=0, return_inverse=True)
    nearest = [min(_dense_reuse_factors(int(n), int(m)), key=lambda legal: abs(legal - reuse))
               for n, m, reuse in points.tolist()]  # fmt: skip
    return np.array(nearest, dtype=np.float64)[of_point.ravel()]


@lru_cache(maxsize=4096)
def _dense_reuse_factors(columns: int, rows: int) -> tuple[int, ...]:
    return tuple(sorted({*divisors(columns), *(columns * d for d in divisors(rows))}))


def multipliers(column: Columns, reuse: Array) -> Array:
    """Multipliers that work at the same time."""
    return np.ceil(column("mw") * column("mh") * column("groups") / reuse)


def stream_cycles(column: Columns, masks: Masks, reuse: Array) -> Array:
    """Busy cycles per inference with io_stream.

    Args:
        column: one number of every point's stage.
        masks: what kind of stage every point is.
        reuse: reuse factor of every point.
    """
    pixels_in = column("padded_rows") * column("padded_columns")
    pixels_out = column("rows_out") * column("columns_out")
    skipped = np.maximum(pixels_in - pixels_out, 0.0)
    sequential = pixels_out * (reuse + PIXEL_OVERHEAD) + skipped * PIXEL_SKIP
    pipelined = pixels_in * reuse + PIXEL_OVERHEAD
    matrix = np.where(masks.pipelined, pipelined, sequential)
    # A dense layer on a flattened image first collects its pixels; one on rows of a matrix is a 1x1 convolution.
    collected = np.where(pixels_out > 1, matrix, pixels_in + reuse + np.where(masks.pipelined, 0.0, PIXEL_OVERHEAD))
    moved = np.maximum(pixels_in, pixels_out) + 3.0
    return np.where(masks.folds, np.where(masks.dense, collected, matrix), moved)


@dataclass(frozen=True, eq=False)
class Constants:
    """Of the matrices of points, (points,): products that are not by zero, multipliers, and those in DSP blocks."""

    nonzero: Array
    multipliers: Array
    wide: Array


def parallel_cycles(column: Columns, masks: Masks, reuse: Array, known: Constants | None = None) -> Array:
    """Initiation interval of the stages with io_parallel: positions one after another, rf cycles each or fewer."""
    products = constant_products(column, masks.folds & masks.pipelined)[0] if known is None else known.multipliers
    turns = np.ceil(products / np.maximum(multipliers(column, reuse), 1))
    each = np.where(masks.pipelined, np.minimum(reuse, turns + TURN_OVERHEAD), reuse)
    return np.where(masks.folds, column("rows_out") * column("columns_out") * each, 1.0)


def constant_products(column: Columns, unrolled: Mask) -> tuple[Array, Array]:
    """Expected multiplications by constants in unrolled points, and those wide enough for DSP blocks; 0 elsewhere."""
    points = np.stack([column("mw"), column("mh"), column("weight_bits")], axis=1)[unrolled]
    shapes, of_point = np.unique(points, axis=0, return_inverse=True)
    found = np.zeros((len(unrolled), 2))
    found[unrolled] = np.array([_in_one_matrix(*shape) for shape in shapes.tolist()]).reshape(-1, 2)[of_point.ravel()]
    every, wide = found.T * column("groups")
    return every, wide


@lru_cache(maxsize=4096)
def _in_one_matrix(mw: float, mh: float, weight_bits: float) -> tuple[float, float]:
    # Beyond 16 bits nearly every product is a multiplier.
    limit = untrained_limit(np.array([mw]), np.array([min(weight_bits, 16.0)]))
    found = uniform(np.array([mw]), np.array([mh]), limit)
    return float(found.multipliers[0]), float(found.multipliers[0] - found.small[0])


def cost(
    column: Columns, masks: Masks, reuse: Array, fifo_depth: Array, io_type: str, known: Constants | None = None
) -> Cost:  # fmt: skip
    """Cycles and resources of design points with the FIFOs behind them; see `stream_cycles` for the arguments.

    ``known`` are the weights of pipelined layers, which are constants there; by default none is zero, and they are
    spread as those of untrained layers.
    """
    streams = io_type == "io_stream"
    busy = stream_cycles(column, masks, reuse) if streams else parallel_cycles(column, masks, reuse, known)
    count = np.where(masks.folds, multipliers(column, reuse), 0.0)
    constant = masks.folds & masks.pipelined
    unrolled = constant & (reuse == 1)
    wide = constant_products(column, constant)[1] if known is None else known.wide
    constants = np.where(constant, wide, np.inf)
    count = count if known is None else np.where(unrolled, known.nonzero, count)
    lut, ff, dsp, dsp_high = _arithmetic(column, count, constants, unrolled, reuse)
    moved_lut, moved_ff = _element_wise(column)
    lut = np.where(masks.folds, lut, moved_lut)
    ff = np.where(masks.folds, ff, moved_ff)
    if streams:
        lut = lut + _line_buffer_lut(column)
    else:
        ff = ff + column("rows_in") * column("columns_in") * column("channels_in") * column("input_bits")
    memory_lut, memory_bram = _weight_memory(column, count, unrolled, reuse)
    fifos = r.fifo(column("channels_out") * column("output_bits"), fifo_depth)
    readers = column("readers") * streams
    tree = np.ceil(np.log2(np.maximum(column("mw"), 1))) + 3.0
    depth = np.where(masks.folds, np.where(masks.pipelined, tree, 2.0), 1.0 + 2.0 * streams)
    return Cost(
        busy, depth, lut + memory_lut + readers * fifos[0], ff + readers * fifos[1], dsp, dsp_high,
        memory_bram + readers * fifos[2],
    )  # fmt: skip


def _arithmetic(
    column: Columns, count: Array, constants: Array, unrolled: Mask, reuse: Array
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """LUT, FF, DSP and the largest plausible DSP count of the matrix stages."""
    w, a, mh = column("weight_bits"), column("input_bits"), column("mh") * column("groups")
    columns = column("mw") * column("groups")
    acc = r.accumulator_bits(w, a, column("mw"))
    sums = np.minimum(mh, count)
    product = r.product_lut(w, a)
    folded_mux = r.mux_lut(a, columns) + np.where(reuse > columns, r.mux_lut(acc, mh), 0.0)
    lut_folded = count * (product + r.ADD_LUT * (w + a)) + sums * acc * r.ACCUMULATE_LUT + folded_mux
    lut_unrolled = count * (CONSTANT_PRODUCT * product + UNROLLED_ADD * r.ADD_LUT * (w + a))
    ff_folded = PRODUCT_FF * count * (w + a) + ACCUMULATOR_FF * acc * mh
    ff_unrolled = UNROLLED_FF * count * (w + a) + acc * mh
    blocks = r.dsp_blocks(w, a)
    possible = np.where(r.dsp_unsure(w, a) | (blocks > 0), count * np.maximum(blocks, 1.0), 0.0)
    return (
        r.UNIT_LUT + np.where(unrolled, lut_unrolled, lut_folded),
        FOLDED_FF + np.where(unrolled, ff_unrolled, ff_folded) + columns * a,
        np.round(np.minimum(count, constants) * blocks),
        possible,
    )


def _weight_memory(column: Columns, count: Array, unrolled: Mask, reuse: Array) -> tuple[Array, Array]:
    """LUT and BRAM18 of the weight ROM (multipliers * bits wide, rf deep) and of hls4ml's output index table.

    The table exists when a multiplier serves more than two outputs.
    """
    width = count * column("weight_bits")
    stored = (reuse > 1) & ~unrolled & (count > 0)
    outputs = reuse / np.maximum(column("mw") * column("groups"), 1.0)
    index_bits = np.ceil(np.log2(np.maximum(outputs, 1.0)))
    blocks = r.rom_blocks(width, reuse) + np.where(outputs > 2, r.rom_blocks(index_bits, reuse), 0.0)
    in_luts = np.ceil(reuse / 64) * width * (width * reuse < r.ROM_BITS)  # 64 bits per LUT (UG474, ROM64X1)
    return np.where(stored, in_luts, 0.0), np.where(stored, blocks, 0.0)


def _line_buffer_lut(column: Columns) -> Array:
    """Rows a window must remember, as shift registers (nnet_utils/nnet_conv_stream.h, ap_shift_reg)."""
    lines = np.maximum(column("kernel_rows") - 1, 0.0)
    return lines * r.shift_lut(column("channels_in") * column("input_bits"), column("padded_columns"))


def _element_wise(column: Columns) -> tuple[Array, Array]:
    """LUT and FF of stages without a matrix: all channels of a pixel (or of its window) in one cycle."""
    taps = column("kernel_rows") * column("kernel_columns")
    channels = np.maximum(column("channels_in"), column("channels_out"))
    scales = np.where(column("weight_bits") > 0, r.MULTIPLY_LUT * column("weight_bits") * column("input_bits"), 0.0)
    lut = channels * (r.ADD_LUT * column("input_bits") * taps + scales)
    ff = channels * (column("input_bits") * (taps - 1) + column("output_bits"))
    return r.UNIT_LUT / 2 + lut, r.UNIT_FF / 2 + ff
