# SPDX-License-Identifier: Apache-2.0
import copy
import math

import pytest
import yaml

from hwsim import device
from hwsim.errors import DeviceError, UnknownNameError

SHIPPED = [path.stem for path in sorted(device.FOLDER.glob("*.yaml"))]
PROMISED = {"cortex-a9", "cortex-a53", "cortex-a72", "jetson-orin", "h100", "pynq-z2", "ultra96", "zcu104", "kv260",
            "aup-zu3"}  # fmt: skip


def board():
    return yaml.safe_load((device.FOLDER / "pynq-z2.yaml").read_text())


def rated():
    return yaml.safe_load((device.FOLDER / "cortex-a53.yaml").read_text())


def cpu():
    return yaml.safe_load((device.FOLDER / "cortex-a72.yaml").read_text())


def test_the_promised_devices_ship():
    assert set(SHIPPED) >= PROMISED
    assert "host" in device.names()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_of_every_device_has_a_source_on_its_line(name):
    found = device.load(name)
    assert found.name == name
    for quantity in found.quantities.values():
        assert len(quantity.source) >= 5
        assert 0 <= quantity.low <= quantity.value <= quantity.high < math.inf
    for line in (device.FOLDER / f"{name}.yaml").read_text().splitlines():
        assert ("value:" in line) == ("source:" in line), line


@pytest.mark.parametrize("name", SHIPPED)
def test_rooflines_are_sane(name):
    found = device.load(name)
    if found.kind == "fpga":
        assert found["bram18"] % 2 == 0
        return
    if found.kind == "npu":
        assert 1e-3 < 2e-6 * found["rows"] * found["columns"] * found["clock_mhz"] < 2500
        return
    assert found["bandwidth_gb_s.cache"] > 0.3 * found["bandwidth_gb_s.dram"]
    peak_tops = 2e-6 * found["cores"] * found["clock_mhz"] * found["macs_per_cycle.int8"]
    assert 1e-4 < peak_tops < 2500  # from a microcontroller to a data centre GPU


def test_devices_are_read_once():
    assert device.load("pynq-z2") is device.load("pynq-z2")


def test_an_unknown_device_names_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown device 'pynqz2'; did you mean 'pynq-z2'"):
        device.load("pynqz2")


def test_a_device_of_your_own_is_read_from_its_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(board() | {"name": "mine"}))
    found = device.load(str(path))
    assert found.name == str(path)
    assert device.load(found.name) is found


@pytest.mark.parametrize(
    ("content", "message"),
    [("a: [", "not valid YAML"), ("3", "expected a mapping"), ("!!python/name:os.system", "not valid YAML")],
)
def test_files_that_are_no_device_are_refused(tmp_path, content, message):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(DeviceError, match=message):
        device.load(str(path))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DeviceError, match="cannot read"):
        device.load(str(tmp_path / "none.yaml"))


def changed(data, keys, value):
    data = copy.deepcopy(data)
    node = data
    for key in keys[:-1]:
        node = node[key]
    if value is None:
        del node[keys[-1]]
    else:
        node[keys[-1]] = value
    return data


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("kind",), "fgpa", "unknown kind 'fgpa'; did you mean 'fpga'"),
        (("kind",), None, "key 'kind' is missing"),
        (("colour",), "red", "unknown key 'colour'"),
        (("numbers",), [], "'numbers' and 'text' must be mappings"),
        (("numbers", "lut"), None, "number 'lut' is missing"),
        (("numbers", "lut"), 53200, "lut: got 53200; expected {value: …, source: …}; add the source"),
        (("numbers", "lut", "source"), None, "lut: got source None; expected where the number comes from"),
        (("numbers", "lut", "vale"), 3, "lut: unknown key 'vale'; did you mean 'value'"),
        (("numbers", "lut", "value"), "many", "lut: got 'many'; expected a finite number"),
        (("numbers", "lut", "value"), math.nan, "lut: got nan; expected a finite number"),
        (("numbers", "lut", "value"), -5, "lut: got -5.0; expected a number > 0"),
        (("numbers", "bandwidth_gb_s", "dram", "value"), 0, "bandwidth_gb_s.dram: got 0.0; expected a number > 0"),
        (("numbers", "power_w", "low"), 9, "power_w: got low, value, high = 9.0"),
        (("numbers", "clok_mhz"), {"value": 1, "source": "somewhere"}, "'clok_mhz'; did you mean 'clock_mhz'"),
        (("numbers", "utilisation", "value"), 1.5, "utilisation: got 1.5; expected a share, 0 to 1"),
        (("text", "part"), None, "text 'part' is missing"),
    ],
)
def test_inconsistent_boards_are_refused(keys, value, message):
    with pytest.raises(DeviceError) as error:
        device.parse(changed(board(), keys, value), "mine.yaml")
    assert message in str(error.value)
    assert str(error.value).startswith("mine.yaml")


def test_a_narrow_type_that_is_slower_than_a_wide_one_is_refused():
    data = changed(rated(), ("numbers", "efficiency", "int8", "conv", "value"), 0.01)
    with pytest.raises(DeviceError, match="conv: int8 runs 0.08 MAC/cycle, fp32 0.48; expected the narrow type"):
        device.parse(data, "mine.yaml")


@pytest.mark.parametrize("make", [rated, cpu], ids=["rated", "priced"])
@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("numbers", "error", "int8", "value"), 0.9, "error.int8: got 0.9; expected a factor, 1 or more"),
        (("numbers", "bandwidth_gb_s", "cache", "value"), 0.05, "expected the cache to be the faster one"),
        (("numbers", "bandwidth_gb_s", "dram", "value"), 0, "bandwidth_gb_s.dram: got 0.0; expected a number > 0"),
        (("numbers", "cores", "value"), 3.5, "cores: got 3.5; expected a whole number"),
        (("numbers", "clock_ghz"), {"value": 1.8, "source": "somewhere"}, "unknown number 'clock_ghz'; did you mean"),
        (("numbers", "clock_mhz"), None, "number 'clock_mhz' is missing; a cpu needs"),
    ],
)
def test_inconsistent_processors_are_refused(make, keys, value, message):
    with pytest.raises(DeviceError) as error:
        device.parse(changed(make(), keys, value), "mine.yaml")
    assert message in str(error.value)


def test_a_price_may_be_zero_but_not_below():
    keys = ("numbers", "cycles_per", "int8", "byte", "value")
    assert device.parse(changed(cpu(), keys, 0), "mine.yaml")["cycles_per.int8.byte"] == 0
    with pytest.raises(DeviceError, match="cycles_per.int8.byte: got -1.0; expected a number > 0"):
        device.parse(changed(cpu(), keys, -1), "mine.yaml")


def test_asking_for_a_number_that_is_not_there_names_the_nearest():
    with pytest.raises(DeviceError, match="pynq-z2: number 'clock' is missing; did you mean 'clock_mhz'"):
        device.load("pynq-z2")["clock"]
    assert device.load("pynq-z2").get("clock", 7.0) == 7.0
