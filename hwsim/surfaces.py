# SPDX-License-Identifier: Apache-2.0
"""Efficiency surfaces: how much longer or shorter a node takes than its roofline says, by its shape.

    t = roofline(counts, prices) * (1 + sum over centres of weight * matern(distance to the centre))

per number type and form of node (:mod:`hwsim.runtime_nodes`). The second factor is a Gaussian process over the features
of :mod:`hwsim.surface_terms`, reduced to the shapes of some measured nodes, its centres (C. Rasmussen, C. Williams,
"Gaussian Processes for Machine Learning", MIT Press 2006: section 8.3.1; Matern covariance of order 3/2, eq. 4.17).
Far from all centres it is 1, and the roofline holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.columns import Column
from hwsim.roofline import SerialTimes
from hwsim.runtime_nodes import FORMS, LOWERINGS, Nodes
from hwsim.surface_terms import COMPUTE, TERMS, counts, features
from hwsim.workload import Workload

LEAST = 0.2  # of the roofline's time; below lie only mistakes of the interpolation
FASTEST_US = 0.02  # a node takes at least that long: some tens of cycles


@dataclass(frozen=True, eq=False)
class Surface:
    """One form in one type: ``prices`` in us per count (terms,), ``centres`` (centres, features) and ``weights``."""

    prices: Column
    centres: Column
    weights: Column


@dataclass(frozen=True, eq=False)
class Surfaces:
    """What a runtime on this machine was measured to do.

    Attributes:
        runtime: a name of LOWERINGS.
        block: elements of a vector, which is also a block of channels.
        length: distance between features at which correlation has fallen to about a half.
        call_us: what an inference takes outside of nodes, by type.
        forms: by type and form.
        source: where the measurements come from.
    """

    runtime: str
    block: int
    length: float
    call_us: Mapping[str, float]
    forms: Mapping[str, Mapping[str, Surface]]
    source: str

    def nodes(self, work: Workload, dtype: str) -> Nodes:
        """The nodes that run for a workload in one type."""
        return LOWERINGS[self.runtime](work, dtype, self.block)


def matern(first: Column, second: Column, length: float) -> Column:
    """Covariance of order 3/2 between rows of features, (first, second)."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :] - 2 * first @ second.T
    distance = np.sqrt(3 * np.maximum(squares, 0.0)) / length
    return np.asarray((1 + distance) * np.exp(-distance))


def node_parts_us(surfaces: Surfaces, work: Workload, dtype: str, batch: int = 1) -> tuple[Nodes, Column]:
    """The nodes of a workload, and the parts of their times by term of TERMS, (nodes, terms), in us.

    Forms that were not measured have NaN.
    """
    nodes = surfaces.nodes(work, dtype)
    parts = counts(work, nodes, dtype, surfaces.block, batch)
    places = features(work, nodes, dtype, surfaces.block, batch)
    known = surfaces.forms[dtype]
    for index in np.unique(nodes.form):
        rows = nodes.form == index
        surface = known.get(FORMS[index])
        if surface is None:
            parts[rows] = np.nan
            continue
        priced = parts[rows] * surface.prices
        efficiency = 1 + matern(places[rows], surface.centres, surfaces.length) @ surface.weights
        total = priced.sum(axis=1)
        wanted = np.maximum(total * np.maximum(efficiency, LEAST), FASTEST_US)
        parts[rows] = priced * (wanted / np.maximum(total, 1e-9))[:, None]
        parts[rows, 0] += wanted - parts[rows].sum(axis=1)  # where the roofline says nothing at all
    return nodes, parts


def kernel_times(surfaces: Surfaces, work: Workload, dtype: str, batch: int = 1) -> SerialTimes:
    """Where the time of every kernel goes in one type, in us; NaN where a form that it needs was not measured."""
    nodes, parts = node_parts_us(surfaces, work, dtype, batch)
    names = list(TERMS)

    def total(terms: Sequence[str]) -> Column:
        chosen = parts[:, [names.index(name) for name in terms]].sum(axis=1)
        return np.bincount(nodes.kernel, weights=chosen, minlength=len(work.kernels)).astype(np.float64)

    memory = [name for name in names if name not in COMPUTE and name != "start"]
    return SerialTimes(total(COMPUTE), total(memory), total(("start",)))
