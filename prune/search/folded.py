# SPDX-License-Identifier: Apache-2.0
"""What points cost on an FPGA whose folding is chosen anew for each of them.

A point says widths and bits. Its design is the folding with the shortest interval within the limits of resources, or
with the shortest latency where that decides, and its costs are fields of that design's estimate, so that one design
keeps all limits together. For the exact allocator
:class:`Folded` also lists what every stage can be made of over the variables that shape it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt

from hwsim import targets
from hwsim.design import Design
from hwsim.estimate import Estimate
from hwsim.fpga.folding import RESOURCES, Goal, Menu, always_used, choose, menus
from hwsim.fpga.stages import Stage, pipeline
from hwsim.network import Network
from prune.search.space import Point, Points, Space

Array = npt.NDArray[np.float64]
Variants = dict[tuple[int, ...], Stage]  # of one stage, by the numbers of the options that shape it
NEAR = 1.5  # times the limit of a latency, up to which the folding with the shortest one is tried


@dataclass(frozen=True, eq=False)
class Cells:
    """One stage: the variables that shape it, their options in every variant (variants, variables), and its menu."""

    stage: str
    variables: tuple[int, ...]
    numbers: npt.NDArray[np.int64]
    menu: Menu


@dataclass(frozen=True, eq=False)
class Designed:
    """A point's design and what it costs."""

    design: Design
    estimate: Estimate


class Folded:
    """One FPGA target in a search.

    Args:
        target: such as ``fpga:pynq-z2/folded``.
        limits: amounts by field of :class:`hwsim.estimate.Estimate`; those of resources bind every folding.
        network_of: the network, with formats, of a point's values.

    Raises:
        UnknownNameError, InputError: the target is no FPGA, or a limit is more than it has.
    """

    def __init__(
        self, target: str, limits: Mapping[str, float], space: Space, network_of: Callable[[Mapping[str, int]], Network]
    ) -> None:
        self.target, self.limits, self.space = target, dict(limits), space
        self.device = targets.parse(target).device
        self.mapping = "folded" if target.endswith("/folded") else "hls4ml"
        self.resources = {name: value for name, value in limits.items() if name in RESOURCES}
        self._network_of = network_of
        self._known: dict[bytes, Designed] = {}

    def network(self, point: Point) -> Network:
        """The network of a point."""
        return self._network_of(self.space.values(point))

    def estimate(self, point: Point) -> Estimate:
        """What a point costs, each asked for once."""
        return self._of(point).estimate

    def design(self, point: Point) -> Design:
        """The one design that all costs of a point are of."""
        return self._of(point).design

    def _of(self, point: Point) -> Designed:
        key = point.astype(np.int64).tobytes()
        if key not in self._known:
            self._known[key] = self._designed(point)
        return self._known[key]

    def costs(self, points: Points, field: str) -> Array:
        """One field of the estimates of points (N, variables), shape (N,)."""
        return np.array([self.estimate(point).field(field) for point in points])

    def cycles(self, point: Point) -> float:
        """The interval of a point's design in cycles."""
        return float(self.costs(point[None], "interval_us")[0]) * float(self.device["clock_mhz"])

    def _designed(self, point: Point) -> Designed:
        network = self.network(point)
        found = self._folded(network, "interval_us")
        limit = self.limits.get("latency_us", np.inf)
        if not limit < found.estimate.field("latency_us") <= NEAR * limit:
            return found
        other = self._folded(network, "latency_us")
        return min(found, other, key=lambda one: one.estimate.field("latency_us"))

    def _folded(self, network: Network, objective: str) -> Designed:
        design = choose(network, self.device, self.mapping, goal=Goal(objective, self.resources)).design
        return Designed(design, targets.estimate(network, self.target, design=design))

    @cached_property
    def shares(self) -> Array:
        """What stages may use together of the device, (resources,) as shares: without the shell and what joins them."""
        device = self.device
        beside = always_used(self.network(self.space.narrowest), self.mapping)
        most = np.array([self.resources.get(name, device[name] * device["utilisation"]) for name in RESOURCES])
        return np.asarray((most - beside) / [device[name] for name in RESOURCES])

    @property
    def longest_cycles(self) -> float:
        """The interval beyond which no design keeps the limits of times: an image takes no less than the interval."""
        times = [value for name, value in self.limits.items() if name in ("interval_us", "latency_us")]
        return min(times, default=np.inf) * float(self.device["clock_mhz"])

    @cached_property
    def cells(self) -> tuple[Cells, ...]:
        """What every stage can be made of; some hundred networks are looked at."""
        template = pipeline(self.network(self.space.widest))
        touched, variants = self.variants
        io_type = "io_stream" if template.has_images or self.mapping == "folded" else "io_parallel"
        found = menus(template, [list(one.values()) for one in variants], self.device, self.mapping, io_type)
        return tuple(
            Cells(stage.name, tuple(own), np.array(list(one), dtype=np.int64).reshape(len(one), len(own)), menu)
            for stage, own, one, menu in zip(template.stages, touched, variants, found, strict=True)
        )

    def _stages(self, point: Point) -> Sequence[Stage]:
        return pipeline(self.network(point)).stages

    def _touched(self) -> list[list[int]]:
        """Per stage the variables that change it, alone, from the widest point or from the narrowest."""
        widest, narrowest = self.space.widest, self.space.narrowest
        touched: list[set[int]] = [set() for _ in self._stages(widest)]
        for start, other in ((widest, narrowest), (narrowest, widest)):
            before = self._stages(start)
            for variable in range(len(widest)):
                changed = np.where(np.arange(len(widest)) == variable, other, start)
                for stage, (old, new) in enumerate(zip(before, self._stages(changed), strict=True)):
                    if old != new:
                        touched[stage].add(variable)
        return [sorted(one) for one in touched]

    @cached_property
    def variants(self) -> tuple[list[list[int]], list[Variants]]:
        """Per stage the variables that shape it, and its records; every network that is looked at serves all stages."""
        touched = self._touched()
        found: list[Variants] = [{} for _ in touched]
        for point in pairwise_points(self.space):
            self._look(point, touched, found)
        rng = np.random.default_rng(0)
        for stage, variables in enumerate(touched):
            for numbers in product(*(range(int(self.space.sizes[v])) for v in variables)):
                if numbers not in found[stage]:  # of three variables and more
                    point = rng.integers(0, self.space.sizes)
                    point[variables] = numbers
                    self._look(point, touched, found)
        return touched, found

    def _look(self, point: Point, touched: Sequence[Sequence[int]], found: Sequence[Variants]) -> None:
        keys = [tuple(point[list(own)].tolist()) for own in touched]
        if any(key not in own for key, own in zip(keys, found, strict=True)):
            for key, own, record in zip(keys, found, self._stages(point), strict=True):
                own.setdefault(key, record)


def pairwise_points(space: Space) -> Points:
    """Points in which every pair of variables meets with every pair of options, (points, variables).

    As many as the square of a prime: lines of all slopes through a plane of so many options meet once (an orthogonal
    array of strength 2; Bose, Sankhya 1938).
    """
    prime = int(max([2, *space.sizes, len(space.variables) - 1]))
    while any(prime % number == 0 for number in range(2, int(prime**0.5) + 1)):
        prime += 1
    along, across = np.divmod(np.arange(prime * prime), prime)
    slopes = np.arange(len(space.variables))
    points = np.where(slopes == prime, across[:, None], (along[:, None] + slopes * across[:, None]) % prime)
    return np.asarray(points % space.sizes)


@dataclass(frozen=True, eq=False)
class FoldedField:
    """One field of :class:`Folded` as a cost of points."""

    folded: Folded
    field: str

    def __call__(self, points: Points) -> Array:
        """Costs of points (N, variables), shape (N,)."""
        return self.folded.costs(points, self.field)
