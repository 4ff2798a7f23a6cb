# SPDX-License-Identifier: Apache-2.0
"""Clock frequency after place and route on a Lattice ECP5, the only device here with an open timing model of wires."""

import hashlib
import json
import logging
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hls.synthesis import link, netlists
from hls.synthesis.counts import Counts
from hls.synthesis.programs import Program, find_nextpnr_ecp5, find_yosys, run
from hls.synthesis.structure import read_structure
from hwsim import serial
from hwsim.errors import BudgetError, InputError

log = logging.getLogger(__name__)

FAMILY = "ecp5"
_DEVICE = ("--85k", "--package", "CABGA756", "--speed", "6")
# Three times the tool's own weight: registers around multipliers are placed where the clock wants them, not the wires.
_EFFORT = ("--placer-heap-timingweight", "30")
_CAPACITY = {"lut": 83640, "ff": 83640, "dsp": 156, "bram18": 208}  # LFE5U-85: Lattice FPGA-DS-02012, table 1.1


@dataclass(frozen=True)
class Step:
    """One delay on a path: of a wire ("routing"), or of a cell ("clk-to-q", "logic", "setup")."""

    kind: str
    delay_ns: float
    cell: str


@dataclass(frozen=True)
class Placement:
    """What place and route found: the highest clock for each seed, and what the slowest path of the median is.

    ``used`` are cells, those of the harness included: names of nextpnr → number. ``counts`` are what yosys counted
    without the harness.
    """

    what: str
    tool: str
    seeds: tuple[int, ...]
    fmax_mhz: tuple[float, ...]
    used: Mapping[str, int]
    path: tuple[Step, ...]
    counts: Counts

    @property
    def median_mhz(self) -> float:
        """The median over the seeds."""
        return statistics.median(self.fmax_mhz)

    @property
    def label(self) -> str:
        """Which tool, which device, and what the number is not."""
        return f"{self.tool}, ECP5-85 speed 6, paths between registers; not a Zynq number"


def place_and_route_ecp5(
    folder: Path | str,
    unit: str | None = None,
    seeds: tuple[int, ...] = (1, 2, 3),
    target_mhz: float = 150.0,
    cache: Path | None = None,
) -> Placement:
    """Place and route an emitted design, or one of its units by itself, between registers.

    Args:
        unit: a unit of the manifest; None is the whole design.
        seeds: of the placement; each is a run of its own.
        target_mhz: what the tool works towards; it may reach more or less.
        cache: see :func:`hls.synthesis.synthesise`.

    Raises:
        InputError: no seed, or one twice.
        UnknownNameError: no such unit.
        BudgetError: the design does not fit the device.
        ModelFileError, OutputError: the folder holds no emitted design, it was changed, or the cache is not writable.
        ToolMissing, ToolFailed: a tool is not there, or it failed.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"place and route: got seeds {seeds}; expected one or more different ones; name them once")
    yosys, nextpnr, root = find_yosys(), find_nextpnr_ecp5(), cache or netlists.default_cache()
    with netlists.workplace(root) as name:
        work = Path(name)
        structure = read_structure(folder, yosys, work, root)
        if unit is None:
            design = link.whole(structure, FAMILY, yosys, root, work)
        else:
            design = link.single(structure, unit, FAMILY, yosys, root, work)
        what = f"{structure.network}: {design.top}"
        _expect_room(what, design.counts)
        wrapped = link.harnessed(design, what, FAMILY, yosys, root, work)
        text = json.dumps({"creator": yosys.label, "modules": wrapped.modules})
        reports = [_route(text, what, nextpnr, seed, target_mhz, root, work) for seed in seeds]
    fmax = tuple(map(_fmax, reports))
    middle = reports[fmax.index(statistics.median_low(fmax))]
    used = {name: int(cell["used"]) for name, cell in middle["utilization"].items() if cell["used"]}
    return Placement(what, nextpnr.label, seeds, fmax, used, _path(middle), design.counts)


def _expect_room(what: str, counts: Counts) -> None:
    for name, capacity in _CAPACITY.items():
        if (got := getattr(counts, name)) > capacity:
            raise BudgetError(
                f"{what}: got {got} {name}; expected at most the {capacity} of an ECP5-85; fold more, or measure units "
                "one by one"
            )


def _route(
    text: str, what: str, nextpnr: Program, seed: int, target_mhz: float, root: Path, work: Path
) -> Mapping[str, Any]:
    """One run's report; from the cache where there was one before."""
    settings = (*_DEVICE, *_EFFORT, "--freq", f"{target_mhz:g}", "--seed", str(seed), "--timing-allow-fail")
    key = hashlib.sha256("\0".join([nextpnr.label, *settings, text]).encode()).hexdigest()[:24]
    kept = root / f"{key}.json"
    if not kept.exists():
        (work / "netlist.json").write_text(text)
        arguments = ["-q", *settings, "--json", "netlist.json", "--report", "report.json"]
        run(nextpnr, arguments, work, root / "failed" / key, what)
        serial.atomic_write(kept, (work / "report.json").read_bytes())
    report: Mapping[str, Any] = serial.read_json(kept)
    log.info("%s: seed %d reaches %.1f MHz", what, seed, _fmax(report))
    return report


def _fmax(report: Mapping[str, Any]) -> float:
    """The highest clock in MHz; a harness has one clock."""
    (clock,) = report["fmax"].values()
    return float(clock["achieved"])


def _path(report: Mapping[str, Any]) -> tuple[Step, ...]:
    """The slowest path between registers."""
    paths = (path for path in report["critical_paths"] if "posedge" in path["from"] and "posedge" in path["to"])
    steps = (Step(step["type"], float(step["delay"]), step["to"]["cell"]) for step in next(paths)["path"])
    return tuple(step for step in steps if step.delay_ns > 0)  # a carry passes from cell to cell in no time
