# SPDX-License-Identifier: Apache-2.0
"""model.build(): hls4ml's report dictionary, from whatever the open tools say."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hls_networks import Builder

import hls.synthesis
from hls.backend import report
from hwsim import reference
from hwsim.errors import InputError
from hwsim.fixed import FixedPoint
from hwsim.network import Network, Weights

A = FixedPoint(6, 3)


@dataclass
class Executor:
    """Simulated in 40 cycles, one image every 12; wrong in one place where it is told to be."""

    network: Network
    weights: Weights
    folder: Path
    fault: int = 0
    last_run: Any = None

    def predict(self, images: np.ndarray) -> np.ndarray:
        self.last_run = SimpleNamespace(latency=40, interval=12)
        found = reference.execute(self.network, self.weights, images)
        found.flat[3] += self.fault
        return found


@pytest.fixture
def project(tmp_path: Path) -> Any:
    draft = Builder((8,), A)
    network, weights = draft.build(draft.dense("x", 4, A, FixedPoint(4, 3)))
    imported = SimpleNamespace(network=network, weights=weights)
    return SimpleNamespace(imported=imported, executor=Executor(network, weights, tmp_path))


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The open tools, replaced; what they were asked for."""
    asked: list[tuple[str, ...]] = []
    total = SimpleNamespace(lut=700, ff=900, dsp=8, bram18=3, uram=0)

    def synthesise(folder: Path, family: str) -> Any:
        asked.append(("synthesise", family))
        return SimpleNamespace(total=total, label="counted by hand")

    def place(folder: Path) -> Any:
        asked.append(("place",))
        return SimpleNamespace(median_mhz=125.0, label="placed by hand")

    def cells(folder: Path) -> Any:
        asked.append(("cells",))
        return SimpleNamespace(critical_ns=2.5, label="added by hand")

    for name, function in (("synthesise", synthesise), ("place_and_route_ecp5", place), ("cell_timing", cells)):
        monkeypatch.setattr(hls.synthesis, name, function, raising=False)
    return asked


Tools = list[tuple[str, ...]]
PYNQ = "xc7z020clg400-1"


def test_the_keys_and_texts_are_those_of_hls4ml(project: Any, tools: Tools) -> None:
    found = report.build(project, PYNQ, 10.0, synth=True, cosim=True, family=None, timing=False)
    assert found["CSynthesisReport"] == {
        "TargetClockPeriod": "10", "EstimatedClockPeriod": "N/A", "BestLatency": "40", "WorstLatency": "40",
        "IntervalMin": "12", "IntervalMax": "12", "BRAM_18K": "3", "DSP": "8", "FF": "900", "LUT": "700", "URAM": "0",
        "AvailableBRAM_18K": "280", "AvailableDSP": "220", "AvailableFF": "106400", "AvailableLUT": "53200",
        "AvailableURAM": "0", "Tool": "counted by hand",
    }  # fmt: skip
    assert found["CosimReport"] == {
        "RTL": "Verilog", "Status": "Pass", "LatencyMin": "40", "LatencyMax": "40", "IntervalMin": "12",
        "IntervalMax": "12",
    }  # fmt: skip
    assert tools == [("synthesise", "xc7")]


def test_hls4ml_can_print_it(project: Any, tools: Tools) -> None:
    hls4ml_report = pytest.importorskip("hls4ml.report.vivado_report", reason="needs hls4ml")
    found = report.build(project, PYNQ, 10.0, synth=True, cosim=True, family=None, timing=False)
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        hls4ml_report._print_str_report(found)  # print_vivado_report of 1.3.0 needs IPython to be installed
    assert "700 / 53200 (1.3%)" in text.getvalue()
    assert "Best-case latency:      40 (400.0 ns)" in text.getvalue()


def test_one_wrong_integer_fails_the_cosimulation(project: Any) -> None:
    project.executor.fault = 1
    found = report.build(project, PYNQ, 10.0, synth=False, cosim=True, family=None, timing=False)
    assert list(found) == ["CosimReport"]
    assert found["CosimReport"]["Status"] == "Fail"


def test_an_unknown_part_needs_a_family(project: Any, tools: Tools) -> None:
    with pytest.raises(InputError) as error:
        report.build(project, "xcvu13p-flga2577-2-e", 5.0, synth=True, cosim=False, family=None, timing=False)
    assert str(error.value) == (
        "xcvu13p-flga2577-2-e: is the part of no board in hwsim/devices; expected one of theirs, or a family; call "
        "build(family='xc7'), 'xcup' or 'ecp5'"
    )
    found = report.build(project, "xcvu13p-flga2577-2-e", 5.0, synth=True, cosim=False, family="xcup", timing=True)
    assert tools == [("synthesise", "xcup")]
    assert "AvailableLUT" not in found["CSynthesisReport"]


def test_clock_periods_say_whose_they_are(project: Any, tools: Tools) -> None:
    placed = report.build(project, PYNQ, 10.0, synth=True, cosim=False, family="ecp5", timing=True)["CSynthesisReport"]
    assert (placed["EstimatedClockPeriod"], placed["ClockTool"]) == ("8.000", "placed by hand")
    cells = report.build(project, PYNQ, 10.0, synth=True, cosim=False, family="xc7", timing=True)["CSynthesisReport"]
    assert (cells["EstimatedClockPeriod"], cells["CellDelay"], cells["ClockTool"]) == ("N/A", "2.500", "added by hand")
    assert tools == [("place",), ("synthesise", "ecp5"), ("cells",), ("synthesise", "xc7")]


def test_boards_are_found_by_part_and_by_name() -> None:
    for name in ("zcu102", "xczu9eg-ffvb1156-2-e"):
        board = report.device_of(name)
        assert board is not None
        assert board.name == "zcu102"
    assert report.device_of("cortex-a9") is None
