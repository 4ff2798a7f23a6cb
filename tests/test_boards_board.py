# SPDX-License-Identifier: Apache-2.0
"""Boards as data: those that ship are complete, a file of the user's works by its path, and mistakes are named."""

import command_line
import pytest
import yaml

from boards import board
from hwsim import device
from hwsim.errors import DeviceError, UnknownNameError

EXPECTED = {
    "arty-a7-100t": "xc7a100tcsg324-1",
    "aup-zu3": "xczu3eg-sfvc784-2-e",
    "kr260": "xck26-sfvc784-2LV-c",
    "kv260": "xck26-sfvc784-2LV-c",
    "pynq-z1": "xc7z020clg400-1",
    "pynq-z2": "xc7z020clg400-1",
    "rfsoc4x2": "xczu48dr-ffvg1517-2-e",
    "u50": "xcu50-fsvh2104-2-e",
    "u55c": "xcu55c-fsvh2892-2L-e",
    "ultra96-v2": "xczu3eg-sbva484-1-i",
    "zcu102": "xczu9eg-ffvb1156-2-e",
    "zcu104": "xczu7ev-ffvc1156-2-e",
}


def content(name: str = "pynq-z2") -> dict:
    return yaml.safe_load((board.FOLDER / f"{name}.yaml").read_text())


def test_the_boards_and_their_parts():
    assert {name: board.load(name).part for name in board.names()} == EXPECTED


@pytest.mark.parametrize("name", EXPECTED)
def test_every_fact_has_a_source(name):
    one = board.load(name)
    assert one.name == name
    assert len(one.sources) >= 9
    assert all(len(source) >= 5 for source in one.sources.values())
    assert one.has_bitstream == one.shell.startswith("zynq") == bool(one.images)


@pytest.mark.parametrize("name", EXPECTED)
def test_memory_is_as_fast_as_the_device_file_says(name):
    """Half of the peak: the device file's bandwidth and the board's memory are two views of one fact."""
    one = board.load(name)
    if "memory_bits" in one.quantities and "memory_mt_s" in one.quantities:
        peak_gb_s = one.quantities["memory_bits"].value / 8 * one.quantities["memory_mt_s"].value / 1000
        assert one.device["bandwidth_gb_s.dram"] == pytest.approx(peak_gb_s / 2, rel=0.02)


def test_a_board_of_the_users_own(tmp_path):
    data = {**content(), "name": "mine", "device": "mine-fpga.yaml"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(data))
    text = (device.FOLDER / "pynq-z2.yaml").read_text().replace("xc7z020clg400-1", "xc7z010clg400-1")
    (tmp_path / "mine-fpga.yaml").write_text(text)
    found = board.load(str(tmp_path / "mine.yaml"))
    assert (found.name, found.part, found.device["dsp"]) == ("mine", "xc7z010clg400-1", 220)


def test_an_unknown_board():
    with pytest.raises(UnknownNameError, match="unknown board 'pynqz2'; did you mean 'pynq-z2'"):
        board.load("pynqz2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shell": "zynq"}, "unknown shell 'zynq'; did you mean 'zynq-7000'"),
        ({"board_part": "pynq-z2"}, "board_part: got 'pynq-z2'; expected vendor:board:part0"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"device": "cortex-a9"}, "device 'cortex-a9' is a cpu; expected an fpga"),
        ({"device": "nothing"}, "unknown device 'nothing'"),
        ({"numbers": [1]}, "numbers: got \\[1\\]; expected a mapping"),
        ({"numbers": {"cores": {"value": 2}}}, "cores: got source None; expected where the number comes from"),
        ({"numbers": {"cores": {"value": 0, "source": "UG585"}}}, "cores: got 0; expected a number > 0"),
        ({"numbers": {"cors": {"value": 2, "source": "UG585"}}}, "unknown number 'cors'; did you mean 'cores'"),
        ({"numbers": {"cores": {"value": 2, "source": "UG585"}}}, "number 'cpu_mhz' is missing; a zynq-7000 board"),
        ({"sensors": {}}, "got {}; expected a list"),
        ({"sensors": [{"name": "x", "driver": "spi", "source": "UG585"}]}, "sensors\\[0\\]: unknown driver 'spi'"),
        ({"sensors": ["x"]}, "sensors\\[0\\]: got 'x'; expected a mapping"),
        ({"sensors": [{"driver": "xrt", "source": "UG585"}]}, "sensors\\[0\\]: key 'name' is missing"),
        ({"images": [{"pynq": "3.0.1", "python": "3.10", "source": "?"}]}, "got source '\\?'; expected where it comes"),
        (
            {"platform": {"name": "x"}},
            "platform: got {'name': 'x'} for shell zynq-7000; expected one with",
        ),
        ({"shell": "xrt"}, "platform: got None for shell xrt; expected one"),
        ({"shell": "xrt", "platform": {"name": "x"}}, "platform: key 'memory' is missing|platform: key 'since'"),
        ({"images": [{"pynk": "3.0.1"}]}, "unknown key 'pynk'; did you mean 'pynq'"),
    ],
)
def test_a_mistake_is_named(changes, message):
    with pytest.raises(DeviceError if "unknown device" not in message else UnknownNameError, match=message) as caught:
        board.parse({**content(), **changes}, "mine.yaml")
    assert "\n" not in str(caught.value)


def test_a_platform_since_no_release():
    data = yaml.safe_load((board.FOLDER / "u50.yaml").read_text())
    data["platform"]["since"] = "soon"
    with pytest.raises(DeviceError, match="mine.yaml: platform.since: got 'soon'; expected a release such as 2022.1"):
        board.parse(data, "mine.yaml")


def test_a_key_that_is_missing():
    data = content()
    del data["images"]
    with pytest.raises(DeviceError, match="mine.yaml: key 'images' is missing"):
        board.parse(data, "mine.yaml")


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(DeviceError, match="cannot read"):
        board.load(str(tmp_path / "none.yaml"))
    for text, message in (("a: [", "not valid YAML"), ("- 1", "got list; expected a mapping")):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(DeviceError, match=message):
            board.load(str(tmp_path / "bad.yaml"))


def test_the_command_lists_and_checks():
    out = command_line.succeeds("board", "list")
    assert all(name in out for name in EXPECTED)
    assert "not measurable" in out
    out = command_line.succeeds("board", "check", "zcu104")
    assert "xczu7ev-ffvc1156-2-e" in out
    assert "zcu104.conf" in out
    assert "unknown board" in command_line.refused("board", "check", "zcu105")
