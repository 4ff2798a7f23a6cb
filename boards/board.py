# SPDX-License-Identifier: Apache-2.0
"""Boards as data: one YAML file per board, every number with its source on the same line.

    name: pynq-z2
    title: TUL Pynq-Z2
    device: pynq-z2                          # part, resources and default clock: hwsim/devices/pynq-z2.yaml
    shell: zynq-7000                         # what stands around the accelerator, see SHELLS
    board_part: tul.com.tw:pynq-z2:part0     # Vivado's name without version; the newest that is installed is taken
    board_files: "https://…"                 # where to get it, if Vivado does not bring it along
    platform: {name: xilinx_u50_…, since: "2022.1", memory: "HBM[0]", source: "…"}   # of a card with the shell xrt
    processor: cortex-a9
    numbers: {cpu_mhz: {value: 650, source: "…"}}
    sensors: [{name: ina226, driver: hwmon, rails: [12V], source: "…"}]
    images: [{pynq: "3.0.1", python: "3.10", source: "…"}]

Adding a board is adding a file here, or anywhere else: a board may also be named by a path that ends in ``.yaml``. What
hwsim knows of the FPGA is not said twice; a board with an FPGA that hwsim does not know brings a device file along.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hwsim import device as devices
from hwsim.device import Device, Quantity
from hwsim.errors import DeviceError, UnknownNameError
from hwsim.registry import expect_keys, suggest

FOLDER = Path(__file__).parent / "data"
#: What a build puts around the accelerator → what the board then runs.
SHELLS: Mapping[str, str] = {
    "zynq-7000": "processor, AXI DMA and accelerator in a block design: .bit and .hwh for pynq",
    "zynq-ultrascale+": "processor, AXI DMA and accelerator in a block design: .bit and .hwh for pynq",
    "xrt": "data movers and accelerator as a kernel that v++ links: .xclbin for XRT; resources, timing and power alone",
    "none": "none yet: implementation out of context, for resources, timing and power",
}
DRIVERS = ("hwmon", "pmbus", "xrt")
_KEYS = ("name", "title", "device", "shell", "processor", "numbers", "sensors", "images")
_OPTIONAL = ("board_part", "board_files", "platform")
_NUMBERS = ("cores", "cpu_mhz", "memory_mb", "memory_bits", "memory_mt_s", "reference_mhz", "pll_mhz", "pl_clocks")
_NEEDED = {"zynq-7000": ("cores", "cpu_mhz", "memory_mb", "reference_mhz", "pl_clocks")}
_NEEDED["zynq-ultrascale+"] = _NEEDED["zynq-7000"]


@dataclass(frozen=True)
class Sensor:
    """A power sensor: which Linux driver reads it, and its rails (none: as the driver lists them)."""

    name: str
    driver: str
    rails: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Image:
    """An SD card image by the version of pynq in it and of its Python."""

    pynq: str
    python: str
    source: str


@dataclass(frozen=True)
class Platform:
    """What v++ links a kernel to: a platform, the first release that has it, and the memory of both buffers."""

    name: str
    since: str
    memory: str
    source: str


@dataclass(frozen=True, eq=False)
class Board:
    """One board; ``device`` has the FPGA's part, resources and default clock."""

    name: str
    title: str
    device: Device
    shell: str
    board_part: str
    board_files: str
    processor: str
    quantities: Mapping[str, Quantity]
    sensors: tuple[Sensor, ...]
    images: tuple[Image, ...]
    platform: Platform | None = None

    @property
    def part(self) -> str:
        """The FPGA with package and speed grade, as Vivado names it."""
        return self.device.text["part"]

    @property
    def has_bitstream(self) -> bool:
        """Whether a build ends in a bitstream for pynq."""
        return self.shell.startswith("zynq")

    @property
    def sources(self) -> Mapping[str, str]:
        """Where every number comes from, the FPGA's among them."""
        return {
            **{f"device.{key}": quantity.source for key, quantity in self.device.quantities.items()},
            **{key: quantity.source for key, quantity in self.quantities.items()},
            **{f"sensors.{sensor.name}": sensor.source for sensor in self.sensors},
            **{f"images.{image.pynq}": image.source for image in self.images},
            **({} if self.platform is None else {"platform": self.platform.source}),
        }


def names() -> list[str]:
    """Names of the boards that ship with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Board:
    """The board of that name, or the one that the YAML file ``name`` describes.

    Raises:
        UnknownNameError: no such board ships with the package.
        DeviceError: the file cannot be read, or something in it is missing, unknown, without source or impossible.
    """
    if name.endswith((".yaml", ".yml")):
        return _read(Path(name))
    if name not in names():
        raise UnknownNameError(f"unknown board '{name}'; {suggest(name, names())}; or name a .yaml file of your own")
    return _read(FOLDER / f"{name}.yaml")


def _read(path: Path) -> Board:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeviceError(f"{path}: cannot read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise DeviceError(f"{path}: not valid YAML ({reason}); see boards/data for examples") from error
    if not isinstance(data, Mapping):
        raise DeviceError(f"{path}: got {type(data).__name__}; expected a mapping; see boards/data for examples")
    return parse(data, str(path), path.parent)


def parse(data: Mapping[str, Any], where: str, folder: Path = FOLDER) -> Board:
    """Build a checked board from the content of a board file.

    Args:
        folder: where a device file of the board's own is looked for.
    """
    expect_keys(data, where, _KEYS, _OPTIONAL)
    shell = str(data["shell"])
    if shell not in SHELLS:
        raise DeviceError(f"{where}: unknown shell '{shell}'; {suggest(shell, SHELLS)}")
    board_part = str(data.get("board_part", ""))
    if shell.startswith("zynq") and board_part.count(":") != 2:
        raise DeviceError(
            f"{where}: board_part: got '{board_part}'; expected vendor:board:part0 without a version; "
            "Vivado needs its presets for the processor"
        )
    return Board(
        str(data["name"]), str(data["title"]), _device(data["device"], where, folder), shell, board_part,
        str(data.get("board_files", "")), str(data["processor"]), _numbers(data["numbers"], shell, where),
        tuple(_sensor(item, f"{where}: sensors[{n}]") for n, item in enumerate(_list(data["sensors"], where))),
        tuple(_image(item, f"{where}: images[{n}]") for n, item in enumerate(_list(data["images"], where))),
        _platform(data.get("platform"), shell, where),
    )  # fmt: skip


def _device(name: Any, where: str, folder: Path) -> Device:
    text = str(name)
    found = devices.load(str(folder / text) if text.endswith((".yaml", ".yml")) else text)
    if found.kind != "fpga":
        raise DeviceError(f"{where}: device '{text}' is a {found.kind}; expected an fpga; see hwsim/devices")
    return found


def _numbers(tree: Any, shell: str, where: str) -> dict[str, Quantity]:
    if not isinstance(tree, Mapping):
        raise DeviceError(f"{where}: numbers: got {tree!r}; expected a mapping; see boards/data for examples")
    found = devices.read_quantities(tree, where)
    for key, quantity in found.items():
        if key not in _NUMBERS:
            raise DeviceError(f"{where}: unknown number '{key}'; {suggest(key, _NUMBERS)}")
        if quantity.low <= 0:
            raise DeviceError(f"{where}: {key}: got {quantity.low:g}; expected a number > 0")
    for key in _NEEDED.get(shell, ()):
        if key not in found:
            raise DeviceError(f"{where}: number '{key}' is missing; a {shell} board needs {', '.join(_NEEDED[shell])}")
    return found


def _sensor(item: Any, where: str) -> Sensor:
    fields = _fields({**item, "rails": ""} if isinstance(item, Mapping) else item, Sensor, where)
    if fields["driver"] not in DRIVERS:
        raise DeviceError(f"{where}: unknown driver '{fields['driver']}'; {suggest(fields['driver'], DRIVERS)}")
    return Sensor(**{**fields, "rails": tuple(str(rail) for rail in _list(item.get("rails", []), where))})


def _image(item: Any, where: str) -> Image:
    return Image(**_fields(item, Image, where))


def _platform(item: Any, shell: str, where: str) -> Platform | None:
    if (item is not None) != (shell == "xrt"):
        raise DeviceError(
            f"{where}: platform: got {item!r} for shell {shell}; expected one with the shell xrt, and none with others"
        )
    if item is None:
        return None
    found = Platform(**_fields(item, Platform, f"{where}: platform"))
    if re.fullmatch(r"20\d\d\.[1-9]", found.since) is None:
        raise DeviceError(f"{where}: platform.since: got '{found.since}'; expected a release such as 2022.1")
    return found


def _fields(item: Any, cls: type, where: str) -> dict[str, Any]:
    texts = _texts(item, where)
    expect_keys(texts, where, cls.__dataclass_fields__)  # type: ignore[attr-defined]
    if len(texts["source"]) < 5:
        raise DeviceError(f"{where}: got source '{texts['source']}'; expected where it comes from; add the source")
    return dict(texts)


def _texts(item: Any, where: str) -> dict[str, str]:
    if not isinstance(item, Mapping):
        raise DeviceError(f"{where}: got {item!r}; expected a mapping; see boards/data for examples")
    return {str(key): str(value) for key, value in item.items()}


def _list(item: Any, where: str) -> list[Any]:
    if not isinstance(item, list):
        raise DeviceError(f"{where}: got {item!r}; expected a list; see boards/data for examples")
    return item
