# SPDX-License-Identifier: Apache-2.0
"""What a matrix-vector unit of hls/rtl occupies: products and sums, the weights, and the buffer that replays inputs.

Constants are least squares on the relative error over yosys's counts of 23 units (synth_xilinx, 7 series; 1x1 to 8x8,
4x16 and 16x2 elements, 2 to 8 bits, products in DSP blocks and in LUTs); of four units that had no part in the fit, LUT
is off by 5 % and FF by 13 % in the mean. ``benchmarks/matrix_units.py --all --fit`` counts and fits them again. yosys
counts every small LUT by itself, or estimates how many share a 6-input one; a placed design lies between, and LUTs here
are the mean of both counts.
"""

from dataclasses import dataclass

import numpy as np

from hwsim.fpga import resources as r
from hwsim.fpga.linear import Terms, evaluate
from hwsim.fpga.multipliers import rows_per_dsp
from hwsim.fpga.resources import Array

Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
# For control; per bit of an addition; per operand bit of a product for taking it out of a shared DSP block, again where
# narrow products overlap; per bit by bit of a product in LUTs; per accumulator bit.
LUT = {"control": 31.6, "add": 0.319, "apart": 0.827, "overlap": 0.390, "product": 1.347, "sum": 0.951}
# For control; per bit by bit of a product in LUTs; per accumulator bit; per bit of the inputs and weights of one cycle.
FF = {"control": 14.8, "product": 0.938, "sum": 2.274, "input": 9.75, "weight": 4.726}
CARRIES = 2  # bits of a sum beyond those of its operands
BUFFER_LUT = 4 / 3  # of a memory of 64 bits with a port to read and one to write: RAM64M, three of them in four LUTs
SHARED_BITS = 2  # of the narrower operand, from which products of one DSP block are taken apart


@dataclass(frozen=True, eq=False)
class Materials:
    """Out of what design points are made, shape (points,): products and weights that are not left to synthesis."""

    products_in_luts: Mask
    products_in_dsp: Mask
    weights_in_luts: Mask
    weights_in_blocks: Mask

    def in_dsp(self, w: Array, a: Array) -> Mask:
        """Whether products of w by a bits are in DSP blocks."""
        wide_enough = np.minimum(w, a) >= r.DSP_MIN_BITS
        found: Mask = self.products_in_dsp | (wide_enough & ~self.products_in_luts)
        return found


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """Widths and folding of matrix units, (points,): weights, inputs, accumulators; rows, columns; groups of rows.

    ``vectors`` arrive side by side, each for an equal part of the rows.
    """

    w: Array
    a: Array
    acc: Array
    pe: Array
    simd: Array
    vectors: Array

    def lut(self, in_dsp: Mask) -> Array:
        """LUTs of products, sums and control."""
        return evaluate(self.lut_terms(in_dsp), LUT)

    def ff(self, in_dsp: Mask) -> Array:
        """Flip-flops of products, sums, operands and control."""
        return evaluate(self.ff_terms(in_dsp), FF)

    def lut_terms(self, in_dsp: Mask) -> Terms:
        """How often each of LUT's constants counts."""
        count, operands, narrow = self.pe * self.simd, self.w + self.a, np.minimum(self.w, self.a)
        return {
            "control": np.ones_like(count),
            "add": count * (operands + CARRIES),
            "apart": np.where(in_dsp & (narrow >= SHARED_BITS), count * operands, 0.0),
            "overlap": np.where(in_dsp & (narrow < r.DSP_MIN_BITS), count * operands, 0.0),
            "product": np.where(in_dsp, 0.0, count * self.w * self.a),
            "sum": self.pe * self.acc,
        }

    def ff_terms(self, in_dsp: Mask) -> Terms:
        """How often each of FF's constants counts."""
        count = self.pe * self.simd
        return {
            "control": np.ones_like(count),
            "product": np.where(in_dsp, 0.0, count * self.w * self.a),
            "sum": self.pe * self.acc,
            "input": self.vectors * self.simd * self.a,
            "weight": count * self.w,
        }

    def dsp(self) -> Array:
        """DSP blocks, where products are in them; rows of different inputs share none."""
        narrow, wide = np.minimum(self.w, self.a), np.maximum(self.w, self.a)
        rows = np.where(self.w > 0, rows_per_dsp(self.a, np.maximum(self.w, 1.0)), 1.0)
        blocks = np.where(rows > 1, 1.0, np.ceil(wide / 25) * np.ceil(narrow / 18))
        return self.vectors * np.ceil(self.pe / self.vectors / rows) * self.simd * blocks


def weights(width: Array, depth: Array, made: Materials) -> tuple[Array, Array]:
    """LUT and 18-kbit blocks of the weights: banks side by side (hls/templates/ram.py), and the choice between them."""
    in_luts = made.weights_in_luts | (~made.weights_in_blocks & (width * depth <= r.LUTRAM_BITS))
    words, bits = np.array(r.BLOCK_SHAPES, dtype=np.float64).T
    banks = np.ceil(depth[..., None] / words)
    blocks = np.ceil(banks * width[..., None] / bits)
    best = blocks.argmin(axis=-1)[..., None]
    fewest, ways = (np.take_along_axis(table, best, axis=-1)[..., 0] for table in (blocks, banks))
    in_logic = np.ceil(depth / 64) * width  # a 6-input LUT holds 64 bits
    return np.where(in_luts, in_logic, r.mux_lut(width, ways)), np.where(in_luts, 0.0, fewest)


def replay_buffer(width: Array, depth: Array) -> tuple[Array, Array]:
    """LUT and 18-kbit blocks of the memory that holds a vector for all rows."""
    small = depth <= 64
    return np.where(small, BUFFER_LUT * width, 0.0), np.where(small, 0.0, r.blocks_of_one_shape(width, depth))
