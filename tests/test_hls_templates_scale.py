# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pointwise_units import CONTRACT, divisors, formats, one_layer
from rtl_units import meets_contract

from hwsim.design import Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga.multipliers import parts

pytestmark = [pytest.mark.needs("verilator", "g++")]
Format = FixedPoint


def meets(
    shape: tuple[int, int, int], folding: Folding, source: Format, factor: Format, shift: Format,
    tmp_path: Path, rtl_cache: Path,
) -> None:  # fmt: skip
    params = {"scale": (shape[:1], factor), "shift": (shape[:1], shift)}
    dataflow, values, expected = one_layer("batch_norm", shape, source, params, folding, "scale")
    run = meets_contract(dataflow, values, expected, tmp_path, rtl_cache)
    assert run.interval == np.prod(shape) // folding.pe


def test_bits_and_cycles(tmp_path: Path, rtl_cache: Path) -> None:
    meets((6, 2, 1), Folding(2), Format(20, 6), Format(8, 7, False), Format(9, 15), tmp_path, rtl_cache)


@pytest.mark.slow
@CONTRACT
@given(st.data(), st.integers(1, 6), st.integers(1, 3), formats((1, 40)), formats((1, 20)), formats((1, 20)))
def test_bits_and_cycles_of_any_factors(
    tmp_path: Path, rtl_cache: Path, data: st.DataObject, channels: int, columns: int,
    source: Format, factor: Format, shift: Format,
) -> None:  # fmt: skip
    pe, multiplier = data.draw(st.sampled_from(divisors(channels))), data.draw(st.sampled_from(["auto", "lut"]))
    folding = Folding(pe, multiplier=multiplier)
    meets((channels, 1, columns), folding, source, factor, shift, tmp_path, rtl_cache)


@pytest.mark.parametrize(
    ("fmt", "number"),
    [(Format(1, 0), 1), (Format(18, 0), 1), (Format(19, 0), 2), (Format(17, 0, False), 1), (Format(18, 0, False), 2)],
)
def test_an_operand_of_eighteen_signed_bits_is_one_part(fmt: Format, number: int) -> None:
    assert parts(fmt) == number
