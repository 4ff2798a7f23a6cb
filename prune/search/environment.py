# SPDX-License-Identifier: Apache-2.0
"""What every search method meets: variables to choose, a budget kept by construction, and scores that are counted.

A method proposes shares or points; the environment lets only points through that keep every limit. It walks variable
by variable and lowers each wish to the largest option that leaves room for the cheapest rest: the rule of AMC (He et
al., ECCV 2018, §3.3) for any cost that rises with every variable. A point is scored once; the number of scored points
is what methods are compared by.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwsim.errors import BudgetError, InputError
from prune.search.costs import PointCost
from prune.search.journal import Journal
from prune.search.space import Point, Points, Space

Array = npt.NDArray[np.float64]
Score = Callable[[Mapping[str, int]], float]
GOOD_USE = 0.97  # of the tightest limit, up to which clipped wishes get back what is left
PROOFS = 5  # of one point that is clipped
AIM = 0.995  # share of a limit that the next of them aims at


@dataclass(frozen=True)
class PointLimit:
    """At most ``value`` of a cost; ``field`` names it in messages and results.

    ``rises``: whether no variable's larger option ever costs less. The time of the fastest folding does not quite.
    ``proof``: what decides, where ``cost`` is only near it and quicker; asked of a point before it is scored.
    """

    field: str
    value: float
    cost: PointCost
    rises: bool = True
    proof: PointCost | None = None

    def true(self, point: Point) -> float:
        """What the point costs in the end."""
        return float((self.proof or self.cost)(point[None])[0])


@dataclass(frozen=True, slots=True)
class Scored:
    """A point that was evaluated: its values by variable, its score (higher is better; NaN where it failed).

    ``within`` is False for points beyond the budget that a method only passed through.
    """

    values: Mapping[str, int]
    score: float
    costs: Mapping[str, float]
    within: bool = True


@dataclass(eq=False)
class Environment:
    """One search problem.

    Attributes:
        limits: all of which every point keeps.
        score: of the values of a point; runs in ``workers`` threads at a time.
        evaluations: points that may be scored.
        journal: where scores are kept, so that an interrupted search continues with the same result; None keeps none.
        merit: what the best point has most of, if not of the score; a method that trades score for cost sets it.
        history: every scored point in the order of scoring; those with a score of NaN are dropped from ranking.

    Raises:
        BudgetError: even the cheapest point breaks a limit; says what it costs.
    """

    space: Space
    limits: Sequence[PointLimit]
    score: Score
    evaluations: int
    journal: Journal | None = None
    workers: int = 1
    progress: Callable[["Environment"], None] | None = None
    merit: Callable[[Scored], float] | None = None
    history: list[Scored] = field(default_factory=list)
    _known: dict[bytes, float] = field(default_factory=dict)
    _room: float = 1.0  # share of a limit that may be taken by what is only near its proof

    def __post_init__(self) -> None:
        if self.evaluations < 1:
            raise InputError(f"search: evaluations={self.evaluations}; expected at least 1")
        self._expect_reachable(limit for limit in self.limits if limit.rises)

    # The budget

    def fits(self, points: Points) -> npt.NDArray[np.bool_]:
        """Which of the points (N, variables) keep every limit, as far as can be told without a proof."""
        kept = np.ones(len(points), dtype=bool)
        for limit in self.limits:
            kept &= limit.cost(points) <= self._allowed(limit)
        return kept

    def _allowed(self, limit: PointLimit) -> float:
        """The limit, for a cost that is only near its proof as :meth:`keep` has found out."""
        return limit.value if limit.proof is None else limit.value * self._room

    def holds(self, point: Point) -> bool:
        """Whether the point keeps every limit, proven."""
        return bool(self.fits(point[None])[0]) and self._proven(point) <= 1

    def _proven(self, point: Point) -> float:
        """The largest share of a limit that needs a proof; 0 where none does."""
        return max((limit.true(point) / limit.value for limit in self.limits if limit.proof is not None), default=0.0)

    def use(self, point: Point) -> float:
        """The largest used share of a limit; 0 without limits."""
        return max((float(limit.cost(point[None])[0]) / self._allowed(limit) for limit in self.limits), default=0.0)

    def clip(self, point: Point, variable: int, wish: int) -> int:
        """The largest option up to ``wish`` that keeps the budget with the cheapest options behind ``variable``.

        Args:
            point: the options chosen before ``variable``; what stands behind it does not matter.
        """
        trial = point.copy()
        trial[variable + 1 :] = 0

        def breaks(option: int) -> bool:
            trial[variable] = option
            return not self.fits(trial[None])[0]

        if not breaks(wish):
            return wish
        return bisect_right(range(wish), False, key=breaks) - 1

    def keep(self, wishes: Point) -> Point:
        """The point nearest to what is wished that keeps the budget.

        Wishes are clipped in order; then those that were clipped get back, last first, what is still left over. Where
        limits need a proof, that is repeated with less room, or with more, until one is found that uses them well.

        Raises:
            BudgetError: not even the cheapest point keeps the budget.
        """
        asked = np.minimum(np.maximum(wishes, 0), self.space.widest)
        point = self._walked(asked)
        if all(limit.proof is None for limit in self.limits):
            return point
        best, most = None, 0.0
        try:
            for _ in range(PROOFS):
                taken = self._proven(point)
                if most < taken <= 1:
                    best, most = point, taken
                if taken <= 1 and (taken >= GOOD_USE or np.array_equal(point, asked)):
                    break
                self._room *= AIM / taken
                again = self._walked(asked)
                if np.array_equal(again, point):
                    break
                point = again
        except BudgetError:  # too little room
            pass
        finally:
            self._room = 1.0
        if best is None:
            self._expect_reachable(self.limits)
            return self.space.narrowest
        return best

    def _walked(self, asked: Point) -> Point:
        """The wishes clipped in order, with what is left over given back."""
        point = asked.copy()
        for variable in range(len(point)):
            point[variable] = max(self.clip(point, variable, int(point[variable])), 0)
        if not self.fits(point[None])[0]:
            self._expect_reachable(self.limits)
            return self.space.narrowest
        return self._give_back(point, asked)

    def _expect_reachable(self, limits: Iterable[PointLimit]) -> None:
        """Refuse limits that the cheapest point breaks."""
        for limit in limits:
            found = limit.true(self.space.narrowest)
            if not found <= limit.value:
                raise BudgetError(
                    f"budget {limit.field}: asked for at most {limit.value:.6g}; the smallest reachable is "
                    f"{found:.6g}, with every choice at its cheapest; raise the budget or allow cheaper choices"
                )

    def _give_back(self, point: Point, asked: Point) -> Point:
        for variable in reversed(range(len(point))):
            while point[variable] < asked[variable] and self.use(point) < GOOD_USE:
                point[variable] += 1
                if not self.fits(point[None])[0]:
                    point[variable] -= 1
                    break
        return point

    def topped_up(self, point: Point, wanted: Array) -> Point:
        """The point with every variable raised as far as the budget allows, the one furthest below its wish first.

        Args:
            wanted: shares (variables,) that say who is how far below.
        """
        point = point.copy()
        waiting = set(np.flatnonzero(point < self.space.widest).tolist())
        while waiting:
            lag = self.space.shares(point) - wanted
            variable = min(waiting, key=lambda v: (lag[v], v))
            point[variable] += 1
            if not self.fits(point[None])[0]:
                point[variable] -= 1
                waiting.discard(variable)
            elif point[variable] == self.space.widest[variable]:
                waiting.discard(variable)
        return point

    # Scores

    @property
    def spent(self) -> int:
        """Points scored so far."""
        return len(self.history)

    @property
    def left(self) -> int:
        """Points that may still be scored."""
        return self.evaluations - self.spent

    @property
    def dropped(self) -> int:
        """Scored points whose score was NaN."""
        return sum(one.score != one.score for one in self.history)

    def known(self, point: Point) -> bool:
        """Whether the point was scored already."""
        return point.astype(np.int64).tobytes() in self._known

    def rate(self, points: Sequence[Point], *, passing: bool = False) -> list[float]:
        """Scores of points; new ones are scored while evaluations are left, NaN after that.

        Args:
            passing: points may break the budget, on the way to one that keeps it; they are never the result.

        Raises:
            BudgetError: a point breaks the budget and is not only passed through.
        """
        points = [point.astype(np.int64) for point in points]
        if points and not passing and not self.fits(np.stack(points)).all():
            raise BudgetError("search: a proposed point breaks the budget; expected points that Environment.keep gave")
        fresh = {point.tobytes(): point for point in points if not self.known(point)}
        new = list(fresh.values())[: self.left]
        for point, found in zip(new, self._scores(new), strict=True):
            self._known[point.tobytes()] = found
            costs = {limit.field: limit.true(point) for limit in self.limits}
            within = all(costs[limit.field] <= limit.value for limit in self.limits)
            self.history.append(Scored(self.space.values(point), found, costs, within))
            if self.progress:
                self.progress(self)
        return [self._known.get(point.tobytes(), float("nan")) for point in points]

    def best(self) -> Scored:
        """The scored point within the budget with the highest score, or merit; the first of several.

        Raises:
            InputError: no point has a finite score.
        """
        finite = [one for one in self.history if one.within and np.isfinite(one.score)]
        if not finite:
            raise InputError(f"search: none of {self.spent} evaluated points has a finite score; check the evaluator")
        return max(finite, key=self.merit or (lambda one: one.score))

    def _scores(self, points: Sequence[Point]) -> list[float]:
        values = [self.space.values(point) for point in points]
        if self.workers > 1 and len(values) > 1:
            with ThreadPoolExecutor(self.workers) as pool:
                return list(pool.map(self._one, values))
        return [self._one(one) for one in values]

    def _one(self, values: Mapping[str, int]) -> float:
        kept = self.journal.get(values) if self.journal else None
        if kept is not None:
            return kept
        found = float(self.score(values))
        if self.journal:
            self.journal.put(values, found)
        return found


def learning_curve(history: Sequence[Scored]) -> Array:
    """The best score after every evaluation, (evaluations,); points that failed or break the budget change nothing."""
    scores = np.array([one.score if one.within else np.nan for one in history], dtype=np.float64)
    return np.fmax.accumulate(np.where(np.isfinite(scores), scores, -np.inf))
