# SPDX-License-Identifier: Apache-2.0
"""Is there one option of every stage within limits on sums and on the latency? Branch and bound over busy times.

The latency is the longest of very many paths, each a sum over stages (paths.py). A path is added to the sums that are
limited when it turns out to be too long for what was found, for whole options as for mixtures of them. Mixing a fast
and a slow option of a stage looks cheaper than any option between the two is, so where a mixture fits, a stage's
options are split at the mixture's busy time, and both halves are asked again. A half in which not even mixtures fit is
done with, and so is an option that fits with no mixture of the other stages (relaxation.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hwsim.fpga.folding.knapsack import Verdict, complete_choices, possible
from hwsim.fpga.folding.paths import Path
from hwsim.fpga.folding.relaxation import TOLERANCE, Index, Knapsack, Mask, Relaxation, relax
from hwsim.fpga.resources import Array

NODES = 400  # sets of options that are looked at to answer one question
_MIXED, _TRIED = 50, 3  # partial and whole choices among a mixture's options
_PATHS = 50  # that are added for one set
_EXACT = 1 + 1e-9  # sums of floats may differ in their last digits


@dataclass(frozen=True, eq=False)
class Timed:
    """Options of every stage, (stages, options): what they use, (…, resources), busy and depth in cycles; and limits.

    ``path`` gives the longest path through stages of given busy times and depths; ``paths`` are those that counted.
    """

    used: Array
    busy: Array
    depth: Array
    limits: Array
    latency: float
    path: Callable[[Array, Array], Path]
    paths: list[Path] = field(default_factory=list)

    def sack(self, present: Mask) -> Knapsack:
        """The sums that are limited so far, paths as shares of the latency."""
        shares = [
            (one.busy[:, None] * self.busy + one.depth[:, None] * self.depth) / self.latency for one in self.paths
        ]
        used = np.concatenate([self.used, *(share[..., None] for share in shares)], axis=2)
        return Knapsack(
            used, present, np.append(self.limits, [_EXACT - one.fixed / self.latency for one in self.paths])
        )

    def fits(self, picks: Index) -> bool:
        """Whether one option per stage is within all limits."""
        stages = np.arange(len(picks))
        fitting = (self.used[stages, picks].sum(axis=0) <= self.limits + TOLERANCE).all()
        return bool(fitting) and self.is_short(self.busy[stages, picks], self.depth[stages, picks])

    def is_short(self, busy: Array, depth: Array) -> bool:
        """Whether no path through stages of these busy times and depths is too long; the longest one is kept if so."""
        longest = self.path(busy, depth)
        if longest.length(busy, depth) <= self.latency * _EXACT:
            return True
        self.paths.append(longest)
        return False


def decide(asked: Timed, present: Mask, nodes: int = NODES) -> Verdict:
    """A choice within all limits, a proof that there is none, or neither after so many sets of options."""
    waiting = [present]
    for _ in range(nodes):
        if not waiting:
            return Verdict(None, impossible=True)
        found = _explored(asked, waiting.pop())
        if found is None:
            continue
        if found.picks is not None:
            return Verdict(found.picks)
        if (found.present.sum(axis=1) > 1).any():
            waiting += _halves(asked, found)
        elif asked.fits(only := found.present.argmax(axis=1)):
            return Verdict(only)
    return Verdict(None, impossible=not waiting)


@dataclass(frozen=True, eq=False)
class _Node:
    """Options that are left, a mixture of them within all limits, and a whole choice if one was met."""

    present: Mask
    shares: Array
    picks: Index | None


def _explored(asked: Timed, present: Mask) -> _Node | None:
    """What is left of a set of options, None where nothing fits."""
    shares = np.zeros(present.shape)
    for _ in range(_PATHS):
        if not present.any(axis=1).all():
            return None
        sack = asked.sack(present)
        relaxed = relax(sack)
        if relaxed.excess > TOLERANCE:
            return None
        present, shares = present & _left(sack, relaxed), relaxed.shares
        if relaxed.picks is not None:
            if asked.fits(relaxed.picks):
                return _Node(present, shares, relaxed.picks)
        elif asked.is_short((shares * asked.busy).sum(axis=1), (shares * asked.depth).sum(axis=1)):
            return _Node(present, shares, _whole(asked, relaxed, present))
    return _Node(present, shares, None)


def _whole(asked: Timed, relaxed: Relaxation, present: Mask) -> Index | None:
    """Whole options among those of a mixture, one per stage, that fit: the mixture is near to the limits already."""
    sack = asked.sack(present & (relaxed.shares > 0))
    if not sack.present.any(axis=1).all():
        return None
    found: Index = complete_choices(sack, relaxed.weights[-1:], _MIXED)[0]
    for picks in list(found[:_TRIED]):
        if asked.fits(picks):
            return np.asarray(picks, dtype=np.intp)
    return None


def _left(sack: Knapsack, relaxed: Relaxation) -> Mask:
    """Options that fit with the least of all others, under every weighting that was tried and for every single sum."""
    lenses = np.unique(np.vstack([relaxed.weights, np.eye(len(sack.limits))]), axis=0).T
    return possible(sack.weighed(lenses), sack.limits @ lenses)


def _halves(asked: Timed, node: _Node) -> list[Mask]:
    """Two sets of options instead of one that has a choice left; the more likely one last."""
    shares = node.shares * node.present
    mean = (shares * asked.busy).sum(axis=1, keepdims=True) / np.maximum(shares.sum(axis=1, keepdims=True), TOLERANCE)
    spread = (shares * np.abs(asked.busy - mean)).sum(axis=1)
    stage = int(spread.argmax())
    side = asked.busy[stage] <= mean[stage]
    if spread[stage] <= TOLERANCE:  # options as fast as each other, of other materials
        several = np.where(node.present.sum(axis=1) > 1, shares.max(axis=1), 2.0)
        stage = int(several.argmin())
        side = np.arange(len(side)) == (shares[stage] + node.present[stage]).argmax()
    halves = []
    for part in (side, ~side):
        mask = node.present.copy()
        mask[stage] &= part
        halves.append(mask)
    return sorted(halves, key=lambda mask: float(shares[stage, mask[stage]].sum()))
