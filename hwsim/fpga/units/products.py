# SPDX-License-Identifier: Apache-2.0
"""Products in LUTs (hls/rtl/product_lut.sv), and what becomes of them where constants have few words.

Partial products of the narrower operand, two bits at a time, and a tree of adders. A weight of a memory of few words is
a function of few address bits: many of its bits are the same in all words, and many bits of different weights are one
function, so that synthesis folds and shares what random bits would need of their own. Shares are those of random words.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.fpga.units.cells import Array

MOST_WORDS = 40.0  # from there on no bit is expected to be constant, and no function twice
WIDEST = 1024  # more bits than an operand has
SHIFT_REGISTER = 3  # registers in a row that yosys makes one of (xilinx_srl -minlen 3)


@dataclass(frozen=True, eq=False)
class Words:
    """Of the bits of a memory, (units,): the shares that are 0 or 1 in all words, and how many functions there are."""

    zero: Array
    one: Array
    functions: Array

    def of(self, units: npt.NDArray[np.bool_]) -> "Words":
        """Those of a mask."""
        return Words(self.zero[units], self.one[units], self.functions[units])

    @property
    def varies(self) -> Array:
        """Share of the bits that are no constants."""
        return 1 - self.zero - self.one


def words_of(different: Array, has_zero: Array | float = 0.0) -> Words:
    """Random words, (units,): how many different ones that are not zero, and 1 where there is a zero one besides."""
    functions = 2.0 ** np.minimum(different, MOST_WORDS)
    zero = np.where(different < MOST_WORDS, 1 / functions, 0.0)
    return Words(zero, np.where(np.asarray(has_zero) > 0, 0.0, zero), functions)


def distinct(count: Array, functions: Array) -> Array:
    """How many of ``count`` random choices among ``functions`` differ."""
    return np.asarray(-functions * np.expm1(count * np.log1p(-1 / np.maximum(functions, 1.0 + 1e-12))))


@dataclass(frozen=True, eq=False)
class ProductLut:
    """LUTs, registers, bits in shift registers and levels of adders of one product, (units,)."""

    pairs_lut: Array
    signs_lut: Array
    sums_lut: Array
    pairs_ff: Array
    sums_ff: Array
    shifted: Array
    levels: Array

    @property
    def lut(self) -> Array:
        """All LUTs."""
        return self.pairs_lut + self.signs_lut + self.sums_lut


def product_lut(
    x: Array, w: Array, x_signed: Array, w_signed: Array, words: Words, rows: Array | float = 1.0
) -> ProductLut:  # fmt: skip
    """A product of an input and a constant, the mean of ``rows`` with the same input."""
    narrow, wide = np.minimum(x, w), np.maximum(x, w)
    narrow_signed, wide_signed = np.where(x < w, x_signed, w_signed), np.where(x < w, w_signed, x_signed)
    pairs, half = np.ceil(narrow / 2), narrow % 2
    # The weight is the narrower operand: it says which multiples of the input are added; equal pairs are one.
    bits, rows = words.varies, np.asarray(rows, dtype=np.float64)
    constant = words.zero + words.one
    alike = distinct(rows * pairs, words.functions**2) / (rows * pairs)
    two = bits**2 * 2 + bits * constant + bits * (words.zero + 2 * words.one) + words.one**2
    # Or the wider one: its bits meet the same two bits of the input, once per pair of functions.
    each = rows * wide
    combined, single = distinct(each, words.functions**2) / each, distinct(each, words.functions) / each
    met = (1 - constant**2 - words.zero * bits) * combined + bits * single
    by_weight = x >= w
    both, one = np.where(by_weight, alike * two, met), np.where(by_weight, alike * bits, bits * single)
    nothing = np.where(by_weight, words.zero**2, 0.0)
    held = np.where(by_weight, alike * (1 - nothing), 1.0)
    sums, registers, shifted = _tree(narrow, wide)
    own = pairs * (wide + 2)
    return ProductLut(
        pairs_lut=(pairs - half) * (wide * both + wide_signed * both / 2) + half * wide * one,
        signs_lut=half * narrow_signed * wide * one,
        sums_lut=sums * (1 - nothing) ** 2,
        pairs_ff=own * held + np.where(pairs > 1, 1.0, 0.0),
        sums_ff=registers - own,
        shifted=shifted,
        levels=np.ceil(np.log2(pairs)),
    )


def _tree(narrow: Array, wide: Array) -> tuple[Array, Array, Array]:
    """LUTs of the adders behind partial products; registers, those of partial products included; shift registers."""
    known, place = np.unique(narrow * WIDEST + wide, return_inverse=True)
    counts = np.array([_tree_of(*divmod(int(both), WIDEST)) for both in known.tolist()], dtype=np.float64)
    found: npt.NDArray[np.float64] = counts.reshape(-1, 3)[place.reshape(narrow.shape)]
    return found[..., 0], found[..., 1], found[..., 2]


@dataclass
class _Tally:
    lut: int = 0
    ff: int = 0
    shifted: int = 0

    def end(self, bits: int, age: int) -> None:
        """``bits`` that went through ``age`` registers in a row and become something else."""
        if age < SHIFT_REGISTER:
            self.ff += bits * age
        else:
            self.shifted += bits


_Bits = list[tuple[int, int]]  # of a number, from the lowest up: how many, and in how many registers in a row they were


def _tree_of(narrow: int, wide: int) -> tuple[int, int, int]:
    """The same of one product: a heap of registered sums in which a sum's lowest bits are its left term's."""
    width, pairs = narrow + wide, (narrow + 1) // 2
    tally = _Tally()
    level: list[tuple[int, _Bits]] = [(2 * index, [(wide + 2, 1)]) for index in range(pairs)]  # (lowest bit, bits)
    while len(level) > 1:
        above = []
        for left, right in zip(level[::2], level[1::2], strict=False):
            low, high = left[0], right[0]
            passed, rest = _split(left[1], high - low)
            for bits, age in (*rest, *right[1]):
                tally.end(bits, age)
            tally.lut += width - high
            above.append((low, [*_older(passed), (width - high, 1)]))
        if len(level) % 2:
            above.append((level[-1][0], _older(level[-1][1])))
        level = above
    for bits, age in level[0][1]:
        tally.end(bits, age)
    return tally.lut, tally.ff, tally.shifted


def _older(number: _Bits) -> _Bits:
    return [(bits, age + 1) for bits, age in number]


def _split(number: _Bits, count: int) -> tuple[_Bits, _Bits]:
    """The lowest ``count`` bits, and the others."""
    low: _Bits = []
    high: _Bits = []
    for bits, age in number:
        below = min(bits, count)
        count -= below
        low += [(below, age)] * (below > 0)
        high += [(bits - below, age)] * (bits > below)
    return low, high
