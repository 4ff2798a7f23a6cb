# SPDX-License-Identifier: Apache-2.0
"""Resource formulas of hardware templates (hwsim/fpga/units) beside what yosys maps random units to, on 7 series.

    python benchmarks/template_resources.py [--units 4] [--seed 1] [--list] [--json FILE] [--deep] [MODULE ...]
    python benchmarks/template_resources.py --fit [--units 8] [--seed 0]

MODULE is one of hwsim.fpga.units.PARTS; all of them by default. Units have parameters as layers of small networks have
them (unit_random.py), --units of each module or more, drawn by --seed; the package's constants were fitted to those of
another seed, which constants.py names. Printed are, per module and for all: how many units' DSP blocks and block RAM
are exact, and the mean errors in LUTs and flip-flops: MAPE, sMAPE, and that of the sum over all units. --list adds a
line per unit; --json keeps parameters and counts, as the package's tests have them. Exit code 1 if DSP blocks or block
RAM are exact on less than 95 % of all units, or LUTs are off by more than 10 % in the mean.

--deep draws matrix units instead whose weights fill several banks of block RAM, or pages of LUTs: none of the fit's do.

--fit writes hwsim/fpga/units/constants.py anew: constants of least squares on the relative error, and error bars that
hold 95 % of the units when every fifth of them is predicted by a fit to the others. Counts are kept in
build/unit_counts and not made again; a new one takes some seconds of a core.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from unit_counts import counted, described, tool
from unit_random import DEEP, MAKERS, deep_units, units

from hls.synthesis.counts import Counts
from hls.templates.unit import Unit
from hwsim import serial
from hwsim.fpga.units import PARTS, Cells, resources
from hwsim.fpga.units import constants as package
from hwsim.registry import suggest

# So many times as many units of modules with many parameters.
TIMES = {
    "argmax": 3, "cast": 4, "fifo": 2, "matrix_vector": 3, "scale": 4, "sliding_window": 2, "sparse_matrix_vector": 2,
    "threshold": 2,
}  # fmt: skip
CONSTANTS = Path(package.__file__)
LEAST_EXACT, MOST_ERROR = 0.95, 0.10
FEWEST_CELLS = 8  # below, errors are relative to so many cells, so that one cell of few is no disaster
PULLS = 0.005, 0.02, 0.1, 0.5, 2.0  # weights of one cell per cell counted in the source; units choose among them
FOLDS, SHARE = 5, 0.95
Column = np.ndarray


@dataclass(frozen=True)
class Row:
    """One unit: what yosys counts and what the package predicts."""

    unit: Unit
    counts: Counts
    cells: Cells

    def error(self, name: str) -> float:
        """Relative error of a count."""
        real = getattr(self.counts, name)
        return abs(float(getattr(self.cells, name)[0]) - real) / max(real, FEWEST_CELLS)


def main() -> int:
    """See the head of this file for what is printed and the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--units", type=int, default=4, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    makers = DEEP if given.deep else MAKERS
    for module in given.modules:
        if module not in makers:
            parser.error(f"unknown module '{module}'; {suggest(module, makers)}")
    if given.fit and given.deep:
        parser.error("--fit goes without --deep")
    if given.fit:
        write_constants(given.units, given.seed)
        return 0
    print(f"{'units':22}{'n':>4}{'DSP':>8}{'BRAM':>8}{'LUT MAPE sMAPE    sum':>25}{'FF MAPE sMAPE    sum':>25}")
    every: list[Row] = []
    for module in given.modules or (DEEP if given.deep else PARTS):
        made = (deep_units if given.deep else drawn)(module, given.units, given.seed)
        rows = [row(unit) for unit in made]
        every += rows
        for one in rows if given.list else ():
            show(one)
        print(summary(module, rows), flush=True)
    print(summary("all", every))
    if given.json:
        kept = [{"module": one.unit.module, "parameters": plain(described(one.unit)), "counts": asdict(one.counts)}
                for one in every]  # fmt: skip
        serial.write_json(given.json, {"tool": tool(), "seed": given.seed, "units": kept})
    print(f"{tool()}, synth_xilinx -family xc7, seed {given.seed}; constants: {package.SOURCE}")
    exact = all(share(every, name) >= LEAST_EXACT for name in ("dsp", "bram18"))
    return 0 if exact and np.mean([one.error("lut") for one in every]) <= MOST_ERROR else 1


def drawn(module: str, count: int, seed: int) -> list[Unit]:
    """Random units of a module."""
    return units(module, count * TIMES.get(module, 1), seed)


def row(unit: Unit) -> Row:
    """One unit, counted and predicted."""
    return Row(unit, counted(unit), resources(unit.module, described(unit)))


def plain(parameters: Mapping[str, int | str]) -> dict[str, int | str]:
    """Parameters without the names of files."""
    return {name: value for name, value in parameters.items() if not name.endswith("FILE")}


def share(rows: Sequence[Row], name: str) -> float:
    """How many units' counts are exact."""
    return float(np.mean([one.cells.__dict__[name][0] == getattr(one.counts, name) for one in rows]))


def show(one: Row) -> None:
    """Counted and predicted cells of a unit, and its parameters."""
    pairs = ((name, getattr(one.counts, name), float(getattr(one.cells, name)[0]))
             for name in ("lut", "ff", "dsp", "bram18", "lutram"))  # fmt: skip
    text = "".join(f"{name} {real:6,} {guess:8,.1f}   " for name, real, guess in pairs)
    told = " ".join(f"{name}={value}" for name, value in one.unit.parameters.items() if not name.endswith("FILE"))
    print(f"  {text}{told}")


def summary(name: str, rows: Sequence[Row]) -> str:
    """A line of the table."""
    text = f"{name:22}{len(rows):4}{share(rows, 'dsp'):8.0%}{share(rows, 'bram18'):8.0%}"
    for kind in ("lut", "ff"):
        real = np.array([getattr(one.counts, kind) for one in rows], dtype=float)
        guess = np.array([float(getattr(one.cells, kind)[0]) for one in rows])
        symmetric = 2 * np.abs(guess - real) / np.maximum(guess + real, 1)
        mape = np.mean([one.error(kind) for one in rows])
        text += f"{mape:13.1%}{symmetric.mean():6.1%}{guess.sum() / real.sum() - 1:+6.1%}" if real.sum() else " " * 25
    return text


def write_constants(count: int, seed: int) -> None:
    """Fit every module and write the package's constants."""
    tables: dict[str, dict[str, Mapping[str, float]]] = {"LUT": {}, "FF": {}}
    bars: dict[str, dict[str, float]] = {}
    ranges: dict[str, dict[str, tuple[float, float]]] = {}
    for module in PARTS:
        made = drawn(module, count, seed)
        real, parts = [counted(unit) for unit in made], [PARTS[module](described(unit)) for unit in made]
        bars[module] = {}
        for kind in ("lut", "ff"):
            truth = np.array([getattr(one, kind) for one in real], dtype=float)
            known = np.array([first(one.lutram) if kind == "lut" else 0.0 for one in parts])
            terms = [getattr(one, kind) for one in parts]
            matrix = np.array([[first(value) for value in one.values()] for one in terms])
            names = list(terms[0])
            solution = fitted(matrix, truth, known)
            tables[kind.upper()][module] = {
                name: round(float(value), 4) for name, value in zip(names, solution, strict=True)
            }
            bars[module][kind] = widest(np.stack([truth, folded(matrix, truth, known)]))
        for kind in ("dsp", "bram18"):  # nothing in them is fitted
            pairs = [(getattr(one, kind), first(getattr(part, kind))) for one, part in zip(real, parts, strict=True)]
            bars[module][kind] = widest(np.array(pairs, dtype=float).T)
        ranges[module] = extent(made)
        print(f"{module}: {len(made)} units, error bars LUT {bars[module]['lut']:.1%}, FF {bars[module]['ff']:.1%}")
    number = sum(len(drawn(module, count, seed)) for module in PARTS)
    source = f"{tool()}, synth_xilinx -family xc7: netlists of {number} units, seed {seed}"
    serial.atomic_write(CONSTANTS, text_of(source, tables, bars, ranges))


def first(value: object) -> float:
    """The one unit's count."""
    return float(np.atleast_1d(np.asarray(value, dtype=float))[0])


def fitted(matrix: Column, truth: Column, known: Column) -> Column:
    """Constants that are not negative, of least squares on the relative error, (terms,).

    They are drawn towards one cell per cell of the source, as strongly as predicts units best that have no part in it.
    """
    wrong = [float(np.sum(relative(truth, folded(matrix, truth, known, pull)) ** 2)) for pull in PULLS]
    return drawn_to_one(matrix, truth, known, PULLS[int(np.argmin(wrong))])


def drawn_to_one(matrix: Column, truth: Column, known: Column, pull: float) -> Column:
    """The constants with a given weight of one cell per cell of the source, (terms,)."""
    from scipy.optimize import nnls

    weight = 1 / np.maximum(truth, FEWEST_CELLS)
    rows = matrix * weight[:, None]
    # What every unit has once is known from all of them.
    towards = np.where(np.ptp(matrix, axis=0) > 0, np.sqrt(pull * (rows**2).sum(axis=0) + 1e-9), 1e-6)
    solution: Column = nnls(np.vstack([rows, np.diag(towards)]), np.concatenate([(truth - known) * weight, towards]))[0]
    return solution


def folded(matrix: Column, truth: Column, known: Column, pull: float | None = None) -> Column:
    """Predictions of every fifth unit by constants of all others; the weight of one cell is chosen where it is None."""
    fold = np.arange(len(truth)) % FOLDS
    guess = np.empty(len(truth))
    for each in range(FOLDS):
        out = fold == each
        rest = matrix[~out], truth[~out], known[~out]
        guess[out] = matrix[out] @ (fitted(*rest) if pull is None else drawn_to_one(*rest, pull)) + known[out]
    return guess


def relative(truth: Column, guess: Column) -> Column:
    """Errors relative to what was counted."""
    return np.abs(guess - truth) / np.maximum(truth, FEWEST_CELLS)


def widest(pairs: Column) -> float:
    """The relative half-width that holds SHARE of what was counted, (2, units) with the predictions below."""
    error = np.abs(pairs[1] - pairs[0]) / np.maximum(pairs[1], FEWEST_CELLS)
    return round(float(np.quantile(error, SHARE, method="higher")), 3)


def extent(made: Sequence[Unit]) -> dict[str, tuple[float, float]]:
    """The smallest and the largest of every parameter that is a plain number."""
    names = [name for name, value in made[0].parameters.items() if isinstance(value, int)]
    values = {name: [int(unit.parameters[name]) for unit in made] for name in names}
    return {name: (float(min(found)), float(max(found))) for name, found in values.items()}


def text_of(source: str, tables: Mapping[str, object], bars: object, ranges: object) -> str:
    """The text of constants.py."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        '"""What the parts of units count in yosys\'s netlists; written by ``benchmarks/template_resources.py --fit``.',
        "",
        "LUT and FF: by module and part, cells per cell that the source has. BARS: by module and count, the half-width",
        "relative to a prediction that holds 95 % of units which had no part in the fit. RANGE: the smallest and the",
        "largest of every parameter among the units.",
        '"""',
        "",
        "from collections.abc import Mapping",
        "",
        f'SOURCE = "{source}"',
    ]
    kinds = {"LUT": "float", "FF": "float", "BARS": "float", "RANGE": "tuple[float, float]"}
    for name, table in {**tables, "BARS": bars, "RANGE": ranges}.items():
        assert isinstance(table, Mapping)
        lines += ["", f"{name}: Mapping[str, Mapping[str, {kinds[name]}]] = {{"]
        for module, values in table.items():
            lines += wrapped(module, [f'"{key}": {value}' for key, value in values.items()])
        lines.append("}  # fmt: skip")
    return "\n".join(lines) + "\n"


def wrapped(module: str, entries: Sequence[str]) -> list[str]:
    """A line of a table, or several."""
    import textwrap

    body = textwrap.wrap(", ".join(entries), 110, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return [f'    "{module}": {{', *body, "    },"]


if __name__ == "__main__":
    sys.exit(main())
