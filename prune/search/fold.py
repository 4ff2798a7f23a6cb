# SPDX-License-Identifier: Apache-2.0
"""The exact allocator where an FPGA is folded too: widths, bits and folding in one integer programme.

For a given pace every stage's cheapest foldings are a look-up, so that the programme chooses one option per variable
and one folding per stage within the board's resources, with the least sum of measured drops. Around it stands a
bisection over the pace: the slowest at which the point that was found, folded as it will be built, keeps all limits. No
stage of a design that keeps them is slower than the limits of times, so that the programme's bound at that pace holds
for all points.
"""

from collections.abc import Sequence

import numpy as np

from hwsim.errors import BudgetError
from prune.search.costs import Tabulated
from prune.search.environment import Environment
from prune.search.folded import Folded
from prune.search.profile import Profile
from prune.search.programme import Programme, Solution
from prune.search.space import Point

GAP = 0.02  # relative, of predicted drops, which are noisier
STEPS = 12  # of the bisection
CLOSE = 1.03  # paces nearer to each other than this are not told apart
SOLUTIONS = 4  # points that are scored


def solve_and_score(env: Environment, profile: Profile, folded: Folded) -> str:
    """Score the points with the least predicted drops within the limits; says what was predicted and proven.

    Raises:
        BudgetError: no point keeps the limits.
    """
    first = _solve(env, profile, folded, folded.longest_cycles)
    if first is None:
        raise BudgetError(_nothing(env, folded, []))
    pace, tried = _slowest_pace(env, profile, folded, first)
    best = max(profile.predict(point) for point in tried)
    env.rate(sorted(tried, key=profile.predict, reverse=True)[: min(SOLUTIONS, env.left)])
    while env.left and len(tried) < SOLUTIONS:
        found = _solve(env, profile, folded, pace, tried)
        if found is None:
            break
        tried.append(found.point)
        if env.holds(found.point):
            env.rate([found.point])
    most = profile.top - first.bound
    return f"predicted {best:.4f}; no widths, bits and folding within the budget are predicted more than {most:.4f}"


def _slowest_pace(env: Environment, profile: Profile, folded: Folded, first: Solution) -> tuple[float, list[Point]]:
    """The slowest pace in cycles whose point keeps all limits, and the points that do.

    Raises:
        BudgetError: no pace's point does.
    """
    late, early, good, pace = folded.longest_cycles, 0.0, None, folded.longest_cycles
    found: Solution | None = first
    fitting: dict[bytes, Point] = {}
    missing: list[Point] = []  # never wanted again: the programme takes them for better than they are
    for _ in range(STEPS):
        if found is None:
            early = pace
        elif env.holds(found.point):
            early = good = pace
            fitting[found.point.tobytes()] = found.point
        else:
            late = pace
            missing.append(found.point)
        is_close = late <= early * CLOSE
        if is_close and (good is not None or found is None):
            break
        if early > 0:
            pace = late if is_close else float(np.sqrt(late * early))
        elif found is not None:
            # Below the pace that the point already has: above it the programme would find its like again.
            pace = min(late / max(env.use(found.point), CLOSE), folded.cycles(found.point) / CLOSE)
        found = _solve(env, profile, folded, pace, missing)
    if good is None:
        narrowest = folded.space.narrowest
        if not env.holds(narrowest):
            raise BudgetError(_nothing(env, folded, missing))
        return folded.cycles(narrowest), [narrowest]
    return good, list(fitting.values())


def _solve(
    env: Environment, profile: Profile, folded: Folded, pace: float, excluded: Sequence[Point] = ()
) -> Solution | None:  # fmt: skip
    programme = Programme(profile.options)
    for limit in env.limits:
        if isinstance(limit.cost, Tabulated):  # of the network, such as its weights, beside what the FPGA has
            programme.limit(limit.cost, limit.value)
    programme.fold(folded.cells, folded.shares, pace, folded.longest_cycles)
    for point in excluded:
        programme.exclude(point)
    return programme.minimise(np.concatenate(profile.drops), GAP)


def _nothing(env: Environment, folded: Folded, missing: Sequence[Point]) -> str:
    point = min([folded.space.narrowest, *missing], key=env.use)
    nearest = folded.estimate(point)
    asked = ", ".join(f"{name}<={value:.6g}" for name, value in folded.limits.items())
    has = ", ".join(f"{name}={nearest.field(name):.6g}" for name in folded.limits)
    return (
        f"{folded.target}: no widths, bits and folding were found for {asked}; the nearest design has {has}; allow "
        "that much, or narrower layers and fewer bits"
    )
