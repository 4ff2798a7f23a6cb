# SPDX-License-Identifier: Apache-2.0
"""Activations, arithmetic with constants, additions and concatenation of ONNX files against onnxruntime."""

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import check_float, floats, node, ops_of, write

from hwsim.errors import UnsupportedError, WeightsError
from hwsim.importers.onnx import import_onnx

CONV = node("Conv", ["x", "k"], ["c"])
KERNEL = {"k": floats(4, 3, 3, 3)}
NORM = {name: np.abs(floats(3, seed=i)) + 0.1 for i, name in enumerate("sbmv")}


@pytest.mark.parametrize(
    ("op", "attrs", "ours"),
    [
        ("Relu", {}, "relu"),
        ("Sigmoid", {}, "sigmoid"),
        ("Tanh", {}, "tanh"),
        ("HardSwish", {}, "hard_swish"),
        ("HardSigmoid", {"alpha": 1 / 6}, "hard_sigmoid"),
        ("LeakyRelu", {}, "leaky_relu"),
        ("LeakyRelu", {"alpha": 0.3}, "leaky_relu"),
        ("Neg", {}, "batch_norm"),
    ],
)
def test_activation(tmp_path: Path, op: str, attrs: dict, ours: str) -> None:
    assert ops_of(check_float(write(tmp_path, [node(op, ["x"], ["y"], **attrs)]))) == [ours]


def test_prelu_with_one_slope(tmp_path: Path) -> None:
    network = check_float(
        write(tmp_path, [node("PRelu", ["x", "a"], ["y"])], {"a": np.full((3, 1, 1), 0.25, np.float32)})
    )
    assert network.layers[1].attrs["alpha"] == 0.25


@pytest.mark.parametrize(("opset", "attrs"), [(11, {}), (13, {}), (13, {"axis": 1})])
def test_softmax(tmp_path: Path, opset: int, attrs: dict) -> None:
    check_float(write(tmp_path, [node("Softmax", ["x"], ["y"], **attrs)], shape=(1, 7), opset=opset))


INF = np.float32(np.inf)


@pytest.mark.parametrize(
    ("bounds", "ours"),
    [
        ({"lo": np.float32(0), "hi": np.float32(6)}, ["clip"]),
        ({"lo": np.float32(0)}, ["relu"]),
        ({"lo": np.float32(0), "hi": INF}, ["relu"]),
        ({"lo": np.float32(0), "hi": np.finfo(np.float32).max}, ["relu"]),
        ({"lo": np.float32(-0.5)}, ["clip"]),
        ({"hi": np.float32(1)}, ["clip"]),
        ({"lo": -INF, "hi": INF}, []),
    ],
)
def test_clip(tmp_path: Path, bounds: dict, ours: list[str]) -> None:
    names = [name if name in bounds else "" for name in ("lo", "hi")]
    assert ops_of(check_float(write(tmp_path, [node("Clip", ["x", *names], ["y"])], bounds))) == ours


def test_clip_by_attributes(tmp_path: Path) -> None:
    network = check_float(write(tmp_path, [node("Clip", ["x"], ["y"], min=-1.0, max=1.0)], opset=9))
    assert network.layers[1].attrs == {"low": -1.0, "high": 1.0}


@pytest.mark.parametrize("shape", [(1, 3, 6, 6), (1, 3)])
def test_batch_normalisation(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nodes = [node("BatchNormalization", ["x", *NORM], ["y"], epsilon=1e-3)]
    assert ops_of(check_float(write(tmp_path, nodes, NORM, shape))) == ["batch_norm"]


@pytest.mark.parametrize(
    ("op", "order", "constant"),
    [
        ("Add", "xc", floats(1, 3, 1, 1)),
        ("Add", "cx", floats(3, 1, 1)),
        ("Add", "xc", floats()),
        ("Sub", "xc", floats(3, 1, 1)),
        ("Sub", "cx", floats(3, 1, 1)),
        ("Mul", "xc", floats(1)),
        ("Mul", "cx", floats(3, 1, 1)),
        ("Mul", "xc", np.repeat(floats(3, 1, 1), 6, axis=2)),
        ("Div", "xc", floats(3, 1, 1)),
    ],
)
def test_arithmetic_with_constants(tmp_path: Path, op: str, order: str, constant: np.ndarray) -> None:
    assert ops_of(check_float(write(tmp_path, [node(op, list(order), ["y"])], {"c": constant}))) == ["batch_norm"]


def test_a_constant_added_to_a_convolution_is_its_bias(tmp_path: Path) -> None:
    network = check_float(write(tmp_path, [CONV, node("Add", ["c", "b"], ["y"])], {**KERNEL, "b": floats(4, 1, 1)}))
    assert ops_of(network) == ["conv2d"]
    assert network.tensors[network.layers[1].params["bias"]].shape == (4,)


def test_affine_maps_in_a_row_become_one(tmp_path: Path) -> None:
    nodes = [
        node("Sub", ["x", "a"], ["1"]),
        node("Div", ["1", "e"], ["2"]),
        node("BatchNormalization", ["2", *NORM], ["3"]),
        node("Mul", ["3", "d"], ["4"]),
        node("Add", ["4", "a"], ["y"]),
    ]
    network = check_float(write(tmp_path, nodes, {**NORM, "a": floats(3, 1, 1), "e": floats(1), "d": floats(3, 1, 1)}))
    assert ops_of(network) == ["batch_norm"]
    assert network.outputs == ("y",)


def test_affine_maps_stay_apart_where_the_first_is_read_twice(tmp_path: Path) -> None:
    nodes = [node("Mul", ["x", "a"], ["m"]), node("Add", ["m", "b"], ["n"]), node("Add", ["m", "n"], ["y"])]
    network = check_float(write(tmp_path, nodes, {"a": floats(1), "b": floats(1, seed=1)}))
    assert ops_of(network) == ["batch_norm", "batch_norm", "add"]


def test_a_graph_output_is_never_merged_away(tmp_path: Path) -> None:
    nodes = [CONV, node("Add", ["c", "b"], ["n"]), node("Mul", ["n", "b"], ["y"])]
    network, _ = import_onnx(write(tmp_path, nodes, {**KERNEL, "b": floats(4, 1, 1)}, outputs=("c", "n", "y")))
    assert network.outputs == ("c", "n", "y")
    assert ops_of(network) == ["conv2d", "batch_norm", "batch_norm"]


def test_multiplication_by_one_leaves_no_layer(tmp_path: Path) -> None:
    nodes = [node("Mul", ["x", "one"], ["m"]), node("Relu", ["m"], ["y"])]
    assert ops_of(check_float(write(tmp_path, nodes, {"one": np.float32(1)}))) == ["relu"]


@pytest.mark.parametrize(("op", "names"), [("Add", ["x", "r"]), ("Sum", ["x", "r", "x"]), ("Add", ["x", "x"])])
def test_activations_are_added(tmp_path: Path, op: str, names: list[str]) -> None:
    network = check_float(write(tmp_path, [node("Relu", ["x"], ["r"]), node(op, names, ["y"])]))
    assert ops_of(network)[-1] == "add"


def test_a_sum_of_one_is_that_one(tmp_path: Path) -> None:
    assert ops_of(check_float(write(tmp_path, [node("Sum", ["x"], ["s"]), node("Relu", ["s"], ["y"])]))) == ["relu"]


@pytest.mark.parametrize("axis", [1, -3])
def test_concatenation_of_channels(tmp_path: Path, axis: int) -> None:
    nodes = [node("Relu", ["x"], ["r"]), CONV, node("MaxPool", ["r"], ["p"], kernel_shape=[3, 3]),
             node("Concat", ["c", "p", "c"], ["y"], axis=axis)]  # fmt: skip
    assert check_float(write(tmp_path, nodes, KERNEL)).tensors["y"].shape == (11, 4, 4)


def test_concatenation_in_channels_last_order(tmp_path: Path) -> None:
    nodes = [
        CONV,
        node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
        node("Relu", ["t"], ["r"]),
        node("Concat", ["t", "r"], ["n"], axis=3),
        node("Flatten", ["n"], ["f"]),
        node("MatMul", ["f", "w"], ["y"]),
    ]
    network = check_float(write(tmp_path, nodes, {**KERNEL, "w": floats(128, 5)}))
    assert ops_of(network) == ["conv2d", "relu", "concat", "flatten", "dense"]


def test_concatenation_of_vectors_in_any_order(tmp_path: Path) -> None:
    nodes = [
        CONV,
        node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
        node("Flatten", ["t"], ["f"]),
        node("Flatten", ["c"], ["g"]),
        node("Concat", ["f", "g"], ["n"], axis=1),
        node("MatMul", ["n", "w"], ["y"]),
    ]
    check_float(write(tmp_path, nodes, {**KERNEL, "w": floats(128, 5)}))


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        (
            [node("PRelu", ["x", "a"], ["y"], "act")],
            {"a": floats(3, 1, 1)},
            "act: PRelu with 3 slopes; expected one for the whole tensor; use nn.PReLU(1) or nn.LeakyReLU",
        ),
        (
            [node("HardSigmoid", ["x"], ["y"], "act")],
            {},
            "act: HardSigmoid with alpha=0.2, beta=0.5; expected 1/6 and 0.5 as in nn.Hardsigmoid; use that",
        ),
        (
            [node("Softmax", ["x"], ["y"], "soft", axis=1)],
            {},
            "soft: Softmax over axis 1 of (1, 3, 6, 6); expected it over the features of (batch, F); flatten before it",
        ),
        (
            [node("BatchNormalization", ["x", *NORM], ["y"], "bn", training_mode=1)],
            NORM,
            "bn: BatchNormalization in training mode; expected inference; call model.eval() before the export",
        ),
        (
            [node("Add", ["x", "a"], ["y"], "add")],
            {"a": floats(3, 6, 6)},
            "add: constant of shape (3, 6, 6) varies within a channel; expected one value per channel; move it out "
            "of the network",
        ),
        (
            [node("GlobalMaxPool", ["x"], ["p"]), node("Add", ["p", "a"], ["y"], "add")],
            {"a": floats(3, 6, 6)},
            "add: constant of shape (3, 6, 6) does not broadcast to the activation (3, 1, 1); expected one value per "
            "channel; expand it in the model",
        ),
        (
            [node("GlobalMaxPool", ["x"], ["p"]), node("Add", ["p", "x"], ["y"], "add")],
            {},
            "add: adds activations of shapes [(3, 1, 1), (3, 6, 6)] in different layouts; expected equal shapes and "
            "layouts; broadcast or transpose before the network",
        ),
        (
            [node("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]), node("Add", ["t", "x"], ["y"], "add")],
            {},
            "add: adds activations of shapes [(3, 6, 6), (3, 6, 6)] in different layouts; expected equal shapes and "
            "layouts; broadcast or transpose before the network",
        ),
        (
            [node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"], ["y"], "gate")],
            {},
            "gate: Mul of two activations; expected one of them constant; gates, attention and squeeze-and-excite "
            "are not supported",
        ),
        (
            [node("Div", ["a", "x"], ["y"], "div")],
            {"a": floats(1)},
            "div: a constant divided by an activation; expected an activation divided by constants other than zero; "
            "rewrite it",
        ),
        (
            [node("Div", ["x", "a"], ["y"], "div")],
            {"a": np.zeros(1, np.float32)},
            "div: division by zero; expected an activation divided by constants other than zero; rewrite it",
        ),
        (
            [node("Concat", ["x", "x"], ["y"], "cat", axis=2)],
            {},
            "cat: Concat along axis 2 of [(1, 3, 6, 6), (1, 3, 6, 6)]; expected the channel axis; concatenate channels",
        ),
        (
            [node("Concat", ["x", "a"], ["y"], "cat", axis=1)],
            {"a": floats(1, 1, 6, 6)},
            "cat: input 1 of Concat is a constant; expected an activation; fold it before export",
        ),
    ],
)
def test_refused(tmp_path: Path, nodes: list, constants: dict, message: str) -> None:
    path = write(tmp_path, nodes, constants, opset=14)
    with pytest.raises(UnsupportedError) as raised:
        import_onnx(path)
    assert str(raised.value) == message


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(tmp_path: Path, bad: float) -> None:
    kernel = KERNEL["k"].copy()
    kernel[1, 0, 0, :2] = bad
    path = write(tmp_path, [node("Conv", ["x", "conv1.weight"], ["y"])], {"conv1.weight": kernel})
    with pytest.raises(WeightsError) as raised:
        import_onnx(path)
    assert str(raised.value) == (
        "conv1.weight: 2 of 108 values are NaN or infinite; expected finite weights; retrain or restore a "
        "checkpoint from before they appeared"
    )


def test_a_negative_variance_is_not_finite(tmp_path: Path) -> None:
    path = write(tmp_path, [node("BatchNormalization", ["x", *NORM], ["y"], "bn")], {**NORM, "v": -NORM["v"]})
    with pytest.raises(WeightsError, match=r"^bn.scale: 3 of 3 values are NaN or infinite; expected finite weights"):
        import_onnx(path)
