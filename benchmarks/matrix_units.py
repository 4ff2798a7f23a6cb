# SPDX-License-Identifier: Apache-2.0
"""Matrix units of hls/rtl in yosys beside the model of their resources (hwsim/fpga/matrix_unit.py).

    python benchmarks/matrix_units.py [--all] [--fit]

By default the units that the constants were not fitted to; with --all also those they were. With --fit the constants
follow, fitted to those, beside the package's. Per unit: rows by columns
at a time, bits of weights and inputs, the matrix, materials, and LUT (the mean of yosys's two counts), FF, DSP and
BRAM18 as counted and as predicted. A unit takes some ten seconds; netlists are kept for the next time.
"""

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np

from hls.dataflow import Dataflow, Stream, arrival_order
from hls.emit import write
from hls.synthesis import netlists
from hls.synthesis.counts import Counts
from hls.synthesis.programs import find_yosys
from hls.synthesis.structure import read_structure
from hls.templates.matrix_vector import matrix_vector
from hls.templates.operands import Operands
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga.folded import materials
from hwsim.fpga.linear import fit
from hwsim.fpga.matrix_unit import FF, LUT, Arithmetic, Mask, replay_buffer, weights
from hwsim.fpga.resources import Array


@dataclass(frozen=True)
class Case:
    """One unit: rows and columns at a time, bits of weights and inputs, columns and rows of the matrix, materials."""

    pe: int
    simd: int
    w: int
    a: int
    mw: int
    mh: int
    memory: str
    multiplier: str

    @property
    def accumulator(self) -> FixedPoint:
        """The format of exact sums with a bias of 16 bits."""
        return FixedPoint(self.w + self.a + (self.mw - 1).bit_length(), self.w + self.a - 5)


_SHAPES = (
    (1, 1, 8, 8, 16, 16, "block"), (4, 8, 8, 8, 144, 16, "block"), (2, 8, 8, 8, 144, 16, "distributed"),
    (8, 4, 8, 8, 72, 32, "block"), (4, 4, 4, 4, 144, 16, "block"), (8, 8, 8, 8, 72, 16, "block"),
    (4, 16, 8, 8, 288, 32, "distributed"), (2, 4, 6, 8, 72, 16, "block"), (4, 8, 4, 8, 144, 32, "block"),
    (1, 16, 8, 8, 576, 64, "block"), (16, 2, 8, 8, 32, 64, "block"),
    (2, 2, 2, 2, 64, 16, "block"),
)  # fmt: skip
# yosys has a least size of what it puts into DSP blocks.
FITTED = tuple(Case(*shape, multiplier) for multiplier in ("dsp", "lut") for shape in _SHAPES
               if multiplier == "lut" or shape[2] >= 4)  # fmt: skip
HELD_OUT = (
    Case(2, 16, 8, 8, 144, 32, "block", "dsp"), Case(16, 4, 8, 8, 144, 32, "distributed", "dsp"),
    Case(6, 3, 7, 5, 27, 24, "block", "lut"), Case(4, 2, 8, 8, 64, 64, "distributed", "lut"),
)  # fmt: skip


def main() -> None:
    """Print a line per unit, and the mean errors."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    cases = HELD_OUT + (FITTED if given.all else ())
    print(f"{'unit':46}{'LUT':>12}{'FF':>14}{'DSP':>10}{'BRAM18':>10}    counted predicted")
    errors = []
    for case in cases:
        found, model = counted(case), predicted(case)
        lut = (found.lut + found.lut_paired) / 2
        pairs = tuple(zip((lut, found.ff, found.dsp, found.bram18), model, strict=True))
        name = f"{case.pe}x{case.simd} w{case.w} a{case.a} of {case.mh}x{case.mw} {case.memory} {case.multiplier}"
        print(f"{name:46}" + "".join(f"{real:8,.0f}{guess:7,.0f}" for real, guess in pairs), flush=True)
        errors.append([abs(guess - real) / max(real, 1) for real, guess in pairs])
    means = np.mean(errors, axis=0)
    print("mean errors: " + ", ".join(f"{name} {100 * mean:.1f} %" for name, mean in zip(NAMES, means, strict=True)))
    if given.fit:
        print_fit()


def print_fit() -> None:
    """The constants that the units of FITTED give, and those of the package."""
    parts, found = [unit_parts(case) for case in FITTED], [counted(case) for case in FITTED]
    beside = np.array([float(rom[0][0] + replayed[0][0]) for _, _, rom, replayed in parts])
    luts = np.array([(one.lut + one.lut_paired) / 2 for one in found])
    for name, truth, known, constants in (
        ("lut", luts, beside, LUT),
        ("ff", np.array([one.ff for one in found]), 0.0, FF),
    ):
        terms = [getattr(unit, f"{name}_terms")(in_dsp) for unit, in_dsp, _, _ in parts]
        columns = {term: np.array([one[term][0] for one in terms]) for term in constants}
        for term, value in fit(columns, truth, known).items():
            print(f"{name} {term:10}{value:8.3f}  in the package {constants[term]:.3f}")


NAMES = ("LUT", "FF", "DSP", "BRAM18")


def predicted(case: Case) -> tuple[float, ...]:
    """LUT, FF, DSP and BRAM18 by the model."""
    unit, in_dsp, rom, replayed = unit_parts(case)
    figures = (unit.lut(in_dsp) + rom[0] + replayed[0], unit.ff(in_dsp), in_dsp * unit.dsp(), rom[1] + replayed[1])
    return tuple(float(figure[0]) for figure in figures)


def unit_parts(case: Case) -> tuple[Arithmetic, Mask, tuple[Array, Array], tuple[Array, Array]]:
    """The arithmetic, whether products are in DSP blocks, LUT and BRAM18 of the weights and of the replay buffer."""
    made = materials((Folding(multiplier=case.multiplier, memory=case.memory),))
    w, a, pe, simd = (np.array([float(number)]) for number in (case.w, case.a, case.pe, case.simd))
    unit = Arithmetic(w, a, np.array([float(case.accumulator.width)]), pe, simd, np.ones(1))
    rom = weights(pe * simd * w, case.mw * case.mh / (pe * simd), made)
    replayed = replay_buffer(simd * a, np.where(pe < case.mh, case.mw / simd, 0.0))
    return unit, made.in_dsp(w, a), rom, replayed


def counted(case: Case) -> Counts:
    """The same by yosys, for random weights."""
    rng = np.random.default_rng(0)
    source, weight, offset = FixedPoint(case.a, case.a - 4), FixedPoint(case.w, case.w - 1), FixedPoint(16, 10)
    shape = (1, case.mh, case.mw)
    matrices = rng.integers(weight.min_int, weight.max_int + 1, shape)
    bias = rng.integers(-100, 100, shape[:2])
    parts = Operands(matrices, bias, source, weight, offset, case.accumulator)
    folding = Folding(case.pe, case.simd, multiplier=case.multiplier, memory=case.memory)
    unit = matrix_vector("unit", "fc", ("a", "b"), parts, folding, 1)
    wires = {"a": case.simd * case.a, "b": case.pe * case.accumulator.width}
    ends = [
        Stream(wire, fmt, lanes, image, arrival_order(image))
        for wire, fmt, lanes, image in (("a", source, case.simd, (case.mw, 1, 1)),
                                        ("b", case.accumulator, case.pe, (case.mh, 1, 1)))
    ]  # fmt: skip
    yosys, cache = find_yosys(), netlists.default_cache()
    with tempfile.TemporaryDirectory() as folder:
        design = Design("0" * 16, "none", 100.0, backend="Slimfab")
        write(Dataflow("unit", "0" * 16, design, (unit,), wires, *ends), Path(folder) / "design")
        with netlists.workplace(cache) as work:
            structure = read_structure(Path(folder) / "design", yosys, Path(work), cache)
            job = netlists.part_job(structure, structure.part("unit"), "xc7", yosys)
            netlists.make((job,), yosys, cache, Path(work))
    return netlists.counts(job, "xc7", cache)


if __name__ == "__main__":
    main()
