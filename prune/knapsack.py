# SPDX-License-Identifier: Apache-2.0
"""The exact choice of units under one or two counted resources: a 0/1 knapsack by dynamic programming."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError

Array = npt.NDArray[Any]

MAX_STATES = 10**9  # items × capacities: one bit each is kept, 125 MB


def knapsack(
    values: Sequence[float] | Array, costs: Sequence[Any] | Array, capacities: Sequence[int]
) -> tuple[int, ...]:
    """The items, ascending, of the largest total value whose total costs stay within the capacities.

    Exact: Bellman's recursion over all remaining capacities (Kellerer, Pferschy and Pisinger, Knapsack Problems, 2004).
    Units of a layer carry their scores as values and what they occupy, such as DSP blocks and block
    RAM, as costs.

    Args:
        values: (items,), at least 0.
        costs: (items, resources) whole numbers, at least 0; (items,) where there is one resource.
        capacities: one whole number per resource.

    Raises:
        InputError: shapes do not fit, a number is negative or no whole number, or there are too many states.
    """
    worth, need = np.asarray(values, dtype=np.float64), np.asarray(costs)
    need = need.reshape(len(worth), -1)
    if need.shape[1] != len(capacities) or len(capacities) not in (1, 2):
        raise InputError(
            f"knapsack: got costs of {need.shape[1]} resources and {len(capacities)} capacities; expected 1 or 2"
        )
    if not np.isfinite(worth).all() or (worth < 0).any() or (need < 0).any() or (need != need.astype(np.int64)).any():
        raise InputError(
            "knapsack: got a negative, fractional or infinite number; expected values >= 0, whole costs >= 0"
        )
    need = need.astype(np.int64)
    sizes = tuple(min(int(room), int(need[:, axis].sum())) + 1 for axis, room in enumerate(capacities))
    if min(sizes) < 1 or len(worth) * int(np.prod(sizes)) > MAX_STATES:
        raise InputError(
            f"knapsack: got {len(worth)} items and capacities {tuple(capacities)}; expected capacities >= 0 and "
            f"at most {MAX_STATES:.0e} states; count resources in larger units"
        )
    best = np.zeros(sizes)
    taken = []
    for value, cost in zip(worth, need, strict=True):
        better = np.full(sizes, False)
        if all(c < size for c, size in zip(cost, sizes, strict=True)):
            room = tuple(slice(int(c), None) for c in cost)
            rest = tuple(slice(None, size - int(c)) for c, size in zip(cost, sizes, strict=True))
            with_it = best[rest] + value
            better[room] = with_it > best[room]
            best[room] = np.maximum(with_it, best[room])
        taken.append(np.packbits(better))
    return _walk_back(taken, need, sizes)


def _walk_back(taken: Sequence[Array], need: Array, sizes: tuple[int, ...]) -> tuple[int, ...]:
    left = [size - 1 for size in sizes]
    chosen = []
    for item in range(len(taken) - 1, -1, -1):
        position = int(np.ravel_multi_index(tuple(left), sizes))
        if taken[item][position // 8] >> (7 - position % 8) & 1:
            chosen.append(item)
            left = [room - int(cost) for room, cost in zip(left, need[item], strict=True)]
    return tuple(reversed(chosen))
