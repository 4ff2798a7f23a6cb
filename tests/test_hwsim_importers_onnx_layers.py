# SPDX-License-Identifier: Apache-2.0
"""Convolutions and dense layers of ONNX files against onnxruntime."""

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import check_float, floats, node, ops_of, write

from hwsim.errors import UnsupportedError
from hwsim.importers.onnx import import_onnx


@pytest.mark.parametrize(
    ("weight", "attrs", "macs"),
    [
        ((4, 3, 3, 3), {}, 4 * 3 * 9 * 16),
        ((4, 3, 3, 3), {"pads": [1, 1, 1, 1]}, 4 * 3 * 9 * 36),
        ((4, 3, 3, 3), {"pads": [1, 0, 0, 1], "strides": [2, 1]}, 4 * 3 * 9 * 3 * 5),
        ((4, 3, 2, 3), {"dilations": [2, 1]}, 4 * 3 * 6 * 4 * 4),
        ((6, 1, 3, 3), {"group": 3}, 6 * 9 * 16),
        ((4, 3, 4, 4), {"auto_pad": "SAME_UPPER"}, 4 * 3 * 16 * 36),
        ((4, 3, 4, 4), {"auto_pad": "SAME_LOWER"}, 4 * 3 * 16 * 36),
        ((4, 3, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 4 * 3 * 9 * 9),
        ((4, 3, 3, 3), {"auto_pad": "VALID", "strides": [3, 3]}, 4 * 3 * 9 * 4),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_conv(tmp_path: Path, weight: tuple[int, ...], attrs: dict, macs: int, bias: bool) -> None:
    constants = {"w": floats(*weight), **({"b": floats(weight[0])} if bias else {})}
    network = check_float(write(tmp_path, [node("Conv", ["x", *constants], ["y"], **attrs)], constants))
    assert ops_of(network) == ["conv2d"]
    assert network.macs() == macs


def test_conv_weights_computed_from_initialisers(tmp_path: Path) -> None:
    nodes = [node("Transpose", ["k"], ["w"], perm=[3, 2, 0, 1]), node("Conv", ["x", "w"], ["y"])]
    network = check_float(write(tmp_path, nodes, {"k": floats(3, 3, 3, 4)}))
    assert network.parameters() == 4 * 3 * 9


@pytest.mark.parametrize(
    ("attrs", "weight", "bias"),
    [
        ({"transB": 1}, (5, 7), (5,)),
        ({}, (7, 5), (1, 5)),
        ({"alpha": 0.5, "beta": 2.0}, (7, 5), (5,)),
        ({"transB": 1}, (5, 7), (1,)),
        ({"transB": 1}, (5, 7), ()),
        ({"transB": 1, "beta": 0.0}, (5, 7), (5,)),
        ({"transB": 1}, (5, 7), None),
    ],
)
def test_gemm(tmp_path: Path, attrs: dict, weight: tuple[int, ...], bias: tuple[int, ...] | None) -> None:
    constants = {"w": floats(*weight), **({} if bias is None else {"b": floats(*bias)})}
    network = check_float(write(tmp_path, [node("Gemm", ["x", *constants], ["y"], **attrs)], constants, (1, 7)))
    assert network.macs() == 35
    assert ("bias" in network.layers[1].params) == (bias is not None and attrs.get("beta") != 0.0)


def test_matmul_with_bias_is_one_layer(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["z"]), node("Add", ["z", "b"], ["y"])]
    network = check_float(write(tmp_path, nodes, {"w": floats(7, 5), "b": floats(5)}, (1, 7)))
    assert ops_of(network) == ["dense"]
    assert network.outputs == ("y",)


def test_matmul_over_rows(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["z"]), node("Add", ["b", "z"], ["y"])]
    network = check_float(write(tmp_path, nodes, {"w": floats(7, 5), "b": floats(5)}, (1, 4, 7)))
    assert ops_of(network) == ["dense"]
    assert network.macs() == 4 * 35


def test_bias_stays_a_layer_where_the_product_is_read_elsewhere(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["z"]),
        node("Add", ["z", "b"], ["a"]),
        node("Relu", ["z"], ["r"]),
        node("Add", ["a", "r"], ["y"]),
    ]
    network = check_float(write(tmp_path, nodes, {"w": floats(7, 5), "b": floats(5)}, (1, 7)))
    assert ops_of(network) == ["dense", "batch_norm", "relu", "add"]


def test_tied_weights_are_one_tensor(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["z"]), node("MatMul", ["z", "w"], ["y"])]
    network = check_float(write(tmp_path, nodes, {"w": floats(5, 5)}, (1, 5)))
    assert network.parameters() == 25
    assert network.macs() == 50


def test_shared_vectors_are_kept_apart(tmp_path: Path) -> None:
    """Exporters merge equal initialisers: two biases that are both zero at first are still two."""
    nodes = [node("Gemm", ["x", "w", "b"], ["z"]), node("Gemm", ["z", "w", "b"], ["y"])]
    network = check_float(write(tmp_path, nodes, {"w": floats(5, 5), "b": floats(5)}, (1, 5)))
    assert network.parameters() == 25 + 5 + 5


def test_one_initialiser_on_two_grids_is_two_weights(tmp_path: Path) -> None:
    domain = "qonnx.custom_op.general"
    constants = {
        "w": np.sign(floats(5, 5)) * 8,
        "s": np.float32(1),
        "t": np.float32(0.5),
        "z": np.float32(0),
        "n": np.float32(3),
    }
    nodes = [
        node("Quant", ["w", "s", "z", "n"], ["u"], domain=domain, signed=1, narrow=1),
        node("Quant", ["w", "t", "z", "n"], ["v"], domain=domain, signed=1, narrow=1),
        node("MatMul", ["x", "u"], ["a"], "first"),
        node("MatMul", ["a", "v"], ["y"], "second"),
    ]
    network, weights = import_onnx(write(tmp_path, nodes, constants, (1, 5), domains=[domain]))
    np.testing.assert_array_equal(weights["first.weight"], weights["second.weight"])
    assert str(network.tensors["first.weight"].format) == "ap_fixed<3,3>"
    assert str(network.tensors["second.weight"].format) == "ap_fixed<3,2>"


CONV = {"w": np.ones((2, 3, 3, 3), np.float32)}


@pytest.mark.parametrize(
    ("nodes", "constants", "shape", "message"),
    [
        (
            [node("Conv", ["x", "w"], ["y"], "conv")],
            {"w": floats(2, 3, 3)},
            (1, 3, 6),
            "conv: 1-D convolution; expected a 2-D one; write a 1-D convolution as Conv2d with a (1, k) kernel",
        ),
        (
            [node("Relu", ["x"], ["w"]), node("Conv", ["x", "w"], ["y"], "conv")],
            {},
            (1, 3, 6, 6),
            "conv: weight of Conv is computed at run time or fed from outside; expected a constant; export the model "
            "with its weights",
        ),
        (
            [node("Conv", ["x", "w"], ["y"], "conv", auto_pad="SAME")],
            CONV,
            (1, 3, 6, 6),
            "conv: auto_pad='SAME' is unknown; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER",
        ),
        (
            [node("Conv", ["x", "w"], ["y"], "conv", pads=[-1, 0, 0, 0])],
            CONV,
            (1, 3, 6, 6),
            "conv: padding (-1, 0, 0, 0) crops; expected no negative padding; crop outside the network",
        ),
        (
            [node("Conv", ["x", "w"], ["y"], "conv")],
            CONV,
            (1, 12),
            "conv: Conv of data with shape (12,); expected (C, H, W); write 1-D layers as 2-D ones with height 1",
        ),
        (
            [node("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]), node("Conv", ["t", "w"], ["a"]),
             node("Conv", ["x", "w"], ["b"], "conv"), node("Add", ["a", "b"], ["y"])],
            CONV,
            (1, 3, 6, 6),
            "conv: Conv reads a reshaped or transposed tensor (3, 6, 6) as (3, 6, 6); expected channels first; "
            "remove the Reshape or Transpose before it",
        ),
        (
            [node("Gemm", ["x", "w"], ["y"], "fc", transA=1)],
            {"w": floats(1, 3)},
            (1, 1),
            "fc: Gemm with transA=1; expected the activation untransposed; export a Linear layer",
        ),
        (
            [node("MatMul", ["w", "x"], ["y"], "fc")],
            {"w": floats(4, 1)},
            (1, 3),
            "fc: MatMul expects an activation times a constant matrix; got another order or two activations; "
            "attention is not supported",
        ),
        (
            [node("MatMul", ["x", "w"], ["y"], "fc")],
            {"w": floats(2, 3, 4)},
            (1, 3),
            "fc: MatMul with a weight of shape (2, 3, 4); expected a matrix; use one Linear layer per matrix",
        ),
        (
            [node("Reshape", ["x", "s"], ["r"]), node("MatMul", ["r", "w"], ["y"], "fc")],
            {"s": np.array([1, 4, 3]), "w": floats(3, 2)},
            (1, 12),
            "fc: MatMul reads a reshaped or transposed tensor (12,) as (4, 3); expected a vector (F,); flatten "
            "before it",
        ),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, nodes: list, constants: dict, shape: tuple[int, ...], message: str) -> None:
    path = write(tmp_path, nodes, constants, shape)
    with pytest.raises(UnsupportedError) as raised:
        import_onnx(path)
    assert str(raised.value) == message
