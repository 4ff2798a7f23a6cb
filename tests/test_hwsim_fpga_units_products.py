# SPDX-License-Identifier: Apache-2.0
"""Products in LUTs and by constants of few words; counts are those of yosys 0.70 for 7 series."""

import numpy as np
import pytest

from hwsim.fpga.units import resources
from hwsim.fpga.units.products import distinct, product_lut, words_of

MANY = words_of(np.array([1e6]))
SCALE = {"LANES": 1, "BLOCKS": 1, "IN_SIGNED": 0, "S_SIGNED": 0, "SHIFT": 0, "DSP": 1, "MEMORY": '"auto"'}
# (parameters, LUT, FF, DSP)
SCALES = (
    # A bit without a sign beside a number with one.
    ({"LANES": 8, "BLOCKS": 2, "IN_WIDTH": 18, "S_WIDTH": 16, "S_SIGNED": 1, "OUT_WIDTH": 36, "SHIFT_BITS": 8},
     157, 298, 16),
    ({"IN_WIDTH": 25, "IN_SIGNED": 1, "S_WIDTH": 8, "OUT_WIDTH": 35, "SHIFT_BITS": 7}, 20, 40, 2),
    ({"LANES": 4, "BLOCKS": 4, "IN_WIDTH": 28, "S_WIDTH": 14, "OUT_WIDTH": 44, "SHIFT_BITS": 12}, 115, 210, 8),
    ({"LANES": 4, "BLOCKS": 8, "IN_WIDTH": 26, "IN_SIGNED": 1, "S_WIDTH": 19, "S_SIGNED": 1, "OUT_WIDTH": 47,
      "SHIFT_BITS": 19}, 411, 676, 16),
    ({"LANES": 4, "BLOCKS": 8, "IN_WIDTH": 25, "IN_SIGNED": 1, "S_WIDTH": 12, "OUT_WIDTH": 39, "DSP": 0,
      "SHIFT_BITS": 18}, 2127, 1926, 0),
    # One bit above 17 is no product for a block: two of four are.
    ({"LANES": 8, "BLOCKS": 16, "IN_WIDTH": 18, "S_WIDTH": 19, "OUT_WIDTH": 39, "SHIFT_BITS": 12}, 740, 1350, 16),
)  # fmt: skip


def one(*values):
    return tuple(np.array([float(value)]) for value in values)


@pytest.mark.parametrize(("parameters", "lut", "ff", "dsp"), SCALES)
def test_scales_cut_into_parts_are_near_their_netlists(parameters, lut, ff, dsp):
    found = resources("scale", SCALE | parameters)
    assert found.dsp.tolist() == [dsp]
    assert found.lut[0] == pytest.approx(lut, rel=0.08)
    assert found.ff[0] == pytest.approx(ff, rel=0.10)


def test_scales_of_different_parts_are_one_call():
    columns = [SCALE | parameters for parameters, *_ in SCALES]
    many = {name: np.array([each[name] for each in columns]) for name in columns[0]}
    for name in ("lut", "ff", "dsp"):
        single = [getattr(resources("scale", each), name)[0] for each in columns]
        assert getattr(resources("scale", many), name).tolist() == single


@pytest.mark.parametrize(("narrow", "shifted"), [(2, 0), (4, 0), (6, 2), (8, 2), (12, 6), (16, 6)])
def test_lowest_bits_wait_in_shift_registers(narrow, shifted):
    # 3 pairs: the lowest bits of the first one pass two sums; 6 pairs: those of the first four of a sum of sums, and
    # the lowest of the fifth, whose sum waits for a level.
    assert product_lut(*one(16, narrow, 0, 0), MANY).shifted.tolist() == [shifted]


def test_a_number_that_waits_twice_stands_in_shift_registers_as_a_whole():
    assert product_lut(*one(12, 10, 0, 0), MANY).shifted.tolist() == [4 + 12 + 2]  # the fifth of five pairs


def test_sums_compute_no_more_bits_than_both_terms_have():
    assert product_lut(*one(8, 8, 0, 0), MANY).sums_lut.tolist() == [3 * 16 - 2 - 4 - 6]


def test_words_say_how_many_bits_are_constant():
    single, two = words_of(np.array([1.0])), words_of(np.array([2.0]))
    assert (single.varies, two.varies, MANY.varies) == (0, 0.5, 1)
    beside_zero = words_of(np.array([1.0]), np.array([1.0]))
    assert (beside_zero.zero, beside_zero.one, beside_zero.functions) == (0.5, 0, 2)


def test_random_choices_repeat():
    assert distinct(np.array([2.0]), np.array([2.0]))[0] == pytest.approx(1.5)
    assert distinct(np.array([5.0]), np.array([1e9]))[0] == pytest.approx(5)


@pytest.mark.parametrize(("x", "w"), [(8, 4), (4, 8)])
def test_products_by_fewer_words_are_smaller(x, w):
    luts = [product_lut(*one(x, w, 1, 1), words_of(np.array([float(count)])), 4).lut[0] for count in (1, 2, 3, 5, 50)]
    assert luts == sorted(luts)
    assert luts[0] < 0.4 * luts[-1]


def test_a_single_word_of_weights_is_constants():
    unit = {
        "MW": 2, "MH": 3, "MATRICES": 1, "PARALLEL": 1, "PE": 3, "SIMD": 2, "IN_WIDTH": 4, "IN_SIGNED": 1, "W_WIDTH": 4,
        "W_SIGNED": 1, "ACC_WIDTH": 9, "SHIFT": 0, "ROWS_PER_DSP": 0, "SPACING": 8, "MEMORY": '"block"',
        "WEIGHT_BANK": 512, "VECTOR_BANK": 2048, "BIAS_BITS": 8,
    }  # fmt: skip
    found = resources("matrix_vector", unit)
    assert found.bram18.tolist() == [0]  # although block RAM is asked for
    assert found.lut[0] == pytest.approx(100, rel=0.2)


def test_a_step_per_row_block_adds_nothing_up():
    unit = {
        "MW": 16, "MH": 12, "STEPS": 4, "DEPTH": 7, "PE": 3, "SIMD": 8, "IN_WIDTH": 2, "IN_SIGNED": 1, "W_WIDTH": 6,
        "W_SIGNED": 1, "ACC_WIDTH": 12, "SHIFT": 0, "ROWS_PER_DSP": 0, "SPACING": 8, "MEMORY": '"auto"',
        "WEIGHT_BANK": 512, "VECTOR_BANK": 1024, "SCHEDULE_BANK": 8192, "BIAS_BITS": 0, "WORDS": 1, "ZERO_WORDS": 3,
    }  # fmt: skip
    assert resources("sparse_matrix_vector", unit).lut[0] == pytest.approx(282, rel=0.2)
    more = (
        resources("sparse_matrix_vector", unit | {"STEPS": 5}).lut[0] - resources("sparse_matrix_vector", unit).lut[0]
    )
    assert more > 3 * 12  # the accumulators of three rows
