# SPDX-License-Identifier: Apache-2.0
"""One option per group under limits on sums, with options mixed: a bound that no choice of whole options beats.

The multiple-choice knapsack asks for one option of every group such that the sums of what they use stay within limits.
Where a group may take shares of several options, the smallest possible excess

    v = min over mixtures  max over resources  (sum of what is used - limit)

is a matrix game: one side mixes options, the other one weighs resources. Any weights w >= 0 that add up to 1 prove

    v >= sum over groups (min over options  w . used) - w . limits

because for fixed weights the groups are independent (Lagrangian relaxation; Kellerer, Pferschy, Pisinger, Knapsack
Problems, 2004, chapter 11). The best weights are found by the simplex method, whose columns are whole choices, each
priced by that minimum (Dantzig, Wolfe, Operations Research 8, 1960). With v > 0 nothing fits, and that is proven.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.fpga.resources import Array

Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
TOLERANCE = 1e-9  # of sums in units of a limit's scale
_STEPS = 200  # of the simplex method; it takes some ten


@dataclass(frozen=True, eq=False)
class Knapsack:
    """``used`` is (groups, most options of a group, resources), ``present`` marks what is an option and not padding.

    ``limits`` is (resources,). Both are in units that make resources comparable.
    """

    used: Array
    present: Mask
    limits: Array

    def sums(self, picks: Index) -> Array:
        """(resources,) what one option of every group uses together; ``picks`` is (groups,)."""
        found: Array = self.used[np.arange(len(picks)), picks].sum(axis=0)
        return found

    def weighed(self, weights: Array) -> Array:
        """(groups, options, …) use under ``weights`` of (resources, …), infinite for padding."""
        present = self.present.reshape(self.present.shape + (1,) * (weights.ndim - 1))
        return np.where(present, self.used @ weights, np.inf)


@dataclass(frozen=True, eq=False)
class Relaxation:
    """What mixing says about a knapsack.

    ``excess`` is a lower bound of v: above 0 nothing fits. ``picks`` is a choice of whole options that fits, if one was
    met on the way. ``weights`` is (weightings, resources): those that were tried, the best one last. ``shares`` is the
    last mixture, (groups, options).
    """

    excess: float
    picks: Index | None
    weights: Array
    shares: Array


def relax(sack: Knapsack) -> Relaxation:
    """Bound the smallest excess, and stop as soon as its sign is known."""
    count = len(sack.limits)
    weights = np.full(count, 1 / count)
    picks = sack.weighed(weights).argmin(axis=1)
    column = sack.sums(picks) - sack.limits
    worst = int(column.argmax())
    # Rows: the limits, and that shares add up to 1. Columns: slacks, v in place of the worst one, a choice.
    basis, costs, right = np.eye(count + 1), np.zeros(count + 1), np.zeros(count + 1)
    basis[:count, worst], costs[worst], right[count] = -1.0, 1.0, 1.0
    basis[:, count] = np.append(column, 1.0)
    mixed: dict[int, Index] = {count: picks}  # the choices among the columns
    tried: list[Array] = [weights]
    best, best_weights = -np.inf, weights
    for _ in range(_STEPS):
        if column.max() <= TOLERANCE:
            return Relaxation(min(best, 0.0), picks, np.array([*tried, best_weights]), _shares(sack, {0: picks}, [1.0]))
        duals = np.linalg.solve(basis.T, costs)
        raw = -duals[:count]
        weights = np.maximum(raw, 0.0)
        weights /= weights.sum()
        scores = sack.weighed(weights)
        picks = scores.argmin(axis=1)
        column = sack.sums(picks) - sack.limits
        bound = float(weights @ column)
        if bound > best:
            best, best_weights = bound, weights
        tried.append(weights)
        if best > TOLERANCE or (bound >= duals[count] - TOLERANCE and raw.min() >= -TOLERANCE):
            break
        slack = int(raw.argmin())
        is_slack = raw[slack] < -TOLERANCE
        left = _enter(basis, right, np.eye(count + 1)[slack] if is_slack else np.append(column, 1.0), worst)
        if left is None:
            break
        costs[left] = 0.0
        mixed.pop(left, None)
        if not is_slack:
            mixed[left] = picks
    fits = column.max() <= TOLERANCE
    shares = _shares(sack, mixed, np.linalg.solve(basis, right).tolist())
    return Relaxation(best, picks if fits else None, np.array([*tried, best_weights]), shares)


def _enter(basis: Array, right: Array, entering: Array, free: int) -> int | None:
    """Exchange a column of the basis, which one is returned; the excess, at ``free``, may have any sign and stays."""
    direction = np.linalg.solve(basis, entering)
    values = np.linalg.solve(basis, right)
    direction[free] = 0.0
    can_leave = direction > TOLERANCE
    if not can_leave.any():
        return None
    ratios = np.where(can_leave, np.maximum(values, 0.0) / np.where(can_leave, direction, 1.0), np.inf)
    leaving = int(ratios.argmin())
    basis[:, leaving] = entering
    return leaving


def _shares(sack: Knapsack, mixed: Mapping[int, Index], values: Sequence[float]) -> Array:
    """(groups, options) of a mixture of choices, by their places among the shares of all columns."""
    shares = np.zeros(sack.present.shape)
    for place, picks in mixed.items():
        shares[np.arange(len(picks)), picks] += max(values[place], 0.0)
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), TOLERANCE), dtype=np.float64)
