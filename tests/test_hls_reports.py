# SPDX-License-Identifier: Apache-2.0
"""Reports of Vivado HLS, Vitis HLS and Vivado, read into numbers and into an estimate."""

from pathlib import Path

import pytest

from hls import reports
from hwsim.errors import InputError

DATA = Path(__file__).parent / "data" / "reports"


def test_a_captured_vivado_hls_report():
    found = reports.parse_csynth(DATA / "hls4ml" / "myproject_csynth.xml")
    assert (found.version, found.part, found.top) == ("2020.1", "xc7z020-clg400-1", "myproject")
    assert (found.target_clock_ns, found.estimated_clock_ns) == (5.0, 4.049)
    assert (found.latency_cycles, found.interval_cycles) == ((10, 10), (8, 8))
    assert found.resources == {"bram18": 0, "dsp": 73, "ff": 7969, "lut": 2532, "uram": 0}
    assert found.capacity == {"bram18": 280, "dsp": 220, "ff": 106400, "lut": 53200, "uram": 0}


def test_a_captured_vivado_report():
    found = reports.parse_utilisation(DATA / "hls4ml" / "vivado_synth.rpt")
    assert (found.device, found.state) == ("7z020clg400-1", "Synthesized")
    assert found.resources == {"lut": 1526, "ff": 2428, "bram18": 0, "dsp": 66}
    assert found.capacity == {"lut": 53200, "ff": 106400, "bram18": 280, "dsp": 220}


def test_captured_reports_of_one_implementation():
    found = reports.parse_utilisation(DATA / "pynq" / "utilisation.rpt")
    assert (found.device, found.state) == ("7z010clg400-1", "Fully Placed")
    assert found.resources == {"lut": 13358, "ff": 14431, "bram18": 65, "dsp": 0}  # 32.5 tiles
    assert found.capacity == {"lut": 17600, "ff": 35200, "bram18": 120, "dsp": 80}
    assert reports.parse_timing(DATA / "pynq" / "timing.rpt") == reports.Timing(0.290, 0.0, 0.020, 0)
    clocks = reports.parse_clocks(DATA / "pynq" / "timing.rpt")
    assert (len(clocks), clocks["clk_fpga_0"]) == (3, 100.0)
    with pytest.raises(InputError, match="has no clock summary"):
        reports.parse_clocks(DATA / "pynq" / "power.rpt")
    assert reports.parse_power(DATA / "pynq" / "power.rpt") == reports.Power(1.861, 1.723, 0.138)


def test_a_captured_report_without_loops():
    found = reports.parse_csynth(DATA / "hlsclt" / "simple_adder_csynth.xml")
    assert (found.version, found.part, found.top) == ("2017.1", "xc7z020clg484-1", "simple_adder")
    assert (found.latency_cycles, found.interval_cycles) == ((0, 0), (1, 1))
    assert found.resources == {"bram18": 0, "dsp": 0, "ff": 0, "lut": 39}


def test_a_vitis_report():
    found = reports.parse_csynth(DATA / "vitis_csynth.xml")
    assert (found.version, found.part, found.top) == ("2022.1", "xck26-sfvc784-2LV-c", "net")
    assert (found.target_clock_ns, found.estimated_clock_ns) == (5.0, 3.598)
    assert (found.latency_cycles, found.interval_cycles) == ((11704, 12406), (8101, 8107))
    assert found.resources == {"bram18": 37, "dsp": 141, "ff": 23040, "lut": 41733, "uram": 2}
    assert found.capacity == {"bram18": 288, "dsp": 1248, "ff": 234240, "lut": 117120, "uram": 64}


def test_the_modules_of_a_vitis_report():
    conv, dense = reports.parse_csynth(DATA / "vitis_csynth.xml").modules
    assert conv.name.startswith("conv_2d_cl_")
    assert conv.latency_cycles == (7056, 7056)
    assert conv.resources == {"bram18": 12, "dsp": 36, "ff": 5210, "lut": 9113, "uram": 0}
    assert dense.latency_cycles is None  # "undef"
    assert dense.resources == {"dsp": 10, "ff": 612, "lut": 803}


def test_a_vivado_hls_report_without_known_latency():
    found = reports.parse_csynth(DATA / "vivado_hls_csynth.xml")
    assert found.resources["dsp"] == 73  # DSP48E
    assert (found.latency_cycles, found.interval_cycles, found.modules) == (None, None, ())


def test_utilisation_of_a_7_series_device():
    found = reports.parse_utilisation(DATA / "utilisation_7series.rpt")
    assert (found.device, found.state) == ("7z020clg400-1", "Synthesized")
    assert found.version.startswith("Vivado v.2020.1")
    assert found.resources == {"lut": 9526, "ff": 8428, "bram18": 25, "dsp": 66}  # 12.5 tiles
    assert found.capacity == {"lut": 53200, "ff": 106400, "bram18": 280, "dsp": 220}


def test_utilisation_of_an_ultrascale_device():
    found = reports.parse_utilisation(DATA / "utilisation_ultrascale.rpt")
    assert found.state == "Routed"
    assert found.resources == {"lut": 21420, "ff": 23569, "bram18": 62, "dsp": 138, "uram": 2}
    assert found.capacity["uram"] == 64  # not the column of prohibited sites before it


def test_timing_that_is_not_met():
    found = reports.parse_timing(DATA / "timing.rpt")
    assert found == reports.Timing(-0.247, -1.318, 0.019, 11)
    assert not found.is_met


def test_timing_that_is_met(tmp_path):
    text = (DATA / "timing.rpt").read_text().replace("-0.247", " 0.247").replace("-1.318", " 0.000")
    (tmp_path / "t.rpt").write_text(text.replace("        11 ", "         0 "))
    assert reports.parse_timing(tmp_path / "t.rpt").is_met


def test_power():
    assert reports.parse_power(DATA / "power.rpt") == reports.Power(1.763, 1.624, 0.139)


def test_cosimulation():
    found = reports.parse_cosim(DATA / "cosim.rpt")
    assert found == reports.CosimReport("Verilog", True, (11711, 11902), (8103, 8103))


def test_cosimulation_that_failed(tmp_path):
    (tmp_path / "c.rpt").write_text((DATA / "cosim.rpt").read_text().replace("Pass", "Fail"))
    assert not reports.parse_cosim(tmp_path / "c.rpt").passed


PARSERS = [
    (reports.parse_csynth, "not a csynth.xml report"),
    (reports.parse_cosim, "has no simulated Verilog or VHDL row"),
    (reports.parse_utilisation, "has no row of LUTs"),
    (reports.parse_timing, "has no design timing summary"),
    (reports.parse_power, "has no total on-chip power"),
]


@pytest.mark.parametrize(("parse", "message"), PARSERS, ids=[p.__name__ for p, _ in PARSERS])
@pytest.mark.parametrize("text", ["", "# Makefile\nall:\n", "\x00\x01|a|b|\n"], ids=["empty", "other", "binary"])
def test_files_of_another_kind_are_refused(parse, message, text, tmp_path):
    (tmp_path / "file").write_text(text)
    with pytest.raises(InputError, match=message):
        parse(tmp_path / "file")


@pytest.mark.parametrize("parse", [p for p, _ in PARSERS])
def test_missing_files_are_refused(parse, tmp_path):
    with pytest.raises(InputError, match=r"cannot read the report \(No such file or directory\); check the path"):
        parse(tmp_path / "nothing")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_truncated_reports_are_refused(share, tmp_path):
    text = (DATA / "vitis_csynth.xml").read_text()
    (tmp_path / "cut.xml").write_text(text[: int(len(text) * share)])
    with pytest.raises(InputError, match="not a csynth.xml report"):
        reports.parse_csynth(tmp_path / "cut.xml")


def test_other_xml_is_refused(tmp_path):
    (tmp_path / "a.xml").write_text("<profile><x/></profile>")
    with pytest.raises(InputError, match="has no PerformanceEstimates and AreaEstimates"):
        reports.parse_csynth(tmp_path / "a.xml")
