# SPDX-License-Identifier: Apache-2.0
"""The exact allocator: measured drops of single choices, and the best sum of them under the budget.

Each option of each variable is scored alone, everything else at its widest. If drops add up - which the prediction's
error on the result tells - the best point is that of a multiple-choice knapsack: one option per variable, least sum of
drops, every limit kept. Costs may couple two variables (a layer's input and output width), which makes it a mixed
integer programme; HiGHS solves it and proves the bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.errors import BudgetError, InputError
from prune.search.costs import Switched, Tabulated
from prune.search.environment import Environment, PointLimit
from prune.search.programme import Programme
from prune.search.space import Point

Array = npt.NDArray[np.float64]
Options = npt.NDArray[np.int64]
MOST_OPTIONS = 9  # measured per variable; more only refine what is noise
INFEASIBLE = 2  # scipy's status
SOLUTIONS = 8  # of the programme, from the best one down, that are scored
SECONDS = 30.0  # for one programme


@dataclass(frozen=True, slots=True)
class Profile:
    """Scores of single choices: option ``options[v][k]`` of variable v loses ``drops[v][k]`` of the widest point."""

    top: float
    options: tuple[Options, ...]
    drops: tuple[Array, ...]

    def predict(self, point: Point) -> float:
        """The score of a point if drops add up; between measured options they are interpolated."""
        found = [np.interp(k, o, d) for k, o, d in zip(point, self.options, self.drops, strict=True)]
        return self.top - float(sum(found))


def knapsack(env: Environment) -> Profile:
    """Measure drops, solve, and score the solution and the next best ones.

    Raises:
        InputError: a limit is not a table (:func:`prune.search.costs.tabulate`), or too few evaluations.
    """
    profile = measure(env, env.evaluations - min(SOLUTIONS, env.evaluations // 4))
    tried: list[Point] = []
    while env.left and len(tried) < SOLUTIONS:
        point = solve(env, profile, tried)
        if point is None:
            break
        tried.append(point)
        env.rate([env.topped_up(point, env.space.shares(point))])
    return profile


def measure(env: Environment, evaluations: int) -> Profile:
    """Score single choices, evenly spread over each variable's options.

    Drops are made monotone (a narrower option never loses less), which takes out noise of the evaluation.

    Raises:
        InputError: fewer evaluations than the widest point and one option of every variable.
    """
    widest, sizes = env.space.widest, env.space.sizes
    each = min((evaluations - 1) // len(sizes), MOST_OPTIONS - 1)
    if each < 1:
        raise InputError(
            f"knapsack: got {evaluations} evaluations to measure {len(sizes)} variables; expected at least "
            f"{len(sizes) + 1}; allow more evaluations"
        )
    (top,) = env.rate([widest], passing=True)
    options, drops = [], []
    for variable, size in enumerate(sizes):
        found = np.unique(np.rint(np.linspace(0, size - 1, each + 1)).astype(np.int64))
        points = np.repeat(widest[None], len(found), axis=0)
        points[:, variable] = found
        lost = top - np.array(env.rate(list(points), passing=True))
        finite = np.isfinite(lost)  # the widest option always is, if the first score was
        options.append(found[finite])
        drops.append(np.maximum.accumulate(np.maximum(lost[finite], 0.0)[::-1])[::-1])
    return Profile(top, tuple(options), tuple(drops))


def solve(env: Environment, profile: Profile, excluded: Sequence[Point] = ()) -> Point | None:
    """The point of measured options with the least sum of drops within all limits; None if there is none.

    Args:
        excluded: points that are not wanted again.

    Raises:
        InputError: a limit is not a table of layers.
        BudgetError: the solver gave up.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    programme = Programme(profile.options)
    for limit in env.limits:
        programme.limit(_table(limit), limit.value)
    for point in excluded:
        programme.exclude(point)
    matrix, low, high = programme.matrix()
    objective, integral = np.zeros(programme.columns), np.zeros(programme.columns)
    objective[: programme.binaries] = np.concatenate(profile.drops)
    integral[: programme.binaries] = 1
    found = milp(
        objective,
        constraints=LinearConstraint(matrix, low, high),
        integrality=integral,
        bounds=Bounds(0, 1),
        options={"time_limit": SECONDS},
    )
    if found.status == INFEASIBLE:
        return None
    if found.x is None:
        raise BudgetError(f"knapsack: no point found in {SECONDS:g} s ({found.message}); allow fewer options per layer")
    return programme.point(found.x)


def _table(limit: PointLimit) -> Tabulated:
    if isinstance(limit.cost, Switched):
        return limit.cost.outside  # nowhere less, so that the budget holds
    if not isinstance(limit.cost, Tabulated):
        raise InputError(
            f"knapsack: '{limit.field}' is no sum or largest of layers; expected a cost such as macs, params or a "
            "processor's latency_us; choose another method"
        )
    return limit.cost
