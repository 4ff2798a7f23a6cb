# SPDX-License-Identifier: Apache-2.0
"""Constant subgraphs: evaluated as onnxruntime and qonnx evaluate them, quantisers kept in sight."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper
from onnx_graphs import by_qonnx, check_float, floats, node, write

from hwsim.errors import UnsupportedError
from hwsim.importers.onnx import import_onnx
from hwsim.importers.onnx_file import Node
from hwsim.importers.onnx_fold import fold
from hwsim.importers.onnx_values import Constant
from hwsim.importers.qonnx import Quantiser
from hwsim.reference import execute

QUANT = "qonnx.custom_op.general"
W = floats(7, 5)


def run(op: str, *arrays: np.ndarray, opset: int = 17, **attrs: object) -> Constant:
    given = [Constant(np.asarray(a), root=f"root{i}") for i, a in enumerate(arrays)]
    (result,) = fold(Node("n", op, "", tuple(f"i{i}" for i in range(len(given))), ("o",), attrs), given, opset)
    return result


@pytest.mark.parametrize(
    ("op", "constants", "attrs"),
    [
        ("Sub", {"c": floats(7, 1)}, {}),
        ("Div", {"c": floats(5)}, {}),
        ("Pow", {"c": np.float32(2)}, {}),
        ("Sqrt", {}, {}),
        ("Transpose", {}, {"perm": [1, 0]}),
        ("Slice", {"a": np.array([1]), "b": np.array([4]), "c": np.array([0])}, {}),
        ("Concat", {"c": floats(2, 5)}, {"axis": 0}),
    ],
)
def test_weights_from_a_subgraph(tmp_path: Path, op: str, constants: dict, attrs: dict) -> None:
    weight = np.abs(W) if op == "Sqrt" else W
    nodes = [node(op, ["w", *constants], ["v"], **attrs), node("MatMul", ["x", "v"], ["y"])]
    rows = {"Transpose": 5, "Slice": 3, "Concat": 9}.get(op, 7)
    check_float(write(tmp_path, nodes, {"w": weight, **constants}, (1, rows)))


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"value": np.arange(3)}, np.arange(3)),
        ({"value_float": 2.5}, np.float32(2.5)),
        ({"value_floats": [1.0, 2.0]}, np.float32([1, 2])),
        ({"value_int": 3}, np.int64(3)),
        ({"value_ints": [3, 4]}, np.int64([3, 4])),
    ],
)
def test_constant_nodes(attrs: dict, expected: np.ndarray) -> None:
    result = run("Constant", **attrs).array
    assert result.dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(result, expected)


def test_a_constant_of_another_kind_is_refused() -> None:
    with pytest.raises(UnsupportedError) as raised:
        run("Constant", value_string="text")
    assert str(raised.value) == ("n: Constant without a dense value; expected a tensor; simplify the file with onnxsim")


def test_an_operator_that_is_unknown_or_fails_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^n: Wonder of constants cannot be evaluated \(.*onnxsim$"):
        run("Wonder", W)
    with pytest.raises(UnsupportedError, match=r"^n: Add of constants cannot be evaluated \(.*onnxsim$"):
        run("Add", W, floats(3))


def test_attributes_may_be_tensors() -> None:
    value = numpy_helper.to_array(numpy_helper.from_array(np.float32([7])))
    np.testing.assert_array_equal(run("ConstantOfShape", np.array([2, 2]), value=value).array, np.full((2, 2), 7))


def test_old_opsets_keep_their_meaning() -> None:
    assert run("Unsqueeze", W, opset=9, axes=[0]).array.shape == (1, 7, 5)
    assert run("Squeeze", W[None], opset=9, axes=[0]).array.shape == (7, 5)
    np.testing.assert_array_equal(run("Clip", W, opset=6, min=-0.5, max=0.5).array, np.clip(W, -0.5, 0.5))


@pytest.mark.parametrize(
    ("scale", "bits", "attrs"),
    [
        (0.125, 4, {"signed": 1, "narrow": 1}),
        (0.1, 4, {"signed": 1, "narrow": 0}),
        (np.abs(floats(5)) / 4 + 0.01, 6, {"signed": 1, "narrow": 1}),
        (0.3, 3, {"signed": 0, "narrow": 0}),
        (0.25, 2, {"signed": 1, "narrow": 0, "rounding_mode": "FLOOR"}),
        (0.25, 3, {"signed": 1, "narrow": 0, "rounding_mode": "CEIL"}),
        (0.25, 1, {"signed": 1, "narrow": 0}),
    ],
)
def test_quantised_weights_are_those_of_qonnx(tmp_path: Path, scale: object, bits: int, attrs: dict) -> None:
    constants = {"w": W, "s": np.asarray(scale, np.float32), "z": np.float32(0), "b": np.float32(bits)}
    nodes = [node("Quant", list(constants), ["v"], domain=QUANT, **attrs), node("MatMul", ["x", "v"], ["y"])]
    path = write(tmp_path, nodes, constants, (1, 7), domains=[QUANT])
    network, weights = import_onnx(path)
    tensor = network.tensors["MatMul_1.weight"]
    assert tensor.bits == bits
    rows = weights["MatMul_1.weight"] if tensor.format is None else tensor.format.to_real(weights["MatMul_1.weight"])
    np.testing.assert_array_equal(rows.T.astype(np.float32), by_qonnx(path, np.eye(7)))


def test_bipolar_weights_keep_their_one_bit(tmp_path: Path) -> None:
    nodes = [
        node("BipolarQuant", ["w", "s"], ["v"], domain=QUANT),
        node("Transpose", ["v"], ["t"], perm=[1, 0]),
        node("MatMul", ["x", "t"], ["y"]),
    ]
    path = write(tmp_path, nodes, {"w": floats(5, 7), "s": np.float32(0.5)}, (1, 7), domains=[QUANT])
    network, weights = import_onnx(path)
    assert network.tensors["MatMul_2.weight"].bits == 1
    assert set(np.unique(weights["MatMul_2.weight"])) == {-0.5, 0.5}
    with pytest.raises(UnsupportedError, match="is quantised to 1 bits"):
        execute(network, weights, floats(1, 7))


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("zero", [0, 3])
def test_dequantised_weights(tmp_path: Path, axis: int | None, zero: int) -> None:
    codes = np.random.default_rng(0).integers(-128, 128, (7, 5)).astype(np.int8)
    size = () if axis is None else (7, 5)[axis]
    constants = {"w": codes, "s": np.full(size, 0.3, np.float32), "z": np.full(size, zero, np.int8)}
    nodes = [node("DequantizeLinear", list(constants), ["v"], **({} if axis is None else {"axis": axis})),
             node("MatMul", ["x", "v"], ["y"])]  # fmt: skip
    path = write(tmp_path, nodes, constants, (1, 7), opset=13)
    network, weights = import_onnx(path)
    assert network.tensors["MatMul_1.weight"].bits == 8
    expected = (codes.astype(np.float32) - zero) * np.float32(0.3)
    np.testing.assert_array_equal(weights["MatMul_1.weight"], expected.T)


def test_quantised_clipped_dequantised_weights_know_their_width() -> None:
    levels = run("QuantizeLinear", W, np.float32(0.125), np.int8(0), opset=13)
    clipped = run("Clip", levels.array, np.int8(-7), np.int8(7))
    (result,) = fold(
        Node("n", "DequantizeLinear", "", ("c", "s"), ("o",), {}), [clipped, Constant(np.float32(0.125))], 13
    )
    assert result.quantiser is not None
    assert str(result.quantiser.weight_format()) == "ap_fixed<4,1>"
    np.testing.assert_array_equal(result.array, np.clip(np.round(W * 8), -7, 7) / 8)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "moved"),
    [
        ("Transpose", [], {"perm": [1, 0]}, lambda array: array.T),
        ("Reshape", [np.array([-1])], {}, lambda array: array.reshape(-1)),
        ("Identity", [], {}, lambda array: array),
    ],
)
def test_scales_per_channel_go_along(op: str, inputs: list, attrs: dict, moved: Any) -> None:
    scale = np.array([[0.3], [0.7]])
    constant = Constant(np.arange(6, dtype=np.float32).reshape(2, 3), Quantiser(4, scale))
    (result,) = fold(Node("n", op, "", ("c",), ("o",), attrs), [constant, *map(Constant, inputs)], 13)
    assert result.quantiser is not None
    np.testing.assert_array_equal(result.array, moved(constant.array))
    np.testing.assert_array_equal(result.quantiser.scale, moved(np.broadcast_to(scale, (2, 3))))


def test_quantise_linear_saturates_and_rounds_ties_to_even() -> None:
    reals = np.float32([0.5, 1.5, -0.5, 1000, -1000])
    np.testing.assert_array_equal(run("QuantizeLinear", reals, np.float32(1), np.int8(0)).array, [0, 2, 0, 127, -128])
    np.testing.assert_array_equal(run("QuantizeLinear", reals, np.float32(1), np.uint8(2)).array, [2, 4, 2, 255, 0])


@pytest.mark.parametrize(
    ("op", "arrays", "message"),
    [
        ("DequantizeLinear", (W, np.float32(1)), "n: DequantizeLinear with float32 codes or blocks; expected plain "
         "integers and one scale per tensor or channel; quantise to int8"),
        ("Clip", (W, np.float32(0)), "n: Clip of a constant with 1 bounds; expected two; fold it before export"),
    ],
)  # fmt: skip
def test_refused(op: str, arrays: tuple, message: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        run(op, *arrays)
    assert str(raised.value) == message


def test_random_constants_are_refused() -> None:
    with pytest.raises(UnsupportedError) as raised:
        run("RandomNormal", shape=[3])
    assert str(raised.value) == ("n: RandomNormal draws random numbers; expected constants; export in evaluation mode")


def test_an_unknown_domain_over_constants_is_refused() -> None:
    with pytest.raises(UnsupportedError) as raised:
        fold(Node("n", "Wonder", "mine", ("a",), ("o",), {}), [Constant(W)], 17)
    assert str(raised.value) == (
        "n: operator 'mine.Wonder' over constants is not known; expected a standard ONNX operator; fold the "
        "constants before export"
    )
