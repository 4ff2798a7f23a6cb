# SPDX-License-Identifier: Apache-2.0
"""hls4ml's types and weights, and which casts may be left out or simplified."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import fixed_points

from hls.from_hls4ml_types import PERIODIC, Parameter, format_of, parameter_of, passes_through, settled, trimmed
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint

types = pytest.importorskip("hls4ml.model.types", reason="needs hls4ml")

SMALL = {"widths": (1, 6), "fracs": (-2, 5)}


def values_of(fmt: FixedPoint) -> np.ndarray:
    return np.arange(fmt.min_int, fmt.max_int + 1)


@settings(deadline=None, max_examples=300)
@given(target=fixed_points(**SMALL), exact=fixed_points(**SMALL))
def test_a_settled_format_casts_every_value_alike(target: FixedPoint, exact: FixedPoint) -> None:
    simpler = settled(target, exact)
    assert (simpler.width, simpler.frac, simpler.signed) == (target.width, target.frac, target.signed)
    values = values_of(exact)
    np.testing.assert_array_equal(simpler.cast(values, exact.frac), target.cast(values, exact.frac))
    if target.holds(exact):
        assert (simpler.rounding, simpler.overflow) == ("TRN", "WRAP")


WRAPPING = {**SMALL, "overflows": ("WRAP",), "roundings": PERIODIC}


@settings(deadline=None, max_examples=200)
@given(inner=fixed_points(**WRAPPING), outer=fixed_points(**WRAPPING), lift=st.integers(0, 3))
def test_an_inner_cast_that_passes_through_may_be_left_out(inner: FixedPoint, outer: FixedPoint, lift: int) -> None:
    assume(passes_through(inner, outer))
    frac = inner.frac - lift  # the inner cast loses no fractional bit
    values = np.arange(-500, 500)
    twice = outer.cast(inner.cast(values, frac), inner.frac)
    np.testing.assert_array_equal(outer.cast(values, frac), twice)


def test_saturation_and_wider_results_do_not_pass_through() -> None:
    assert passes_through(FixedPoint(8, 4), FixedPoint(4, 2))
    assert not passes_through(FixedPoint(8, 4), FixedPoint(8, 2))
    assert not passes_through(FixedPoint(8, 4), FixedPoint(4, 2, overflow="SAT"))
    assert not passes_through(FixedPoint(8, 4, overflow="SAT"), FixedPoint(4, 2))
    assert not passes_through(FixedPoint(8, 4), FixedPoint(4, 2, rounding="TRN_ZERO"))


def test_trailing_zeros_can_be_dropped() -> None:
    weights = Parameter(np.array([4, -8, 0]), FixedPoint(6, 5))
    found = trimmed(weights, 2)
    assert found is not None
    assert found.ints.tolist() == [1, -2, 0]
    assert found.format == FixedPoint(4, 3)
    assert trimmed(weights, 3) is None


# Weights

REALS = [0.1, -0.1, 0.0009765625, 0.0009765624999, -3.75, 100.0, 0.30000001192092896]


def weights(precision, data=REALS) -> Parameter:
    return parameter_of(types.WeightVariable("w", "w_t", precision, np.array(data)), "w")


@pytest.mark.parametrize("modes", [(None, None), ("RND_CONV", "SAT")])
def test_weights_are_rounded_as_their_text_is(modes: tuple[str | None, str | None]) -> None:
    precision = types.FixedPrecisionType(12, 2, True, *modes)
    fmt = FixedPoint(12, 10, True, modes[0] or "TRN", modes[1] or "WRAP")
    found = weights(precision)
    assert found.format == FixedPoint(12, 10)
    variable = types.WeightVariable("w", "w_t", precision, np.array(REALS))
    printed = [float(text) for text in variable]  # what hls4ml writes into weights/w.txt
    assert found.ints.tolist() == fmt.quantise(printed).tolist()
    # ten decimals turn the number just below a step into the step
    assert found.ints[2] == found.ints[3] == 1


def test_binary_weights_are_signs_and_integers_stay() -> None:
    signs = weights(types.XnorPrecisionType(), [0.0, 1.0])
    assert (signs.ints.tolist(), signs.format, signs.binary) == ([-1, 1], FixedPoint(2, 0), True)
    assert weights(types.IntegerPrecisionType(4), [-1.0, 7.0]).ints.tolist() == [-1, 7]


REFUSED = {
    "float": (
        types.StandardFloatPrecisionType(32, 8),
        "fc: got StandardFloatPrecisionType float; expected a fixed-point or integer type; set one in hls_config",
    ),
    "unknown": (
        types.UnspecifiedPrecisionType(),
        "fc: got UnspecifiedPrecisionType",
    ),
    "saturated bits": (
        types.FixedPrecisionType(8, 4, True, None, None, 2),
        "fc: type: got 'fixed<8,4,TRN,WRAP,2>' with 2 saturated bits; expected 0; use AP_SAT instead",
    ),
    "wide": (types.FixedPrecisionType(80, 40), "fc: width: got 80 bits; expected 1 to 64"),
}


@pytest.mark.parametrize(("precision", "message"), REFUSED.values(), ids=REFUSED)
def test_types_without_fixed_point_are_refused(precision, message: str) -> None:
    with pytest.raises(UnsupportedError) as error:
        format_of(precision, "fc")
    assert str(error.value).startswith(message)


def test_compressed_weights_are_refused() -> None:
    compressed = types.CompressedWeightVariable("w", "w_t", types.FixedPrecisionType(8, 4), np.eye(3), 1)
    with pytest.raises(UnsupportedError, match="^fc: got a CompressedWeightVariable; expected plain weights; remove"):
        parameter_of(compressed, "fc")
