# SPDX-License-Identifier: Apache-2.0
"""What points of a search space cost.

Policies ask for costs far more often than for accuracies. Where a cost is a sum over layers, or the largest of them,
and each layer depends on two channel groups at most, it is tabulated once per layer (:func:`tabulate`), and a point
costs some tens of microseconds. Everything else is asked of the cost model, each point once (:class:`Asked`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hwsim import ops, targets
from hwsim.network import Network
from prune.budget import Counts
from prune.groups import ChannelGroup
from prune.search.space import Points, Space

Array = npt.NDArray[np.float64]
Options = npt.NDArray[np.int64]
Breakdown = Callable[[Network], Mapping[str, float]]  # cost by layer; "" for what no layer causes
PROBES = 8  # random points at which a table must agree with the model
SAME = 1e-9  # relative; sums in another order


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


def breakdown(field: str) -> tuple[Breakdown, str] | None:
    """How a cost field is made of layers, and whether as their "sum" or "max"; None where it is not."""
    if field == "macs":
        return _macs, "sum"
    if field == "params":
        return _params, "sum"
    target, _, name = field.rpartition(".")
    if target.startswith(("cpu:", "gpu:")) and name == "latency_us":
        return lambda network: _estimated(network, target), "sum"
    return None


def _macs(network: Network) -> dict[str, float]:
    return {layer.name: float(ops.macs(network, layer)) for layer in network.layers}


def _params(network: Network) -> dict[str, float]:
    sizes = {layer.name: [network.tensors[t].size for t in layer.params.values()] for layer in network.layers}
    return {name: float(sum(found)) for name, found in sizes.items()}


def _estimated(network: Network, target: str) -> dict[str, float]:
    found = targets.estimate(network, target)
    layers = {layer.name: float(layer.latency_us) for layer in found.layers}
    return {"": found.field("latency_us") - sum(layers.values()), **layers}


def tabulate(
    space: Space,
    groups: Sequence[ChannelGroup],
    resize: Callable[[Counts], Network],
    by_layer: Breakdown,
    combine: str,
    total: Callable[[Network], float],
    seed: int = 0,
) -> Tabulated | None:
    """Tables of a cost over the widths of channel groups, or None where tables do not reproduce it.

    Groups that no layer joins get the same option number at the same time, so that few networks are looked at: as many
    as two groups have pairs of options, for every pair of colours of the graph whose edges are layers. Counts of work
    are quadratic in every width, and three options of each say all; other costs are looked at for all options, if a few
    options show that layers' costs do depend on no more than two groups.

    Args:
        groups: those whose widths are the variables of ``space``, by name.
        resize: the network with given widths.
        by_layer, combine: as :func:`breakdown` gives them.
        total: the cost itself, against which the tables are checked at random points.
        seed: of these points.
    """
    numbers = {variable.name: index for index, variable in enumerate(space.variables)}
    touched: dict[str, set[int]] = {}
    for group in groups:
        if group.name in numbers:
            for member in group.members:
                touched.setdefault(member.layer, set()).add(numbers[group.name])
    if any(len(found) > 2 for found in touched.values()):
        return None
    edges = [tuple(sorted(found)) for found in touched.values() if len(found) == 2]
    look = _Look(space, groups, resize, by_layer)
    maker = _Maker(space, touched, _colours(len(space.variables), edges), look, combine)
    rng = np.random.default_rng(seed)
    probes = np.stack([rng.integers(0, space.sizes) for _ in range(PROBES)] + [space.widest])

    def true(points: Points) -> Array:
        return np.array([total(resize(look.counts(point))) for point in points])

    nodes = [_nodes(int(size)) for size in space.sizes]
    few = maker.table(nodes)
    if agrees(interpolated := _spread(few, space, nodes), probes, true(probes)):
        return interpolated
    coarse = np.stack([[rng.integers(len(found)) for found in nodes] for _ in range(PROBES)])
    actual = np.stack([[found[k] for found, k in zip(nodes, point, strict=True)] for point in coarse])
    if not agrees(few, coarse, true(actual)):
        return None
    whole = maker.table([np.arange(size) for size in space.sizes])
    return whole if agrees(whole, probes, true(probes)) else None


def agrees(table: Tabulated, points: Points, true: Array) -> bool:
    """Whether a table gives the true costs, but for the order of summation."""
    return bool(np.allclose(table(points), true, rtol=SAME, atol=0))


class _Look:
    """The layers' costs at points, each looked at once."""

    def __init__(
        self, space: Space, groups: Sequence[ChannelGroup], resize: Callable[[Counts], Network], by_layer: Breakdown
    ) -> None:
        self._space, self._groups, self._resize, self._by_layer = space, groups, resize, by_layer
        self._known: dict[bytes, Mapping[str, float]] = {}

    def counts(self, point: npt.NDArray[np.int64]) -> Counts:
        values = self._space.values(point)
        return {group.name: values.get(group.name, group.width) for group in self._groups}

    def __call__(self, point: npt.NDArray[np.int64]) -> Mapping[str, float]:
        key = point.tobytes()
        if key not in self._known:
            self._known[key] = self._by_layer(self._resize(self.counts(point)))
        return self._known[key]


@dataclass(frozen=True, eq=False)
class _Maker:
    space: Space
    touched: Mapping[str, set[int]]
    colours: Sequence[int]
    look: _Look
    combine: str

    def table(self, options: Sequence[Options]) -> Tabulated:
        """Tables over some options of every variable, (options of the first, of the second) per layer."""
        still = [value for name, value in self.look(self.space.narrowest).items() if name not in self.touched]
        constant = sum(still) if self.combine == "sum" else max(still, default=0.0)
        terms = (self._term(layer, tuple(sorted(found)), options) for layer, found in self.touched.items())
        return Tabulated(tuple(term for term in terms if np.any(term.table)), constant, self.combine)

    def _term(self, layer: str, variables: tuple[int, ...], options: Sequence[Options]) -> Term:
        table = np.empty([len(options[v]) for v in variables])
        for where in np.ndindex(*table.shape):
            # Everything of one colour stands at the same option number; other colours do not matter to this layer.
            chosen = {self.colours[v]: int(options[v][k]) for v, k in zip(variables, where, strict=True)}
            point = np.array([chosen.get(colour, 0) for colour in self.colours], dtype=np.int64)
            table[where] = self.look(np.minimum(point, self.space.widest)).get(layer, 0.0)
        return Term(layer, variables, table)


def _nodes(size: int) -> Options:
    """Up to three options: the first, the middle and the last."""
    return np.unique([0, (size - 1) // 2, size - 1])


def _spread(table: Tabulated, space: Space, nodes: Sequence[Options]) -> Tabulated:
    """Tables over all options by the polynomials through those at the nodes; whole numbers stay whole."""
    terms = []
    for term in table.terms:
        values = term.table
        for axis, variable in enumerate(term.variables):
            known = np.asarray(space.variables[variable].options, dtype=np.float64)
            values = np.moveaxis(np.tensordot(_lagrange(known, nodes[variable]), values, (1, axis)), 0, axis)
        whole = bool(np.all(term.table == np.rint(term.table)))
        terms.append(Term(term.layer, term.variables, np.rint(values) if whole else values))
    return Tabulated(tuple(terms), table.constant, table.combine)


def _lagrange(x: Array, nodes: Options) -> Array:
    """Weights (points, nodes) of the polynomial through the values at ``x[nodes]``."""
    at = x[nodes]
    columns = [
        np.prod([(x - other) / (node - other) for other in np.delete(at, index)], axis=0) * np.ones(len(x))
        for index, node in enumerate(at)
    ]
    return np.stack(columns, axis=1)


def _colours(count: int, edges: Sequence[tuple[Any, ...]]) -> list[int]:
    """Numbers for ``count`` nodes such that the ends of no edge have the same, chosen greedily."""
    colours: list[int] = []
    for node in range(count):
        taken = {colours[min(edge)] for edge in edges if node == max(edge) and min(edge) < node}
        colours.append(next(number for number in range(count) if number not in taken))
    return colours
