# SPDX-License-Identifier: Apache-2.0
"""What points of a search space cost.

Policies ask for costs far more often than for accuracies. Where a cost is a sum over layers, or the largest of them,
and each layer depends on two channel groups at most, it is tabulated once per layer (:mod:`prune.search.tables`), and a
point costs some tens of microseconds. Everything else is asked of the cost model, each point once (:class:`Asked`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from prune.search.space import Points, Space

Array = npt.NDArray[np.float64]


class PointCost(Protocol):
    """Costs of points (N, variables), shape (N,), in the unit of one cost field; monotone in every variable."""

    def __call__(self, points: Points) -> Array: ...


@dataclass(frozen=True)
class Term:
    """The cost of one layer over the options of the one or two variables it depends on."""

    layer: str
    variables: tuple[int, ...]
    table: Array


@dataclass(frozen=True)
class Tabulated:
    """A cost that is ``constant`` plus the terms' sum, or the largest of both (``combine`` "sum" or "max")."""

    terms: tuple[Term, ...]
    constant: float
    combine: str = "sum"

    def __call__(self, points: Points) -> Array:
        """Costs of points (N, variables), shape (N,)."""
        total = np.full(len(points), self.constant)
        for term in self.terms:
            found = term.table[tuple(points[:, variable] for variable in term.variables)]
            if self.combine == "sum":
                total += found
            else:
                np.maximum(total, found, out=total)
        return total


@dataclass(frozen=True)
class Switched:
    """A processor's cost: ``inside`` where ``size`` is at most ``capacity``, beyond it ``outside``, no less."""

    inside: Tabulated
    outside: Tabulated
    size: Tabulated
    capacity: float

    def __call__(self, points: Points) -> Array:
        """Costs of points (N, variables), shape (N,)."""
        return np.where(self.size(points) <= self.capacity, self.inside(points), self.outside(points))


class Asked:
    """A cost that only the model knows; every point is asked for once."""

    def __init__(self, ask: Callable[[Mapping[str, int]], float], space: Space) -> None:
        self._ask, self._space = ask, space
        self._known: dict[bytes, float] = {}

    def __call__(self, points: Points) -> Array:
        """Costs of points (N, variables), shape (N,)."""
        return np.array([self._one(point) for point in points])

    def _one(self, point: npt.NDArray[np.int64]) -> float:
        key = point.astype(np.int64).tobytes()
        if key not in self._known:
            self._known[key] = self._ask(self._space.values(point))
        return self._known[key]
