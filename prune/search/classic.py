# SPDX-License-Identifier: Apache-2.0
"""Searches that learn nothing: hand-made rules, random points, greedy steps. Every learned method is held to them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from prune.search.environment import Environment
from prune.search.space import Point

Shares = npt.NDArray[np.float64]

LEAST_SHARE = 0.2  # what AMC's hand-made rules leave of the layers that they cut most
SCALES = 64  # steps in which a rule is scaled to the budget
TRIES = 50  # proposals per evaluation after which random search takes the space to be exhausted


def uniform(env: Environment) -> None:
    """The same share everywhere, as large as the budget allows."""
    env.rate([even(env)])


def even(env: Environment) -> Point:
    """The point of :func:`uniform`."""
    return env.keep(_scaled(env, np.ones(len(env.space.variables))))


def deep_heavy(env: Environment) -> None:
    """Later layers lose more: removed shares rise linearly with depth."""
    env.rate([env.keep(_scaled(env, np.linspace(0.25, 1.75, len(env.space.variables))))])


def shallow_heavy(env: Environment) -> None:
    """Earlier layers lose more: removed shares fall linearly with depth."""
    env.rate([env.keep(_scaled(env, np.linspace(1.75, 0.25, len(env.space.variables))))])


def random_search(env: Environment, seed: int = 0) -> None:
    """Shares drawn uniformly, clipped to the budget as every method's are, until the evaluations are spent."""
    rng = np.random.default_rng(seed)
    for point in random_points(env, rng):
        if not env.left:
            return
        env.rate([point])


def random_points(env: Environment, rng: np.random.Generator) -> Iterator[Point]:
    """New points within the budget, as long as some are found."""
    for _ in range(TRIES * env.evaluations):
        point = env.keep(env.space.point(rng.uniform(LEAST_SHARE, 1.0, len(env.space.variables))))
        if not env.known(point):
            yield point


def netadapt(env: Environment) -> None:
    """Step by step, the variable whose reduction costs least score (NetAdapt, Yang et al., ECCV 2018, §3).

    Every step goes an equal part of the way to the budget. Each variable proposes its smallest reduction that does; the
    proposal with the best score is taken. The steps are as many as the evaluations allow.
    """
    point = env.space.widest.copy()
    excess = env.use(point) - 1
    steps = max(1, (env.evaluations - 1) // len(point)) if excess > 0 else 0
    for step in range(steps):
        goal = 1 + excess * (1 - (step + 1) / steps)
        if env.use(point) <= goal:
            continue
        proposals = [one for one in (_reduced(env, point, v, goal) for v in range(len(point))) if one is not None]
        scores = np.array(env.rate(proposals, passing=True))
        if not np.isfinite(scores).any():
            break
        point = proposals[int(np.nanargmax(scores))]
    env.rate([env.keep(point)])


def _reduced(env: Environment, point: Point, variable: int, goal: float) -> Point | None:
    trial = point.copy()
    while trial[variable] > 0:
        trial[variable] -= 1
        if env.use(trial) <= goal:
            return trial
    return None


def _scaled(env: Environment, removed: Shares) -> Point:
    """Removed shares in fixed proportion, as small as the budget allows; what rounding leaves is given back."""
    for scale in np.linspace(0, 1, SCALES + 1):
        wanted = 1 - (1 - LEAST_SHARE) * np.minimum(scale * removed, 1.0)
        point = env.space.point(wanted)
        if env.fits(point[None])[0]:
            return env.topped_up(point, wanted)
    return env.keep(env.space.point(1 - (1 - LEAST_SHARE) * np.minimum(removed, 1.0)))
