# SPDX-License-Identifier: Apache-2.0
"""Power by rail, from what Linux shows under /sys/class/hwmon: INA2xx monitors and PMBus regulators alike.

A rail has ``power`` in µW, or ``curr`` in mA and ``in`` in mV under one number (Linux kernel,
Documentation/hwmon/sysfs-interface.rst).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HWMON = Path("/sys/class/hwmon")
_MICRO, _MILLI = 1e-6, 1e-3


@dataclass(frozen=True)
class Rail:
    """One rail: the sensor's name, the rail's label, and the files whose product is its power in W times ``scale``."""

    sensor: str
    label: str
    files: tuple[Path, ...]
    scale: float

    @property
    def name(self) -> str:
        """Sensor and label."""
        return f"{self.sensor}/{self.label}"

    def watts(self) -> float:
        """The power now.  Raises OSError or ValueError when the sensor does not answer."""
        product = self.scale
        for file in self.files:
            product *= int(file.read_text())
        return product


def find_rails(root: Path = HWMON) -> list[Rail]:
    """All rails that Linux can measure; none on boards without sensors (Pynq-Z1, Pynq-Z2)."""
    found = []
    for chip in sorted(root.glob("hwmon*")):
        sensor = _text(chip / "name") or chip.name
        powers = sorted(chip.glob("power*_input"))
        for file in powers:
            found.append(Rail(sensor, _label(chip, file), (file,), _MICRO))
        if powers:
            continue
        for current in sorted(chip.glob("curr*_input")):
            voltage = chip / current.name.replace("curr", "in")
            if voltage.exists():
                found.append(Rail(sensor, _label(chip, current), (current, voltage), _MILLI * _MILLI))
    return found


def _label(chip: Path, file: Path) -> str:
    kind = re.sub("_input$", "", file.name)
    return _text(chip / f"{kind}_label") or kind


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


class Sampler:
    """Samples rails while its block runs: ``times`` in seconds, ``watts`` by rail, in step with each other.

    A sensor that does not answer ends the sampling; ``failed`` says so.
    """

    def __init__(self, rails: list[Rail], period_s: float = 0.02, now: Callable[[], float] = time.perf_counter) -> None:
        self.rails, self._period_s, self._now = rails, period_s, now
        self.times: list[float] = []
        self.watts: dict[str, list[float]] = {rail.name: [] for rail in rails}
        self.failed = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        if self.rails:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self.rails:
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                sample = {rail.name: rail.watts() for rail in self.rails}
            except (OSError, ValueError) as error:
                self.failed = f"{type(error).__name__}: {error}"
                return
            self.times.append(self._now())
            for name, value in sample.items():
                self.watts[name].append(value)
            if self._stop.wait(self._period_s):
                return
