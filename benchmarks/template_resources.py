# SPDX-License-Identifier: Apache-2.0
"""Resource formulas of hardware templates beside what yosys maps them to on a 7-series device, unit by unit.

    python benchmarks/template_resources.py [--random 20] [--seed 0] [--cases] [--fit] [MODULE ...]

MODULE is one of hwsim.fpga.units.RESOURCES; all of them by default. --random units per module have parameters as small
layers have them; with --cases, and for modules without random ones, those of template_cases.py come first. Printed are
predicted and counted LUTs, DSP blocks and 18-kbit block RAMs, and how many units' DSP blocks and block RAM are exact.
With --fit the factors of the parts of a matrix_vector follow, fitted to its units, and the errors of every fifth of
them by a fit to the others. Netlists are kept (~/.cache/slimfab/synthesis) and not made again; a new one takes about
ten seconds of a core.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from template_cases import CASES, IO, NAME, Case, alone, product, window

from hls.emit import write
from hls.synthesis import netlists
from hls.synthesis.counts import Counts
from hls.synthesis.programs import find_yosys
from hls.synthesis.structure import read_structure
from hls.templates.cast import cast
from hls.templates.max_pool import max_pool
from hls.templates.streams import add, fifo, stream_fork, width_converter
from hls.templates.unit import Unit
from hwsim.design import Folding
from hwsim.errors import SlimfabError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.units import RESOURCES
from hwsim.fpga.units.matrix import lut_terms

MOST_WEIGHTS, MOST_PRODUCTS = 6000, 64  # larger units take minutes
WIDTHS = ((8, 8), (4, 4), (8, 4), (6, 6), (16, 12), (2, 2), (8, 2), (5, 8), (12, 8), (3, 5))


def main() -> int:
    """Print a line per unit and a summary per module."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", default=list(RESOURCES))
    parser.add_argument("--random", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", action="store_true")
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    for module in given.modules:
        found = []
        cases = CASES[module].items() if given.cases or module not in MAKERS else ()
        for name, case in (*cases, *randoms(module, given.random if module in MAKERS else 0, given.seed)):
            try:
                counts = counted(*case)
            except SlimfabError as error:
                print(f"{module}: {name}: {error}", flush=True)
                continue
            unit = next(unit for unit in case[0].units if unit.name == case[1])
            found.append((unit, counts))
            cells = RESOURCES[module](unit.parameters)
            print(f"{module:16} {name:44.44} LUT {cells.lut[0]:7.0f} {counts.lut:6}  "
                  f"DSP {cells.dsp[0]:4.0f} {counts.dsp:4}  BRAM {cells.bram18[0]:4.0f} {counts.bram18:4}",
                  flush=True)  # fmt: skip
        if found:
            summary(module, found)
            if given.fit and module == "matrix_vector":
                fit(found)
    return 0


def randoms(module: str, count: int, seed: int) -> Iterator[tuple[str, Case]]:
    """Units with parameters as small layers have them; those that cannot be are made anew."""
    pick = np.random.default_rng([seed, sorted(RESOURCES).index(module)])
    made = 0
    while made < count:
        try:
            name, case = MAKERS[module](pick)
        except UnsupportedError:
            continue
        yield f"random {made}: {name}", case
        made += 1


def _any(pick: np.random.Generator, *choices: int) -> int:
    return int(pick.choice(choices))


def _matrix(pick: np.random.Generator) -> tuple[str, Case]:
    pe, simd = _any(pick, 1, 2, 3, 4, 6, 8, 16), _any(pick, 1, 2, 3, 4, 8, 9, 16, 32)
    rows, columns = pe * _any(pick, 1, 2, 4, 8, 16), simd * _any(pick, 1, 2, 4, 8, 9, 16, 36)
    if pe * simd > MOST_PRODUCTS or rows * columns > MOST_WEIGHTS:
        raise UnsupportedError("too large")
    x, w = WIDTHS[int(pick.integers(len(WIDTHS)))]
    memory, multiplier = (
        str(pick.choice(("auto", "auto", "block", "logic"))),
        str(pick.choice(("auto", "auto", "lut", "dsp"))),
    )
    fold = Folding(pe, simd, memory=memory, multiplier=multiplier)
    name = f"{rows}x{columns}, {x}x{w} bits, {pe}x{simd} {memory} {multiplier}"
    return name, product((rows, columns), fold, (FixedPoint(x, 2), FixedPoint(w, 1)))


def _window(pick: np.random.Generator) -> tuple[str, Case]:
    lanes, size, kernel, stride = (
        _any(pick, 1, 2, 4, 8, 16),
        _any(pick, 8, 14, 28, 32, 56),
        _any(pick, 2, 3, 3, 5),
        _any(pick, 1, 1, 2),
    )
    channels, pads = lanes * _any(pick, 1, 2, 4, 8), _any(pick, 0, kernel // 2)
    return f"{kernel}x{kernel}/{stride} of {size}x{size}x{channels}, {lanes}x8", window(
        channels, lanes, size, kernel, stride, pads
    )


def _fifo(pick: np.random.Generator) -> tuple[str, Case]:
    bits, depth = 8 * _any(pick, 1, 2, 3, 4, 6, 8, 12, 16), _any(pick, 2, 3, 8, 16, 32, 33, 64, 128, 512, 1024, 2048)
    return f"{depth} words of {bits} bits", alone(fifo(*NAME, IO, bits, max(64, depth), depth), bits, 64)


def _cast(pick: np.random.Generator) -> tuple[str, Case]:
    wide, narrow, lanes = _any(pick, 12, 16, 20, 24, 32, 40), _any(pick, 2, 4, 8, 12), _any(pick, 1, 2, 4, 8, 16)
    fmt = FixedPoint(
        narrow, narrow // 2, True, str(pick.choice(("TRN", "RND", "RND_CONV"))), str(pick.choice(("WRAP", "SAT")))
    )
    return f"{wide} to {fmt}, {lanes} lanes", alone(cast(*NAME, IO, FixedPoint(wide, wide // 2), fmt, lanes, 16))


def _add(pick: np.random.Generator) -> tuple[str, Case]:
    count, lanes, width = _any(pick, 2, 3, 4), _any(pick, 1, 2, 4, 8), _any(pick, 8, 10, 16, 20)
    wires = tuple("abcd"[:count])
    return f"{count} streams, {lanes}x{width}", alone(add(*NAME, wires, "out", FixedPoint(width, 4), lanes, 64))


def _fork(pick: np.random.Generator) -> tuple[str, Case]:
    count, bits = _any(pick, 2, 3, 4), 8 * _any(pick, 1, 2, 4, 8)
    return f"{count} x {bits} bits", alone(stream_fork(*NAME, "in", tuple("abcd"[:count]), bits, 64), bits)


def _converter(pick: np.random.Generator) -> tuple[str, Case]:
    few, ratio, width = _any(pick, 1, 2, 4), _any(pick, 2, 3, 4, 8, 16), _any(pick, 4, 8, 12)
    lanes = (few, few * ratio) if _any(pick, 0, 1) else (few * ratio, few)
    return f"{lanes[0]} to {lanes[1]} of {width} bits", alone(width_converter(*NAME, IO, width, lanes, 64))


def _pool(pick: np.random.Generator) -> tuple[str, Case]:
    lanes, width, taps = _any(pick, 1, 2, 4, 8, 16), _any(pick, 4, 8, 12, 16), _any(pick, 4, 9)
    return f"{taps} taps, {lanes}x{width}", alone(max_pool(*NAME, IO, FixedPoint(width, 2), lanes, taps, 64))


MAKERS = {"matrix_vector": _matrix, "sliding_window": _window, "fifo": _fifo, "cast": _cast, "add": _add,
          "stream_fork": _fork, "width_converter": _converter, "max_pool": _pool}  # fmt: skip


def counted(dataflow: object, name: str) -> Counts:
    """What yosys maps one unit of a design to."""
    yosys, root = find_yosys(), netlists.default_cache()
    with tempfile.TemporaryDirectory() as folder, netlists.workplace(root) as place:
        write(dataflow, Path(folder) / "design")
        structure = read_structure(Path(folder) / "design", yosys, Path(place), root)
        part = next(part for part in structure.parts if part.unit == name)
        job = netlists.part_job(structure, part, "xc7", yosys)
        netlists.make((job,), yosys, root, Path(place), 1, lambda done, of: None)
        return netlists.counts(job, "xc7", root)


def summary(module: str, found: list[tuple[Unit, Counts]]) -> None:
    """Shares of exact units and the mean error in LUTs."""
    cells = [RESOURCES[module](unit.parameters) for unit, _ in found]
    dsp = np.mean([one.dsp[0] == counts.dsp for one, (_, counts) in zip(cells, found, strict=True)])
    bram = np.mean([one.bram18[0] == counts.bram18 for one, (_, counts) in zip(cells, found, strict=True)])
    lut = np.array([one.lut[0] for one in cells])
    true = np.array([counts.lut for _, counts in found])
    error = np.abs(lut - true) / np.maximum(true, 1)
    print(f"{module:16} {len(found)} units: DSP exact {100 * dsp:.0f} %, BRAM exact {100 * bram:.0f} %, LUT error mean "
          f"{100 * error.mean():.1f} %, all together {100 * (lut.sum() / true.sum() - 1):+.1f} %\n")  # fmt: skip


def fit(found: list[tuple[Unit, Counts]]) -> None:
    """Factors of the parts, and errors of units that were left out."""
    from scipy.optimize import nnls

    terms = [lut_terms(unit.parameters) for unit, _ in found]
    names = list(terms[0])
    true = np.array([counts.lut for _, counts in found], dtype=float)
    matrix = np.array([[one[name][0] for name in names] for one in terms]) / true[:, None]
    pull = np.eye(len(names)) / np.sqrt(len(found))  # towards one LUT per LUT counted in the source
    ones = np.ones(len(names)) / np.sqrt(len(found))

    def factors(rows: np.ndarray) -> np.ndarray:
        return nnls(np.vstack([matrix[rows], pull]), np.concatenate([np.ones(len(rows)), ones]))[0]

    everything = np.arange(len(found))
    print({name: round(float(value), 3) for name, value in zip(names, factors(everything), strict=True)})
    out = np.concatenate(
        [np.abs(matrix[everything % 5 == k] @ factors(everything[everything % 5 != k]) - 1) for k in range(5)]
    )
    print(f"left out: mean error {100 * out.mean():.1f} %, 90 % within {100 * np.quantile(out, 0.9):.1f} %")


if __name__ == "__main__":
    sys.exit(main())
