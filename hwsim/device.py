# SPDX-License-Identifier: Apache-2.0
"""Device descriptions: one YAML file per device, every number with its source on the same line.

    name: pynq-z2
    kind: fpga                 # cpu, gpu, npu or fpga; decides which numbers must be there (SCHEMAS)
    title: TUL Pynq-Z2
    text: {part: xc7z020clg400-1, family: 7series}
    numbers:
      lut: {value: 53200, source: "AMD DS190, table 1"}
      power_w: {value: 1.66, low: 1.58, high: 1.76, source: "MLPerf Tiny v0.7 …"}
      efficiency:
        int8: {conv: {value: 0.6, source: …}}          # read as device["efficiency.int8.conv"]

Adding a device is adding a file here, or anywhere else: a target may also name a path that ends in ``.yaml``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from hwsim.errors import DeviceError, UnknownNameError
from hwsim.kernel_terms import PRICES
from hwsim.registry import expect_keys, suggest
from hwsim.surface_file import read_surfaces
from hwsim.surfaces import Surfaces

FOLDER = Path(__file__).parent / "devices"
DTYPES = ("int8", "fp16", "fp32")  # what a processor executes, from narrow to wide
DATAFLOWS = ("ws", "os", "is", "rs")  # what stays in the elements of an array: weights, sums, inputs, rows
MAC_KINDS = ("conv", "pointwise", "depthwise", "dense")  # kernels with their own efficiency


@dataclass(frozen=True)
class Quantity:
    """A number about a device, the range it is known in, and where it comes from."""

    value: float
    low: float
    high: float
    source: str


@dataclass(frozen=True, eq=False)
class Device:
    """One device.  ``device["clock_mhz"]`` is a value, ``device.quantity("clock_mhz")`` has range and source.

    ``surfaces`` are what a runtime was measured to do on it, node by node (hwsim/surface_file.py).
    """

    name: str
    kind: str
    title: str
    text: Mapping[str, str]
    quantities: Mapping[str, Quantity]
    surfaces: Surfaces | None = None

    def __getitem__(self, key: str) -> float:
        return self.quantity(key).value

    def __contains__(self, key: object) -> bool:
        return key in self.quantities

    def quantity(self, key: str) -> Quantity:
        """Value, range and source of a number.  Raises DeviceError when the device does not state it."""
        try:
            return self.quantities[key]
        except KeyError:
            raise DeviceError(f"{self.name}: number '{key}' is missing; {suggest(key, self.quantities)}") from None

    @property
    def is_priced(self) -> bool:
        """Whether the device states prices of work, ``cycles_per.<type>.<term>``, not rates (hwsim/priced.py)."""
        return any(key.startswith(PRICED) for key in self.quantities)

    def get(self, key: str, default: float) -> float:
        """The value of a number, or `default` where the device does not state it."""
        return self.quantities[key].value if key in self.quantities else default


@dataclass(frozen=True)
class Schema:
    """Which numbers and texts a kind of device must and may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    text: tuple[str, ...] = ()


_RATES = tuple(f"efficiency.{dtype}.{kind}" for dtype, kind in product(("int8", "fp32"), MAC_KINDS))
_EXTRA = (
    "overhead_ns_per_input.int8", "overhead_ns_per_input.fp32", "macs_per_cycle.fp16",
    *(f"efficiency.fp16.{kind}" for kind in MAC_KINDS),
)  # fmt: skip
PRICED = "cycles_per."
_PRICES = {dtype: tuple(f"{PRICED}{dtype}.{name}" for name in PRICES) for dtype in DTYPES}
_PROCESSOR = (
    "clock_mhz", "macs_per_cycle.int8", "macs_per_cycle.fp32", "cache_kib", "bandwidth_gb_s.cache",
    "bandwidth_gb_s.dram", "reduction_overhead", "overhead_us.op", "overhead_us.inference", "power_w",
    "error.int8", "error.fp32", *_RATES,
)  # fmt: skip
SCHEMAS: Mapping[str, Schema] = {
    "cpu": Schema(("cores", *_PROCESSOR), _EXTRA, ("runtime",)),
    "gpu": Schema(
        ("cores", "tile.m", "tile.n", *_PROCESSOR),
        (*_EXTRA, "tensor_align_bytes", "overhead_us.launch", "sparsity.n", "sparsity.m"),
        ("runtime", "fp32_means"),
    ),
    "fpga": Schema(
        ("lut", "ff", "dsp", "bram18", "uram", "clock_mhz", "bandwidth_gb_s.dram", "axi_bits", "utilisation"),
        ("power_w", "power_static_w", "overhead_us.inference", "memory_clock_mhz"),
        ("part", "family"),
    ),
    "npu": Schema(
        (
            "rows", "columns", "clock_mhz", "operand_bits", "sum_bits", "buffer_kib", "register_bytes",
            "bandwidth_gb_s.dram", "node_nm", "supply_v", "noc_products", "dram_pj_per_bit", "error.latency",
            "error.energy", "error.traffic",
        ),
        (
            *(f"register_words.{name}" for name in ("inputs", "weights", "sums")), "sparsity.n", "sparsity.m",
            "power_static_w", "overhead_us.inference",
        ),
        ("dataflow",),
    ),
}  # fmt: skip
#: A cpu with prices of work instead of rates, as calibration writes it.
PRICED_CPU = Schema(
    (
        "cores", "clock_mhz", "macs_per_cycle.int8", "macs_per_cycle.fp32", "cache_kib", "bandwidth_gb_s.cache",
        "bandwidth_gb_s.dram", "power_w", "error.int8", "error.fp32", *_PRICES["int8"], *_PRICES["fp32"],
    ),
    ("macs_per_cycle.fp16", *_PRICES["fp16"], "block.outputs", "block.channels"),
    ("runtime",),
)  # fmt: skip
MAY_BE_ZERO = ("uram", "reduction_overhead", "overhead_us.op", "overhead_us.inference", PRICED)
LEAST_CACHE = 0.3  # of the bandwidth of main memory: sustained figures of both scatter
AT_MOST_ONE = ("efficiency.", "utilisation")
WHOLE = ("rows", "columns", "operand_bits", "sum_bits", "sparsity.n", "sparsity.m",
         *(f"register_words.{name}" for name in ("inputs", "weights", "sums")))  # fmt: skip


def names() -> list[str]:
    """Names of the devices that ship with the package, and ``host``."""
    return sorted([*(path.stem for path in FOLDER.glob("*.yaml")), "host"])


@cache
def load(name: str) -> Device:
    """The device of that name, or the one described in the YAML file `name`; read once.

    A device from a file of the user's has the file's path as its name, so that what names it can load it again.

    Raises:
        UnknownNameError: no such device ships with the package.
        DeviceError: the file cannot be read, or a number is missing, unknown, without source or impossible.
    """
    if name == "host":
        from hwsim.host import detect

        return detect()
    if name.endswith((".yaml", ".yml")):
        return replace(read(Path(name)), name=name)
    path = FOLDER / f"{name}.yaml"
    if name not in names():
        raise UnknownNameError(f"unknown device '{name}'; {suggest(name, names())}")
    return read(path)


def read(path: Path) -> Device:
    """Read and check one device file."""
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise DeviceError(f"{path}: cannot read ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise DeviceError(f"{path}: not valid YAML ({reason}); see hwsim/devices for examples") from error
    if not isinstance(data, Mapping):
        raise DeviceError(f"{path}: got {type(data).__name__}; expected a mapping; see hwsim/devices for examples")
    return parse(data, str(path))


def parse(data: Mapping[str, Any], where: str) -> Device:
    """Build a checked device from the content of a device file."""
    expect_keys(data, where, ("name", "kind", "title", "text", "numbers"), ("surfaces",))
    if data["kind"] not in SCHEMAS:
        raise DeviceError(f"{where}: unknown kind '{data['kind']}'; {suggest(str(data['kind']), SCHEMAS)}")
    if not isinstance(data["numbers"], Mapping) or not isinstance(data["text"], Mapping):
        raise DeviceError(f"{where}: 'numbers' and 'text' must be mappings; see hwsim/devices for examples")
    quantities = read_quantities(data["numbers"], where)
    device = Device(
        name=str(data["name"]), kind=str(data["kind"]), title=str(data["title"]),
        text=MappingProxyType({str(key): str(value) for key, value in data["text"].items()}),
        quantities=MappingProxyType(quantities),
        surfaces=read_surfaces(data["surfaces"], where) if "surfaces" in data else None,
    )  # fmt: skip
    _check(device, where)
    return device


def read_quantities(tree: Mapping[str, Any], where: str) -> dict[str, Quantity]:
    """The numbers of a nested mapping by their dotted names, each with its range and source.

    Raises:
        DeviceError: a number is not finite, or has no source.
    """
    return dict(_leaves(tree, "", where))


def _leaves(tree: Mapping[str, Any], prefix: str, where: str) -> Any:
    for key, node in tree.items():
        name = f"{prefix}{key}"
        if isinstance(node, Mapping) and "value" in node:
            yield name, _quantity(node, f"{where}: {name}")
        elif isinstance(node, Mapping):
            yield from _leaves(node, f"{name}.", where)
        else:
            raise DeviceError(f"{where}: {name}: got {node!r}; expected {{value: …, source: …}}; add the source")


def _quantity(node: Mapping[str, Any], where: str) -> Quantity:
    expect_keys(node, where, ("value",), ("low", "high", "source"))
    source = node.get("source")
    if not isinstance(source, str) or len(source) < 5:
        raise DeviceError(f"{where}: got source {source!r}; expected where the number comes from; add the source")
    numbers = [node["value"], node.get("low", node["value"]), node.get("high", node["value"])]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise DeviceError(f"{where}: got {number!r}; expected a finite number in the unit of its name")
    value, low, high = (float(number) for number in numbers)
    if not low <= value <= high:
        raise DeviceError(f"{where}: got low, value, high = {low}, {value}, {high}; expected low <= value <= high")
    return Quantity(value, low, high, source)


def _check(device: Device, where: str) -> None:
    schema = PRICED_CPU if device.kind == "cpu" and device.is_priced else SCHEMAS[device.kind]
    known = schema.required + schema.optional
    missing = [key for key in schema.required if key not in device.quantities]
    if missing:
        raise DeviceError(
            f"{where}: number '{missing[0]}' is missing; a {device.kind} needs {', '.join(schema.required)}"
        )
    for key, quantity in device.quantities.items():
        if key not in known:
            raise DeviceError(f"{where}: unknown number '{key}'; {suggest(key, known)}")
        if quantity.low < 0 or (quantity.low == 0 and not key.startswith(MAY_BE_ZERO)):
            raise DeviceError(f"{where}: {key}: got {quantity.low}; expected a number > 0")
        if key.startswith(AT_MOST_ONE) and quantity.high > 1:
            raise DeviceError(f"{where}: {key}: got {quantity.high}; expected a share, 0 to 1")
    for key in schema.text:
        if key not in device.text:
            raise DeviceError(f"{where}: text '{key}' is missing; a {device.kind} needs {', '.join(schema.text)}")
    if device.surfaces is not None and not (device.kind == "cpu" and device.is_priced):
        raise DeviceError(
            f"{where}: surfaces: got some of a {device.kind}; expected none but for a cpu with cycles_per"
        )
    if device.kind in ("cpu", "gpu"):
        _check_processor(device, where)
    if device.kind == "npu":
        _check_array(device, where)


def _check_processor(device: Device, where: str) -> None:
    for key in ("error.int8", "error.fp32"):
        if device[key] < 1:
            raise DeviceError(f"{where}: {key}: got {device[key]}; expected a factor, 1 or more")
    if device["bandwidth_gb_s.cache"] < LEAST_CACHE * device["bandwidth_gb_s.dram"]:
        raise DeviceError(
            f"{where}: bandwidth_gb_s: got cache {device['bandwidth_gb_s.cache']:g}, dram "
            f"{device['bandwidth_gb_s.dram']:g}; expected the cache to be the faster one; check the units"
        )
    if device["cores"] != int(device["cores"]):
        raise DeviceError(f"{where}: cores: got {device['cores']}; expected a whole number")
    if device.is_priced:
        return
    # A runtime may always widen, so a narrow type that is slower than a wide one is a mistake in the numbers.
    dtypes = [dtype for dtype in DTYPES if f"macs_per_cycle.{dtype}" in device]
    for kind in MAC_KINDS:
        rates = [device[f"macs_per_cycle.{dtype}"] * device[f"efficiency.{dtype}.{kind}"] for dtype in dtypes]
        for narrow, wide, fast, slow in zip(dtypes, dtypes[1:], rates, rates[1:], strict=False):
            if fast < slow * (1 - 1e-9):
                raise DeviceError(
                    f"{where}: {kind}: {narrow} runs {fast:.3g} MAC/cycle, {wide} {slow:.3g}; expected "
                    "the narrow type to be at least as fast; use the wide type's rate for both"
                )


def _check_array(device: Device, where: str) -> None:
    if device.text["dataflow"] not in DATAFLOWS:
        raise DeviceError(
            f"{where}: unknown dataflow '{device.text['dataflow']}'; {suggest(device.text['dataflow'], DATAFLOWS)}"
        )
    for key in WHOLE:
        if key in device and device[key] != int(device[key]):
            raise DeviceError(f"{where}: {key}: got {device[key]}; expected a whole number")
    for key in ("error.latency", "error.energy", "error.traffic"):
        if device[key] < 1:
            raise DeviceError(f"{where}: {key}: got {device[key]}; expected a factor, 1 or more")
    if device.get("sparsity.n", 0) > device.get("sparsity.m", 0):
        raise DeviceError(
            f"{where}: sparsity: got {device['sparsity.n']:g} of {device.get('sparsity.m', 0):g}; expected n <= m"
        )
