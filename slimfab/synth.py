# SPDX-License-Identifier: Apache-2.0
"""Resources of an emitted design by open tools, layer by layer, and how fast it could be clocked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from hls.synthesis import Synthesis, cell_timing, place_and_route_ecp5, synthesise
from hls.synthesis.counts import Counts, expect_family
from hwsim.errors import UnsupportedError

TIMED = ("xc7", "ecp5")  # families whose delays an open tool knows
SEEDS = (1,)  # of the placement of a whole design, which takes minutes
Listen = Callable[[float, str], None]

# By family: what is counted → how its data sheet calls it.
_XC7 = {"lut": "LUT", "ff": "FF", "dsp": "DSP48", "bram18": "BRAM18"}
_COLUMNS = {
    "xc7": _XC7,
    "xcup": {**_XC7, "uram": "URAM"},
    "ecp5": {"lut": "LUT4", "ff": "FF", "dsp": "MULT18", "bram18": "EBR"},
}


@dataclass(frozen=True)
class Synthesised:
    """What was counted, and lines of text that say what was timed, each with its tool."""

    counts: Synthesis
    timing: tuple[str, ...]


def synthesise_design(
    folder: Path,
    family: str = "xc7",
    timing: bool = False,
    *,
    cache: Path | None = None,
    listen: Listen = lambda share, text: None,
) -> Synthesised:
    """Synthesise an emitted design with yosys; with ``timing`` also find its longest path.

    Args:
        family: "xc7", "xcup" or "ecp5".
        timing: on 7 series the cells of the longest path, without wires; on an ECP5 the clock after place and route.
        cache: where netlists are kept; by default the user's cache folder.
        listen: called with the share that is done and with what is done next.

    Raises:
        UnknownNameError, UnsupportedError: no such family, or no open tool knows its delays.
        ModelFileError, OutputError: the folder holds no emitted design, it was changed, or the cache is not writable.
        BudgetError: the design is to be placed and does not fit an ECP5-85.
        ToolMissing, ToolFailed: a tool is not there, or it failed.
    """
    expect_family(family)
    if timing and family not in TIMED:
        raise UnsupportedError(
            f"--timing: got family {family}; expected {' or '.join(TIMED)}; no open tool here knows delays of others"
        )
    share = 0.5 if timing else 1.0
    counts = synthesise(
        folder, family, cache, listen=lambda done, of: listen(share * done / of, f"yosys: netlist {done + 1} of {of}")
    )
    if not timing:
        return Synthesised(counts, ())
    listen(share, "longest path" if family == "xc7" else "place and route")
    return Synthesised(counts, _timed(folder, family, cache))


def _timed(folder: Path, family: str, cache: Path | None) -> tuple[str, ...]:
    if family == "xc7":
        cells = cell_timing(folder, family, cache=cache)
        return f"longest path  {cells.critical_ns:.2f} ns of cells", cells.label
    placed = place_and_route_ecp5(folder, seeds=SEEDS, cache=cache)
    return f"clock  {placed.median_mhz:.1f} MHz in one placement", placed.label


def resources_table(found: Synthesis) -> Table:
    """Cells by layer, in the order of the design, and in total."""
    columns = _COLUMNS[found.family]
    table = Table(title=f"{escape(found.network)} on {found.family}", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("layer", overflow="fold")
    for title in columns.values():
        table.add_column(title, justify="right")

    def add(name: str, counts: Counts) -> None:
        table.add_row(escape(name), *(f"{getattr(counts, column)}" for column in columns))

    for layer, counts in found.layers.items():
        add(layer, counts)
    table.add_section()
    add("total", found.total)
    return table
