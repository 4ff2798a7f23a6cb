# SPDX-License-Identifier: Apache-2.0
"""Points on an FPGA at the pace of a search: the design of each is looked up, and one design keeps all limits.

Designs come from a catalogue of what every stage can be made of (:mod:`hwsim.fpga.folding.catalogue`), in some tens of
microseconds per point. Areas and intervals are exactly those of the design's estimate, and so is everything with
hls4ml's stages. Latencies of PE x SIMD stages are to first order there, and as long as the counted ones on average:
what decides in the end is the estimate, cycle by cycle, which is asked of points before they are scored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hwsim import targets
from hwsim.fpga.folding import RESOURCES, Catalogue, Designs
from hwsim.network import Network
from prune.budget import Limit
from prune.search.costs import Asked
from prune.search.environment import PointLimit
from prune.search.folded import Designed, Folded, FoldedField
from prune.search.space import Point, Points, Space

Array = npt.NDArray[np.float64]
TIMES = ("interval_us", "latency_us")
CHUNK = 4096  # points whose designs are looked up, and remembered, at a time
COUNTED = 5  # points whose cycles are counted to see how much longer latencies are than to first order


class Tabled(Folded):
    """One FPGA target whose designs come from a catalogue.

    Args:
        target, limits, space, network_of: as for :class:`prune.search.folded.Folded`.
    """

    def __init__(
        self, target: str, limits: Mapping[str, float], space: Space, network_of: Callable[[Mapping[str, int]], Network]
    ) -> None:
        super().__init__(target, limits, space, network_of)
        self._points, self._designs = b"", Designs(np.zeros((0, 0), dtype=np.int64), {})

    def costs(self, points: Points, field: str) -> Array:
        """One field of points (N, variables), shape (N,); where cycles are counted, latencies are near them."""
        if field not in (*RESOURCES, *TIMES):
            return super().costs(points, field)
        parts = [self._find(points[start : start + CHUNK]).figures[field] for start in range(0, len(points), CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def limit(self, name: str) -> PointLimit:
        """One of the limits, for an environment."""
        field = FoldedField(self, name)
        is_exact = self.mapping == "hls4ml" or name in (*RESOURCES, "interval_us")
        proof = None if is_exact else Asked(lambda values: self._figure(values, name), self.space)
        return PointLimit(f"{self.target}.{name}", self.limits[name], field, rises=False, proof=proof)

    def _figure(self, values: Mapping[str, int], name: str) -> float:
        return self.estimate(self.space.indices(values)).field(name)

    def _designed(self, point: Point) -> Designed:
        network = self.network(point)
        design = self._catalogue.design(network, self._find(point[None]).rows[0])
        return Designed(design, targets.estimate(network, self.target, design=design))

    def _find(self, points: Points) -> Designs:
        """The designs of points; those of the last ones are kept, as several limits ask for them."""
        key = points.tobytes()
        if key != self._points:
            self._points, self._designs = key, self._catalogue.find(self._numbers(points))
        return self._designs

    def _numbers(self, points: Points) -> npt.NDArray[np.int64]:
        """The numbers of the stages' variants, (N, stages)."""
        places, offsets, weights = self._places
        return places[offsets + points @ weights]

    @cached_property
    def _places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Numbers of variants, stage after stage; where those of each begin; what a variable's option counts in them.

        The shapes are (all combinations,), (stages,) and (variables, stages).
        """
        touched, variants = self.variants
        weights = np.zeros((len(self.space.variables), len(touched)), dtype=np.int64)
        places = []
        for stage, (own, known) in enumerate(zip(touched, variants, strict=True)):
            size = 1
            for variable in own:
                weights[variable, stage], size = size, size * int(self.space.sizes[variable])
            place = np.zeros(size, dtype=np.int64)
            for number, key in enumerate(known):
                place[np.array(key, dtype=np.int64) @ weights[own, stage]] = number
            places.append(place)
        offsets = np.cumsum([0, *map(len, places)])[:-1]
        return np.concatenate(places), offsets, weights

    @cached_property
    def _catalogue(self) -> Catalogue:
        limits = {name: value for name, value in self.limits.items() if name in (*RESOURCES, *TIMES)}
        variants = [list(one.values()) for one in self.variants[1]]
        made = Catalogue(self.network(self.space.widest), variants, self.device, self.mapping, limits)
        if self.mapping == "folded":
            made.longer = self._longer(made)
        return made

    def _longer(self, made: Catalogue) -> float:
        """By what factor counted latencies are longer than those to first order, on average over a few points."""
        rng = np.random.default_rng(0)
        points = np.stack([self.space.narrowest, *(rng.integers(0, self.space.sizes) for _ in range(COUNTED - 1))])
        short = made.find(self._numbers(points))
        factors = []
        for point, rows, latency_us in zip(points, short.rows, short.figures["latency_us"], strict=True):
            network = self.network(point)
            estimate = targets.estimate(network, self.target, design=made.design(network, rows))
            factors.append(estimate.field("latency_us") / latency_us)
        return float(np.mean(factors))


def with_paces(limits: Sequence[Limit], ask: Callable[[str], float]) -> tuple[Limit, ...]:
    """The limits, and for FPGAs of which no time is limited the interval that the unpruned network has there.

    Areas alone would be met by any network, folded small enough.

    Args:
        ask: cost of the unpruned network by field.
    """
    timed = {target for limit in limits for target, _, name in [limit.field.rpartition(".")] if name not in RESOURCES}
    areas = dict.fromkeys(limit.field.rpartition(".")[0] for limit in limits if is_fpga(limit.field))
    fields = [f"{target}.interval_us" for target in areas if target not in timed]
    return (*limits, *(Limit(field, before, before) for field in fields for before in [ask(field)]))


def is_fpga(field: str) -> bool:
    """Whether a cost field such as ``fpga:pynq-z2.latency_us`` is an FPGA's."""
    return field.startswith("fpga:")


def of_target(limits: Iterable[Limit], target: str) -> dict[str, float]:
    """The amounts of one target's limits, by field without it."""
    parts = ((limit.field.rpartition("."), limit.value) for limit in limits)
    return {name: value for (found, _, name), value in parts if found == target}
