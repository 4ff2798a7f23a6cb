# SPDX-License-Identifier: Apache-2.0
"""Fitting sums of terms: known constants are found again, and groups left out stay out."""

import numpy as np
import pytest

from hwsim.errors import InputError
from hwsim.fpga.linear import error_bar, evaluate, fit, left_out


def adders(count: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(1)
    return {"adder": draw.uniform(10, 1000, count), "bit": draw.uniform(1, 50, count), "unit": np.ones(count)}


def test_fit_recovers_the_constants() -> None:
    known = {"adder": 23.0, "bit": -0.5, "unit": 400.0}
    terms = adders(30)
    assert fit(terms, evaluate(terms, known)) == pytest.approx(known, rel=1e-9)


def test_a_term_that_never_occurs_is_worth_nothing() -> None:
    terms = {**adders(10), "ghost": np.zeros(10)}
    assert fit(terms, terms["adder"] * 2 + 1)["ghost"] == pytest.approx(0.0, abs=1e-12)


def test_large_designs_do_not_outweigh_small_ones() -> None:
    # two designs, one constant: the fit halves the relative errors, not the absolute ones
    found = fit({"adder": np.array([1.0, 1000.0])}, np.array([1.0, 2000.0]))
    assert found["adder"] == pytest.approx((1 + 0.5) / (1 + 0.25))


def test_groups_are_predicted_without_their_own_designs() -> None:
    terms = {"adder": np.array([1.0, 2.0, 3.0])}
    predicted = left_out(terms, np.array([10.0, 20.0, 99.0]), np.array(["a", "a", "b"]))
    assert predicted[2] == pytest.approx(30.0)
    assert predicted[0] == pytest.approx(33.0)


def test_a_single_group_cannot_be_left_out() -> None:
    assert np.isnan(left_out({"adder": np.ones(3)}, np.ones(3), np.zeros(3))).all()


def test_error_bar_is_relative_and_absolute_below_one() -> None:
    assert error_bar(np.array([100.0, 0.0]), np.array([110.0, 2.0])) == 2.0
    assert error_bar(np.array([100.0, 200.0]), np.array([110.0, 200.0])) == pytest.approx(0.1)


def test_error_bar_is_for_designs_yet_to_be_seen() -> None:
    errors = np.arange(1, 21) / 100  # place ceil(21 * 0.9) = 19 of 20
    assert error_bar(np.full(20, 100.0), 100 * (1 + errors)) == pytest.approx(0.19)
    assert error_bar(np.full(8, 100.0), 100 * (1 + errors[:8])) == pytest.approx(0.08)  # too few: the largest


def test_a_missing_constant_is_named() -> None:
    with pytest.raises(InputError, match="no constants for bit, unit; expected one per term"):
        evaluate(adders(2), {"adder": 1.0})
