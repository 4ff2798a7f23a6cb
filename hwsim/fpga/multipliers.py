# SPDX-License-Identifier: Apache-2.0
"""Where the products of a matrix unit are computed: in LUTs, or one or several to a DSP block.

Rows of weights that meet the same input x share a block: their weights stand ``spacing`` bits apart in one operand,
sum(w[r] 2**(r spacing)) x, and the products are taken apart behind it (Xilinx WP486; FINN rtllib mvu_8sx8u_dsp48).
The operand has (rows - 1) spacing + w_bits + 1 bits and must fit the wide port of a DSP48E1, 25 bits (UG479); x and a
sign must fit the narrow one, 18 bits. A product has w_bits + x_bits bits. Where the narrower operand has 2 to 4 bits,
neighbouring products overlap by two bits, which are computed a second time in LUTs (as in FINN's mvu_4sx4u):

    weight x input    8 x 8   6 x 6   5 x 5   4 x 8   4 x 4   3 x 3   2 x 2   1 x 1
    spacing              16      12      10      10       6       4       2       2
    rows per block        2       2       2       3       4       6      12      12
"""

from dataclasses import dataclass

import numpy as np

from hwsim.fixed import FixedPoint
from hwsim.fpga.resources import DSP_MIN_BITS, Array, Number

WIDE_PORT, NARROW_PORT = 25, 18  # bits of the signed operands of a DSP48E1 (UG479); a DSP48E2 has 27 and 18
OVERLAP = 2  # bits
PART_BITS = 17  # of an operand, and a sign: what meets in one DSP block (hls/rtl/scale.sv)
DSP_STEPS = 4  # cycles: operands, product, result, products taken apart (hls/rtl/product_dsp.sv)


@dataclass(frozen=True)
class Multiplier:
    """``rows_per_dsp`` is 0 where products are computed in LUTs; ``steps`` are cycles from operands to product."""

    rows_per_dsp: int
    spacing: int
    steps: int


def spacing(x_bits: Number, w_bits: Number) -> Array:
    """Bits between the weights of rows that share a DSP block."""
    narrow = np.minimum(x_bits, w_bits)
    product = np.add(x_bits, w_bits)
    return np.asarray(np.where((narrow >= 2) & (narrow < DSP_MIN_BITS), product - OVERLAP, product))


def rows_per_dsp(x_bits: Number, w_bits: Number) -> Array:
    """How many rows of weights can share a DSP block; 1 where the operands are too wide."""
    shared = 1 + np.maximum(0, WIDE_PORT - 1 - np.asarray(w_bits)) // spacing(x_bits, w_bits)
    return np.where(np.less(x_bits, NARROW_PORT), shared, 1)


def multiplier(x_bits: int, w_bits: int, where: str = "auto") -> Multiplier:
    """What a folding's ``multiplier`` ("auto", "lut" or "dsp") means for inputs and weights of these widths.

    "auto" takes DSP blocks where the narrower operand has at least 5 bits.
    """
    narrow = min(x_bits, w_bits)
    if where == "lut" or (where == "auto" and narrow < DSP_MIN_BITS):
        pairs = -(-narrow // 2)  # of partial products (hls/rtl/product_lut.sv)
        return Multiplier(0, x_bits + w_bits, 1 + (pairs - 1).bit_length())
    return Multiplier(int(rows_per_dsp(x_bits, w_bits)), int(spacing(x_bits, w_bits)), DSP_STEPS)


def parts(fmt: FixedPoint) -> int:
    """Into how many parts an operand of hls/rtl/scale.sv is cut for DSP blocks."""
    bits = fmt.width + (not fmt.signed)
    return max(1, -(-(bits - 1) // PART_BITS))
