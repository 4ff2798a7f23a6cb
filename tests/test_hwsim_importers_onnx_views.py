# SPDX-License-Identifier: Apache-2.0
"""Operators that move nothing or only reorder: what they become, and that dense weights follow the order."""

import logging
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from onnx_graphs import check_float, floats, node, ops_of, write

from hwsim.errors import UnsupportedError
from hwsim.importers.onnx import import_onnx

CONV = node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1])
KERNEL = {"k": floats(4, 3, 3, 3)}


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Flatten", ["c"], ["f"])], {}),
        ([node("Flatten", ["c"], ["f"], axis=-3)], {}),
        ([node("Reshape", ["c", "s"], ["f"])], {"s": np.array([1, -1])}),
        ([node("Reshape", ["c", "s"], ["f"])], {"s": np.array([0, 144])}),
        ([node("Reshape", ["c", "s"], ["f"], allowzero=1)], {"s": np.array([1, 144])}),
        ([node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]), node("Flatten", ["t"], ["f"])], {}),
        ([node("Transpose", ["c"], ["t"], perm=[0, 3, 2, 1]), node("Flatten", ["t"], ["f"])], {}),
        ([node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]), node("Flatten", ["t"], ["f"], axis=0)], {}),
        (
            [
                node("Reshape", ["c", "s"], ["r"]),
                node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
                node("Flatten", ["t"], ["f"]),
            ],
            {"s": np.array([1, 2, 72])},
        ),
        (
            [
                node("Shape", ["c"], ["full"]),
                node("Gather", ["full", "zero"], ["n"], axis=0),
                node("Unsqueeze", ["n", "zeros"], ["n1"]),
                node("Concat", ["n1", "rest"], ["s"], axis=0),
                node("Reshape", ["c", "s"], ["f"]),
            ],
            {"zero": np.array(0), "zeros": np.array([0]), "rest": np.array([-1])},
        ),
    ],
)
def test_flatten_before_a_dense_layer(tmp_path: Path, nodes: list, constants: dict) -> None:
    constants = {**KERNEL, **constants, "w": floats(144, 5)}
    network = check_float(write(tmp_path, [CONV, *nodes, node("MatMul", ["f", "w"], ["y"])], constants))
    assert ops_of(network) == ["conv2d", "flatten", "dense"]


def test_activations_work_through_any_view(tmp_path: Path) -> None:
    nodes = [
        CONV,
        node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
        node("Relu", ["t"], ["r"]),
        node("Mul", ["r", "s"], ["m"]),
        node("Flatten", ["m"], ["f"]),
        node("Mul", ["f", "u"], ["g"]),
        node("Gemm", ["g", "w"], ["y"]),
    ]
    constants = {**KERNEL, "s": floats(4), "u": floats(144), "w": floats(144, 5)}
    network = check_float(write(tmp_path, nodes, constants))
    assert ops_of(network) == ["conv2d", "relu", "batch_norm", "flatten", "batch_norm", "dense"]


@pytest.mark.parametrize("opset", [11, 13])
def test_squeeze_and_unsqueeze(tmp_path: Path, opset: int) -> None:
    def axes(*given: int) -> tuple[list[str], dict, dict]:
        name = "a" + "_".join(map(str, given))
        return ([], {"axes": list(given)}, {}) if opset < 13 else ([name], {}, {name: np.array(given)})

    up, down = axes(2, -1), axes(-2, 3)
    nodes = [
        node("Gemm", ["x", "w"], ["g"]),
        node("Unsqueeze", ["g", *up[0]], ["u"], **up[1]),
        node("BatchNormalization", ["u", "s", "b", "m", "v"], ["n"]),
        node("Squeeze", ["n", *down[0]], ["y"], **down[1]),
    ]
    constants = {name: np.abs(floats(5, seed=i)) for i, name in enumerate("sbmv")}
    network = check_float(
        write(tmp_path, nodes, {**constants, **up[2], **down[2], "w": floats(7, 5)}, (1, 7), opset=opset)
    )
    assert ops_of(network) == ["dense", "batch_norm"]


def test_squeeze_behind_global_pooling(tmp_path: Path) -> None:
    nodes = [node("GlobalAveragePool", ["x"], ["p"]), node("Squeeze", ["p", "a"], ["y"])]
    network = check_float(write(tmp_path, nodes, {"a": np.array([2, 3])}))
    assert network.tensors["y"].shape == (3,)


def test_names_that_pass_through(tmp_path: Path) -> None:
    nodes = [
        node("Identity", ["x"], ["a"]),
        node("Dropout", ["a"], ["b"]),
        node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
        node("Relu", ["c"], ["y"]),
    ]
    assert ops_of(check_float(write(tmp_path, nodes))) == ["relu"]


def test_the_network_may_only_rename_its_input(tmp_path: Path) -> None:
    network, _ = import_onnx(write(tmp_path, [node("Identity", ["x"], ["y"])]))
    assert network.inputs == network.outputs == ("x",)


@pytest.mark.parametrize("op", ["ArgMax", "TopK"])
def test_the_last_choice_is_left_to_the_host(tmp_path: Path, caplog: pytest.LogCaptureFixture, op: str) -> None:
    choice = node(op, ["g", *(["k"] if op == "TopK" else [])], ["y", "i"][: 1 + (op == "TopK")], "best", axis=-1)
    path = write(tmp_path, [node("Gemm", ["x", "w"], ["g"]), choice], {"w": floats(7, 5), "k": np.array([1])}, (1, 7))
    with caplog.at_level(logging.WARNING):
        network, _ = import_onnx(path)
    assert network.outputs == ("g",)
    assert caplog.messages == [f"best: {op} is left to the host; the network ends at 'g'"]


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        (
            [node("Transpose", ["x"], ["y"], "turn", perm=[1, 0, 2, 3])],
            {},
            "turn: Transpose with perm=[1, 0, 2, 3] moves the batch; expected perm[0]=0; keep the batch first",
        ),
        (
            [node("Transpose", ["x"], ["y"], "turn")],
            {},
            "turn: Transpose with perm=[3, 2, 1, 0] moves the batch; expected perm[0]=0; keep the batch first",
        ),
        (
            [node("Reshape", ["x", "s"], ["y"], "view")],
            {"s": np.array([3, 36])},
            "view: Reshape from (1, 3, 6, 6) to (3, 36) touches the batch; expected the first axis to stay 1; "
            "reshape to (batch, -1)",
        ),
        (
            [node("Flatten", ["x"], ["y"], "flat", axis=2)],
            {},
            "flat: Flatten from (1, 3, 6, 6) to (3, 36) touches the batch; expected the first axis to stay 1; "
            "reshape to (batch, -1)",
        ),
        (
            [node("GlobalMaxPool", ["x"], ["p"]), node("Squeeze", ["p"], ["y"], "thin")],
            {},
            "thin: Squeeze from (1, 3, 1, 1) to (3,) touches the batch; expected the first axis to stay 1; reshape "
            "to (batch, -1)",
        ),
        (
            [node("Cast", ["x"], ["y"], "cast", to=TensorProto.INT8)],
            {},
            "cast: Cast of an activation to INT8; expected a floating-point type; quantise with Quant nodes",
        ),
        (
            [node("ArgMax", ["x"], ["i"], "best", axis=1), node("Relu", ["i"], ["y"])],
            {},
            "best: ArgMax inside the network; expected it at the very end, where it is left to the host; cut the "
            "model before it",
        ),
    ],
)
def test_refused(tmp_path: Path, nodes: list, constants: dict, message: str) -> None:
    path = write(tmp_path, nodes, constants)
    with pytest.raises(UnsupportedError) as raised:
        import_onnx(path)
    assert str(raised.value) == message
