# SPDX-License-Identifier: Apache-2.0
"""Quantised files of any scale as integer networks: the same outputs as qonnx's and onnxruntime's own execution.

Both compute in float32, so outputs are compared within its rounding; one level of difference is a hundred times more.
Their sums of scaled products are rounded too, and about three 8-bit activations in a million lie so close to a step
that this decides it: the seeds below meet none.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exact_graphs import QUANT, Graph
from onnx_graphs import by_qonnx, node, ops_of, write

from hwsim.errors import UnsupportedError
from hwsim.exact import Exact
from hwsim.fixed import FixedPoint
from hwsim.importers.onnx import import_exact
from hwsim.reference import execute

Array = np.ndarray
PIXELS = FixedPoint(8, 8, False)
BATCH = 100

pytestmark = pytest.mark.needs("qonnx")


def save(graph: Graph, folder: Path, shape: tuple[int, ...], **options: Any) -> Path:
    return write(folder, graph.nodes, graph.constants, shape, outputs=graph.nodes[-1].output[:1], **options)


def expect_equal(exact: Exact, x: Array, theirs: Array) -> None:
    largest = float(np.abs(theirs).max())
    np.testing.assert_allclose(exact.run(x).reshape(theirs.shape), theirs, rtol=0, atol=1e-6 * largest)
    assert len(np.unique(theirs.reshape(len(theirs), -1), axis=0)) >= 10  # the images are told apart


def check(graph: Graph, folder: Path, shape: tuple[int, ...], fmt: FixedPoint | None = PIXELS) -> Exact:
    """Equal to qonnx on a batch of noise and both ends of the range."""
    path = save(graph, folder, (BATCH, *shape), domains=[QUANT])
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (BATCH, *shape))
    codes[0], codes[1] = 0, 255
    x = codes / 256.0 if fmt is PIXELS else rng.standard_normal(codes.shape).astype(np.float32)
    exact = import_exact(path, input_format=fmt)
    expect_equal(exact, x, by_qonnx(path, x, BATCH))
    return exact


# Dense networks: a scaled input, batch norms with falling and constant channels, a scale at the end


def dense_network(bits: int, weight_bits: int, scale: float, weight_scale: Any, seed: int = 0) -> Graph:
    graph = Graph(seed)

    def activation(x: str) -> str:
        return graph.bipolar(x, scale) if bits == 1 else graph.quant(x, scale, bits, narrow=int(bits == 2))

    x = graph.add("Mul", "x", graph.constant(np.float32(2)))
    x = activation(graph.add("Sub", x, graph.constant(np.float32(1))))
    inputs = 40
    for width in (32, 24):
        each = weight_scale if np.ndim(weight_scale) == 0 else np.resize(weight_scale, (width, 1))
        x = graph.dense(x, inputs, width, weight_bits, each)
        one = scale * float(np.mean(each)) * 2.0 ** (max(0, bits - 3) + max(0, weight_bits - 2))  # a typical product
        x, inputs = activation(graph.norm(x, width, one * inputs**0.5)), width
    x = graph.dense(x, inputs, 5, weight_bits, weight_scale if np.ndim(weight_scale) == 0 else 0.3)
    graph.add("Add", graph.add("Mul", x, graph.constant(np.float32(0.37))), graph.constant(np.float32(-1.1)))
    return graph


COLUMN = np.linspace(0.01, 0.02, 7)[:, None]


@pytest.mark.parametrize(
    ("bits", "weight_bits", "scale", "weight_scale", "op"),
    [
        (1, 1, 1.0, 1.0, "threshold"),
        (2, 1, 1.0, 1.0, "threshold"),
        (2, 2, 1.0, 1.0, "threshold"),
        (1, 4, 0.17, 0.07, "threshold"),
        (4, 8, 0.17, COLUMN, "threshold"),
        (8, 4, 0.021, 0.07, "batch_norm"),
        (8, 8, 0.021, COLUMN, "batch_norm"),
    ],
)
def test_dense_networks_equal_qonnx(
    tmp_path: Path, bits: int, weight_bits: int, scale: float, weight_scale: Any, op: str
) -> None:
    exact = check(dense_network(bits, weight_bits, scale, weight_scale), tmp_path, (40,))
    assert ops_of(exact.network) == [op, "dense", op, "dense", op, "dense"]
    assert exact.head is None
    assert exact.tail is not None


def test_a_real_input_is_quantised_on_the_host(tmp_path: Path) -> None:
    exact = check(dense_network(2, 2, 1.0, 1.0), tmp_path, (40,), None)
    assert ops_of(exact.network) == ["dense", "threshold", "dense", "threshold", "dense"]
    assert exact.head is not None
    assert exact.network.tensors[exact.network.inputs[0]].format == FixedPoint(2, 0, True, "RND_CONV", "SAT")


def test_the_largest_integer_is_the_largest_output(tmp_path: Path) -> None:
    exact = check(dense_network(1, 1, 1.0, 1.0, 3), tmp_path, (40,))
    codes = np.random.default_rng(5).integers(0, 256, (200, 40))
    classes = execute(exact.network, exact.weights, codes).argmax(axis=1)
    np.testing.assert_array_equal(classes, exact.run(codes / 256.0).argmax(axis=1))
    assert len(np.unique(classes)) > 2


# Convolutions


def conv_network(middle: Any, bits: int = 4, zero: float = 0.0) -> Graph:
    """Convolution, ``middle`` (graph, tensor) → tensor, pool, depthwise convolution, quantiser, dense layer."""
    graph = Graph(bits)
    x = graph.quant("x", 1 / 255, 8, signed=0)
    x = graph.conv(x, (6, 2, 3, 3), 4, np.linspace(0.05, 0.1, 6).reshape(6, 1, 1, 1))
    x = middle(graph, graph.norm(x, 6, 1.0))
    x = graph.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = graph.norm(graph.conv(x, (6, 1, 2, 2), 4, 0.11, group=6), 6, 1.0)
    x = graph.add("Flatten", graph.quant(x, 0.07, bits, zero=zero))
    graph.dense(x, 24, 5, 4, 0.2)
    return graph


def rectified(graph: Graph, x: str, bits: int = 4) -> str:
    return graph.quant(graph.add("Relu", x), 0.0913, bits, signed=0)


def counted(graph: Graph, x: str) -> str:
    rows = np.sort(graph.rng.standard_normal((6, 7)).astype(np.float32), axis=1)
    attrs = {"out_scale": 0.25, "out_bias": -1.0, "out_dtype": "INT4"}
    return graph.add("MultiThreshold", x, graph.constant(rows), domain=QUANT, **attrs)


@pytest.mark.parametrize("middle", [rectified, counted])
def test_convolutions_equal_qonnx(tmp_path: Path, middle: Any) -> None:
    exact = check(conv_network(middle), tmp_path, (2, 8, 8))
    expected = "batch_norm conv2d threshold max_pool2d conv2d threshold flatten dense"
    assert ops_of(exact.network) == expected.split()
    thresholds = next(layer for layer in exact.network.layers if layer.op == "threshold").params["thresholds"]
    assert exact.network.tensors[thresholds].shape == (6, 15 if middle is rectified else 7)


def test_eight_bits_with_a_zero_point_equal_qonnx(tmp_path: Path) -> None:
    graph = conv_network(lambda g, x: rectified(g, x, 8), 8, zero=3.0)
    exact = check(graph, tmp_path, (2, 8, 8), None)
    expected = "conv2d batch_norm max_pool2d conv2d batch_norm clip flatten dense"
    assert ops_of(exact.network) == expected.split()


def test_scales_per_channel_of_activations(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.quant("x", np.array([0.31, 0.17, 0.5]).reshape(1, 3, 1, 1), 5)
    x = graph.norm(graph.conv(x, (6, 1, 2, 2), 3, 0.3, group=3), 6, 1.0)
    scales = np.linspace(0.2, 0.4, 6).reshape(1, 6, 1, 1)
    graph.conv(graph.quant(x, scales, 4), (6, 1, 1, 1), 3, 0.3, group=6)
    assert ops_of(check(graph, tmp_path, (3, 5, 5), None).network) == ["conv2d", "threshold", "conv2d"]


def test_thresholds_of_channels_last_data(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.add("Transpose", graph.conv(graph.quant("x", 0.1, 4), (3, 2, 1, 1), 3, 0.3), perm=[0, 2, 3, 1])
    rows = np.sort(graph.rng.standard_normal((3, 4)).astype(np.float32), axis=1)
    attrs = {"data_layout": "NHWC", "out_dtype": "UINT4"}
    x = graph.add("MultiThreshold", x, graph.constant(rows), domain=QUANT, **attrs)
    x = graph.add("Transpose", x, perm=[0, 3, 1, 2])
    graph.conv(x, (2, 3, 1, 1), 3, 0.3)
    exact = check(graph, tmp_path, (2, 4, 4), None)
    assert ops_of(exact.network) == ["conv2d", "threshold", "conv2d"]


def test_a_residual_network_equals_qonnx(tmp_path: Path) -> None:
    graph = Graph(2)
    x = graph.quant("x", 0.02, 8)
    x = graph.quant(graph.norm(graph.conv(x, (4, 4, 1, 1), 4, 0.1), 4, 1.0), 0.3, 4)
    y = graph.quant(graph.norm(graph.conv(x, (4, 4, 1, 1), 4, 0.1), 4, 1.0), 0.6, 4)
    total = graph.quant(graph.add("Relu", graph.add("Add", x, y)), 0.413, 4, signed=0)
    mean = graph.quant(graph.add("GlobalAveragePool", total), 0.211, 6, signed=0)
    graph.conv(mean, (3, 4, 1, 1), 4, 0.1)
    exact = check(graph, tmp_path, (4, 4, 4), None)
    expected = "conv2d threshold conv2d threshold add threshold global_avg_pool batch_norm conv2d"
    assert ops_of(exact.network) == expected.split()


@pytest.mark.parametrize(("bits", "op"), [(4, "threshold"), (7, "lookup")])
def test_a_sigmoid_between_quantisers_equals_qonnx(tmp_path: Path, bits: int, op: str) -> None:
    graph = Graph(1)
    x = graph.add("Sigmoid", graph.dense(graph.quant("x", 0.05, 6), 8, 6, 3, 0.1))
    graph.dense(graph.quant(x, 0.131 if bits == 4 else 0.0131, bits), 6, 5, 4, 0.1)
    assert ops_of(check(graph, tmp_path, (8,), None).network) == ["dense", op, "dense"]


def test_a_sigmoid_between_powers_of_two_is_a_table(tmp_path: Path) -> None:
    graph = Graph(1)
    x = graph.quant(graph.dense(graph.quant("x", 0.125, 6), 8, 6, 3, 0.25), 0.125, 7)
    graph.dense(graph.quant(graph.add("Sigmoid", x), 0.0078125, 8), 6, 5, 4, 0.25)
    exact = check(graph, tmp_path, (8,), None)
    assert ops_of(exact.network) == ["dense", "requantise", "lookup", "dense"]
    assert (exact.head, exact.tail, exact.notes) == (None, None, ())


# Brevitas


@pytest.mark.needs("brevitas")
def test_a_network_of_brevitas_own_defaults_equals_brevitas(tmp_path: Path) -> None:
    """Real scales, one per channel for weights; a batch norm that is not folded; a residual with a shared quantiser."""
    import torch
    from brevitas_networks import export

    path, module, shape = export("scaled", tmp_path)
    exact = import_exact(path)
    x = np.random.default_rng(0).standard_normal((300, *shape)).astype(np.float32)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about named tensors
        theirs = module(torch.tensor(x)).numpy()
    expect_equal(exact, x, theirs)
    expected = "conv2d batch_norm conv2d batch_norm batch_norm add threshold max_pool2d flatten dense"
    assert ops_of(exact.network) == expected.split()


# QuantizeLinear and DequantizeLinear


def between(graph: Graph, x: str, scale: float, zero: int, dtype: type) -> str:
    """Quantised to codes and back."""
    constants = (graph.constant(np.float32(scale)), graph.constant(np.array(zero, dtype)))
    return graph.add("DequantizeLinear", graph.add("QuantizeLinear", x, *constants), *constants)


def dequantised(graph: Graph, codes: Array, scale: Any) -> str:
    zeros = np.zeros(np.shape(scale), codes.dtype)
    arrays = [graph.constant(array) for array in (codes, np.float32(scale), zeros)]
    return graph.add("DequantizeLinear", *arrays, axis=0)


def codes_network(zeros: tuple[int, int, int]) -> Graph:
    """uint8 and int8 activations, int8 weights with a scale per channel, int32 biases."""
    graph = Graph(zeros[0])

    def weight(shape: tuple[int, ...], scale: Any) -> str:
        return dequantised(graph, graph.rng.integers(-127, 128, shape).astype(np.int8), scale)

    def bias(scale: Any) -> str:
        return dequantised(graph, graph.rng.integers(-3000, 3000, np.shape(scale)).astype(np.int32), scale)

    scales = np.float32(np.linspace(0.003, 0.006, 5))
    x = between(graph, "x", 0.0173, zeros[0], np.uint8)
    x = graph.add("Conv", x, weight((5, 3, 3, 3), scales), bias(scales * np.float32(0.0173)), kernel_shape=[3, 3])
    x = between(graph, graph.add("Relu", x), 0.0391, zeros[1], np.uint8)
    x = graph.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = between(
        graph, graph.add("Conv", x, weight((4, 5, 2, 2), 0.0051), kernel_shape=[2, 2]), 0.057, zeros[2], np.int8
    )
    graph.add("Gemm", graph.add("Flatten", x), weight((6, 16), 0.01), bias(np.full(6, 0.00057)), transB=1)
    return graph


@pytest.mark.parametrize("zeros", [(121, 0, 7), (128, 0, -128), (0, 3, 0)])
def test_codes_with_zero_points_equal_onnxruntime(tmp_path: Path, zeros: tuple[int, int, int]) -> None:
    import onnxruntime

    path = save(codes_network(zeros), tmp_path, (30, 3, 8, 8), opset=13)
    options = onnxruntime.SessionOptions()  # unoptimised: fused layers round by approximate factors
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).standard_normal((30, 3, 8, 8)).astype(np.float32)
    exact = import_exact(path)
    expect_equal(exact, x, session.run(None, {"x": x})[0])
    convolutions = [layer for layer in exact.network.layers if layer.op in ("conv2d", "dense")]
    assert ["bias" in layer.params for layer in convolutions] == [True, False, True]  # on the accumulator's grid


# Refusals


def test_truncation_known_by_its_width_is_refused(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.dense(graph.quant("x", 0.5, 8), 4, 3)
    arrays = [graph.constant(np.float32(value)) for value in (0.5, 0, 8, 4)]
    graph.dense(graph.add("Trunc", x, *arrays, domain=QUANT, rounding_mode="FLOOR"), 3, 2)
    path = save(graph, tmp_path, (1, 4), domains=[QUANT])
    with pytest.raises(UnsupportedError, match=r"^Trunc_\d: only the width of its result is known; expected its lev"):
        import_exact(path)


def test_a_float_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [node("Relu", ["x"], ["y"])], shape=(1, 4))
    with pytest.raises(UnsupportedError, match=r"^y: nothing between input and output is quantised; expected quant"):
        import_exact(path)
