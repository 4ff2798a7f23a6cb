# SPDX-License-Identifier: Apache-2.0
"""The exact knapsack on classic instances with known optima, and against all subsets."""

from itertools import chain, combinations

import numpy as np
import pytest

from hwsim.errors import InputError
from prune.knapsack import knapsack

# Instances P01, P02, P03, P06 and P07 of Burkardt's collection (people.sc.fsu.edu/~jburkardt/datasets/knapsack_01),
# most of them from Kreher and Stinson, Combinatorial Algorithms, 1999: capacity, weights, profits, optimum.
CLASSIC = [
    (165, (23, 31, 29, 44, 53, 38, 63, 85, 89, 82), (92, 57, 49, 68, 60, 43, 67, 84, 87, 72), 309),
    (26, (12, 7, 11, 8, 9), (24, 13, 23, 15, 16), 51),
    (190, (56, 59, 80, 64, 75, 17), (50, 50, 64, 46, 50, 5), 150),
    (170, (41, 50, 49, 59, 55, 57, 60), (442, 525, 511, 593, 546, 564, 617), 1735),
    (
        750,
        (70, 73, 77, 80, 82, 87, 90, 94, 98, 106, 110, 113, 115, 118, 120),
        (135, 139, 149, 150, 156, 163, 173, 184, 192, 201, 210, 214, 221, 229, 240),
        1458,
    ),
]


@pytest.mark.parametrize(("capacity", "weights", "profits", "optimum"), CLASSIC)
def test_known_optima(capacity, weights, profits, optimum):
    chosen = knapsack(profits, weights, (capacity,))
    assert sum(profits[item] for item in chosen) == optimum
    assert sum(weights[item] for item in chosen) <= capacity


@pytest.mark.parametrize("seed", range(5))
def test_two_resources_equal_all_subsets(seed):
    rng = np.random.default_rng(seed)
    values, costs, room = rng.random(9), rng.integers(0, 6, (9, 2)), (11, 8)
    subsets = map(list, chain.from_iterable(combinations(range(9), size) for size in range(10)))
    best = max(values[s].sum() for s in subsets if (costs[s].sum(axis=0) <= room).all())
    chosen = list(knapsack(values, costs, room))
    assert values[chosen].sum() == pytest.approx(best)
    assert (costs[chosen].sum(axis=0) <= room).all()


def test_what_costs_nothing_is_taken_and_what_is_too_large_is_not():
    assert knapsack([1.0, 9.0, 2.0], [0, 8, 3], (4,)) == (0, 2)
    assert knapsack([1.0], [1], (0,)) == ()


@pytest.mark.parametrize(
    ("values", "costs", "room", "message"),
    [
        ([1.0], [[1, 1, 1]], (3, 3, 3), "got costs of 3 resources and 3 capacities; expected 1 or 2"),
        ([-1.0], [1], (3,), "got a negative, fractional or infinite number"),
        ([1.0], [0.5], (3,), "got a negative, fractional or infinite number"),
        ([1.0] * 2000, [10**6] * 2000, (10**9,), "count resources in larger units"),
    ],
)
def test_bad_arguments_are_refused(values, costs, room, message):
    with pytest.raises(InputError, match=message):
        knapsack(values, costs, room)
