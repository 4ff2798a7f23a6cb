# SPDX-License-Identifier: Apache-2.0
"""What a search may choose: a few ordered options for every variable.

A *point* is one option per variable, as whole numbers (variables,) that count options from the cheapest up; many points
are (points, variables). Widths of channel groups are one kind of variable; whatever else is ordered by cost (bits,
parallelism) is another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from prune.budget import Bounds, Counts
from prune.groups import ChannelGroup

Point = npt.NDArray[np.int64]
Points = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Variable:
    """A named choice among ascending numbers; a larger one never costs less.

    Raises:
        InputError: no options, or they do not ascend.
    """

    name: str
    options: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.options or list(self.options) != sorted(set(self.options)):
            raise InputError(f"{self.name}: options {list(self.options)[:8]}; expected ascending numbers, at least one")


@dataclass(frozen=True)
class Space:
    """The variables of a search, in the order in which policies walk them."""

    variables: tuple[Variable, ...]

    @cached_property
    def sizes(self) -> Point:
        """Options per variable, (variables,)."""
        return np.array([len(variable.options) for variable in self.variables], dtype=np.int64)

    @cached_property
    def narrowest(self) -> Point:
        """The cheapest point."""
        return np.zeros(len(self.variables), dtype=np.int64)

    @cached_property
    def widest(self) -> Point:
        """The dearest point: everything as it was."""
        return self.sizes - 1

    def values(self, point: Point) -> dict[str, int]:
        """The chosen number of every variable, by name."""
        return {v.name: v.options[int(index)] for v, index in zip(self.variables, point, strict=True)}

    def indices(self, values: Mapping[str, int]) -> Point:
        """The point of these values, the opposite of :meth:`values`."""
        return np.array([v.options.index(values[v.name]) for v in self.variables], dtype=np.int64)

    def shares(self, points: Points) -> npt.NDArray[np.float64]:
        """Chosen numbers as shares of the largest, in the shape of ``points``."""
        columns = [np.asarray(v.options, dtype=np.float64)[points[..., i]] for i, v in enumerate(self.variables)]
        return np.stack(columns, axis=-1) / [v.options[-1] for v in self.variables]

    def nearest(self, variable: int, share: float) -> int:
        """The option of a variable nearest to a share of its largest; the dearer one of two."""
        options = np.asarray(self.variables[variable].options, dtype=np.float64)
        return int(len(options) - 1 - np.argmin(np.abs(options / options[-1] - share)[::-1]))

    def point(self, shares: Sequence[float]) -> Point:
        """The point nearest to one share per variable."""
        return np.array([self.nearest(i, share) for i, share in enumerate(shares)], dtype=np.int64)


def channel_space(groups: Sequence[ChannelGroup], bounds: Bounds, most: int | None = None) -> Space:
    """The widths of channel groups within their bounds.

    Args:
        most: options per group at most, evenly spread from the narrowest to the full width; None takes all.

    Raises:
        InputError: no groups, or fewer than two options asked for.
    """
    if not groups:
        raise InputError("search: the network has no prunable channels; expected at least one channel group")
    if most is not None and most < 2:
        raise InputError(f"search: got {most} options per layer; expected at least 2")
    return Space(tuple(Variable(g.name, _spread(bounds.levels(g), most)) for g in groups))


def _spread(levels: Sequence[int], most: int | None) -> tuple[int, ...]:
    if most is None or len(levels) <= most:
        return tuple(levels)
    chosen = np.unique(np.rint(np.linspace(0, len(levels) - 1, most)).astype(int))
    return tuple(levels[index] for index in chosen)


def channel_counts(groups: Sequence[ChannelGroup], values: Mapping[str, Any]) -> Counts:
    """Units per group for :func:`prune.choice.widths`; groups that are no variables stay whole."""
    return {group.name: int(values.get(group.name, group.width)) for group in groups}
