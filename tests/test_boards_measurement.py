# SPDX-License-Identifier: Apache-2.0
"""Figures from samples: percentiles, the throughput fit, energy, and the comparison with an estimate."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import refused, succeeds

from boards import joulescope
from boards.driver.power import Sampler, find_rails
from boards.measurement import NOT_MEASURABLE, Measurement, compare
from boards.power import Power, Powered, Window, watch
from boards.processors import Processor
from hwsim import serial
from hwsim.errors import InputError, ModelFileError
from hwsim.estimate import Estimate, Figure

RAMP = tuple((1e-6, 2e-6, (10 + k) * 1e-6, 3e-6) for k in range(101))
SIZES = tuple((n, (5 + 2 * n) * 1e-6) for n in (1, 2, 4, 8) for _ in range(3))
REST, WORK = Window((0.0, 1.0, 2.0), (1.0, 1.0, 1.0)), Window((5.0, 6.0, 8.0), (2.0, 4.0, 4.0))
POWER = Power("ina226/12V", (REST,), (WORK,), (1000.0,))
MEASURED = Measurement(
    "pynq-z2",
    "emulated",
    "ab",
    "0123456789abcdef",
    100.0,
    8,
    80,
    0,
    "cd",
    RAMP,
    SIZES,
    4045,
    {"interval": 3500},
    (POWER,),
)


def estimate() -> Estimate:
    def figure(value: float) -> Figure:
        return Figure.within(value, 1.1)

    return Estimate(
        "fpga:pynq-z2", "0123456789abcdef", 1, 100.0, figure(60), figure(3), figure(4000), figure(3500), figure(12_000),
        figure(3.0), figure(1),
    )  # fmt: skip


def test_figures_follow_from_the_samples() -> None:
    assert [MEASURED.percentile_us(p) for p in (0, 50, 100)] == pytest.approx([16, 66, 116])
    assert MEASURED.stages_us == pytest.approx({"pack": 1, "start": 2, "wait": 60, "unpack": 3})
    assert MEASURED.fit_us == pytest.approx((5, 2))
    assert replace(MEASURED, transfers=((4, 8e-6),)).fit_us == pytest.approx((0, 2))
    noisy = replace(MEASURED, transfers=((1, 90e-6), (2, 80e-6), (4, 60e-6)))
    assert noisy.fit_us == pytest.approx((0, 15))  # no time below zero


def test_the_boards_own_processor_is_compared_with() -> None:
    compiled = Processor("C++", "2 x Cortex-A9", "g++", 2, (660e-6, 640e-6, 990e-6), (20e-6,), 80, 0)
    here = replace(MEASURED, transport="ssh", processors=(compiled,))
    assert here.speed_up(compiled) == pytest.approx((10, 10))
    assert here.speed_up(replace(compiled, missing="no C++ compiler here")) is None
    assert MEASURED.speed_up(compiled) is None  # emulated: the processor is another machine's


def test_energy_is_the_area_under_the_samples() -> None:
    assert WORK.energy_j == pytest.approx(3 + 8)
    assert (POWER.idle_w, POWER.busy_w) == pytest.approx((1, 11 / 3))
    assert POWER.gross_j == pytest.approx(0.011)
    assert POWER.net_j == pytest.approx((11 - 3) / 1000)
    with pytest.raises(
        InputError, match=r"12V: got 1 windows at rest, 1 at work of \(\) inferences; expected at least"
    ):
        Power("12V", (REST,), (WORK,), ())


def test_the_median_of_several_windows_counts() -> None:
    several = Power("12V", (REST, REST), (WORK,) * 3, (1000.0, 1100.0, 10.0))
    assert several.gross_j == pytest.approx(0.011)
    assert several.net_j == pytest.approx(0.008)


class Watched:
    """A session with a board that has one rail, or none."""

    def __init__(self, rails: tuple[str, ...], failed: str = "") -> None:
        self.rails, self.failed, self.asked = rails, failed, []

    def ask(self, what: str, fields: dict | None = None, *arrays: object) -> tuple[dict, list]:
        if what == "rails":
            return {"rails": self.rails}, []
        self.asked.append(fields)
        busy = fields["busy"]
        watts = {rail: [3.0, 3.0] if busy else [1.0, 1.0] for rail in self.rails}
        return {"times": [0.0, 2.0] if self.rails else [], "watts": watts, "failed": self.failed,
                "inferences": 4 * busy, "seconds": 2.0}, []  # fmt: skip


def watched(session: Watched, *, meter: bool = False) -> tuple[Powered, list[str]]:
    said: list[str] = []
    return watch(session, np.zeros(1), 2, 3.0, meter=meter, listen=said.append), said


def test_rest_work_and_rest_are_watched() -> None:
    session = Watched(("12V",))
    found, said = watched(session)
    assert said == ["rest for 3 s", "work for 3 s", "work for 3 s", "rest for 3 s"]
    (rail,) = found.rails
    assert (rail.rail, rail.idle_w, rail.busy_w, rail.gross_j, rail.net_j) == ("12V", 1.0, 3.0, 1.5, 1.0)
    assert found.inferences_per_s == 2.0
    assert watched(Watched(("12V",), "OSError: gone"))[0].rails == ()
    assert watched(Watched(("12V",), "OSError: gone"))[0].notes == ("a power sensor failed: OSError: gone",)


def test_a_meter_needs_no_sensors() -> None:
    assert watched(Watched(())) == (Powered(), [])
    found, said = watched(Watched(()), meter=True)
    assert (found.rails, found.inferences_per_s, len(said)) == ((), 2.0, 4)


def test_a_measurement_survives_json() -> None:
    text = json.dumps(serial.to_json(MEASURED))
    assert serial.from_json(Measurement, json.loads(text)) == MEASURED
    with pytest.raises(InputError, match="unknown key 'latencies'"):
        serial.from_json(Measurement, {**json.loads(text), "latencies": []})


def test_every_metric_is_compared() -> None:
    rows = {row.metric: row for row in compare(MEASURED, estimate())}
    assert {name: row.within for name, row in rows.items()} == {
        "latency_us": True, "interval_us": False, "cycles": True, "ii": True, "power_w": False, "energy_uj": True,
    }  # fmt: skip
    assert rows["interval_us"].ratio == pytest.approx(2 / 3)
    assert rows["latency_us"].remark.startswith("emulated: cycles of logic")
    without = {row.metric: row for row in compare(replace(MEASURED, power=()), estimate())}
    assert (without["power_w"].measured, without["power_w"].remark) == (None, NOT_MEASURABLE)
    with pytest.raises(InputError, match="got a measurement of network 0123456789abcdef; expected ffff"):
        compare(MEASURED, replace(estimate(), network_hash="ffff"))


def test_samples_must_be_in_order() -> None:
    with pytest.raises(InputError, match="got 2 times and 2 samples; expected as many of both, in order"):
        Window((1.0, 1.0), (1.0, 1.0))
    with pytest.raises(InputError, match="measurement: got no samples"):
        replace(MEASURED, latency_s=())


def hwmon(root: Path) -> None:
    for index, files in enumerate(
        (
            {"name": "ina226", "power1_input": "12500000", "power1_label": "12V"},
            {"name": "irps5401", "curr1_input": "2000", "in1_input": "850", "curr1_label": "INT", "curr2_input": "1"},
            {"name": "cpu_thermal", "temp1_input": "40000"},
        )
    ):
        chip = root / f"hwmon{index}"
        chip.mkdir()
        for name, text in files.items():
            (chip / name).write_text(text + "\n")


def test_rails_are_found_with_power_or_current_and_voltage(tmp_path: Path) -> None:
    hwmon(tmp_path)
    rails = find_rails(tmp_path)
    assert {rail.name: rail.watts() for rail in rails} == pytest.approx({"ina226/12V": 12.5, "irps5401/INT": 1.7})
    assert find_rails(tmp_path / "none") == []
    with Sampler(rails, period_s=0) as sampler:
        while len(sampler.times) < 3:
            pass
    assert not sampler.failed
    assert set(sampler.watts["ina226/12V"]) == {12.5}
    (tmp_path / "hwmon0" / "power1_input").write_text("no number")
    with Sampler(rails) as sampler:
        sampler._thread.join()
    assert sampler.failed.startswith("ValueError: invalid literal")


def test_a_joulescopes_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "samples.csv"
    file.write_text("# Joulescope\ntime (s),current (A),voltage (V)\n0,0.3,5\n0.5,NaN,5\n1,0.5,5\n")
    window = joulescope.read_window(file)
    assert window == Window((0.0, 1.0), (1.5, 2.5))
    assert joulescope.power(file, file, 4).gross_j == pytest.approx(0.5)
    with pytest.raises(InputError, match=r"board supply: got \[2, 2\] samples and 0 inferences per second; expected"):
        joulescope.power(file, file, 0)


def test_a_recording_joins_a_measurement(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for name, watts in (("idle", 1.5), ("busy", 2.0)):
        (tmp_path / f"{name}.csv").write_text(f"time,power\n0,{watts}\n10,{watts}\n")
    files = ("--idle", tmp_path / "idle.csv", "--busy", tmp_path / "busy.csv")
    assert "measurement.json" in refused("board", "power", results, *files)
    serial.write_json(results / "measurement.json", replace(MEASURED, power=()))
    assert refused("board", "power", results, *files).endswith(
        "says nothing of the work; expected how fast it was; measure again with --meter"
    )
    serial.write_json(results / "measurement.json", replace(MEASURED, power=(), inferences_per_s=1000.0))
    serial.write_json(results / "bundle" / "estimate.json", estimate())
    out = succeeds("board", "power", results, *files)
    assert "board supply: at rest 1.500 W, at work 2.000 W, 2 mJ each, 0.5 mJ above rest" in out
    assert "energy_uj" in out
    assert succeeds("board", "power", results, *files) == out  # the same rail again replaces it
    found = serial.from_json(Measurement, serial.read_json(results / "measurement.json"))
    assert [rail.gross_j for rail in found.power] == [0.002]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a line of column names"),
        ("time,volts\n1,2\n", "got columns time, volts; expected time and power, or time, current and voltage"),
        ("time,power\n1,x\n", "row 2: got '1,x'; expected 2 numbers"),
        ("time,power\n1\n", "row 2: got '1'; expected 2 numbers"),
    ],
)
def test_other_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "samples.csv"
    file.write_text(text)
    with pytest.raises(ModelFileError, match=message):
        joulescope.read_window(file)
    with pytest.raises(ModelFileError, match="cannot read"):
        joulescope.read_window(tmp_path / "missing.csv")
