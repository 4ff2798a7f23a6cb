# SPDX-License-Identifier: Apache-2.0
"""One whole option per group under limits on sums: found, proven impossible, or left open.

First the relaxation: it usually meets a choice that fits, or proves that there is none. Between the two, whole choices
are built up group by group (dynamic programming over what has been used so far), and one is dropped when under some
weighting of the resources even the least that the other groups can add exceeds the limits (branch and bound with the
relaxation's weights). Only where more partial choices survive than are kept can a case stay open.
"""

from dataclasses import dataclass

import numpy as np

from hwsim.fpga.folding.relaxation import TOLERANCE, Index, Knapsack, Mask, relax
from hwsim.fpga.resources import Array

KEPT = 2000  # partial choices at a time


@dataclass(frozen=True, eq=False)
class Verdict:
    """``picks`` is the option chosen in every group, None where none was found; ``impossible`` is a proof."""

    picks: Index | None
    impossible: bool = False


def solve(sack: Knapsack, kept: int = KEPT) -> Verdict:
    """One option of every group within the limits; ``kept`` partial choices at a time."""
    if not sack.present.any(axis=1).all():
        return Verdict(None, impossible=True)
    relaxed = relax(sack)
    if relaxed.picks is not None:
        return Verdict(relaxed.picks)
    if relaxed.excess > TOLERANCE:
        return Verdict(None, impossible=True)
    found, complete = complete_choices(sack, relaxed.weights, kept)
    if len(found):
        return Verdict(found[0])
    return Verdict(None, impossible=complete)


def complete_choices(sack: Knapsack, weights: Array, limit: int = KEPT) -> tuple[Index, bool]:
    """Choices that fit, (choices, groups), the lightest first, and whether these are all there are.

    Args:
        weights: (weightings, resources), all >= 0; those of every single resource are added.
        limit: partial choices to keep.
    """
    resources = len(sack.limits)
    lenses = np.unique(np.vstack([weights, np.eye(resources)]), axis=0).T
    scores, limits = sack.weighed(lenses), sack.limits @ lenses
    keep = possible(scores, limits)
    if not keep.any(axis=1).all():
        return np.zeros((0, len(keep)), dtype=np.intp), True
    least = np.where(keep[..., None], scores, np.inf).min(axis=1)
    order = np.argsort(keep.sum(axis=1), kind="stable")
    rest = least.sum(axis=0)
    sums, trail, complete = np.zeros((1, resources)), np.zeros((1, 0), dtype=np.intp), True
    for group in order:
        options = np.flatnonzero(keep[group])
        options = options[undominated(sack.used[group, options])]
        rest = rest - least[group]
        wider = (sums[:, None, :] + sack.used[group, options]).reshape(-1, resources)
        excess = (wider @ lenses + rest - limits).max(axis=1)
        alive = np.flatnonzero(excess <= TOLERANCE)
        if len(alive) > limit:
            alive, complete = alive[np.argsort(excess[alive], kind="stable")[:limit]], False
        before, chosen = np.divmod(alive, len(options))
        sums, trail = wider[alive], np.column_stack([trail[before], options[chosen]])
    lightest = np.argsort(sums.sum(axis=1), kind="stable")
    picks = np.empty_like(trail)
    picks[:, order] = trail
    return picks[lightest], complete


def possible(scores: Array, limits: Array) -> Mask:
    """(groups, options): an option stays if with it, and the least of all other groups, every weighting fits."""
    least = scores.min(axis=1)
    slack = limits - least.sum(axis=0)
    kept: Mask = (scores - least[:, None, :] <= slack + TOLERANCE).all(axis=2)
    return kept


def undominated(used: Array) -> Index:
    """The rows of (options, resources) that no other row undercuts, lightest first; of equal ones the first."""
    left = np.lexsort((np.arange(len(used)), used.sum(axis=1)))
    kept = []
    while len(left):
        kept.append(left[0])
        left = left[(used[left] < used[left[0]]).any(axis=1)]
    return np.array(kept, dtype=np.intp)
