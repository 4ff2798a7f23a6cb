# SPDX-License-Identifier: Apache-2.0
"""The accumulator of an average: truncated division followed by a rounding cast equals rounding the exact mean."""

import numpy as np
import pytest

from hls import accumulators
from hwsim.errors import UnsupportedError
from hwsim.fixed import OVERFLOWS, ROUNDINGS, FixedPoint
from hwsim.network import Layer

POOL = Layer("pool", "global_avg_pool", ("x",), ("y",))


def hls4ml_mean(sums: np.ndarray, count: int, source: FixedPoint, result: FixedPoint) -> np.ndarray:
    """What hls4ml computes: sum in the accumulator, division that drops bits towards zero, one cast."""
    accum = accumulators.mean(POOL, source, result, count)
    held = accum.cast(sums, source.frac)
    quotients = np.sign(held) * (np.abs(held) // count)
    return result.cast(accum.cast(quotients, accum.frac), accum.frac)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7, 9, 12, 49, 64, 100])
@pytest.mark.parametrize("frac", [-2, 0, 1, 3, 6])
def test_every_sum_rounds_like_the_exact_mean(rounding, count, frac):
    source = FixedPoint(5, 2)
    result = FixedPoint(12, frac, True, rounding, "SAT")
    sums = np.arange(source.min_int * count, source.max_int * count + 1)
    expected = result.cast_ratio(sums, count, source.frac)
    np.testing.assert_array_equal(hls4ml_mean(sums, count, source, result), expected)


@pytest.mark.parametrize("overflow", OVERFLOWS)
def test_overflow_happens_once_and_in_the_result(overflow):
    source, result = FixedPoint(6, 0, False), FixedPoint(3, 0, True, "RND_CONV", overflow)
    sums = np.arange(source.max_int * 9 + 1)
    np.testing.assert_array_equal(hls4ml_mean(sums, 9, source, result), result.cast_ratio(sums, 9, 0))


def test_one_guard_bit_less_would_round_some_means_wrongly(monkeypatch):
    narrower = lambda low, high, frac: FixedPoint(40, frac - 1)  # noqa: E731
    monkeypatch.setattr(accumulators, "smallest_format", narrower)
    source, result = FixedPoint(5, 0), FixedPoint(8, 0, True, "RND_CONV", "SAT")
    sums = np.arange(source.min_int * 49, source.max_int * 49 + 1)
    wrong = hls4ml_mean(sums, 49, source, result) != result.cast_ratio(sums, 49, 0)
    assert wrong.any()


def test_a_mean_beyond_63_bits_is_refused():
    with pytest.raises(UnsupportedError, match="pool: the mean over 1048576 values: an exact result needs 8. bits"):
        accumulators.mean(POOL, FixedPoint(40, 0), FixedPoint(8, 0), 1 << 20)


def test_plain_keeps_the_bits_and_drops_the_modes():
    assert accumulators.plain(FixedPoint(6, 2, False, "RND", "SAT")) == FixedPoint(6, 2, False)
