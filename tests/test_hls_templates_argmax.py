# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pointwise_units import CONTRACT, divisors, formats, one_layer
from rtl_units import meets_contract

from hwsim.design import Folding
from hwsim.fixed import FixedPoint

pytestmark = [pytest.mark.needs("verilator", "g++")]


def meets(classes: int, pe: int, source: FixedPoint, tmp_path: Path, rtl_cache: Path) -> None:
    """Few bits and many classes: the largest value is there more than once."""
    dataflow, values, expected = one_layer("argmax", (classes,), source, {}, Folding(pe), "argmax")
    assert expected.max() < classes
    run = meets_contract(dataflow, values, expected, tmp_path, rtl_cache)
    assert run.interval == classes // pe


def test_bits_and_cycles(tmp_path: Path, rtl_cache: Path) -> None:
    meets(12, 3, FixedPoint(3, 1), tmp_path, rtl_cache)


@pytest.mark.slow
@CONTRACT
@given(st.data(), st.integers(1, 40), formats(widths=(1, 5)))
def test_bits_and_cycles_of_any_number_of_classes(
    tmp_path: Path, rtl_cache: Path, data: st.DataObject, classes: int, source: FixedPoint
) -> None:
    meets(classes, data.draw(st.sampled_from(divisors(classes))), source, tmp_path, rtl_cache)
