# SPDX-License-Identifier: Apache-2.0
"""What a board took for a network: raw samples, and the figures that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from boards.power import Power
from boards.processors import Processor
from hwsim.errors import InputError
from hwsim.estimate import Estimate, Figure

STAGES = ("pack", "start", "wait", "unpack")
PERCENTILES = (50.0, 95.0, 99.0)
NOT_MEASURABLE = "not measurable on this board: it has no power sensors; put a meter at its supply (--meter)"
HOST_TIME = "latency_us: measured from integers to integers, packing, starting and unpacking by the driver included"
ON_BOARD = ("local", "ssh")  # transports whose driver runs on the board
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """One measurement of one bundle on one board.

    ``latency_s`` has per run the seconds of every one of :data:`STAGES`; ``transfers`` has (images, seconds) of single
    transfers. ``cycles`` of one image alone, from first beat in to last beat out, and ``counters`` after one run of all
    images are the design's own. On an emulated board seconds are those of its logic: the host's own work takes none.
    ``inferences_per_s`` is the rate at which the accelerator worked in the windows of power.
    ``mismatches`` of ``integers`` differ from the golden executor's.
    """

    board: str
    transport: str
    bitstream_hash: str
    model_hash: str
    clock_mhz: float
    images: int
    integers: int
    mismatches: int
    output_hash: str
    latency_s: tuple[tuple[float, float, float, float], ...]
    transfers: tuple[tuple[int, float], ...]
    cycles: int
    counters: Mapping[str, int]
    power: tuple[Power, ...] = ()
    inferences_per_s: float | None = None
    processors: tuple[Processor, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.latency_s or not self.transfers:
            raise InputError("measurement: got no samples; expected at least one run and one transfer; measure again")

    @property
    def emulated(self) -> bool:
        """Whether there was no board."""
        return self.transport == "emulated"

    @property
    def latencies_us(self) -> Floats:
        """(runs,) µs from an image in memory to its result in memory."""
        total: Floats = np.asarray(self.latency_s, np.float64).sum(axis=1)
        return total * 1e6

    @property
    def on_board(self) -> bool:
        """Whether seconds and processors are the board's own, so that they may be compared."""
        return self.transport in ON_BOARD

    def speed_up(self, processor: Processor) -> tuple[float, float] | None:
        """How many times sooner a single image is done than on a processor, and how many times more images are.

        None where that would compare two machines.
        """
        if processor.missing or not self.on_board:
            return None
        return processor.latency_us / self.percentile_us(50), processor.interval_us / self.fit_us[1]

    def percentile_us(self, percent: float) -> float:
        """Of the latencies."""
        return float(np.percentile(self.latencies_us, percent))

    @property
    def stages_us(self) -> dict[str, float]:
        """Median of every stage."""
        medians = np.median(np.asarray(self.latency_s, np.float64), axis=0) * 1e6
        return dict(zip(STAGES, map(float, medians), strict=True))

    @property
    def fit_us(self) -> tuple[float, float]:
        """a and b of t(N) = a + b·N in µs: what a transfer takes by itself, and per image.

        Least squares of relative errors over the medians by N, so that large transfers do not decide alone. Where
        noise hides b, a is taken for 0, and b from the largest transfer.
        """
        sizes = np.array([size for size, _ in self.transfers], np.float64)
        seconds = np.array([one for _, one in self.transfers])
        counts = np.unique(sizes)
        medians = np.array([np.median(seconds[sizes == count]) for count in counts]) * 1e6
        whole = 0.0, float(medians[-1] / counts[-1])
        if len(counts) == 1:
            return whole
        rows = np.stack([1 / medians, counts / medians], axis=1)
        (a, b), *_ = np.linalg.lstsq(rows, np.ones(len(counts)), rcond=None)
        return (float(a), float(b)) if b > 0 else whole

    def figures(self) -> dict[str, Figure]:
        """What was measured under the names of an estimate; the bar is from the 5th to the 95th percentile."""
        _, per_image = self.fit_us
        median, low, high = (self.percentile_us(percent) for percent in (50, 5, 95))
        latency = Figure(median, low, high, "measured")
        found = {
            "latency_us": latency,
            "interval_us": Figure.exact(per_image, "measured"),
            "cycles": Figure.exact(float(self.cycles), "measured"),
        }
        if self.counters.get("interval"):
            found["ii"] = Figure.exact(float(self.counters["interval"]), "measured")
        if self.power:
            watts, joules = sum(one.busy_w for one in self.power), sum(one.gross_j for one in self.power)
            found["power_w"] = Figure.exact(watts, "measured")
            found["energy_uj"] = Figure.exact(joules * 1e6, "measured")
        return found


@dataclass(frozen=True)
class Comparison:
    """One metric, estimated and measured; ``measured`` is None where the board cannot tell, ``remark`` says why."""

    metric: str
    estimated: Figure | None
    measured: Figure | None
    remark: str = ""

    @property
    def ratio(self) -> float | None:
        """Measured over estimated."""
        if self.estimated is None or self.measured is None or self.estimated.value == 0:
            return None
        return self.measured.value / self.estimated.value

    @property
    def within(self) -> bool | None:
        """Whether the measured value lies in the estimate's bar."""
        if self.estimated is None or self.measured is None:
            return None
        return self.estimated.low <= self.measured.value <= self.estimated.high


def compare(measurement: Measurement, estimate: Estimate) -> tuple[Comparison, ...]:
    """Estimate and measurement, metric by metric.

    Raises:
        InputError: they are of different networks.
    """
    if measurement.model_hash != estimate.network_hash:
        raise InputError(
            f"compare: got a measurement of network {measurement.model_hash}; expected {estimate.network_hash}; "
            "estimate the same network"
        )
    found, rows = measurement.figures(), []
    for metric in ("latency_us", "interval_us", "cycles", "ii", "power_w", "energy_uj"):
        remark = HOST_TIME if metric == "latency_us" else ""
        remark = NOT_MEASURABLE if metric in ("power_w", "energy_uj") and metric not in found else remark
        if measurement.emulated and metric in ("latency_us", "interval_us"):
            remark = "emulated: cycles of logic and DMA engine at its clock; the host's own work takes no time"
        rows.append(Comparison(metric, getattr(estimate, metric), found.get(metric), remark))
    return tuple(rows)
