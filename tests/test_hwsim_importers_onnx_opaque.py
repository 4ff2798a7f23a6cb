# SPDX-License-Identifier: Apache-2.0
"""Files with operators that are none of ours: opaque layers of the shapes that ONNX Runtime computes, and products."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_graphs import floats, node, ops_of, write

from hwsim.coverage import uncovered
from hwsim.errors import ModelFileError, UnsupportedError
from hwsim.importers.onnx import import_exact, import_onnx, import_partly

CONV = [node("Conv", ["x", "k"], ["c"], "conv", pads=[1, 1, 1, 1])]
KERNEL = {"k": floats(8, 3, 3, 3)}


def shape_by_onnxruntime(path: Path, x: np.ndarray) -> tuple[int, ...]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return tuple(session.run(None, {session.get_inputs()[0].name: x})[0].shape)


@pytest.mark.parametrize(
    ("nodes", "constants", "operators", "macs"),
    [
        (  # 6 x 6 inputs meet 5 x 2 x 2 weights in each of 8 channels
            [node("ConvTranspose", ["c", "t"], ["y"], "up", strides=[2, 2])],
            {"t": floats(8, 5, 2, 2)}, ["ConvTranspose"], 36 * 8 * 5 * 4,
        ),
        ([node("LRN", ["c"], ["y"], "norm", size=3)], {}, ["LRN"], 0),
        (  # every mode that is refused, not unknown operators alone
            [node("Softmax", ["c"], ["y"], "soft", axis=1)], {}, ["Softmax"], 0,
        ),
        (  # a matrix product of activations, reached through views
            [
                node("Reshape", ["c", "flat"], ["r"]),
                node("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
                node("MatMul", ["r", "t"], ["y"], "gram"),
            ],
            {"flat": np.array([1, 8, 36])}, ["MatMul"], 8 * 8 * 36,
        ),
        (  # the batch in the middle: all that reads it is opaque too, its shape still a constant
            [
                node("Reshape", ["c", "flat"], ["r"]),
                node("Transpose", ["r"], ["t"], perm=[2, 0, 1]),
                node("Shape", ["t"], ["s"]),
                node("Gather", ["s", "zero"], ["steps"]),
                node("MatMul", ["t", "w"], ["m"]),
                node("Reshape", ["m", "back"], ["y"]),
            ],
            {"flat": np.array([1, 8, 36]), "zero": np.array(0), "w": floats(8, 2), "back": np.array([1, 72])},
            ["MatMul", "Transpose", "Reshape"], 36 * 8 * 2,
        ),
        (  # one layer for each result that is read; products and constants once
            [node("Split", ["c"], ["p", "q"], "parts", axis=1), node("Sub", ["p", "q"], ["y"], "less")],
            {}, ["Split", "Sub"], 0,
        ),
        (
            [node("Squeeze", ["c", "none"], ["i"]), node("Unsqueeze", ["i", "none"], ["y"]),
             ],
            {"none": np.array([0])}, ["Squeeze", "Unsqueeze"], 0,
        ),
    ],
)  # fmt: skip
def test_refused_nodes_are_listed(tmp_path: Path, nodes: list, constants: dict, operators: list, macs: int) -> None:
    path = write(tmp_path, [*CONV, *nodes], KERNEL | constants)
    with pytest.raises(UnsupportedError):
        import_onnx(path)
    network, weights = import_partly(path)
    missing = uncovered(network)
    assert sorted(one.operator for one in missing) == sorted(operators)
    assert sum(one.macs or 0 for one in missing) == macs
    assert network.macs() == 36 * 8 * 27 + macs
    theirs = shape_by_onnxruntime(path, floats(1, 3, 6, 6))
    assert int(np.prod(theirs)) == network.tensors[network.outputs[0]].size
    held = sum(array.size for array in constants.values() if array.dtype == np.float32)
    assert network.parameters() == KERNEL["k"].size + held == sum(array.size for array in weights.values())


def test_recurrent_layers_have_the_products_of_their_weights(tmp_path: Path) -> None:
    nodes = [node("LSTM", ["x", "w", "r", "b"], ["", "y"], "rnn", hidden_size=5)]
    constants = {"w": floats(1, 20, 3), "r": floats(1, 20, 5), "b": floats(1, 40)}
    network, _ = import_partly(write(tmp_path, nodes, constants, (1, 1, 3)))
    (one,) = uncovered(network)
    assert (one.operator, one.layers, one.macs) == ("LSTM", ("rnn",), 20 * (3 + 5))
    assert network.parameters() == 20 * 8 + 40


def test_operators_of_other_domains_need_a_stated_shape(tmp_path: Path) -> None:
    nodes = [*CONV, node("Fancy", ["c"], ["f"], "own", domain="my.ops"), node("Relu", ["f"], ["y"])]
    path = write(tmp_path, nodes, KERNEL, domains=["my.ops"])
    with pytest.raises(UnsupportedError) as error:
        import_partly(path)
    assert str(error.value) == (
        "own: operator 'my.ops.Fancy' is not supported; replace it in the model, or end the network before it; to "
        "list it as not covered, the shape of 'f' must be in the file: store it as value_info"
    )
    model = onnx.load(path)
    model.graph.value_info.append(helper.make_tensor_value_info("f", TensorProto.FLOAT, [1, 4, 2, 2]))
    onnx.save(model, path)
    network, _ = import_partly(path)
    assert ops_of(network) == ["conv2d", "opaque", "relu"]
    (one,) = uncovered(network)
    assert (one.operator, one.macs) == ("my.ops.Fancy", None)
    assert network.tensors["y"].shape == (4, 2, 2)


def test_a_node_refused_halfway_leaves_nothing_behind(tmp_path: Path) -> None:
    """The multiplication settles channels before it sees that its constant varies within them."""
    nodes = [*CONV, node("Mul", ["c", "grid"], ["m"], "mask"), node("Relu", ["m"], ["y"])]
    network, _ = import_partly(write(tmp_path, nodes, KERNEL | {"grid": floats(1, 1, 6, 6)}))
    assert ops_of(network) == ["conv2d", "opaque", "relu"]
    assert network.layer("mask").attrs["reason"].startswith("constant of shape (1, 1, 6, 6) varies within a channel; ")
    assert set(network.parameter_names) == {"conv.weight", "mask.constants"}


def test_files_without_refusals_are_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, [*CONV, node("Relu", ["c"], ["y"])], KERNEL)
    assert import_partly(path)[0] == import_onnx(path)[0]


def test_exact_networks_and_damaged_files_are_refused_as_ever(tmp_path: Path) -> None:
    path = write(tmp_path, [*CONV, node("LRN", ["c"], ["y"], "norm", size=3)], KERNEL)
    with pytest.raises(UnsupportedError, match="norm: operator 'LRN' is not supported; use batch norm"):
        import_exact(path)
    path = write(tmp_path, [node("Relu", ["nothing"], ["y"], "lost")])
    with pytest.raises((ModelFileError, UnsupportedError)):
        import_partly(path)
