# SPDX-License-Identifier: Apache-2.0
"""Energy meters of this machine, where it has some: what the processor's package and NVIDIA GPUs count themselves.

RAPL   /sys/class/powercap/intel-rapl:N of Linux, on Intel and AMD processors: microjoules of a package since it was
       switched on, wrapping at ``max_energy_range_uj`` (Linux, Documentation/power/powercap). Board, fans and power
       supply are not in it; of memory only what the package counts.
NVML   nvmlDeviceGetTotalEnergyConsumption: millijoules of a whole GPU board since its driver was loaded, from Volta on
       (NVIDIA Management Library API reference). Package nvidia-ml-py.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hwsim.errors import InputError, ToolMissing

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Meter:
    """A counter of energy: ``read_uj()`` grows until ``wraps_uj``, where it starts again at 0 (infinite: never)."""

    name: str
    what: str
    read_uj: Callable[[], float]
    wraps_uj: float = float("inf")

    def spent_uj(self, before: float, after: float) -> float:
        """Energy between two readings, at most one turn of the counter apart."""
        return after - before if after >= before else after + self.wraps_uj - before


@dataclass(frozen=True)
class Reading:
    """What one meter counted while work ran ``runs`` times, idle power included: energy per run and mean power."""

    meter: str
    what: str
    energy_uj: float
    power_w: float
    runs: int
    seconds: float


def find_meters(powercap: Path = POWERCAP) -> tuple[list[Meter], list[str]]:
    """The meters of this machine, and one line for each kind that is not there."""
    found: list[Meter] = []
    missing: list[str] = []
    for look in (partial(_rapl, powercap), _nvml):
        try:
            found += look()
        except ToolMissing as error:
            missing.append(str(error))
    return found, missing


def measure(work: Callable[[], object], meters: Sequence[Meter], seconds: float = 2.0) -> list[Reading]:
    """Run ``work`` for at least that long between two readings of every meter.

    Args:
        work: one call is one run; it must return when its work is done (on GPUs: synchronise).

    Raises:
        InputError: no meter, or no time.
    """
    if not meters:
        raise InputError("meters: got none; expected one at least; find_meters says why there is none")
    if not seconds > 0:
        raise InputError(f"meters: got {seconds} seconds; expected a time > 0")
    work()  # caches, clocks and lazily loaded code are not what is asked about
    before = [meter.read_uj() for meter in meters]
    start, runs = time.perf_counter(), 0
    while runs == 0 or time.perf_counter() - start < seconds:
        work()
        runs += 1
    after = [meter.read_uj() for meter in meters]
    passed = time.perf_counter() - start
    spent = [meter.spent_uj(*ends) for meter, *ends in zip(meters, before, after, strict=True)]
    return [
        Reading(meter.name, meter.what, energy / runs, energy * 1e-6 / passed, runs, passed)
        for meter, energy in zip(meters, spent, strict=True)
    ]


def _rapl(powercap: Path) -> list[Meter]:
    """One meter per package; its parts (intel-rapl:0:0) are contained in it.

    Raises:
        ToolMissing: there is no package, or it may not be read.
    """
    zones = sorted(zone for zone in powercap.glob("intel-rapl:*") if zone.name.count(":") == 1)
    if not zones:
        raise ToolMissing(
            f"no RAPL meter: {powercap} has no intel-rapl zone; virtual machines and most Arm boards lack it"
        )
    meters = []
    for zone in zones:
        counter = zone / "energy_uj"
        try:
            float(counter.read_text())
            wraps = float((zone / "max_energy_range_uj").read_text())
            name = (zone / "name").read_text().strip()
        except (OSError, ValueError) as error:
            raise ToolMissing(
                f"no RAPL meter: {counter} cannot be read ({error}); as root: chmod a+r {counter}"
            ) from None
        meters.append(Meter(f"rapl:{name}", "processor package, without board", _reader(counter), wraps))
    return meters


def _reader(counter: Path) -> Callable[[], float]:
    return lambda: float(counter.read_text())


def _nvml() -> list[Meter]:
    """One meter per GPU.

    Raises:
        ToolMissing: the package, the driver or the counter is not there.
    """
    try:
        import pynvml
    except ImportError:
        raise ToolMissing("no NVML meter: nvidia-ml-py is not installed; pip install 'slimfab[power]'") from None
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        meters = [
            _of_gpu(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle, index) for index, handle in enumerate(handles)
        ]
        for meter in meters:
            meter.read_uj()
    except pynvml.NVMLError as error:
        raise ToolMissing(f"no NVML meter: {error}; it needs an NVIDIA GPU from Volta on and its driver") from None
    if not meters:
        raise ToolMissing("no NVML meter: the driver knows no GPU; check nvidia-smi")
    return meters


def _of_gpu(counter: Callable[[object], int], handle: object, index: int) -> Meter:
    return Meter(f"nvml:{index}", "whole GPU board", lambda: 1e3 * counter(handle))
