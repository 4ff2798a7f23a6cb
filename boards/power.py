# SPDX-License-Identifier: Apache-2.0
"""Power of a board: windows at rest and at work, sampled on the board or by a meter at its supply.

One window at rest, several at work, one at rest; the median of the energies per inference counts, of five windows as in
submissions to MLPerf Tiny (logs of EEMBC's EnergyRunner in github:mlcommons/tiny_results_v0.7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boards.session import Session
from hwsim.errors import InputError

WINDOWS, WINDOW_S = 5, 10.0
Listen = Callable[[str], None]


@dataclass(frozen=True)
class Window:
    """Samples of one rail in one window: seconds and watts, in step."""

    times_s: tuple[float, ...]
    watts: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.times_s) != len(self.watts) or any(np.diff(self.times_s) <= 0):
            counts = f"{len(self.times_s)} times and {len(self.watts)} samples"
            raise InputError(f"power: got {counts}; expected as many of both, in order")

    @property
    def seconds(self) -> float:
        """From the first sample to the last."""
        return self.times_s[-1] - self.times_s[0] if self.times_s else 0.0

    @property
    def energy_j(self) -> float:
        """Over the window, by the trapezoidal rule; 0 for fewer than two samples."""
        return float(np.trapezoid(self.watts, self.times_s))

    @property
    def mean_w(self) -> float:
        """Mean power, weighted by time."""
        if len(self.watts) < 2:
            return float(np.mean(self.watts)) if self.watts else math.nan
        return self.energy_j / self.seconds


@dataclass(frozen=True)
class Power:
    """One rail at rest – bitstream loaded, clocks on – and at work: windows, and the inferences of each at work."""

    rail: str
    idle: tuple[Window, ...]
    busy: tuple[Window, ...]
    inferences: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.idle or len(self.busy) != len(self.inferences) or min(self.inferences, default=0) <= 0:
            raise InputError(
                f"{self.rail}: got {len(self.idle)} windows at rest, {len(self.busy)} at work of {self.inferences} "
                "inferences; expected at least one of both, and of each how many"
            )

    @property
    def idle_w(self) -> float:
        """Mean power at rest."""
        return _mean(self.idle)

    @property
    def busy_w(self) -> float:
        """Mean power at work."""
        return _mean(self.busy)

    @property
    def gross_j(self) -> float:
        """Energy per inference, rest included: the median of the windows."""
        return float(np.median([one.energy_j / count for one, count in self._work()]))

    @property
    def net_j(self) -> float:
        """Energy per inference above rest, the median of the windows; may be below 0 where noise is larger."""
        rest = self.idle_w
        return float(np.median([(one.energy_j - rest * one.seconds) / count for one, count in self._work()]))

    def _work(self) -> list[tuple[Window, float]]:
        return list(zip(self.busy, self.inferences, strict=True))


def _mean(windows: Sequence[Window]) -> float:
    seconds = sum(one.seconds for one in windows)
    if seconds == 0:
        return float(np.mean([one.mean_w for one in windows]))
    return sum(one.energy_j for one in windows) / seconds


@dataclass(frozen=True)
class Powered:
    """What windows gave: power by rail, inferences per second at work, and whatever went wrong."""

    rails: tuple[Power, ...] = ()
    inferences_per_s: float | None = None
    notes: tuple[str, ...] = ()


def watch(
    session: Session, images: npt.NDArray[Any], windows: int, seconds: float, *, meter: bool, listen: Listen
) -> Powered:
    """Run the windows on a board.

    Args:
        meter: there is a meter at the supply: windows are run even where the board has no sensors.
        listen: told what begins, so that a person can start and stop a recording.

    Raises:
        BoardError: by its ``kind``.
    """
    rails = session.ask("rails")[0]["rails"]
    if not (rails or meter) or seconds <= 0 or windows < 1:
        return Powered()
    found = []
    for busy in (False, *[True] * windows, False):
        listen(f"{'work' if busy else 'rest'} for {seconds:g} s")
        found.append(session.ask("window", {"seconds": seconds, "busy": busy}, images)[0])
    rest, work = (found[0], found[-1]), found[1:-1]
    count, lasted = (sum(one[name] for one in work) for name in ("inferences", "seconds"))
    failed = [f"a power sensor failed: {one['failed']}" for one in found if one["failed"]]
    counts = tuple(float(one["inferences"]) for one in work)
    power = [] if failed else [
        Power(rail, tuple(_window(one, rail) for one in rest), tuple(_window(one, rail) for one in work), counts)
        for rail in rails
    ]  # fmt: skip
    return Powered(tuple(power), count / lasted, tuple(failed[:1]))


def _window(found: Mapping[str, Any], rail: str) -> Window:
    return Window(tuple(found["times"]), tuple(found["watts"][rail]))
