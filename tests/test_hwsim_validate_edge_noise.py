# SPDX-License-Identifier: Apache-2.0
"""What no model can predict: measurements that contradict each other, and rounds that differ."""

import itertools

import numpy as np
import pytest

from hwsim.kernel_fit import Measurements
from hwsim.validate.edge_noise import most_within, possible_share, repeat_spread
from hwsim.validate.edge_setups import Setup

WITHIN = 0.1


def by_trying(counts: np.ndarray, time_us: np.ndarray) -> int:
    """The largest set of which no two contradict each other."""
    size = len(time_us)

    def contradict(one: int, other: int) -> bool:
        return bool((counts[one] <= counts[other]).all() and 0.9 * time_us[one] > 1.1 * time_us[other])

    for wanted in range(size, 0, -1):
        for chosen in itertools.combinations(range(size), wanted):
            if not any(contradict(one, other) for one in chosen for other in chosen):
                return wanted
    return 0


@pytest.mark.parametrize("seed", range(6))
def test_the_most_that_can_be_within_is_found(seed: int) -> None:
    generator = np.random.default_rng(seed)
    counts, time_us = generator.integers(0, 4, (9, 2)).astype(float), generator.uniform(1, 6, 9)
    assert most_within(counts, time_us, WITHIN) == by_trying(counts, time_us)


def test_measurements_in_order_contradict_nothing() -> None:
    counts = np.arange(12.0).reshape(6, 2)
    assert most_within(counts, np.array([1.0, 1.2, 1.1, 2.0, 3.0, 2.9]), WITHIN) == 6
    assert most_within(counts, np.array([1.0, 2.0, 1.0, 2.0, 3.0, 2.0]), WITHIN) == 4


def setup_of(name: str, factors: np.ndarray, dtype: str = "fp32", device: str = "board, CPU") -> Setup:
    counts = np.arange(1.0, 1 + len(factors))[:, None]
    networks = np.array([f"net{index}" for index in range(len(factors))])
    runs = Measurements(counts, counts[:, 0] * 100 * factors, networks)
    return Setup(device, name, dtype, np.arange(len(factors)), runs, 4000.0)


def test_rounds_are_compared_less_their_common_factor() -> None:
    odd = np.ones(12)
    odd[::2] = 1.2  # half of the networks a fifth slower: each is a tenth from the median of the logarithms
    rounds = [setup_of("a-tflite-v1", np.ones(12)), setup_of("a-tflite-v2", 3 * odd)]
    median, most = repeat_spread(rounds)
    assert median == pytest.approx(np.sqrt(1.2) - 1)
    assert most == pytest.approx(np.sqrt(1.2) - 1)
    assert possible_share(rounds, WITHIN) == 1.0


def test_other_runtimes_types_and_boards_are_no_repeats() -> None:
    first = setup_of("a-tflite-v1", np.ones(12))
    others = [
        setup_of("a-armnn-v1", np.ones(12)), setup_of("a-tflite-v1", np.ones(12), "int8"),
        setup_of("a-tflite-v1", np.ones(12), device="other, CPU"), setup_of("a-tflite-v2", np.ones(9)),
    ]  # fmt: skip
    assert all(np.isnan(repeat_spread([first, *others])))
