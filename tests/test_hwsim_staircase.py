# SPDX-License-Identifier: Apache-2.0
"""Steps found by bisection are those of brute force; chains compute as float32 run-times do."""

import numpy as np
import pytest
from exact_graphs import chain
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.staircase import Staircase, find_staircase, run_steps

Array = np.ndarray


def saturated(x: Array, scale: Array, shift: Array, low: int, high: int) -> Array:
    return np.clip(np.floor(x * scale + shift), low, high).astype(np.int64)


def every_level(found: Staircase, x: Array) -> Array:
    """Levels (points, channels) by counting the reached steps, from the definition."""
    reached = (found.sign * x[:, None])[:, :, None] >= found.firsts
    return found.low + found.stride * reached.sum(axis=2)


def by_thresholds(found: Staircase, x: Array) -> Array:
    """Levels as a ``threshold`` layer computes them."""
    thresholds, start, slope = found.thresholds()
    return start + slope * (x[:, None, None] >= thresholds).sum(axis=2)


@settings(deadline=None, max_examples=60)
@given(
    low_x=st.integers(-300, 200),
    span=st.integers(0, 400),
    low=st.integers(-9, 3),
    steps=st.integers(1, 12),
    seed=st.integers(0, 10_000),
)
def test_steps_are_those_of_brute_force(low_x: int, span: int, low: int, steps: int, seed: int) -> None:
    """Rising, falling and constant channels, steps outside the range and several at one place."""
    rng = np.random.default_rng(seed)
    scale = rng.choice([0.0, 0.01, -0.07, 0.5, -3.0, 40.0], 6)
    shift = rng.normal(size=6) * 9
    found = find_staircase(
        lambda x: saturated(x, scale, shift, low, low + steps), 6, low_x, low_x + span, range(low, low + steps + 1)
    )
    x = np.arange(low_x, low_x + span + 1)
    expected = saturated(x[:, None], scale, shift, low, low + steps)
    assert (found.low, found.high, found.steps) == (low, low + steps, steps)
    np.testing.assert_array_equal(every_level(found, x), expected)
    np.testing.assert_array_equal(by_thresholds(found, x), expected)
    thresholds, _, _ = found.thresholds()
    assert np.all(np.diff(thresholds, axis=1) >= 0)
    assert low_x <= thresholds.min()
    assert thresholds.max() <= low_x + span + 1


def test_levels_two_apart() -> None:
    found = find_staircase(lambda x: np.where(x >= 3, 1, -1) * np.array([1, -1]), 2, -8, 7, range(-1, 2, 2))
    thresholds, start, slope = found.thresholds()
    assert (found.steps, thresholds.tolist(), start.tolist(), slope.tolist()) == (1, [[3], [3]], [-1, 1], [2, -2])


def test_float32_meets_ties_that_real_numbers_miss() -> None:
    """0.75 / float32(0.1) is 7.4999999 in float64 and 7.5 in float32, which rounds to 8 (qonnx ``int_quant``)."""
    scale = 1.0 / np.float64(np.float32(0.1))
    steps = chain(("batch_norm", [scale], [0.0]), ("requantise", "ap_fixed<8,8,RND_CONV,SAT>"))
    x = np.array([[0.25], [0.75]])
    assert run_steps(steps, x).ravel().tolist() == [2.0, 8.0]
    assert run_steps(steps, x, np.float64).ravel().tolist() == [2.0, 7.0]


def test_float32_gives_zero_at_the_mean_of_a_batch_norm() -> None:
    scale = np.float32(0.1) * np.float32(1.7)
    steps = chain(("batch_norm", [scale], [-(np.float32(3) * scale)]))
    assert run_steps(steps, np.array([[3.0]])).item() == 0.0
    assert run_steps(steps, np.array([[3.0]]), np.float64).item() != 0.0


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ([("relu",), ("requantise", "ap_fixed<3,2,RND_CONV,SAT>")], [[0.0, 0.0], [0.5, 1.5]]),
        ([("clip", {"low": -0.5, "high": 0.25})], [[-0.5, -0.5], [0.25, 0.25]]),
        ([("batch_norm", [2.0, -1.0], [0.0, 1.0]), ("leaky_relu", {"alpha": 0.5})], [[-1.0, 4.0], [0.8, -1.0]]),
    ],
)
def test_a_chain_computes_one_layer_after_another(ops: list[tuple], expected: list) -> None:
    x = np.array([[-1.0, -3.0], [0.4, 3.0]])
    np.testing.assert_allclose(run_steps(chain(*ops), x), expected, rtol=1e-6)
