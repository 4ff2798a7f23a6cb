# SPDX-License-Identifier: Apache-2.0
"""Energy meters: read as the kernel and the driver write them, and one clear line where there is none."""

import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from hwsim.errors import InputError
from hwsim.meters import Meter, find_meters, measure


def zone(folder: Path, name: str, energy: str = "1000", title: str = "package-0") -> Path:
    made = folder / name
    made.mkdir()
    for file, text in (("energy_uj", energy), ("max_energy_range_uj", "262143328850"), ("name", title)):
        (made / file).write_text(text + "\n")
    return made


def gpu(monkeypatch, energies, error=None, gpus=1):
    """A driver whose counter says these millijoules one after the other."""
    counter = iter(energies)

    class NVMLError(Exception):
        pass

    def start():
        if error:
            raise NVMLError(error)

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(
        NVMLError=NVMLError, nvmlInit=start, nvmlDeviceGetCount=lambda: gpus,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(counter),
    ))  # fmt: skip


def test_packages_are_read_and_their_parts_are_not_counted_twice(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    package = zone(tmp_path, "intel-rapl:0")
    zone(tmp_path, "intel-rapl:0:0", title="core")
    (meter,), missing = find_meters(tmp_path)
    assert (meter.name, meter.wraps_uj, meter.read_uj()) == ("rapl:package-0", 262143328850, 1000)
    (package / "energy_uj").write_text("5000\n")
    assert meter.read_uj() == 5000
    assert missing == ["no NVML meter: nvidia-ml-py is not installed; pip install 'slimfab[power]'"]


def test_a_counter_that_wrapped():
    meter = Meter("rapl", "package", lambda: 0.0, wraps_uj=1000.0)
    assert meter.spent_uj(100.0, 400.0) == 300.0
    assert meter.spent_uj(900.0, 50.0) == 150.0


def test_energy_per_run_and_mean_power():
    # The counter gains 6 uJ per reading of it; work is run twice, the first time to warm up.
    reading = count(0.0, 6.0)
    calls = []
    (found,) = measure(lambda: calls.append(1), [Meter("m", "what", lambda: next(reading))], seconds=1e-9)
    assert (found.meter, found.what, found.runs, found.energy_uj) == ("m", "what", 1, 6.0)
    assert len(calls) == 2
    assert found.power_w == pytest.approx(6e-6 / found.seconds)


def test_gpus_count_millijoules(tmp_path, monkeypatch):
    gpu(monkeypatch, [5, 7, 11])
    (meter,), missing = find_meters(tmp_path)
    assert (meter.name, meter.what) == ("nvml:0", "whole GPU board")
    (found,) = measure(lambda: None, [meter], seconds=1e-9)
    assert found.energy_uj * found.runs == 4000.0
    assert missing == [
        f"no RAPL meter: {tmp_path} has no intel-rapl zone; virtual machines and most Arm boards lack it"
    ]


@pytest.mark.parametrize(
    ("error", "gpus", "message"),
    [
        (
            "Driver Not Loaded",
            1,
            "no NVML meter: Driver Not Loaded; it needs an NVIDIA GPU from Volta on and its driver",
        ),
        (None, 0, "no NVML meter: the driver knows no GPU; check nvidia-smi"),
    ],
)
def test_drivers_without_a_meter(tmp_path, monkeypatch, error, gpus, message):
    gpu(monkeypatch, [], error, gpus)
    assert find_meters(tmp_path)[1][1] == message


@pytest.mark.parametrize("text", ["", "many"])
def test_a_counter_that_cannot_be_read(tmp_path, monkeypatch, text):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    counter = zone(tmp_path, "intel-rapl:0", text) / "energy_uj"
    meters, missing = find_meters(tmp_path)
    assert meters == []
    assert missing[0].startswith(f"no RAPL meter: {counter} cannot be read (")
    assert missing[0].endswith(f"as root: chmod a+r {counter}")


def test_nothing_to_read_and_no_time():
    with pytest.raises(InputError, match="meters: got none; expected one at least; find_meters says why"):
        measure(lambda: None, [])
    with pytest.raises(InputError, match="meters: got 0 seconds; expected a time > 0"):
        measure(lambda: None, [Meter("m", "what", lambda: 0.0)], seconds=0)
