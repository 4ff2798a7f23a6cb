# SPDX-License-Identifier: Apache-2.0
"""The longest path through the cells of a 7-series netlist, before there are wires between them."""

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from hls.synthesis import link, netlists
from hls.synthesis.counts import expect_family
from hls.synthesis.programs import find_yosys, run
from hls.synthesis.structure import read_structure
from hwsim.errors import ToolFailed, UnsupportedError

log = logging.getLogger(__name__)

FAMILY = "xc7"  # the only one whose cells have delays in yosys
# The netlist is read again for the analysis: while it is made, flip-flops lose their delays.
_COMMANDS = (
    "read_verilog -lib -specify +/xilinx/cells_sim.v",
    "read_verilog -lib +/xilinx/cells_xtra.v",
    "read_json netlist.json",
    "hierarchy -check -top {top}",
    "flatten",
    "sta",
)
_LATEST = re.compile(r"Latest arrival time in '.*' is (\d+):")
_STEP = re.compile(r"^\s+(\d+) (\S+) \((\w+)\.(\S+)\)$", re.MULTILINE)
_NO_ARRIVAL = re.compile(r"Endpoint .* has no .*arrival")


@dataclass(frozen=True)
class CellStep:
    """A cell on a path and when its output, or a register's input, has its value."""

    arrival_ns: float
    cell: str
    kind: str


@dataclass(frozen=True)
class CellTiming:
    """The longest path from a register or port, through cells alone.

    ``path`` runs backwards, as the tool gives it. ``unknown`` endpoints are inputs of registers and memories whose
    arrival the tool could not tell; they are not in ``critical_ns``.
    """

    network: str
    tool: str
    critical_ns: float
    path: tuple[CellStep, ...]
    unknown: int

    @property
    def label(self) -> str:
        """Which tool, and what the number is not."""
        unknown = f", {self.unknown} endpoints unknown" if self.unknown else ""
        return f"{self.tool}, {FAMILY}: delays of cells, without wires, setup and clock skew{unknown}; no clock period"


def cell_timing(
    folder: Path | str, family: str = FAMILY, unit: str | None = None, cache: Path | None = None, workers: int = 1
) -> CellTiming:
    """Static timing of an emitted design, or of one of its units, by yosys's ``sta``.

    Args:
        family: "xc7"; for no other one yosys knows delays.
        unit: a unit of the manifest; None is the whole design.
        cache, workers: see :func:`hls.synthesis.synthesise`.

    Raises:
        UnknownNameError: no such family or unit.
        UnsupportedError: a family without delays.
        ModelFileError, OutputError: the folder holds no emitted design, it was changed, or the cache is not writable.
        ToolMissing, ToolFailed: there is no yosys, or it failed.
    """
    expect_family(family)
    if family != FAMILY:
        raise UnsupportedError(f"cell timing: got family {family}; expected {FAMILY}; yosys knows no delays of others")
    yosys, root = find_yosys(), cache or netlists.default_cache()
    with netlists.workplace(root) as name:
        work = Path(name)
        structure = read_structure(folder, yosys, work, root)
        if unit is None:
            design = link.whole(structure, FAMILY, yosys, root, work, workers)
        else:
            design = link.single(structure, unit, FAMILY, yosys, root, work)
        (work / "netlist.json").write_text(json.dumps({"creator": yosys.label, "modules": design.modules}))
        (work / "sta.ys").write_text("\n".join(_COMMANDS).format(top=design.top) + "\n")
        what = f"{structure.network}: {design.top}"
        run(yosys, ["-q", "-l", "sta.log", "-s", "sta.ys"], work, root / "failed" / "sta", what)
        return parse(what, yosys.label, (work / "sta.log").read_text())


def parse(what: str, tool: str, text: str) -> CellTiming:
    """The result out of the words of ``sta``.

    Raises:
        ToolFailed: they name no path.
    """
    latest = _LATEST.search(text)
    if latest is None:
        raise ToolFailed(f"{what}: {tool} found no path between registers; expected registers; measure a larger part")
    steps = tuple(
        CellStep(int(time) / 1000, cell.removeprefix("$flatten").removeprefix("\\"), kind)
        for time, cell, kind, _ in _STEP.findall(text)
    )
    return CellTiming(what, tool, int(latest[1]) / 1000, steps, len(_NO_ARRIVAL.findall(text)))
