# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pointwise_units import CONTRACT, divisors, formats, one_layer
from rtl_units import WIRES, meets_contract

from hls.templates.lookup import by_code, lookup
from hls.templates.ram import line_words
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint

needs_simulator = pytest.mark.needs("verilator", "g++")


def meets(
    shape: tuple[int, int, int], folding: Folding, source: FixedPoint, word: FixedPoint, spare: int,
    tmp_path: Path, rtl_cache: Path,
) -> None:  # fmt: skip
    """``spare`` words stand at both ends of the table, which no input reads."""
    params = {"table": (((1 << source.width) + 2 * spare,), word)}
    first = source.min_int - spare
    dataflow, values, expected = one_layer("lookup", shape, source, params, folding, "lookup", first=first)
    run = meets_contract(dataflow, values, expected, tmp_path, rtl_cache)
    assert run.interval == np.prod(shape) // folding.pe


@needs_simulator
def test_bits_and_cycles(tmp_path: Path, rtl_cache: Path) -> None:
    meets((6, 2, 1), Folding(3), FixedPoint(6, 2), FixedPoint(5, 1), 1, tmp_path, rtl_cache)


@pytest.mark.slow
@needs_simulator
@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_bits_and_cycles_of_a_table_in_several_banks(lanes: int, tmp_path: Path, rtl_cache: Path) -> None:
    source, word = FixedPoint(13, 2), FixedPoint(9, 1)
    table = source.min_int, np.zeros(1 << source.width)
    unit = lookup("b", "act", WIRES, table, (source, word), Folding(lanes), 1)
    assert unit.parameters["BANK"] == 2048  # four blocks of 2048 x 9
    meets((6, 40, 1), Folding(lanes), source, word, 0, tmp_path, rtl_cache)


@pytest.mark.slow
@needs_simulator
@CONTRACT
@given(
    st.data(), st.integers(1, 6), st.integers(1, 3), formats(), formats(), st.integers(0, 3),
    st.sampled_from(["auto", "block", "distributed"]),
)  # fmt: skip
def test_bits_and_cycles_of_any_table(
    tmp_path: Path, rtl_cache: Path, data: st.DataObject, channels: int, columns: int,
    source: FixedPoint, word: FixedPoint, spare: int, memory: str,
) -> None:  # fmt: skip
    folding = Folding(data.draw(st.sampled_from(divisors(channels))), memory=memory)
    meets((channels, 1, columns), folding, source, word, spare, tmp_path, rtl_cache)


def test_the_smallest_integer_stands_in_the_middle_of_the_memory() -> None:
    assert by_code("act", -3, np.arange(100, 107), FixedPoint(2, 0)).tolist() == [103, 104, 101, 102]
    symmetric = FixedPoint(2, 0, True, "TRN", "SAT_SYM")
    assert by_code("act", -1, np.array([5, 6, 7]), symmetric).tolist() == [6, 7, 0, 5]


def test_banks_side_by_side_fill_the_fewest_blocks_of_memory() -> None:
    assert line_words(16, 1 << 16) == 2048  # 57 blocks of 2048 x 9; 64 of 16384 x 1, or of 2048 x 9 bank by bank
    assert line_words(12, 1 << 12) == 4096  # in one bank: three blocks of 4096 x 4
    assert line_words(8, 256) == 2048


def test_a_table_that_inputs_may_leave_is_refused() -> None:
    with pytest.raises(
        UnsupportedError,
        match=r"^act: got a table of -4..2; expected -4..3, all of ap_fixed<3,2>; make the table for the whole ",
    ):
        by_code("act", -4, np.zeros(7), FixedPoint(3, 1))
    with pytest.raises(UnsupportedError, match=r"^act: got a table of 1..7; expected 0..7, all of ap_ufixed<3,3>"):
        by_code("act", 1, np.zeros(7), FixedPoint(3, 0, False))


def test_what_has_no_memory_is_refused() -> None:
    formats = FixedPoint(17, 0), FixedPoint(8, 0)
    with pytest.raises(UnsupportedError, match=r"^act: got a table for 17 bits; expected at most 16; narrow its input"):
        lookup("b", "act", WIRES, (-(1 << 16), np.zeros(1 << 17)), formats, Folding(), 1)
    formats = FixedPoint(2, 0), FixedPoint(8, 0)
    message = "^act: got memory 'ultra' for a table; expected auto, logic, distributed, block; UltraRAM cannot"
    with pytest.raises(UnsupportedError, match=message):
        lookup("b", "act", WIRES, (-2, np.zeros(4)), formats, Folding(memory="ultra"), 1)
