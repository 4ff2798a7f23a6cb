# SPDX-License-Identifier: Apache-2.0
"""Quantisers of any scale, spelled out as layers, compute what qonnx computes."""

from typing import Any

import numpy as np
import pytest
from qonnx.custom_op.general.bipolar_quant import binary_quant
from qonnx.custom_op.general.intquant import int_quant
from qonnx.custom_op.general.multithreshold import multithreshold

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.importers.levels import spell_out
from hwsim.importers.qonnx import Quantiser, Thresholds
from hwsim.network import Layer, Network, Tensor, Weights
from hwsim.reference import execute

Array = np.ndarray
# No tie among them for the scales below, which float64 and float32 could round differently.
REALS = (np.random.default_rng(0).standard_normal((200, 2, 1, 3)) * 3).astype(np.float32)


def quantised(bits: int) -> Network:
    layers = (Layer("x", "input", (), ("x",)), Layer("q", "requantise", ("x",), ("y",)))
    tensors = {"x": Tensor((2, 1, 3)), "y": Tensor((2, 1, 3), None, bits)}
    return Network("net", layers, tensors, ("x",), ("y",))


def spelled(quantiser: Quantiser | Thresholds) -> Array:
    """Real outputs of REALS by the float executor."""
    network, weights = spell_out(quantised(quantiser.bits), {}, {"y": quantiser})
    assert network.outputs == ("y",)
    assert all(tensor.storage_bits is None for tensor in network.tensors.values())
    return execute(network, weights, REALS)


@pytest.mark.parametrize("scale", [0.3, 0.25, np.array([0.3, 0.7])], ids=["0.3", "a power of two", "per channel"])
@pytest.mark.parametrize("zero_point", [0.0, 5.0, np.array([1.0, -2.0])], ids=["no zero point", "5", "per channel"])
@pytest.mark.parametrize("rounding", ["ROUND", "FLOOR", "HALF_UP"])
def test_quantisers_equal_qonnx(scale: Any, zero_point: Any, rounding: str) -> None:
    for signed, narrow, bits in ((True, False, 4), (True, True, 3), (False, False, 5), (False, True, 4)):
        quantiser = Quantiser(bits, np.asarray(scale), zero_point, signed, narrow, rounding)
        parts = (np.float32(np.reshape(part, (-1, 1, 1))) for part in (scale, zero_point))
        theirs = int_quant(REALS, *parts, np.float32(bits), signed, narrow, rounding)
        np.testing.assert_allclose(spelled(quantiser), theirs, rtol=0, atol=1e-5)  # levels are 0.25 or more apart


def test_bipolar_values_equal_qonnx() -> None:
    for scale in (1.0, 0.3):
        theirs = binary_quant(REALS, np.float32(scale))
        np.testing.assert_allclose(spelled(Quantiser(1, np.asarray(scale), narrow=True)), theirs, rtol=1e-6)
    signed_bit = Quantiser(1, np.asarray(0.3))
    np.testing.assert_allclose(spelled(signed_bit), int_quant(REALS, 0.3, 0.0, 1.0, True, False, "ROUND"), rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 2])
def test_thresholds_equal_qonnx(rows: int) -> None:
    thresholds = np.sort(np.random.default_rng(1).standard_normal((rows, 6)), axis=1)
    ours = spelled(Thresholds(thresholds, 0.5, -1.25))
    np.testing.assert_array_equal(ours, multithreshold(REALS, thresholds, 0.5, -1.25))


def test_levels_known_by_their_number_only_stay() -> None:
    for known in ({}, {"y": Quantiser(3)}):
        assert spell_out(quantised(3), {}, known)[0] == quantised(3)


# Weights


def weighted(op: str, shape: tuple[int, ...], **attrs: Any) -> Network:
    x = (6,) if op == "dense" else (4, 5, 5)
    y = shape[:1] if op == "dense" else (shape[0], 3, 3)
    layers = (
        Layer("x", "input", (), ("x",)),
        Layer("d", op, ("x",), ("y",), attrs, {"weight": "w", "bias": "b"}),
    )
    tensors = {"x": Tensor(x), "y": Tensor(y), "w": Tensor(shape, None, 4), "b": Tensor(shape[:1])}
    return Network("net", layers, tensors, ("x",), ("y",))


LAYERS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "dense": ("dense", (3, 6), {}),
    "conv": ("conv2d", (6, 4, 3, 3), {"kernel": (3, 3)}),
    "depthwise": ("conv2d", (8, 1, 3, 3), {"kernel": (3, 3), "groups": 4}),
}


def levels(shape: tuple[int, ...], scale: Array, bits: int, zero: int = 0) -> Array:
    rng = np.random.default_rng(2)
    integers = rng.choice([-1, 1], shape) if bits == 1 else rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)
    return ((integers - zero) * scale).astype(np.float32)


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("bits", [1, 4])
@pytest.mark.parametrize("is_per_channel", [False, True])
def test_weights_become_integers_and_a_scale(case: str, bits: int, is_per_channel: bool) -> None:
    op, shape, attrs = LAYERS[case]
    column = (-1, *(1,) * (len(shape) - 1))
    scale = np.float32(np.linspace(0.1, 0.3, shape[0])).astype(float).reshape(column) if is_per_channel else 0.3125
    weights: Weights = {"w": levels(shape, scale, bits), "b": np.linspace(-1, 1, shape[0], dtype=np.float32)}
    before = weighted(op, shape, **attrs)
    after, spelled_out = spell_out(before, weights, {"w": Quantiser(bits, np.asarray(scale))})
    assert [layer.op for layer in after.layers] == ["input", op, "batch_norm"]
    stored = after.layer("d").params["weight"]
    fmt = after.tensors[stored].format
    assert fmt == (FixedPoint(2, 0) if bits == 1 else FixedPoint(4, 0))
    assert spelled_out[stored].dtype == np.int64
    x = np.random.default_rng(3).standard_normal((4, *before.tensors["x"].shape))
    exact = before.with_formats({"w": None})
    np.testing.assert_allclose(execute(after, spelled_out, x), execute(exact, weights, x), rtol=1e-6, atol=1e-6)


def test_weights_of_scale_one_need_no_layer_behind_them() -> None:
    weights: Weights = {"w": levels((3, 6), np.ones(()), 1), "b": np.zeros(3, np.float32)}
    after, _ = spell_out(weighted("dense", (3, 6)), weights, {"w": Quantiser(1, np.ones(()), narrow=True)})
    assert [layer.op for layer in after.layers] == ["input", "dense"]


def test_the_zero_point_of_weights_widens_them() -> None:
    weights: Weights = {"w": levels((3, 6), np.float64(0.3), 4, zero=3), "b": np.zeros(3, np.float32)}
    quantiser = Quantiser(4, np.asarray(np.float64(0.3)), 3.0)
    after, spelled_out = spell_out(weighted("dense", (3, 6)), weights, {"w": quantiser})
    stored = after.layer("d").params["weight"]
    assert after.tensors[stored].format == FixedPoint(5, 0)  # -11..4
    np.testing.assert_allclose(spelled_out[stored] * 0.3, weights["w"], rtol=1e-6)


def rows() -> tuple[Network, Weights, Quantiser]:
    """A dense layer over two positions, whose outputs lie along the last axis."""
    net = weighted("dense", (3, 6))
    tensors = {**net.tensors, "x": Tensor((2, 6)), "y": Tensor((2, 3))}
    scale = np.float32([[0.1], [0.2], [0.3]]).astype(float)
    weights: Weights = {"w": levels((3, 6), scale, 4), "b": np.zeros(3, np.float32)}
    return Network("net", net.layers, tensors, ("x",), ("y",)), weights, Quantiser(4, scale)


def test_one_scale_for_all_features_fits_every_shape() -> None:
    net, weights, _ = rows()
    weights["w"] = levels((3, 6), np.float64(np.float32(0.3)), 4)
    after, spelled_out = spell_out(net, weights, {"w": Quantiser(4, np.float64(np.float32(0.3)))})
    x = np.random.default_rng(3).standard_normal((4, 2, 6))
    exact = net.with_formats({"w": None})
    np.testing.assert_allclose(execute(after, spelled_out, x), execute(exact, weights, x), rtol=1e-6, atol=1e-6)


def with_weights(scale: Any, weight: Array) -> Any:
    weights: Weights = {"w": weight.astype(np.float32), "b": np.zeros(3, np.float32)}
    return lambda: spell_out(weighted("dense", (3, 6)), weights, {"w": Quantiser(4, np.asarray(scale))})


APART = (
    "d: weights are not integers times one scale per output channel; expected such weights; quantise them per tensor "
    "or per output channel"
)
REFUSED = {
    "rounding": (
        lambda: spell_out(quantised(3), {}, {"y": Quantiser(3, np.asarray(0.3), rounding="CEIL")}),
        "q: rounds by CEIL, which no fixed-point cast does; expected ROUND or FLOOR; export with rounding mode ROUND",
    ),
    "a scale per input": (with_weights(np.linspace(0.1, 0.2, 6), np.zeros((3, 6))), APART),
    "weights off their levels": (with_weights(0.25, np.full((3, 6), 0.3)), APART),
    "features along the last axis": (
        lambda: spell_out(rows()[0], rows()[1], {"w": rows()[2]}),
        "d: one weight scale per feature of an output of shape (2, 3); expected one for the whole tensor; quantise the "
        "weights per tensor",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Any, message: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        call()
    assert str(raised.value) == message
