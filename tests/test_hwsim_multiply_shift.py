# SPDX-License-Identifier: Apache-2.0
"""A multiply-and-shift has every step of its staircase, over every integer there is, or is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.fixed import FixedPoint
from hwsim.multiply_shift import MultiplyShift, find_multiply_shift
from hwsim.staircase import Staircase, find_staircase

Array = np.ndarray


def staircase(scale: Array, shift: Array, bits: int, low: int, high: int, dtype: type = np.float64) -> Staircase:
    """Rounded to nearest even and saturated, over the signed integers of ``bits`` bits."""

    def level(x: Array) -> Array:
        real = (x * scale).astype(dtype) + shift.astype(dtype)
        return np.clip(np.rint(real), low, high).astype(np.int64)

    end = 1 << (bits - 1)
    return find_staircase(level, len(scale), -end, end - 1, range(low, high + 1))


def expect_equal(found: MultiplyShift, stairs: Staircase) -> None:
    """Equal levels at every integer of the range, cast as the golden executor casts."""
    x = np.arange(stairs.low_x, stairs.high_x + 1)
    expected = stairs.low + ((stairs.sign * x[:, None])[:, :, None] >= stairs.firsts).sum(axis=2)
    wide = FixedPoint(62, 0, True, found.rounding, "SAT")
    levels = wide.cast(x[:, None] * found.multiplier + found.addend, found.shift)
    np.testing.assert_array_equal(np.clip(levels, stairs.low, stairs.high), expected)


@settings(deadline=None, max_examples=40)
@given(bits=st.integers(4, 12), levels=st.integers(2, 40), low=st.integers(-20, 5), seed=st.integers(0, 10_000))
def test_the_steps_of_a_real_factor_are_met_everywhere(bits: int, levels: int, low: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = rng.normal(size=5) * levels / 2.0 ** (bits - 1)
    scale[0] = 0.0
    stairs = staircase(scale, rng.normal(size=5) * levels / 2, bits, low, low + levels)
    found = find_multiply_shift(stairs)
    assert found is not None
    expect_equal(found, stairs)


@pytest.mark.parametrize("bits", [16, 20, 24])
def test_wide_accumulators(bits: int) -> None:
    """Checked where levels begin, which is where two monotone functions can differ."""
    rng = np.random.default_rng(bits)
    scale = rng.normal(size=8) * 400 / 2.0**bits
    stairs = staircase(scale, rng.normal(size=8) * 40, bits, 0, 255)
    found = find_multiply_shift(stairs)
    assert found is not None
    smallest, largest = stairs.ends
    for offset, reaches in ((0, True), (-1, False)):
        x = stairs.firsts + offset
        inside = (x >= smallest[:, None]) & (x <= largest[:, None])
        value = (x * (found.multiplier * stairs.sign)[:, None] + found.addend[:, None]) >> found.shift
        reached = value >= np.arange(1, 256)
        assert found.rounding == "TRN"
        assert np.all(reached[inside] == reaches)


def test_no_more_bits_than_needed() -> None:
    """A factor of 3/8 is a multiplication by 3; one of 1/4 rounded at the half is a shift by 2 alone."""
    found = find_multiply_shift(staircase(np.array([0.375]), np.array([0.0625]), 8, -40, 40))
    assert found is not None
    assert (found.multiplier.tolist(), found.shift) == ([3], 3)
    found = find_multiply_shift(staircase(np.array([0.25]), np.array([0.125]), 10, -40, 40))
    assert found is not None
    assert (found.multiplier.tolist(), found.shift, found.addend.tolist()) == ([1], 2, [2])


def test_ties_go_to_even_where_steps_lie_on_ties() -> None:
    """2.5, 7.5, 12.5, … go down and up in turn, which no line that is truncated does."""
    stairs = staircase(np.array([2.5, -0.5, 0.25]), np.zeros(3), 8, -128, 127)
    found = find_multiply_shift(stairs)
    assert found is not None
    assert (found.rounding, found.shift, found.multiplier.tolist()) == ("RND_CONV", 2, [10, -2, 1])
    expect_equal(found, stairs)


def test_one_wrong_step_is_seen() -> None:
    stairs = staircase(np.array([0.31]), np.zeros(1), 10, -100, 100)
    for offset in (-1, 1):
        firsts = stairs.firsts.copy()
        firsts[0, 150] += offset * 2
        moved = Staircase(stairs.low_x, stairs.high_x, stairs.low, 1, stairs.sign, firsts)
        assert find_multiply_shift(moved) is None


def test_what_no_line_does_is_refused() -> None:
    def rooted(x: Array) -> Array:
        return np.floor(np.sqrt(np.maximum(x, 0))).astype(np.int64)

    assert find_multiply_shift(find_staircase(rooted, 1, -512, 511, range(23))) is None
    bipolar = find_staircase(lambda x: np.where(x >= 3, 1, -1), 1, -8, 7, range(-1, 2, 2))
    assert find_multiply_shift(bipolar) is None  # levels two apart


def test_float32_steps_of_a_narrow_accumulator_are_met() -> None:
    rng = np.random.default_rng(3)
    stairs = staircase(rng.normal(size=16) * 0.3, rng.normal(size=16), 11, -128, 127, np.float32)
    found = find_multiply_shift(stairs)
    assert found is not None
    expect_equal(found, stairs)
