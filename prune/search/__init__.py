# SPDX-License-Identifier: Apache-2.0
"""Search how much of every layer to keep, under a budget that holds by construction.

>>> from prune.search import pose
>>> problem = pose(model, (1, 28, 28), {"macs": 0.5}, val, calibration)
>>> found = problem.run("amc", problem.environment(evaluations=400), seed=0)

A method is a function of an :class:`Environment`, which clips what is proposed to the budget, scores points once, and
counts them (:data:`METHODS`): hand-made rules, random search, NetAdapt, AMC, AGMC, MetaPruning's evolution, the exact
knapsack, TPE and NSGA-II. All see the same points, costs and scores. :func:`pose_joint` lets bits and an FPGA's folding
be chosen with the widths, :func:`pose_fine` the densities of layers whose zeros stay in place.
"""

from prune.search.api import METHODS, Found, Problem, pose
from prune.search.environment import Environment, PointLimit, Scored, learning_curve
from prune.search.fine import pose_fine
from prune.search.joint import pose_joint
from prune.search.space import Space, Variable, channel_space

__all__ = [
    "METHODS",
    "Environment",
    "Found",
    "PointLimit",
    "Problem",
    "Scored",
    "Space",
    "Variable",
    "channel_space",
    "learning_curve",
    "pose",
    "pose_fine",
    "pose_joint",
]
