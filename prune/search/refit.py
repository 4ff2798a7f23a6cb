# SPDX-License-Identifier: Apache-2.0
"""Drops corrected by what points really scored.

Drops of single choices add up only roughly, the less the narrower a network is. The points that were scored since say
by how much: drops are fitted to all scores by least squares, those of points near the best one counting most, and drops
that no such point tells anything of stay as they were measured. Narrower options still never lose less.
"""

import numpy as np
import numpy.typing as npt

from prune.search.environment import Environment
from prune.search.profile import Profile
from prune.search.space import Points

Array = npt.NDArray[np.float64]
NEAR = 0.12  # mean difference of shares from the best point at which a score counts 1/e
TRUST = 0.1  # in the measured drops, in scores of a point as good as the best


def refit(env: Environment, measured: Profile) -> Profile:
    """The profile whose drops fit the scores of ``env`` best, over the options that were measured."""
    from scipy.optimize import lsq_linear

    known = [one for one in env.history if np.isfinite(one.score)]
    points = np.stack([env.space.indices(one.values) for one in known])
    scores = np.array([one.score for one in known])
    within = np.array([one.within for one in known])
    best = int(np.argmax(np.where(within, scores, -np.inf))) if within.any() else int(np.argmax(scores))
    shares = env.space.shares(points)
    weight = np.exp(-((np.abs(shares - shares[best]).mean(axis=1) / NEAR) ** 2) / 2)  # its square is what counts
    lost = _steps_lost(measured, points)
    steps = np.concatenate([-np.diff(drops) for drops in measured.drops])
    # Unknown: the score of the widest point, then what every step from an option to the next narrower one loses.
    seen = np.column_stack([np.ones(len(points)), -lost]) * weight[:, None]
    kept = np.sqrt(TRUST) * np.eye(len(steps) + 1)[1:]
    found = lsq_linear(
        np.concatenate([seen, kept]),
        np.concatenate([scores * weight, np.sqrt(TRUST) * steps]),
        bounds=(0, np.inf),
        method="bvls",
    ).x
    parts = np.split(found[1:], np.cumsum([len(options) - 1 for options in measured.options])[:-1])
    drops = tuple(np.append(np.cumsum(part[::-1])[::-1], 0.0) for part in parts)
    return Profile(float(found[0]), measured.options, drops)


def _steps_lost(profile: Profile, points: Points) -> Array:
    """How much of every step between measured options points lose, (points, steps), 0 to 1."""
    columns = []
    for options, chosen in zip(profile.options, points.T, strict=True):
        narrower, wider = options[:-1], options[1:]
        columns.append(np.clip((wider - chosen[:, None]) / (wider - narrower), 0.0, 1.0))
    return np.concatenate(columns, axis=1)
