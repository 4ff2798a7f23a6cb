# SPDX-License-Identifier: Apache-2.0
"""The exact allocator: measured drops of single choices, and the best sum of them under the budget.

Some options of each variable are scored alone, everything else at its widest. If drops add up, the best point is that
of a multiple-choice knapsack: one option per variable, least sum of drops, every limit kept. Costs may couple two
variables (a layer's input and output width), which makes it a mixed integer programme; HiGHS solves it and proves the
bound. What the point really scores corrects the drops (refit.py), and the programme is solved again, until the
evaluations are spent. Where the budget is an FPGA's, the folding is a part of the programme (fold.py).
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from hwsim.errors import InputError
from prune.search import fold
from prune.search.classic import even
from prune.search.costs import Switched, Tabulated
from prune.search.environment import Environment, PointLimit
from prune.search.folded import FoldedField
from prune.search.profile import Profile
from prune.search.programme import Programme
from prune.search.refit import refit
from prune.search.space import Point

MOST_OPTIONS = 9  # measured per variable; more only refine what is noise
SOLUTIONS = 8  # that are scored where the folding is a part of the programme
MEASURED = 3  # of so many evaluations one is a measured drop, the others are solutions


def knapsack(env: Environment) -> Profile:
    """Measure drops, solve, score the solution, correct the drops by it, and solve again; says what was predicted.

    Raises:
        InputError: a limit is neither a table (:func:`prune.search.costs.tabulate`) nor of one folded FPGA, or too few
            evaluations.
    """
    folded = {limit.cost.folded for limit in env.limits if isinstance(limit.cost, FoldedField)}
    if len(folded) > 1:
        raise InputError(
            f"knapsack: got limits of {' and '.join(sorted(one.target for one in folded))}; expected one FPGA, whose "
            "folding it chooses; choose another method"
        )
    if folded:
        profile = measure(env, env.evaluations - min(SOLUTIONS, env.evaluations // 4))
        return replace(profile, remark=fold.solve_and_score(env, profile, *folded))
    for limit in env.limits:
        _table(limit)
    measured = measure(env, _to_measure(env))
    point = solve(env, measured)
    if point is None:
        return measured
    profile, said = measured, f"predicted {measured.predict(point):.4f}, the most if drops add up"
    count = env.spent
    env.rate([even(env)])  # where drops do not add up, the better place to start from
    while point is not None and env.left:
        env.rate([point])
        profile = refit(env, measured)
        point = _next(env, profile)
    return replace(profile, remark=f"{said}; {env.spent - count} solutions scored, drops corrected by each")


def _to_measure(env: Environment) -> int:
    """A part of the evaluations, or what all options take where half of the evaluations are enough for them."""
    sizes = np.minimum(env.space.sizes, MOST_OPTIONS)
    every = 1 + len(sizes) * int(sizes.max() - 1)
    least = every if 2 * every <= env.evaluations else min(len(sizes) + 1, env.evaluations - 1)
    return max(env.evaluations // MEASURED, least)


def _next(env: Environment, profile: Profile) -> Point | None:
    """A solution that was not scored yet: the programme's, or the best one that differs from it in two variables."""
    found = solve(env, profile)
    if found is None:
        return None
    found = env.keep(env.topped_up(found, env.space.shares(found)))
    if not env.known(found):
        return found
    near = _neighbour(env, profile, found)
    return _neighbour(env, profile, env.space.indices(env.best().values)) if near is None else near


def _neighbour(env: Environment, profile: Profile, point: Point) -> Point | None:
    """Of the points within the budget with one or two variables changed, the unknown one with the best prediction.

    A variable may take its measured options and those beside its own.
    """
    steps = point[:, None] + np.array([-1, 0, 1])
    options = [
        np.unique(np.clip(np.append(measured, near), 0, last))
        for measured, near, last in zip(profile.options, steps, env.space.widest, strict=True)
    ]
    moves = [point[None]]
    for first, second in combinations(range(len(point)), 2):
        pairs = np.stack(np.meshgrid(options[first], options[second]), axis=-1).reshape(-1, 2)
        moves.append(np.repeat(point[None], len(pairs), axis=0))
        moves[-1][:, [first, second]] = pairs
    found = np.unique(np.concatenate(moves), axis=0)
    found = found[env.fits(found)]
    fresh = [one for one in found[np.argsort(-profile.predict(found), kind="stable")] if not env.known(one)]
    return fresh[0] if fresh else None


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
