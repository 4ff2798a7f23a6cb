# SPDX-License-Identifier: Apache-2.0
"""Tables of a cost over the options of each layer's variables, from as few looks at the model as possible.

Variables that no layer joins get the same option number at the same time, so that few points are looked at: as many as
two variables have pairs of options, for every pair of colours of the graph whose edges are layers. Counts of work are
quadratic in every width, and three options of each say all; other costs are looked at for all options.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prune.search.costs import Tabulated, Term
from prune.search.space import Points, Space

Array = npt.NDArray[np.float64]
Options = npt.NDArray[np.int64]
Breakdown = Callable[[Points], Mapping[str, Array]]  # costs (N,) of points by layer; "" for what no layer causes
PROBES = 8  # random points at which a table must agree with the model
SAME = 1e-9  # relative; sums in another order


def tabulate(
    space: Space, by_layer: Breakdown, combine: str, known: Mapping[str, set[int]], seed: int = 0
) -> Tabulated | None:
    """Tables of a cost that is its layers' "sum" or "max", or None where tables do not reproduce it.

    Args:
        known: variables that a layer may depend on; others are seen by changing them one at a time.
        seed: of the random points at which the tables are checked.
    """
    rng = np.random.default_rng(seed)
    touched = {layer: seen | known.get(layer, set()) for layer, seen in _touched(space, by_layer, rng).items()}
    if any(len(found) > 2 for found in touched.values()):
        return None
    edges = [tuple(sorted(found)) for found in touched.values() if len(found) == 2]
    maker = _Maker(space, touched, _colours(len(space.variables), edges), by_layer, combine)
    probes = np.stack([rng.integers(0, space.sizes) for _ in range(PROBES)] + [space.widest])

    def true(points: Points) -> Array:
        parts = np.stack(list(by_layer(points).values()))
        return np.asarray(parts.sum(axis=0) if combine == "sum" else parts.max(axis=0))

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


def agrees(table: Callable[[Points], Array], points: Points, true: Array) -> bool:
    """Whether a table gives the true costs, but for the order of summation."""
    return bool(np.allclose(table(points), true, rtol=SAME, atol=0))


def _touched(space: Space, by_layer: Breakdown, rng: np.random.Generator) -> dict[str, set[int]]:
    """The variables that each layer's cost was seen to depend on."""
    count = len(space.variables)
    bases = [space.narrowest, space.widest, *(rng.integers(0, space.sizes) for _ in range(2))]
    ends = [np.where(base < space.widest, space.widest, 0) for base in bases]
    points = [base if v < 0 else np.where(np.arange(count) == v, end, base)
              for base, end in zip(bases, ends, strict=True) for v in range(-1, count)]  # fmt: skip
    found: dict[str, set[int]] = {}
    for layer, costs in by_layer(np.stack(points)).items():
        grid = costs.reshape(len(bases), 1 + count)
        found[layer] = set(np.flatnonzero((grid[:, 1:] != grid[:, :1]).any(axis=0)).tolist())
    return found


@dataclass(frozen=True, eq=False)
class _Maker:
    space: Space
    touched: Mapping[str, set[int]]
    colours: Sequence[int]
    by_layer: Breakdown
    combine: str

    def table(self, options: Sequence[Options]) -> Tabulated:
        """Tables over some options of every variable, (options of the first, of the second) per layer."""
        wanted = {layer: tuple(sorted(found)) for layer, found in self.touched.items()}
        grids = {variables: self._grid(variables, options) for variables in dict.fromkeys(wanted.values())}
        points, where = np.unique(np.concatenate(list(grids.values())), axis=0, return_inverse=True)
        ends = np.cumsum([len(grid) for grid in grids.values()])[:-1]
        rows = dict(zip(grids, np.split(where.reshape(-1), ends), strict=True))
        seen = self.by_layer(points)
        still = [float(seen[layer][rows[()][0]]) for layer, variables in wanted.items() if not variables]
        constant = sum(still, 0.0) if self.combine == "sum" else max(still, default=0.0)
        terms = (
            Term(layer, variables, seen[layer][rows[variables]].reshape([len(options[v]) for v in variables]))
            for layer, variables in wanted.items()
            if variables
        )
        return Tabulated(tuple(term for term in terms if np.any(term.table)), constant, self.combine)

    def _grid(self, variables: tuple[int, ...], options: Sequence[Options]) -> Points:
        """Points of all pairs of options: all of one colour at the same number, as other colours do not matter."""
        numbers = np.meshgrid(*(options[v] for v in variables), indexing="ij")
        points = np.zeros((numbers[0].size if numbers else 1, len(self.colours)), dtype=np.int64)
        for v, chosen in zip(variables, numbers, strict=True):
            points[:, np.equal(self.colours, self.colours[v])] = chosen.reshape(-1, 1)
        return np.minimum(points, self.space.widest)


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
