# SPDX-License-Identifier: Apache-2.0
"""What a network costs on one target: every figure with its error bar and where it comes from.

Units and conventions, the same for every target:

* ``latency_us``, ``cycles``   from the first input of the batch to the last output of the batch
* ``interval_us``, ``ii``      between two inferences in steady state (throughput = 1e6 / interval_us)
* ``energy_uj``                per inference
* ``bytes_moved``              over the off-chip memory interface, per inference
* ``power_w``                  mean power while the target works at full throughput
* resources                    absolute counts; ``capacity`` holds what the device has, under the same names
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from hwsim.coverage import Uncovered
from hwsim.errors import InputError, UnknownNameError
from hwsim.registry import suggest

SOURCES = ("analytic", "simulated", "rtl", "synthesis", "measured")
BOTTLENECKS = ("compute", "memory", "overhead", "stream")
RESOURCE_NAMES = ("lut", "ff", "dsp", "bram18", "uram")


@dataclass(frozen=True)
class Figure:
    """One number with its error bar: ``low <= value <= high``, and how it was obtained.

    Raises InputError for numbers that are not finite or negative, a bar that does not contain the value,
    or a source outside `SOURCES`.
    """

    value: float
    low: float
    high: float
    source: str = "analytic"

    def __post_init__(self) -> None:
        numbers = (self.value, self.low, self.high)
        if not all(math.isfinite(number) for number in numbers) or self.low < 0:
            raise InputError(f"figure: got {numbers}; expected finite numbers >= 0; check the device's numbers")
        if not self.low <= self.value <= self.high:
            raise InputError(
                f"figure: got low, value, high = {self.low}, {self.value}, {self.high}; "
                "expected low <= value <= high; widen the error bar"
            )
        if self.source not in SOURCES:
            raise InputError(f"figure: unknown source '{self.source}'; {suggest(self.source, SOURCES)}")

    @classmethod
    def within(cls, value: float, factor: float, source: str = "analytic") -> Figure:
        """A figure known within a factor: from ``value / factor`` to ``value * factor`` (factor >= 1)."""
        return cls(value, value / factor, value * factor, source)

    @classmethod
    def exact(cls, value: float, source: str = "analytic") -> Figure:
        """A figure that is a definition or a proof, not a guess."""
        return cls(value, value, value, source)

    def scaled(self, factor: float) -> Figure:
        """The same figure in another unit."""
        return Figure(self.value * factor, self.low * factor, self.high * factor, self.source)

    def rounded(self) -> Figure:
        """For things that come in whole pieces: the value rounded, the bar widened to whole numbers."""
        value = float(round(self.value))
        return Figure(
            value, min(float(math.floor(self.low)), value), max(float(math.ceil(self.high)), value), self.source
        )


@dataclass(frozen=True)
class Resources:
    """What a design occupies on an FPGA; None means the model says nothing about it."""

    lut: Figure | None = None
    ff: Figure | None = None
    dsp: Figure | None = None
    bram18: Figure | None = None
    uram: Figure | None = None

    def items(self) -> Iterable[tuple[str, Figure]]:
        """The resources that are known, as (name, figure)."""
        for name in RESOURCE_NAMES:
            figure: Figure | None = getattr(self, name)
            if figure is not None:
                yield name, figure


@dataclass(frozen=True)
class EnergyParts:
    """Where the energy of one inference goes, in uJ, as Sze et al. break it down (Proc. IEEE 105(12), 2017, section V).

    ``other`` is what no operation or access accounts for: leakage, clocks, control, the rest of a measured board.
    """

    mac_uj: float
    register_uj: float
    noc_uj: float
    buffer_uj: float
    dram_uj: float
    other_uj: float = 0.0

    @property
    def total_uj(self) -> float:
        """All parts."""
        return sum(self.shares_uj().values())

    def shares_uj(self) -> dict[str, float]:
        """The parts by name: mac, register, noc, buffer, dram, other."""
        return {part.name.removesuffix("_uj"): getattr(self, part.name) for part in fields(self)}


@dataclass(frozen=True)
class LayerEstimate:
    """The cost of one layer (or of the layers fused into it), and what limits it.

    ``latency_us`` is the time the layer is busy for one inference: on CPU and GPU they add up to the latency of one
    but for what the runtime takes once per call, in a dataflow pipeline they overlap.  ``fused`` names the layers
    whose work is done inside this one.
    """

    name: str
    op: str
    macs: int
    latency_us: float
    cycles: float | None
    energy_uj: float
    bytes_moved: float
    bottleneck: str
    resources: Resources | None = None
    fused: tuple[str, ...] = ()
    energy_parts: EnergyParts | None = None

    def __post_init__(self) -> None:
        if self.bottleneck not in BOTTLENECKS:
            raise InputError(
                f"{self.name}: unknown bottleneck '{self.bottleneck}'; {suggest(self.bottleneck, BOTTLENECKS)}"
            )


@dataclass(frozen=True)
class Estimate:
    """The cost of a network on a target.  See the head of this file for units and conventions.

    ``energy_parts`` are given by targets whose energy is a sum over operations and accesses.  ``uncovered`` are the
    operators that no figure counts: where there are any, times, energies and resources are those of the other layers.
    """

    target: str
    network_hash: str
    batch: int
    clock_mhz: float
    latency_us: Figure
    interval_us: Figure
    cycles: Figure | None
    ii: Figure | None
    energy_uj: Figure
    power_w: Figure
    bytes_moved: Figure
    resources: Resources | None = None
    capacity: Mapping[str, float] | None = None
    layers: tuple[LayerEstimate, ...] = ()
    notes: tuple[str, ...] = ()
    energy_parts: EnergyParts | None = None
    uncovered: tuple[Uncovered, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every layer of the network is counted."""
        return not self.uncovered

    def figure(self, name: str) -> Figure:
        """The figure called `name`: a field of this record or a resource ("latency_us", "dsp").

        Raises UnknownNameError for a name no estimate has, InputError for one this target does not give.
        """
        if name not in FIGURE_NAMES:
            raise UnknownNameError(f"{self.target}: unknown field '{name}'; {suggest(name, FIGURE_NAMES)}")
        holder = self.resources if name in RESOURCE_NAMES else self
        found: Figure | None = getattr(holder, name, None)
        if found is None:
            raise InputError(
                f"{self.target}: field '{name}' does not exist on this target; available: {', '.join(self._given())}"
            )
        return found

    def field(self, name: str) -> float:
        """The value of `figure(name)`, for use as a cost."""
        return self.figure(name).value

    def utilisation(self) -> dict[str, float]:
        """Share of the device each resource takes, where both are known (1.0 = all of it)."""
        if self.resources is None or self.capacity is None:
            return {}
        return {
            name: figure.value / self.capacity[name]
            for name, figure in self.resources.items()
            if self.capacity.get(name, 0) > 0
        }

    def fits(self) -> bool:
        """Whether every known resource is within the device's capacity."""
        if self.resources is None or self.capacity is None:
            return True
        return all(figure.value <= self.capacity.get(name, math.inf) for name, figure in self.resources.items())

    def _given(self) -> list[str]:
        resources = {} if self.resources is None else dict(self.resources.items())
        return [name for name in FIGURE_NAMES if name in resources or getattr(self, name, None) is not None]


FIGURE_NAMES = (
    "latency_us",
    "interval_us",
    "cycles",
    "ii",
    "energy_uj",
    "power_w",
    "bytes_moved",
    *(resource.name for resource in fields(Resources)),
)
