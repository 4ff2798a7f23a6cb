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
    met on the way. ``weights`` is (weightings, resources): those that were tried, the best one last.
    """

    excess: float
    picks: Index | None
    weights: Array


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
    tried: list[Array] = [weights]
    best, best_weights = -np.inf, weights
    for _ in range(_STEPS):
        if column.max() <= TOLERANCE:
            return Relaxation(min(best, 0.0), picks, np.array([*tried, best_weights]))
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
        entering = np.eye(count + 1)[slack] if raw[slack] < -TOLERANCE else np.append(column, 1.0)
        if not _enter(basis, costs, right, entering, worst):
            break
    fits = column.max() <= TOLERANCE
    return Relaxation(best, picks if fits else None, np.array([*tried, best_weights]))


def _enter(basis: Array, costs: Array, right: Array, entering: Array, free: int) -> bool:
    """Exchange a column of the basis for another one; the excess, at ``free``, may have any sign and stays."""
    direction = np.linalg.solve(basis, entering)
    values = np.linalg.solve(basis, right)
    direction[free] = 0.0
    can_leave = direction > TOLERANCE
    if not can_leave.any():
        return False
    ratios = np.where(can_leave, np.maximum(values, 0.0) / np.where(can_leave, direction, 1.0), np.inf)
    leaving = int(ratios.argmin())
    basis[:, leaving], costs[leaving] = entering, 0.0
    return True
