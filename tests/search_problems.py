# SPDX-License-Identifier: Apache-2.0
"""Search problems whose answers are known: additive or multiplied costs over made-up variables."""

import numpy as np

from prune.search.costs import Tabulated, Term
from prune.search.environment import Environment, PointLimit
from prune.search.space import Space, Variable


def chain(sizes, seed=0):
    """A space of widths 1 … size and the products of neighbours as its cost, as convolutions in a row have it."""
    space = Space(tuple(Variable(f"v{i}", tuple(range(1, size + 1))) for i, size in enumerate(sizes)))
    terms = [Term("in", (0,), np.arange(1.0, sizes[0] + 1))]
    for i in range(len(sizes) - 1):
        table = np.outer(np.arange(1.0, sizes[i] + 1), np.arange(1.0, sizes[i + 1] + 1))
        terms.append(Term(f"l{i}", (i, i + 1), table * (1 + i % 3)))
    return space, Tabulated(tuple(terms), 5.0)


def weighted(space, seed=0):
    """A score that rises with every share, by a weight of its own: 1 at the widest point."""
    weights = np.random.default_rng(seed).uniform(0.2, 1.0, len(space.variables))
    weights /= weights.sum()

    def score(values):
        shares = [values[v.name] / v.options[-1] for v in space.variables]
        return float(weights @ np.sqrt(shares))

    return score


def environment(sizes=(6, 8, 8, 6), share=0.4, evaluations=40, score=None, **settings):
    """An environment over :func:`chain` with a share of its widest cost as the limit."""
    space, cost = chain(sizes)
    limit = PointLimit("cost", share * float(cost(space.widest[None])[0]), cost)
    return Environment(space, [limit], score or weighted(space), evaluations, **settings)
