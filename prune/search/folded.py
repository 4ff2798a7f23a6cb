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
from hwsim.estimate import Estimate
from hwsim.fpga.folding import RESOURCES, Goal, Menu, always_used, choose, menus
from hwsim.fpga.stages import Stage, pipeline
from hwsim.network import Network
from prune.search.space import Point, Points, Space

Array = npt.NDArray[np.float64]
NEAR = 1.5  # times the limit of a latency, up to which the folding with the shortest one is tried


@dataclass(frozen=True, eq=False)
class Cells:
    """One stage: the variables that shape it, their options in every variant (variants, variables), and its menu."""

    stage: str
    variables: tuple[int, ...]
    numbers: npt.NDArray[np.int64]
    menu: Menu


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
        self._estimates: dict[bytes, Estimate] = {}

    def network(self, point: Point) -> Network:
        """The network of a point."""
        return self._network_of(self.space.values(point))

    def estimate(self, point: Point) -> Estimate:
        """What a point costs, each asked for once."""
        key = point.astype(np.int64).tobytes()
        if key not in self._estimates:
            self._estimates[key] = self._estimate(self.network(point))
        return self._estimates[key]

    def _estimate(self, network: Network) -> Estimate:
        found = self._folded(network, "interval_us")
        limit = self.limits.get("latency_us", np.inf)
        if not limit < found.field("latency_us") <= NEAR * limit:
            return found
        other = self._folded(network, "latency_us")
        return min(found, other, key=lambda one: one.field("latency_us"))

    def _folded(self, network: Network, objective: str) -> Estimate:
        design = choose(network, self.device, self.mapping, goal=Goal(objective, self.resources)).design
        return targets.estimate(network, self.target, design=design)

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
        touched = self._touched()
        variants = self._variants(touched)
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

    def _variants(self, touched: Sequence[Sequence[int]], seed: int = 0) -> list[dict[tuple[int, ...], Stage]]:
        """Per stage the records by option numbers; every network that is looked at serves all stages."""
        rng = np.random.default_rng(seed)
        found: list[dict[tuple[int, ...], Stage]] = [{} for _ in touched]
        for stage, variables in enumerate(touched):
            for numbers in product(*(range(int(self.space.sizes[v])) for v in variables)):
                if numbers in found[stage]:
                    continue
                point = rng.integers(0, self.space.sizes)
                point[list(variables)] = numbers
                for own, other, record in zip(found, touched, self._stages(point), strict=True):
                    own.setdefault(tuple(point[list(other)].tolist()), record)
        return found


@dataclass(frozen=True, eq=False)
class FoldedField:
    """One field of :class:`Folded` as a cost of points."""

    folded: Folded
    field: str

    def __call__(self, points: Points) -> Array:
        """Costs of points (N, variables), shape (N,)."""
        return np.array([self.folded.estimate(point).field(self.field) for point in points])
