# SPDX-License-Identifier: Apache-2.0
"""Whole ONNX files: layouts, names, batch-norm folding, several inputs and outputs, refusals by node."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_graphs import FLOAT32_TOLERANCE, by_onnxruntime, check_float, floats, node, ops_of, write

from hwsim.errors import ModelFileError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.importers.onnx import import_onnx
from hwsim.reference import execute

KERNEL = {"k": floats(4, 3, 3, 3), "b": floats(4)}


# Layouts


def keras_like(shape: tuple[int, ...], entry: list, size: int) -> tuple[list, dict, tuple[int, ...]]:
    """An entry, a convolution, and a channels-last flatten before a dense layer."""
    nodes = [
        *entry,
        node("Conv", ["n", "k", "b"], ["c"], "conv", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Relu", ["c"], ["r"]),
        node("Transpose", ["r"], ["t"], perm=[0, 2, 3, 1]),
        node("Flatten", ["t"], ["f"]),
        node("MatMul", ["f", "w"], ["y"], "dense"),
    ]
    return nodes, {**KERNEL, "w": floats(size, 5), "u": np.float32(0.3), "v": floats(3, 1, 1)}, shape


@pytest.mark.parametrize(
    "entry",
    [
        [node("Transpose", ["x"], ["n"], perm=[0, 3, 1, 2])],
        [node("Relu", ["x"], ["a"]), node("Tanh", ["a"], ["b1"]), node("Transpose", ["b1"], ["n"], perm=[0, 3, 1, 2])],
        [node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]), node("Tanh", ["a"], ["n"])],
        [
            node("Mul", ["x", "u"], ["a"]),
            node("Relu", ["a"], ["d"]),
            node("Transpose", ["d"], ["n"], perm=[0, 3, 1, 2]),
        ],
        [
            node("Sub", ["x", "u"], ["a"]),
            node("Transpose", ["a"], ["d"], perm=[0, 3, 1, 2]),
            node("Mul", ["d", "v"], ["n"]),
        ],
    ],
    ids=["at once", "behind activations", "before an activation", "behind a scale", "within an affine map"],
)
def test_channels_last_entry(tmp_path: Path, entry: list) -> None:
    network = check_float(write(tmp_path, *keras_like((1, 6, 8, 3), entry, 48)), channels_last=True)
    assert network.tensors["x"].shape == (3, 6, 8)
    assert network.tensors["n" if "n" in network.tensors else "x"].shape == (3, 6, 8)
    assert ops_of(network)[-4:] == ["conv2d", "relu", "flatten", "dense"]
    assert network.macs() == 4 * 3 * 9 * 12 + 48 * 5


def test_an_image_given_as_rows_or_as_a_vector(tmp_path: Path) -> None:
    for shape in ((1, 24), (1, 4, 6), (1, 4, 6, 1)):
        nodes = [node("Reshape", ["x", "s"], ["r"]), node("Conv", ["r", "k"], ["y"])]
        constants = {"s": np.array([1, 1, 4, 6]), "k": floats(2, 1, 3, 3)}
        path = write(tmp_path, nodes, constants, shape)
        network, weights = import_onnx(path)
        assert network.tensors["x"].shape == (1, 4, 6)
        x = floats(2, *shape[1:])
        ours = execute(network, weights, x.reshape(2, 1, 4, 6))
        np.testing.assert_allclose(ours, by_onnxruntime(path, x), rtol=0, atol=FLOAT32_TOLERANCE * 10)


def test_channels_last_exit(tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "k"], ["c"]), node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1])]
    path = write(tmp_path, nodes, KERNEL)
    network, weights = import_onnx(path)
    x = floats(2, 3, 6, 6)
    ours = execute(network, weights, x).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(ours, by_onnxruntime(path, x), rtol=0, atol=FLOAT32_TOLERANCE * 10)


def test_a_scale_per_pixel_column_leaves_the_layout_alone(tmp_path: Path) -> None:
    entry = [node("Mul", ["x", "rows"], ["a"]), node("Transpose", ["a"], ["n"], perm=[0, 3, 1, 2])]
    nodes, constants, shape = keras_like((1, 6, 8, 3), entry, 48)
    path = write(tmp_path, nodes, {**constants, "rows": floats(6, 1, 1)}, shape)
    with pytest.raises(
        UnsupportedError, match=r"^conv: Conv reads a reshaped or transposed tensor \(6, 8, 3\) as \(3, 6, 8\)"
    ):
        import_onnx(path)


def test_a_layout_that_two_readers_disagree_on_is_refused(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 3, 2, 1]),
        node("Conv", ["x", "k"], ["c"]),
        node("Conv", ["t", "k"], ["d"], "second"),
        node("Add", ["c", "d"], ["y"]),
    ]
    with pytest.raises(UnsupportedError, match=r"^second: Conv reads a reshaped or transposed tensor \(3, 6, 3\)"):
        import_onnx(write(tmp_path, nodes, {"k": floats(2, 3, 3, 3)}, (1, 3, 6, 3)))


# Names


def test_names(tmp_path: Path) -> None:
    """Layers have the name of their module where initialisers tell it; activation tensors keep their ONNX names."""
    nodes = [
        node("Conv", ["x", "stem.conv.weight", "stem.conv.bias"], ["c"], "node_conv2d"),
        node("Relu", ["c"], ["r"], "node_relu"),
        node("Flatten", ["r"], ["f"]),
        node("Gemm", ["f", "onnx::Gemm_7"], ["y"], "/head/Gemm"),
    ]
    constants = {"stem.conv.weight": KERNEL["k"], "stem.conv.bias": KERNEL["b"], "onnx::Gemm_7": floats(64, 5)}
    network, weights = import_onnx(write(tmp_path, nodes, constants))
    assert network.name == "model"
    assert [layer.name for layer in network.layers] == ["x", "stem.conv", "node_relu", "Flatten_2", "/head/Gemm"]
    assert [layer.output for layer in network.layers] == ["x", "c", "r", "f", "y"]
    assert list(weights) == ["stem.conv.weight", "stem.conv.bias", "/head/Gemm.weight"]
    assert weights["stem.conv.weight"].dtype == np.float32


def test_a_module_used_twice_names_its_first_layer_only(tmp_path: Path) -> None:
    nodes = [node("Gemm", ["x", "fc.weight"], ["a"], "one"), node("Gemm", ["a", "fc.weight"], ["y"], "two")]
    network, _ = import_onnx(write(tmp_path, nodes, {"fc.weight": floats(5, 5)}, (1, 5)))
    assert [layer.name for layer in network.layers] == ["x", "fc", "two"]
    assert network.layers[2].params == {"weight": "fc.weight"}


# Batch norms


def test_batch_norms_are_folded_unless_told_otherwise(tmp_path: Path) -> None:
    norm = {name: np.abs(floats(4, seed=i)) + 0.1 for i, name in enumerate("smnv")}
    nodes = [node("Conv", ["x", "k"], ["c"]), node("BatchNormalization", ["c", *norm], ["y"])]
    path = write(tmp_path, nodes, {**KERNEL, **norm})
    assert ops_of(check_float(path)) == ["conv2d", "batch_norm"]
    network, weights = import_onnx(path)
    assert ops_of(network) == ["conv2d"]
    x = floats(2, 3, 6, 6)
    np.testing.assert_allclose(
        execute(network, weights, x), by_onnxruntime(path, x), rtol=0, atol=FLOAT32_TOLERANCE * 20
    )


# Inputs, outputs, formats


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    nodes = [node("Add", ["a", "b"], ["s"]), node("Relu", ["s"], ["y"])]
    path = write(tmp_path, nodes, inputs={"a": (1, 4), "b": (1, 4)}, outputs=("y", "s"))
    network, _ = import_onnx(path)
    assert network.inputs == ("a", "b")
    assert network.outputs == ("y", "s")


def test_nodes_that_no_output_needs_are_left_out(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["y"]), node("Elu", ["x"], ["unused"])]
    assert ops_of(check_float(write(tmp_path, nodes, shape=(1, 4)))) == ["relu"]


def test_initialisers_may_be_listed_as_inputs(tmp_path: Path) -> None:
    path = write(tmp_path, [node("Gemm", ["x", "w"], ["y"])], {"w": floats(7, 5)}, (1, 7))
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [7, 5]))
    onnx.save(model, path)
    assert check_float(path).inputs == ("x",)


def test_a_format_for_inputs_that_the_file_leaves_float(tmp_path: Path) -> None:
    domain = "qonnx.custom_op.general"
    nodes = [
        node("Quant", ["w", "s", "z", "n"], ["q"], domain=domain, signed=1, narrow=0),
        node("MatMul", ["x", "q"], ["y"]),
    ]
    constants = {"w": floats(7, 5), "s": np.float32(0.25), "z": np.float32(0), "n": np.float32(4)}
    path = write(tmp_path, nodes, constants, (1, 7), domains=[domain])
    assert not import_onnx(path)[0].is_quantised
    network, _ = import_onnx(path, input_format=FixedPoint(8, 4))
    assert network.is_quantised
    assert network.tensors["x"].format == FixedPoint(8, 4)
    assert network.tensors["y"].format is not None
    assert network.tensors["y"].format.frac == 6


# Refusals


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [node("LSTM", ["x", "k", "k"], ["y"], "rnn")],
            "rnn: operator 'LSTM' is not supported; recurrent layers are not mapped; use convolutions or dense layers",
        ),
        (
            [node("QLinearConv", ["x", "k"], ["y"], "q")],
            "q: operator 'QLinearConv' is not supported; export with QuantizeLinear and DequantizeLinear pairs "
            "around float operators (QDQ form)",
        ),
        (
            [node("Gather", ["x", "k"], ["y"], "pick")],
            "pick: operator 'Gather' is not supported; replace it in the model, or end the network before it",
        ),
        (
            [node("FusedConv", ["x"], ["y"], "fused", domain="com.microsoft")],
            "fused: operator 'com.microsoft.FusedConv' is not supported; replace it in the model, or end the "
            "network before it",
        ),
        (
            [node("Transpose", ["x"], ["y"], perm=[0, 2, 1, 3])],
            "y: the network ends in a Reshape or Transpose from (3, 6, 6) to (6, 3, 6); expected (F,) or (C, H, "
            "W); cut the model before it",
        ),
    ],
)
def test_refused(tmp_path: Path, nodes: list, message: str) -> None:
    path = write(tmp_path, nodes, KERNEL, domains=["com.microsoft"])
    with pytest.raises(UnsupportedError) as raised:
        import_onnx(path)
    assert str(raised.value) == message


def test_control_flow_is_refused(tmp_path: Path) -> None:
    branch = helper.make_graph([node("Relu", ["x"], ["o"])], "b", [], [helper.make_tensor_value_info("o", 1, None)])
    nodes = [
        node("ReduceMax", ["x"], ["m"], keepdims=0),
        node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
        node("If", ["c"], ["y"], "choice", then_branch=branch, else_branch=branch),
    ]
    with pytest.raises(UnsupportedError, match=r"^Reduce|^choice"):
        import_onnx(write(tmp_path, nodes))
    nodes = [node("If", ["x"], ["y"], "choice", then_branch=branch, else_branch=branch)]
    with pytest.raises(UnsupportedError) as raised:
        import_onnx(write(tmp_path, nodes))
    assert str(raised.value) == (
        "choice: operator 'If' is not supported; control flow is not mapped; trace the model with example inputs, or "
        "simplify the file with onnxsim"
    )


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": (1, 4), "mask": (1, 4)}, "mask: this input is read by no node that an output needs; expected every "
         "input to be used; remove it from the model"),
        ({"x": (4,)}, "x: input has shape (4,); expected the batch first, then (F,) or (C, H, W); re-export with a "
         "batch dimension"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit(tmp_path: Path, inputs: dict, message: str) -> None:
    path = write(tmp_path, [node("Relu", ["x"], ["y"])], inputs=inputs)
    with pytest.raises(UnsupportedError) as raised:
        import_onnx(path)
    assert str(raised.value) == message


def test_files_cut_off_between_nodes(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as raised:
        import_onnx(write(tmp_path, [node("Relu", ["x"], ["r"], "act")], outputs=("r", "y")))
    assert str(raised.value) == (
        "y: this output is written by no node; expected an activation; the file is truncated or corrupt, export it "
        "again"
    )
    with pytest.raises(ModelFileError) as raised:
        import_onnx(write(tmp_path, [node("Add", ["x", "lost"], ["y"], "sum")]))
    assert str(raised.value) == (
        "sum: reads 'lost', which nothing before it writes; expected nodes in execution order; the file is "
        "truncated or corrupt, export it again"
    )


def test_an_output_that_is_constant(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["r"]), node("Neg", ["b"], ["y"])]
    with pytest.raises(ModelFileError, match=r"^y: this output is a constant; expected an activation"):
        import_onnx(write(tmp_path, nodes, KERNEL, outputs=("r", "y")))


def test_a_node_that_breaks_its_operators_rules(tmp_path: Path) -> None:
    path = write(tmp_path, [node("Concat", ["x", "x"], ["y"], "cat")])
    with pytest.raises(ModelFileError) as raised:
        import_onnx(path)
    assert str(raised.value) == (
        "cat: Concat is malformed (KeyError: 'axis'); expected a node that onnx.checker accepts; export the model again"
    )
