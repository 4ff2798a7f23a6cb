# SPDX-License-Identifier: Apache-2.0
"""The best folding of all stages together, with a bound that no folding beats.

Every question is put as one that has yes or no for an answer: is there an option of every stage such that no stage is
busy for longer than so many cycles, the sums stay within the limits, and the latency does too? A smallest interval,
latency or resource is then found by bisection. "No" comes with a proof, so the largest value that was refused is the
bound; see relaxation.py and knapsack.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hwsim.fpga.folding.branching import Timed, decide
from hwsim.fpga.folding.knapsack import KEPT, Verdict, solve, undominated
from hwsim.fpga.folding.paths import Path
from hwsim.fpga.folding.relaxation import Index, Knapsack, Mask
from hwsim.fpga.resources import Array

LEVELS = 1000  # into which a range without natural steps is divided
LATENCY_LEVELS = 250  # steps of a fraction of a percent
BALANCE_LEVELS = 33
ROUGHLY_KEPT = 50  # partial choices, where nothing is to be proven
_ROOMS = 4  # sizes of the room that is left for what depends on several stages
_EXACT = 1 + 1e-9  # sums of floats may differ in their last digits


@dataclass(frozen=True, eq=False)
class Problem:
    """Options of every stage, (stages, most options of a stage): use in shares, busy and depth in cycles.

    ``used`` is (stages, options, resources) in units of ``scale``, as are ``limits``; ``rows`` are the options' places
    where they came from. ``path`` gives the longest path through stages of given busy times and depths.
    ``further`` gives what a choice uses besides, (points, resources) for rows of (stages, points), as that depends on
    several stages at a time. ``kept`` partial choices are followed at a time.
    """

    used: Array
    busy: Array
    depth: Array
    present: Mask
    rows: Index
    limits: Array
    path: Callable[[Array, Array], Path]
    slowest: float = np.inf
    latency: float = np.inf
    kept: int = KEPT
    further: Callable[[Index], Array] | None = None

    def at(self, table: Array, picks: Index) -> Array:
        """One value of every stage: that of its picked option."""
        found: Array = table[np.arange(len(picks)), picks]
        return found

    def interval(self, picks: Index) -> float:
        """Cycles from image to image."""
        return float(self.at(self.busy, picks).max(initial=1.0))

    def longest(self, picks: Index) -> tuple[float, Path]:
        """Cycles from the first input to the last output, and the path that takes them."""
        busy, depth = self.at(self.busy, picks), self.at(self.depth, picks)
        path = self.path(busy, depth)
        return path.length(busy, depth), path

    def sums(self, picks: Index) -> Array:
        """(resources,) in units of the scale; (points, resources) for picks of (stages, points)."""
        found, stages = self.sums_of_stages(picks), _stages(picks)
        return found if self.further is None else found + self.further(self.rows[stages, picks])

    def sums_of_stages(self, picks: Index) -> Array:
        """The same without what depends on several stages."""
        found: Array = self.used[_stages(picks), picks].sum(axis=0)
        return found

    def fits(self, picks: Index) -> bool:
        """Whether a choice is within all limits."""
        return (
            bool((self.sums(picks) <= self.limits + 1e-9).all())
            and self.interval(picks) <= self.slowest
            and (self.latency == np.inf or self.longest(picks)[0] <= self.latency * _EXACT)
        )


def _stages(picks: Index) -> Index:
    """The numbers of the stages, in a shape that goes with picks of (stages, …)."""
    return np.arange(len(picks)).reshape(-1, *(1,) * (picks.ndim - 1))


@dataclass(frozen=True, eq=False)
class Answer:
    """``picks`` is the best choice that was found, None where none was; no choice is better than ``bound``."""

    picks: Index | None
    value: float
    bound: float


def problem(
    used: Array, busy: Array, depth: Array, starts: Index, limits: Array, path: Callable[[Array, Array], Path],
    depth_counts: bool = False,
) -> Problem:  # fmt: skip
    """Options given one after the other, (options, …), those of stage i from ``starts[i]`` on, without dominated ones.

    ``depth_counts`` keeps options that are better in nothing but their depth.
    """
    columns = np.column_stack([used, busy, *([depth] if depth_counts else [])])
    ends = [*starts[1:].tolist(), len(used)]
    kept = [start + undominated(columns[start:end]) for start, end in zip(starts.tolist(), ends, strict=True)]
    most = max((len(rows) for rows in kept), default=0)
    rows = np.zeros((len(kept), most), dtype=np.intp)
    present = np.zeros(rows.shape, dtype=np.bool_)
    for index, own in enumerate(kept):
        rows[index, : len(own)], present[index, : len(own)] = own, True
    return Problem(used[rows], busy[rows], depth[rows], present, rows, limits, path)


def ask(asked: Problem) -> Verdict:
    """A choice within all limits, a proof that there is none, or neither.

    The proof is about sums over stages. Where a choice fits but for what it uses besides, others near by are looked at,
    and then those that leave as much room as that one lacked.
    """
    found = _asked(asked)
    if found.picks is None or asked.further is None:
        return found
    room = asked
    for _ in range(_ROOMS):
        assert found.picks is not None
        picks = found.picks if asked.fits(found.picks) else _mended(asked, found.picks)
        if asked.fits(picks):
            return Verdict(picks)
        lacking = asked.sums(found.picks) - room.sums_of_stages(found.picks)
        room = replace(asked, limits=np.minimum(room.limits, asked.limits - lacking))
        found = _asked(room)
        if found.picks is None:
            break
    return Verdict(None)


def _asked(asked: Problem) -> Verdict:
    """The same, of what is used by stages alone."""
    present = asked.present & (asked.busy <= asked.slowest)
    if asked.latency == np.inf:
        return solve(Knapsack(asked.used, present, asked.limits), asked.kept)
    if asked.latency <= 0:
        return Verdict(None, impossible=True)
    timed = Timed(asked.used, asked.busy, asked.depth, asked.limits, asked.latency, asked.path)
    return decide(timed, present)


def _mended(asked: Problem, picks: Index) -> Index:
    """Picks changed stage by stage, as long as that brings the fullest resource nearer to its limit."""
    allowed = asked.present & (asked.busy <= asked.slowest)
    excess = float((asked.sums(picks) - asked.limits).max())
    while excess > 0:
        best = picks
        for stage in range(len(picks)):
            options = np.flatnonzero(allowed[stage])
            changed = np.repeat(picks[:, None], len(options), axis=1)
            changed[stage] = options
            worst = (asked.sums(changed) - asked.limits).max(axis=1)
            if worst.min() < excess:
                excess, best = float(worst.min()), changed[:, int(worst.argmin())]
        if best is picks:
            return picks
        picks = best
    return picks


def descend(
    levels: Array, at: Callable[[float], Problem], value: Callable[[Index], float], exact: bool,
    known: Index | None = None,
) -> Answer:  # fmt: skip
    """The lowest of the ascending ``levels`` at which the problem has an answer.

    Args:
        at: the problem whose every answer has at most this value.
        value: of a choice.
        exact: every value that is possible is a level, so that a refused one puts the bound at the next.
        known: an answer at the highest level.
    """
    best = ask(at(float(levels[-1]))).picks if known is None else known
    if best is None:
        return Answer(None, np.inf, np.inf)
    high = _level(levels, value(best))
    refused, low, opened = -1, -1, high
    while high - low > 1 or (opened < high and opened - refused > 1):
        # Between what was refused and what was met; then below the levels at which neither was.
        below = high - low <= 1
        middle = (refused + opened) // 2 if below else (low + high) // 2
        verdict = ask(at(float(levels[middle])))
        if verdict.picks is not None:
            best, high = verdict.picks, min(middle, _level(levels, value(verdict.picks)))
            # A choice may be better than was asked for, and better than levels that were left open.
            low, opened = (refused if below or high <= low else low), min(opened, high)
            continue
        low = low if below else middle
        refused, opened = (middle, opened) if verdict.impossible else (refused, min(middle, opened))
    lowest = float(levels[refused + exact]) if refused + exact >= 0 else float(levels[0])
    return Answer(best, value(best), min(lowest, value(best)))


def _level(levels: Array, value: float) -> int:
    return min(int(np.searchsorted(levels, value * (1 - 1e-12))), len(levels) - 1)


def shortest_interval(asked: Problem, floor: float = 1.0) -> Answer:
    """The choice with the shortest interval within the limits; shorter than ``floor`` cycles is no better."""
    busy = np.where(asked.present, asked.busy, np.inf)
    fastest = busy.min(axis=1).max(initial=floor)
    levels = np.unique(np.maximum(asked.busy[asked.present], floor))
    levels = levels[(levels >= fastest) & (levels <= asked.slowest)]
    if not len(levels):
        return Answer(None, np.inf, np.inf)

    def value(picks: Index) -> float:
        return max(asked.interval(picks), floor)

    return descend(levels, lambda level: replace(asked, slowest=level), value, exact=True)


def shortest_latency(asked: Problem) -> Answer:
    """The choice with the shortest latency within the limits."""
    any_choice = ask(asked)
    if any_choice.picks is None:
        return Answer(None, np.inf, np.inf)
    quickest = shortest_interval(replace(asked, latency=np.inf))
    known = [picks for picks in (any_choice.picks, quickest.picks) if picks is not None and asked.fits(picks)]
    best = min(known, key=lambda picks: asked.longest(picks)[0])
    least, most = _least_latency(asked, quickest.bound), asked.longest(best)[0]
    levels = np.geomspace(least, max(most, least * _EXACT), LATENCY_LEVELS)
    return descend(
        levels, lambda level: replace(asked, latency=level), lambda picks: asked.longest(picks)[0], False, best
    )


def _least_latency(asked: Problem, interval: float) -> float:
    """A bound: with all stages as fast as they can be, but for one that is as slow as the shortest interval demands."""
    busy, depth = (np.where(asked.present, table, np.inf) for table in (asked.busy, asked.depth))
    fastest, shallowest = busy.min(axis=1), depth.min(axis=1)
    slow = np.where(busy >= interval, busy, np.inf).min(axis=1)
    found = []
    for stage in np.flatnonzero(slow < np.inf):
        times = np.where(np.arange(len(slow)) == stage, slow, fastest)
        found.append(asked.path(times, shallowest).length(times, shallowest))
    return min(found, default=asked.path(fastest, shallowest).length(fastest, shallowest))


def least_resource(asked: Problem, resource: int, step: float) -> Answer:
    """The choice that uses least of a resource, in units of the scale; ``step`` is what whole units are, 0 for none."""
    any_choice = ask(asked)
    if any_choice.picks is None:
        return Answer(None, np.inf, np.inf)
    column = np.where(asked.present & (asked.busy <= asked.slowest), asked.used[..., resource], np.inf)
    least, most = float(column.min(axis=1).sum()), float(asked.sums(any_choice.picks)[resource])
    whole = step > 0 and (most - least) / step < LEVELS * 10
    steps = round((most - least) / step) + 1 if whole else LEVELS
    levels = np.linspace(least, most, steps)

    def at(level: float) -> Problem:
        limits = asked.limits.copy()
        limits[resource] = level + 1e-9
        return replace(asked, limits=limits)

    return descend(levels, at, lambda picks: float(asked.sums(picks)[resource]), exact=whole)


def nearest(asked: Problem) -> Answer:
    """Where nothing fits: the choice whose largest excess over a limit, in units of its scale, is smallest.

    Interval and latency are no longer limited.
    """
    free = replace(asked, slowest=np.inf, latency=np.inf)
    column = np.where(asked.present, asked.used.sum(axis=2), np.inf)
    least = column.argmin(axis=1)

    def excess(picks: Index) -> float:
        return max(0.0, float((free.sums(picks) - free.limits).max()))

    levels = np.linspace(0.0, max(excess(least), 1e-6), LEVELS)
    return descend(levels, lambda level: replace(free, limits=free.limits + level), excess, exact=False)


def balanced(asked: Problem, picks: Index, scarce: Mask) -> Index:
    """A choice within the same limits that leaves as much as possible of the resource it leaves least of.

    Args:
        picks: a choice within the limits.
        scarce: (resources,) those that are to be spared.
    """

    def at(level: float) -> Problem:
        return replace(asked, limits=np.where(scarce, level * asked.limits, asked.limits), kept=ROUGHLY_KEPT)

    def fullest(choice: Index) -> float:
        return float(np.max(asked.sums(choice)[scarce] / np.maximum(asked.limits[scarce], 1e-9), initial=0.0))

    levels = np.linspace(0.0, max(1.0, fullest(picks)), BALANCE_LEVELS)
    found = descend(levels, at, fullest, exact=False)
    return picks if found.picks is None else lightest(at(found.value * _EXACT), found.picks)


def lightest(asked: Problem, picks: Index) -> Index:
    """A choice within the same limits that uses less of what there is, all resources taken as equally precious."""
    weight = np.where(asked.present & (asked.busy <= asked.slowest), asked.used.sum(axis=2), np.inf)
    light: Index = weight.argmin(axis=1)
    if asked.fits(light):
        return light
    for stage in np.argsort(weight.min(axis=1) - weight[np.arange(len(picks)), picks]):
        for option in np.argsort(weight[stage]):
            if weight[stage, option] >= weight[stage, picks[stage]]:
                break
            changed = np.where(np.arange(len(picks)) == stage, option, picks)
            if asked.fits(changed):
                picks = changed
                break
    return picks
