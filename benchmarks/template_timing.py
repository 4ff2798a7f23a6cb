# SPDX-License-Identifier: Apache-2.0
"""How fast every hardware template can be clocked on an ECP5-85 of speed grade 6, after place and route.

    python benchmarks/template_timing.py [--seeds 3] [--below MHZ] [--json FILE] [--paths] [MODULE ...]

MODULE is a module of hls/rtl, or "unrolled"; all of them by default, each with parameters as layers have them. A unit
stands alone between registers. MHz is the median of --seeds placements, with the lowest and highest behind it; LUT,
FF, MULT (18x18) and EBR (18 kbit) are what yosys counts of the unit itself. With --paths every unit's slowest path
follows. Exit code 1 if a unit fails or stays below --below, 120 MHz. Netlists and placements are kept
(~/.cache/slimfab/synthesis) and not made again. Lattice's numbers, not a Zynq's.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from template_cases import CASES

from hls.dataflow import Dataflow
from hls.emit import write
from hls.synthesis import Placement, place_and_route_ecp5
from hwsim import serial
from hwsim.errors import SlimfabError
from hwsim.registry import suggest

TITLES = ("module", "case", "MHz", "range", "LUT", "FF", "MULT", "EBR")
WIDTHS = (20, 44, 7, 9, 6, 6, 5, 4)
LOWEST_MHZ = 120.0


def main() -> None:
    """Print one line per case; exit code 1 if one is too slow."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", default=list(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--below", type=float, default=LOWEST_MHZ)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--paths", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.modules:
        if name not in CASES:
            parser.error(f"unknown module '{name}'; {suggest(name, CASES)}")
    print(line(TITLES))
    found, label, failed = [], "", False
    for module in arguments.modules:
        for case, (dataflow, unit) in CASES[module].items():
            try:
                placement = measured(dataflow, unit, arguments.seeds)
            except SlimfabError as error:
                print(f"{module}: {case}: {error}", flush=True)
                failed = True
                continue
            found.append(row(module, case, placement))
            label = placement.label
            print(line(tuple(map(str, found[-1].values()))), flush=True)
            for step in placement.path if arguments.paths else ():
                print(f"    {step.delay_ns:6.2f} ns  {step.kind:8} {step.cell}")
    print(label)
    if arguments.json:
        serial.write_json(arguments.json, {"label": label, "seeds": arguments.seeds, "cases": found})
    sys.exit(1 if failed or any(one["mhz"] < arguments.below for one in found) else 0)


def measured(dataflow: Dataflow, unit: str, seeds: int) -> Placement:
    """One unit of a design, placed and routed."""
    with tempfile.TemporaryDirectory() as name:
        write(dataflow, Path(name) / "design")
        return place_and_route_ecp5(Path(name) / "design", unit, tuple(range(1, seeds + 1)))


def row(module: str, case: str, placement: Placement) -> dict[str, str | float]:
    """A line of the table by its titles, in MHz and cells."""
    counts, mhz = placement.counts, placement.fmax_mhz
    return {
        "module": module,
        "case": case,
        "mhz": round(statistics.median(mhz), 1),
        "range": f"{min(mhz):.0f}-{max(mhz):.0f}",
        "lut": counts.lut,
        "ff": counts.ff,
        "mult": counts.dsp,
        "ebr": counts.bram18,
    }


def line(cells: tuple[str, ...]) -> str:
    """Columns; texts on the left, numbers on the right."""
    return "  ".join(
        text.ljust(width) if index < 2 else text.rjust(width)
        for index, (text, width) in enumerate(zip(cells, WIDTHS, strict=True))
    )


if __name__ == "__main__":
    main()
