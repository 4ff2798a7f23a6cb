# SPDX-License-Identifier: Apache-2.0
"""The exact allocator: measured drops of single choices, and the best sum of them under the budget.

Each option of each variable is scored alone, everything else at its widest. If drops add up - which the prediction's
error on the result tells - the best point is that of a multiple-choice knapsack: one option per variable, least sum of
drops, every limit kept. Costs may couple two variables (a layer's input and output width), which makes it a mixed
integer programme; HiGHS solves it and proves the bound. Where the budget is an FPGA's, the folding is a part of the
programme (fold.py).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hwsim.errors import InputError
from prune.search import fold
from prune.search.costs import Switched, Tabulated
from prune.search.environment import Environment, PointLimit
from prune.search.folded import FoldedField
from prune.search.profile import Profile
from prune.search.programme import Programme
from prune.search.space import Point

MOST_OPTIONS = 9  # measured per variable; more only refine what is noise
SOLUTIONS = 8  # of the programme, from the best one down, that are scored


def knapsack(env: Environment) -> Profile:
    """Measure drops, solve, and score the solution and the next best ones; says what was predicted and proven.

    Raises:
        InputError: a limit is neither a table (:func:`prune.search.costs.tabulate`) nor of one folded FPGA, or too few
            evaluations.
    """
    profile = measure(env, env.evaluations - min(SOLUTIONS, env.evaluations // 4))
    folded = {limit.cost.folded for limit in env.limits if isinstance(limit.cost, FoldedField)}
    if folded:
        return replace(profile, remark=fold.solve_and_score(env, profile, *folded))
    tried: list[Point] = []
    while env.left and len(tried) < SOLUTIONS:
        point = solve(env, profile, tried)
        if point is None:
            break
        tried.append(point)
        env.rate([env.topped_up(point, env.space.shares(point))])
    said = f"predicted {profile.predict(tried[0]):.4f}, the most if drops add up" if tried else ""
    return replace(profile, remark=said)


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
    programme = Programme(profile.options)
    for limit in env.limits:
        programme.limit(_table(limit), limit.value)
    for point in excluded:
        programme.exclude(point)
    found = programme.minimise(np.concatenate(profile.drops))
    return None if found is None else found.point


def _table(limit: PointLimit) -> Tabulated:
    if isinstance(limit.cost, Switched):
        return limit.cost.outside  # nowhere less, so that the budget holds
    if not isinstance(limit.cost, Tabulated):
        raise InputError(
            f"knapsack: '{limit.field}' is no sum or largest of layers; expected a cost such as macs, params or a "
            "processor's latency_us; choose another method, or let bits and folding be chosen too (pose_joint)"
        )
    return limit.cost
