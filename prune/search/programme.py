# SPDX-License-Identifier: Apache-2.0
"""One option per variable under limits that couple variables in pairs, as an integer programme.

A variable's option is a set of binaries of which one is 1. Where a layer's cost depends on two variables, products of
their binaries are variables of their own, tied to both by their margins: sum_l y[k, l] = a[k] and sum_k y[k, l] = b[l].
They need not be integral: with integral margins they are.

Where stages of an FPGA are folded, each has a share of every row of its menu, tied to the binaries of all variables
that shape it in the same way. Shares may mix foldings of one variant, which makes the programme a relaxation: its bound
holds for whole foldings, its point is to be folded again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import BudgetError
from prune.search.costs import Tabulated, Term
from prune.search.folded import Cells
from prune.search.space import Point

Array = npt.NDArray[np.float64]
Options = npt.NDArray[np.int64]
SECONDS = 300.0  # for one programme, far more than it takes: a result must not depend on how busy a machine is
INFEASIBLE = 2  # scipy's status


@dataclass(frozen=True, eq=False)
class Solution:
    """The best point that was found, its value, and what no point's value goes below."""

    point: Point
    value: float
    bound: float


class Programme:
    """Rows of constraints over the binaries of all variables and the products of pairs.

    Args:
        options: per variable the numbers of the options allowed, ascending.
    """

    def __init__(self, options: Sequence[Options]) -> None:
        self._options = options
        self._first = np.concatenate([[0], np.cumsum([len(one) for one in options])])
        self._pairs: dict[tuple[int, ...], int] = {}
        self._rows: list[tuple[Options, Array, float, float]] = []
        self.binaries = self.columns = int(self._first[-1])
        for variable in range(len(options)):
            columns = self._of(variable)
            self._rows.append((columns, np.ones(len(columns)), 1.0, 1.0))

    def limit(self, cost: Tabulated, value: float) -> None:
        """At most ``value`` of a tabulated cost."""
        parts = [(self._of(*term.variables), self._values(term)) for term in cost.terms]
        if cost.combine == "max":
            self._rows += [(columns, values, -np.inf, value) for columns, values in parts]
            return
        columns, values = (np.concatenate(one) for one in zip(*parts, strict=True))
        self._rows.append((columns, values, -np.inf, value - cost.constant))

    def fold(self, cells: Sequence[Cells], shares: Array, pace: float, limit: float) -> None:
        """One folding per stage, of those that :meth:`Menu.within` leaves, within (resources,) shares of a device."""
        columns, used = [], []
        for cell in cells:
            menu = cell.menu.within(pace, limit)
            numbers = cell.numbers[menu.variant]
            measured = [np.isin(numbers[:, i], self._options[v]) for i, v in enumerate(cell.variables)]
            rows = np.flatnonzero(np.all(measured, axis=0)) if measured else np.arange(len(menu.busy))
            own = np.arange(self.columns, self.columns + len(rows))
            self.columns += len(rows)
            columns.append(own)
            used.append(menu.used[rows])
            self._rows.append((own, np.ones(len(own)), 1.0, 1.0))
            for place, variable in enumerate(cell.variables):
                for binary, number in zip(self._of(variable), self._options[variable], strict=True):
                    line = own[numbers[rows, place] == number]
                    self._rows.append((np.array([*line, binary]), np.array([1.0] * len(line) + [-1.0]), 0.0, 0.0))
        everything, sums = np.concatenate(columns), np.concatenate(used)
        for resource, share in enumerate(shares):
            self._rows.append((everything, sums[:, resource], -np.inf, float(share)))

    def minimise(self, losses: Array, gap: float = 0.0) -> Solution | None:
        """The point with the least sum of losses, (binaries,); None if no point keeps all limits.

        Args:
            gap: relative, at which the search for a better one ends.

        Raises:
            BudgetError: no point was found in time, nor a proof that there is none.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp

        matrix, low, high = self.matrix()
        objective, integral = np.zeros(self.columns), np.zeros(self.columns)
        objective[: self.binaries], integral[: self.binaries] = losses, 1
        found = milp(
            objective,
            constraints=LinearConstraint(matrix, low, high),
            integrality=integral,
            bounds=Bounds(0, 1),
            options={"time_limit": SECONDS, "mip_rel_gap": gap},
        )
        if found.status == INFEASIBLE:
            return None
        if found.x is None:
            raise BudgetError(
                f"knapsack: no point found in {SECONDS:g} s ({found.message}); allow fewer options per layer"
            )
        return Solution(self.point(found.x), float(found.fun), float(found.mip_dual_bound))

    def exclude(self, point: Point) -> None:
        """Any point but this one."""
        chosen = [self._first[v] + int(np.searchsorted(self._options[v], k)) for v, k in enumerate(point)]
        self._rows.append((np.array(chosen), np.ones(len(chosen)), -np.inf, len(chosen) - 1.0))

    def matrix(self) -> tuple[Any, Array, Array]:
        """All rows as a sparse matrix (rows, columns), with their lowest and highest values."""
        from scipy.sparse import csr_array

        lengths = [len(columns) for columns, *_ in self._rows]
        columns = np.concatenate([row[0] for row in self._rows])
        values = np.concatenate([row[1] for row in self._rows])
        starts = np.concatenate([[0], np.cumsum(lengths)])
        matrix = csr_array((values, columns, starts), shape=(len(lengths), self.columns))
        matrix.sum_duplicates()
        return matrix, np.array([row[2] for row in self._rows]), np.array([row[3] for row in self._rows])

    def point(self, solution: Array) -> Point:
        """The options that a solution (columns,) chose."""
        chosen = [solution[self._first[v] : self._first[v + 1]].argmax() for v in range(len(self._options))]
        return np.array([one[k] for one, k in zip(self._options, chosen, strict=True)], dtype=np.int64)

    def _values(self, term: Term) -> Array:
        return term.table[np.ix_(*(self._options[v] for v in term.variables))].ravel()

    def _of(self, *variables: int) -> Options:
        """Columns of a variable's binaries, or of the products of two."""
        if len(variables) == 1:
            return np.arange(self._first[variables[0]], self._first[variables[0] + 1])
        if variables not in self._pairs:
            self._pairs[variables] = self.columns
            self.columns += len(self._options[variables[0]]) * len(self._options[variables[1]])
            self._tie(*variables)
        size = len(self._options[variables[0]]) * len(self._options[variables[1]])
        return np.arange(self._pairs[variables], self._pairs[variables] + size)

    def _tie(self, first: int, second: int) -> None:
        products = self._of(first, second).reshape(len(self._options[first]), -1)
        for lines, margin in ((products, self._of(first)), (products.T, self._of(second))):
            for line, binary in zip(lines, margin, strict=True):
                self._rows.append((np.array([*line, binary]), np.array([1.0] * len(line) + [-1.0]), 0.0, 0.0))
