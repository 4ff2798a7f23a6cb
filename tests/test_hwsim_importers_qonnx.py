# SPDX-License-Identifier: Apache-2.0
"""Quantiser nodes as data: formats against qonnx's own arithmetic, and refusals."""

import numpy as np
import pytest
from qonnx.custom_op.general.intquant import int_quant

from hwsim.errors import UnsupportedError
from hwsim.importers import qonnx
from hwsim.importers.qonnx import Quantiser

# All levels, ties and both ends of every small format, in steps of a quarter of the finest scale below.
REALS = np.arange(-40, 41, dtype=np.float32) / 32


def theirs(quantiser: Quantiser) -> np.ndarray:
    bits = np.float32(quantiser.bits)
    args = quantiser.zero_point, bits, quantiser.signed, quantiser.narrow, quantiser.rounding
    return int_quant(REALS, np.float32(quantiser.scale), np.float32(args[0]), *args[1:])


KINDS = [(signed, narrow, bits) for signed in (True, False) for narrow in (True, False) for bits in (1, 2, 3, 5)]


@pytest.mark.parametrize("rounding", sorted(set(qonnx.ROUNDINGS) - {"ROUND_TO_ZERO"}))
@pytest.mark.parametrize("scale", [0.125, 0.1])
@pytest.mark.parametrize("zero_point", [0.0, 2.0])
def test_constants_are_quantised_as_qonnx_does(rounding: str, scale: float, zero_point: float) -> None:
    for signed, narrow, bits in KINDS:
        quantiser = Quantiser(bits, np.asarray(scale), zero_point, signed, narrow, rounding)
        np.testing.assert_array_equal(qonnx.quantise_reals(REALS, quantiser), theirs(quantiser), str(quantiser))


@pytest.mark.parametrize("rounding", ["ROUND", "HALF_EVEN", "FLOOR", "DOWN", "HALF_UP", "HALF_DOWN"])
@pytest.mark.parametrize("frac", [-1, 0, 3])
def test_formats_equal_qonnx(rounding: str, frac: int) -> None:
    for signed, narrow, bits in KINDS:
        if (narrow and not signed) or (signed and bits == 1):
            continue
        quantiser = Quantiser(bits, np.asarray(2.0**-frac), 0.0, signed, narrow, rounding)
        fmt = quantiser.activation_format()
        assert fmt is not None
        assert (fmt.width, fmt.frac, fmt.min_int, fmt.max_int) == (bits, frac, *quantiser.limits)
        np.testing.assert_array_equal(fmt.to_real(fmt.quantise(REALS)), theirs(quantiser), str(quantiser))


@pytest.mark.parametrize(
    "quantiser",
    [
        Quantiser(4, np.asarray(0.3)),
        Quantiser(4, np.float64([0.5, 0.25])),
        Quantiser(4, np.asarray(0.5), 3.0),
        Quantiser(4),
        Quantiser(1, np.asarray(1.0)),
    ],
    ids=["scale 0.3", "two scales", "zero point", "thresholds", "bipolar"],
)
def test_levels_that_fixed_point_cannot_express(quantiser: Quantiser) -> None:
    assert quantiser.activation_format() is None
    assert quantiser.weight_format() is None


def test_activations_need_a_rounding_and_a_range_of_ap_fixed() -> None:
    for quantiser in (
        Quantiser(4, np.asarray(0.5), rounding="CEIL"),
        Quantiser(4, np.asarray(0.5), rounding="UP"),
        Quantiser(4, np.asarray(0.5), signed=False, narrow=True),
    ):
        assert quantiser.activation_format() is None
        assert quantiser.weight_format() is not None


def test_equal_scales_per_channel_are_one_scale() -> None:
    assert str(Quantiser(6, np.full((4, 1, 1, 1), 0.25)).weight_format()) == "ap_fixed<6,4>"


def test_reading_quant_nodes() -> None:
    arrays = [np.float32(0.25), np.float32(0), np.float32(6)]
    quantiser = qonnx.read_quant("q", {"signed": 0, "narrow": 0, "rounding_mode": "floor"}, arrays)
    assert str(quantiser.activation_format()) == "ap_ufixed<6,4,AP_TRN,AP_SAT>"
    assert qonnx.read_bipolar("q", {}, [np.float32(0.5)]).bits == 1
    assert [qonnx.read_multithreshold("m", {}, [np.zeros((1, n))]).bits for n in (1, 3, 14, 15, 255)] == [1, 2, 4, 4, 8]


def test_reading_trunc_nodes() -> None:
    version1 = [np.float32(x) for x in (0.25, 0, 8, 4)]
    first, second = qonnx.read_trunc("t", {}, version1)
    assert first is None
    assert (second.bits, second.activation_format()) == (4, None)
    version2 = [np.float32(x) for x in (0.25, 0, 8, 2.0, 4)]
    first, second = qonnx.read_trunc("t", {"signed": 0}, version2)
    assert first is not None
    assert str(first.activation_format()) == "ap_ufixed<8,6,AP_RND_CONV,AP_SAT>"
    assert str(second.activation_format()) == "ap_ufixed<4,5,AP_TRN,AP_SAT>"


@pytest.mark.parametrize(
    ("name", "bits", "fixed"),
    [
        ("BIPOLAR", 1, None),
        ("BINARY", 1, "ap_ufixed<1,1>"),
        ("TERNARY", 2, "ap_fixed<2,2>"),
        ("INT4", 4, "ap_fixed<4,4>"),
        ("UINT8", 8, "ap_ufixed<8,8>"),
    ],
)
def test_finn_annotations(name: str, bits: int, fixed: str | None) -> None:
    quantiser = qonnx.read_datatype(name)
    assert quantiser is not None
    fmt = quantiser.weight_format()
    assert (quantiser.bits, str(fmt) if fmt else None) == (bits, fixed)


@pytest.mark.parametrize("name", ["FLOAT32", "INT64", "SCALEDINT<8>", ""])
def test_other_annotations_say_nothing(name: str) -> None:
    assert qonnx.read_datatype(name) is None


@pytest.mark.parametrize(
    ("low", "high", "fixed"),
    [
        (-8, 7, "ap_fixed<4,1,AP_RND_CONV,AP_SAT>"),
        (-7, 7, "ap_fixed<4,1,AP_RND_CONV,AP_SAT_SYM>"),
        (0, 15, "ap_ufixed<4,1,AP_RND_CONV,AP_SAT>"),
        (0, 14, None),
    ],
)
def test_integer_ranges(low: int, high: int, fixed: str | None) -> None:
    fmt = qonnx.from_levels("q", np.asarray(0.125), np.zeros(()), low, high).activation_format()
    assert (str(fmt) if fmt else None) == fixed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: qonnx.read_quant("q", {}, [np.float32(0), np.float32(0), np.float32(4)]),
            "q: scale [0.0] is not positive and finite; expected a positive scale; calibrate the quantiser again",
        ),
        (
            lambda: qonnx.read_quant("q", {}, [np.float32(np.nan), np.float32(0), np.float32(4)]),
            "q: scale [nan] is not positive and finite; expected a positive scale; calibrate the quantiser again",
        ),
        (
            lambda: qonnx.read_quant("q", {}, [np.float32(1), np.float32(0), np.float32(0)]),
            "q: bit width is [0.0]; expected one integer from 1 to 32 for the whole tensor; quantise with a fixed "
            "integer width",
        ),
        (
            lambda: qonnx.read_quant("q", {}, [np.float32(1), np.float32(0), np.float32([4, 8])]),
            "q: bit width is [4.0, 8.0]; expected one integer from 1 to 32 for the whole tensor; quantise with a "
            "fixed integer width",
        ),
        (
            lambda: qonnx.read_quant("q", {"rounding_mode": "DPU"}, [np.float32(1), np.float32(0), np.float32(4)]),
            "q: rounding mode 'DPU' is unknown; expected one of ROUND, HALF_EVEN, FLOOR, DOWN, ROUND_TO_ZERO, "
            "HALF_UP, HALF_DOWN, CEIL, UP",
        ),
        (
            lambda: qonnx.from_levels("q", np.ones(()), np.zeros(()), -5, 7),
            "q: keeps the integers -5 to 7; expected the range of an integer type; clip to the range of some bit width",
        ),
        (
            lambda: qonnx.quantise_reals(REALS, Quantiser(4)),
            "constants on levels known by their number only; expected a Quant node; export the weights with Quant "
            "nodes",
        ),
    ],
)
def test_refused(call: object, message: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        call()
    assert str(raised.value) == message
