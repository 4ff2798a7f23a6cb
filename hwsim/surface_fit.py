# SPDX-License-Identifier: Apache-2.0
"""Efficiency surfaces from measured networks: their total times, and those of their nodes where a profile has them.

Both are sums of node times plus an unknown – what a call takes outside of nodes, what looking at a node takes – so one
regularised least-squares problem holds all: first prices that are not negative, then the weights of the surfaces, whose
prior is the Gaussian process of :mod:`hwsim.surfaces`. Outliers count linearly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.columns import Column
from hwsim.kernel_fit import error_bar
from hwsim.nonnegative import solve
from hwsim.runtime_nodes import FORMS, LOWERINGS, Rows
from hwsim.surface_terms import TERMS, counts, features
from hwsim.surfaces import FASTEST_US, Surface, Surfaces, matern, node_parts_us
from hwsim.workload import Workload

CENTRES = 160  # per form
LENGTHS = (1.5, 2.5, 4.0)  # tried; the one that predicts held-out networks best is kept
SPREAD = 0.3  # prior standard deviation of an efficiency around the roofline
NODE_SHARE, NODE_US = 0.06, 0.5  # how far a node's measured time is trusted: scatter, and a profile's resolution
TOTAL_SHARE, TOTAL_US = 0.015, 0.1  # the same of a network's
LOOK_US = 0.3  # standard deviation, from form to form, of what looking at a node takes
HUBER = 2.0  # standard deviations
ROUNDS = 4
FOLDS = 4  # no multiple of the forms of random networks, which take turns
JITTER = 1e-6
CLOSEST = 0.03  # centres that are nearer to each other say the same
Forms = dict[str, Surface]


@dataclass(frozen=True, eq=False)
class Runs:
    """Networks measured in one number type.

    Attributes:
        works: their kernels.
        total_us: latency of each, (networks,).
        node_us: per network, the time of every node that the runtime's lowering says, NaN where it is not known.
    """

    works: Sequence[Workload]
    total_us: Column
    node_us: Sequence[Column]


@dataclass(frozen=True, eq=False)
class _Problem:
    """Nodes of all runs as columns, and the linear equations that their unknown times must satisfy.

    Attributes:
        form, counts, places: of every node.
        seen: nodes with a time of their own, an equation each.
        first: the first node of every network; the other equations add up all of a network.
        extra: (equations, forms + 2), what else is in it: looking at a node by form and in general, and a call.
        truth, trust: (equations,), measured us, and one over their standard deviation.
    """

    form: Rows
    counts: Column
    places: Column
    seen: Rows
    first: Rows
    extra: Column
    truth: Column
    trust: Column

    def equations(self, of_nodes: Column) -> Column:
        """What columns over the nodes, (nodes, ...), come to in every equation, (equations, ...)."""
        return np.concatenate([of_nodes[self.seen], np.add.reduceat(of_nodes, self.first, axis=0)])


def fit(runs: Runs, runtime: str, dtype: str, block: int, length: float) -> tuple[Forms, float]:
    """Surfaces by form, and what a call takes outside of nodes in us."""
    problem = _problem(runs, runtime, dtype, block)
    present = [int(form) for form in np.unique(problem.form)]
    prices = _prices(problem, present)
    base = np.maximum((problem.counts * prices[problem.form]).sum(axis=1), FASTEST_US)
    centres = {form: _spread_out(problem.places[problem.form == form], CENTRES) for form in present}
    columns, priors = [], []
    for form in present:
        own = problem.form == form
        influence = np.zeros((len(base), len(centres[form])))
        influence[own] = matern(problem.places[own], centres[form], length) * base[own, None]
        columns.append(problem.equations(influence))
        priors.append(matern(centres[form], centres[form], length))
    left = problem.truth - problem.equations(base)
    weights, extra = _ridge(np.hstack([*columns, problem.extra]), left, problem.trust, priors)
    found, start = {}, 0
    for form in present:
        size = len(centres[form])
        found[FORMS[form]] = Surface(prices[form], centres[form], weights[start : start + size])
        start += size
    return found, max(float(extra[-1]), 0.0)


def held_out(runs: Runs, runtime: str, dtype: str, block: int, length: float) -> Column:
    """Latency of every network in us as predicted from the others, FOLDS groups of networks at a time, (networks,)."""
    found = np.full(len(runs.works), np.nan)
    group = np.arange(len(runs.works)) % FOLDS
    for fold in range(FOLDS):
        kept, judged = np.flatnonzero(group != fold), np.flatnonzero(group == fold)
        forms, call_us = fit(_chosen(runs, kept), runtime, dtype, block, length)
        surfaces = Surfaces(runtime, block, length, {dtype: call_us}, {dtype: forms}, "")
        for index in judged.tolist():
            _, parts = node_parts_us(surfaces, runs.works[index], dtype)
            found[index] = float(np.nansum(parts)) + call_us
    return found


def calibrate(runs: Mapping[str, Runs], runtime: str, block: int, source: str) -> tuple[Surfaces, dict[str, float]]:
    """Surfaces of every number type, and the factor within which 95 % of held-out networks are predicted, by type."""
    tried = {length: {dtype: held_out(each, runtime, dtype, block, length) for dtype, each in runs.items()}
             for length in LENGTHS}  # fmt: skip
    errors = {
        length: {dtype: error_bar(found[dtype], each.total_us) for dtype, each in runs.items()}
        for length, found in tried.items()
    }
    best = min(LENGTHS, key=lambda length: sum(errors[length].values()))
    forms, call_us = {}, {}
    for dtype, each in runs.items():
        forms[dtype], call_us[dtype] = fit(each, runtime, dtype, block, best)
    return Surfaces(runtime, block, best, call_us, forms, source), errors[best]


def _chosen(runs: Runs, which: Rows) -> Runs:
    chosen = which.tolist()
    return Runs(
        [runs.works[index] for index in chosen], runs.total_us[which], [runs.node_us[index] for index in chosen]
    )


def _problem(runs: Runs, runtime: str, dtype: str, block: int) -> _Problem:
    tables = [LOWERINGS[runtime](work, dtype, block) for work in runs.works]
    form = np.concatenate([nodes.form for nodes in tables])
    times = np.concatenate(list(runs.node_us))
    seen = np.flatnonzero(np.isfinite(times))
    first = np.cumsum([0, *(len(nodes.form) for nodes in tables[:-1])])
    extra = np.zeros((len(seen) + len(tables), len(FORMS) + 2))
    extra[np.arange(len(seen)), form[seen]] = 1.0
    extra[: len(seen), -2] = 1.0
    extra[len(seen) :, -1] = 1.0
    truth = np.concatenate([times[seen], runs.total_us])
    scatter = np.concatenate([NODE_SHARE * times[seen] + NODE_US, TOTAL_SHARE * runs.total_us + TOTAL_US])
    pairs = list(zip(runs.works, tables, strict=True))
    return _Problem(
        form, np.concatenate([counts(work, nodes, dtype, block) for work, nodes in pairs]),
        np.concatenate([features(work, nodes, dtype, block) for work, nodes in pairs]),
        seen, first, extra, truth, 1 / scatter,
    )  # fmt: skip


def _prices(problem: _Problem, present: Sequence[int]) -> Column:
    """Prices in us per count, (FORMS, TERMS), none of them negative."""
    spread = np.zeros((len(problem.form), len(present) * len(TERMS)))
    for position, form in enumerate(present):
        own = problem.form == form
        spread[own, position * len(TERMS) : (position + 1) * len(TERMS)] = problem.counts[own]
    design = np.hstack([problem.equations(spread), problem.extra[:, -2:]]) * problem.trust[:, None]
    target = problem.truth * problem.trust
    size = np.abs(design).max(axis=0)
    unit = np.where(size > 0, size, 1.0)
    found, trust = None, np.ones(len(target))
    for _ in range(ROUNDS):
        found = solve(design / unit * trust[:, None], target * trust, found)
        trust = _robust(design / unit @ found - target)
    assert found is not None
    found = np.where(size > 0, found / unit, 0.0)
    prices = np.zeros((len(FORMS), len(TERMS)))
    prices[list(present)] = found[: spread.shape[1]].reshape(len(present), -1)
    return prices


def _ridge(design: Column, target: Column, trust: Column, priors: Sequence[Column]) -> tuple[Column, Column]:
    """Weights of the centres and what is beside nodes, as robust regularised least squares."""
    size, free = design.shape[1], len(FORMS) + 2
    penalty, start = np.zeros((size, size)), 0
    for prior in priors:
        stop = start + len(prior)
        penalty[start:stop, start:stop] = (prior + JITTER * np.eye(len(prior))) / SPREAD**2
        start = stop
    penalty[np.arange(start, size), np.arange(start, size)] = [*[1 / LOOK_US**2] * len(FORMS), JITTER, JITTER]
    doubt = np.ones(len(target))
    found: Column = np.zeros(size)
    for _ in range(ROUNDS):
        weighted = design * (trust * doubt)[:, None] ** 2
        found = np.asarray(np.linalg.solve(weighted.T @ design + penalty, weighted.T @ target), dtype=np.float64)
        doubt = _robust((design @ found - target) * trust)
    return found[: size - free], found[size - free :]


def _robust(error: Column) -> Column:
    """Square roots of Huber's weights for errors in standard deviations."""
    return np.asarray(np.sqrt(np.minimum(1.0, HUBER / np.maximum(np.abs(error), 1e-300))))


def _spread_out(places: Column, most: int) -> Column:
    """At most `most` places, each as far from those before as any (T. Gonzalez, Theor. Comp. Sci. 38, 1985)."""
    different = np.unique(places, axis=0)
    chosen = [0]
    distance = ((different - different[0]) ** 2).sum(axis=1)
    while len(chosen) < min(most, len(different)) and distance.max() > CLOSEST**2:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((different - different[chosen[-1]]) ** 2).sum(axis=1))
    return np.asarray(different[chosen])
