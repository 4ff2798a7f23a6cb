# SPDX-License-Identifier: Apache-2.0
"""Read what Vivado HLS, Vitis HLS and Vivado report.

Formats: ``<top>_csynth.xml`` (Vivado HLS 2018 to 2020, Vitis HLS since), ``<top>_cosim.rpt``, and Vivado's
``report_utilization``, ``report_timing_summary`` and ``report_power`` text. A number that a tool leaves out
("undef", "-", "?") becomes None, never zero.
"""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hwsim.errors import InputError

Counts = Mapping[str, float]
Range = tuple[float, float]

# Names of a resource in csynth.xml (DSP48E until 2020, DSP since).
_HLS_NAMES = {"LUT": "lut", "FF": "ff", "DSP": "dsp", "DSP48E": "dsp", "BRAM_18K": "bram18", "URAM": "uram"}
# Site types of report_utilization by family (7 series, UltraScale+, Versal) → resource and how many each counts.
_SITES = {
    "Slice LUTs": ("lut", 1),
    "CLB LUTs": ("lut", 1),
    "Slice Registers": ("ff", 1),
    "CLB Registers": ("ff", 1),
    "Registers": ("ff", 1),
    "DSPs": ("dsp", 1),
    "DSP Slices": ("dsp", 1),
    "Block RAM Tile": ("bram18", 2),  # a tile holds two 18 Kb halves; half tiles are counted
    "URAM": ("uram", 1),
}


@dataclass(frozen=True)
class Module:
    """One function of the HLS design: its name, cycles (best, worst) and resources."""

    name: str
    latency_cycles: Range | None
    resources: Counts


@dataclass(frozen=True)
class HlsReport:
    """A C synthesis report: what the HLS compiler expects of its own result."""

    version: str
    part: str
    top: str
    target_clock_ns: float
    estimated_clock_ns: float | None
    latency_cycles: Range | None
    interval_cycles: Range | None
    resources: Counts
    capacity: Counts
    modules: tuple[Module, ...]


@dataclass(frozen=True)
class CosimReport:
    """RTL co-simulation: measured cycles (min, max) of one language."""

    rtl: str
    passed: bool
    latency_cycles: Range | None
    interval_cycles: Range | None


@dataclass(frozen=True)
class Utilisation:
    """Vivado's resource use after synthesis or implementation (``state``)."""

    version: str
    device: str
    state: str
    resources: Counts
    capacity: Counts


@dataclass(frozen=True)
class Timing:
    """Vivado's timing: worst and total slack in ns, negative where a constraint is violated."""

    wns_ns: float | None
    tns_ns: float | None
    whs_ns: float | None
    failing_endpoints: int

    @property
    def is_met(self) -> bool:
        """Whether every constrained path is fast enough."""
        return self.failing_endpoints == 0 and (self.wns_ns is None or self.wns_ns >= 0)


@dataclass(frozen=True)
class Power:
    """Vivado's power estimate in W."""

    total_w: float
    dynamic_w: float | None
    static_w: float | None


def parse_csynth(path: Path | str) -> HlsReport:
    """Read ``<top>_csynth.xml``.

    Raises:
        InputError: the file is missing, damaged, or of another kind.
    """
    try:
        root = ElementTree.fromstring(_text(path))
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: not a csynth.xml report ({error}); run C synthesis again") from error
    performance = root.find("PerformanceEstimates")
    area = root.find("AreaEstimates")
    if performance is None or area is None:
        raise InputError(f"{path}: has no PerformanceEstimates and AreaEstimates; expected a csynth.xml report")
    return HlsReport(
        _element(root, "ReportVersion/Version"),
        _element(root, "UserAssignments/Part"),
        _element(root, "UserAssignments/TopModelName"),
        _number(_element(root, "UserAssignments/TargetClockPeriod")) or math.nan,
        _number(_element(performance, "SummaryOfTimingAnalysis/EstimatedClockPeriod")),
        _latency(performance),
        _range(performance, "SummaryOfOverallLatency/Interval-min", "SummaryOfOverallLatency/Interval-max"),
        _hls_counts(area.find("Resources")),
        _hls_counts(area.find("AvailableResources")),
        tuple(_modules(root)),
    )


def _modules(root: ElementTree.Element) -> Iterator[Module]:
    for module in root.iterfind("ModuleInformation/Module"):
        performance = module.find("PerformanceEstimates")
        yield Module(
            _element(module, "Name"),
            None if performance is None else _latency(performance),
            _hls_counts(module.find("AreaEstimates/Resources")),
        )


def _latency(performance: ElementTree.Element) -> Range | None:
    summary = "SummaryOfOverallLatency"
    return _range(performance, f"{summary}/Best-caseLatency", f"{summary}/Worst-caseLatency")


def _hls_counts(element: ElementTree.Element | None) -> dict[str, float]:
    found = {}
    for child in element if element is not None else ():
        number = _number(child.text or "")
        if child.tag in _HLS_NAMES and number is not None:
            found[_HLS_NAMES[child.tag]] = number
    return found


def _range(element: ElementTree.Element, low: str, high: str) -> Range | None:
    numbers = _number(_element(element, low)), _number(_element(element, high))
    return None if numbers[0] is None or numbers[1] is None else (numbers[0], numbers[1])


def _element(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def parse_cosim(path: Path | str) -> CosimReport:
    """Read ``<top>_cosim.rpt``: the row of the language that was simulated.

    Raises:
        InputError: the file is missing, or no language was simulated.
    """
    for cells in _rows(_text(path)):
        if cells[0] in ("VHDL", "Verilog") and len(cells) >= 8 and cells[1] not in ("NA", "SKIPPED"):
            numbers = [_number(cell) for cell in cells[2:8]]
            return CosimReport(cells[0], cells[1].lower() == "pass", _ends(numbers[:3]), _ends(numbers[3:]))
    raise InputError(f"{path}: has no simulated Verilog or VHDL row; expected a co-simulation report; run cosim again")


def _ends(numbers: list[float | None]) -> Range | None:
    low, high = numbers[0], numbers[-1]
    return None if low is None or high is None else (low, high)


def parse_utilisation(path: Path | str) -> Utilisation:
    """Read Vivado's ``report_utilization``.

    Raises:
        InputError: the file is missing or has no table of site types.
    """
    text = _text(path)
    resources, capacity = {}, {}
    columns: dict[str, int] = {}
    for cells in _rows(text):
        if cells[0] == "Site Type":
            columns = {name: index for index, name in enumerate(cells)}
            continue
        name, factor = _SITES.get(cells[0].rstrip("*").strip(), ("", 0))
        if not name or name in resources or "Used" not in columns or len(cells) <= max(columns.values()):
            continue
        used, available = _number(cells[columns["Used"]]), _number(cells[columns.get("Available", columns["Used"])])
        if used is not None:
            resources[name] = used * factor
        if available is not None and "Available" in columns:
            capacity[name] = available * factor
    if "lut" not in resources:
        raise InputError(f"{path}: has no row of LUTs; expected the text of report_utilization; write it with -file")
    head = {key: _head(text, label) for key, label in (("device", "Device"), ("state", "Design State"))}
    return Utilisation(_head(text, "Tool Version"), head["device"], head["state"], resources, capacity)


def parse_timing(path: Path | str) -> Timing:
    """Read the design summary of Vivado's ``report_timing_summary``.

    Raises:
        InputError: the file is missing or has no such summary.
    """
    text = _text(path)
    lines = iter(text.partition("| Design Timing Summary")[2].splitlines())
    names = next((line for line in lines if "WNS(ns)" in line), None)
    next(lines, None)  # the dashes under the names
    cells = next(lines, "").split()
    if names is None or len(cells) < 8:
        raise InputError(f"{path}: has no design timing summary; expected the text of report_timing_summary")
    failing = sum(int(number) for cell in (cells[2], cells[6]) if (number := _number(cell)) is not None)
    return Timing(_number(cells[0]), _number(cells[1]), _number(cells[4]), failing)


def parse_clocks(path: Path | str) -> dict[str, float]:
    """Read the clock summary of Vivado's ``report_timing_summary``: frequencies in MHz by the clocks' names.

    Raises:
        InputError: the file is missing or has no such summary.
    """
    rows = re.findall(
        r"^(\S+) +\{[\d. ]+\} +[\d.]+ +([\d.]+) *$", _text(path).partition("| Clock Summary")[2], re.MULTILINE
    )
    if not rows:
        raise InputError(f"{path}: has no clock summary; expected the text of report_timing_summary")
    return {name: float(mhz) for name, mhz in rows}


def parse_power(path: Path | str) -> Power:
    """Read the summary of Vivado's ``report_power``.

    Raises:
        InputError: the file is missing or has no total.
    """
    rows = {cells[0]: _number(cells[1]) for cells in _rows(_text(path)) if len(cells) == 2}
    total = rows.get("Total On-Chip Power (W)")
    if total is None:
        raise InputError(f"{path}: has no total on-chip power; expected the text of report_power")
    return Power(total, rows.get("Dynamic (W)"), rows.get("Device Static (W)"))


def _rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row (lines between bars)."""
    for line in text.splitlines():
        if line.startswith("|") and line.rstrip().endswith("|"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def _head(text: str, label: str) -> str:
    found = re.search(rf"^\| {label}\s*: (.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(path: Path | str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot read the report ({error.strerror}); check the path") from error
