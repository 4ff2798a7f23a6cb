# SPDX-License-Identifier: Apache-2.0
"""A Network as an ONNX model with random weights, to be timed: in float, or between 8-bit quantisers.

Quantised models are as ONNX Runtime's static quantisation makes them: ReLU and ReLU6 are left to the quantiser behind
them, which clips, and batch norms are folded into the convolution before them. With either in the way, runtimes would
compute the convolution in float. Scales are arbitrary, since no runtime's speed depends on them. Nodes and values are
named after layers (:func:`layer_of`), so that a profile can be read.
"""

import re
from typing import Any

import numpy as np

from hwsim.errors import UnsupportedError
from hwsim.network import Layer, Network

OPSET, IR = 17, 9  # read by ONNX Runtime 1.22 and later
SCALE, WEIGHT_SCALE = 0.05, 0.01
# Scale and zero point by the range of what is quantised, as static quantisation chooses them.
QUANTISERS = {"signed": (SCALE, 128), "positive": (SCALE, 0), "clipped": (6 / 255, 0)}
RANGES = {"relu": "positive", "clip": "clipped"}
IMPLIED = ("relu", "clip", "batch_norm")  # what a quantiser clips away, or what is folded into weights
RANGE_KEEPING = ("max_pool2d", "flatten", "global_max_pool", "requantise")
SIMPLE = {
    "relu": "Relu",
    "add": "Add",
    "concat": "Concat",
    "flatten": "Flatten",
    "global_avg_pool": "GlobalAveragePool",
    "global_max_pool": "GlobalMaxPool",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softmax": "Softmax",
    "hard_swish": "HardSwish",
    "hard_sigmoid": "HardSigmoid",
}
ATTRIBUTES: dict[str, dict[str, Any]] = {"concat": {"axis": 1}, "flatten": {"axis": 1}, "softmax": {"axis": 1}}


def onnx_model(network: Network, quantised: bool, batch: int = 1, seed: int = 0) -> bytes:
    """The serialised model; weights are drawn from `seed`.

    Raises:
        UnsupportedError: an operator that has no translation here, by layer name.
    """
    return _Graph(network, quantised, batch, np.random.default_rng(seed)).serialised()


def layer_of(network: Network, node: str) -> Layer | None:
    """The layer that a runtime's node computes, by what the runtime left of its name; None of a node of its own."""
    found = re.search(r"layer<(\d+)>", node)
    return network.layers[int(found[1])] if found else None


class _Graph:
    """Nodes and initialisers of one model while they are collected."""

    def __init__(self, network: Network, quantised: bool, batch: int, generator: np.random.Generator) -> None:
        from onnx import helper

        self.network, self.quantised, self.batch, self.generator = network, quantised, batch, generator
        self.helper = helper
        self.nodes: list[Any] = []
        self.initialisers: list[Any] = []
        self.names: dict[str, str] = {}  # tensor of the network -> value of the model

    def serialised(self) -> bytes:
        from onnx import TensorProto

        helper, network = self.helper, self.network
        if self.quantised:
            for name, (scale, zero) in QUANTISERS.items():
                self.constant(f"{name}_scale", np.float32(scale))
                self.constant(f"{name}_zero", np.uint8(zero))
        for layer in network.layers:
            self._add(layer)
        ends = [(network.inputs, [f"in_{name}" for name in network.inputs]),
                (network.outputs, [self.names[name] for name in network.outputs])]  # fmt: skip
        values = [
            [helper.make_tensor_value_info(value, TensorProto.FLOAT, [self.batch, *network.tensors[name].shape])
             for name, value in zip(names, given, strict=True)]
            for names, given in ends
        ]  # fmt: skip
        graph = helper.make_graph(self.nodes, network.name or "network", *values, initializer=self.initialisers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        return bytes(model.SerializeToString())

    def constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self.initialisers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self.helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def _add(self, layer: Layer) -> None:
        tensors = self.network.tensors
        if layer.op == "input":
            self.names[layer.output] = self._requantised(f"in_{layer.output}", layer.output)
            return
        inputs = [self.names[name] for name in layer.inputs]
        if layer.op in ("output", "requantise"):
            for name in layer.outputs:
                self.names[name] = inputs[0]
            return
        if self.quantised and layer.op in IMPLIED:
            merged = self._is_followed_by(layer, IMPLIED)
            self.names[layer.output] = inputs[0] if merged else self._requantised(inputs[0], layer.output)
            return
        out = f"layer<{self.network.layers.index(layer)}>"
        if layer.op in ("conv2d", "dense"):
            self._weighted(layer, inputs[0], out)
        elif layer.op == "batch_norm":
            size = tensors[layer.params["scale"]].size
            parts = [self.constant(f"{layer.name}_{part}", np.ones(size, np.float32)) for part in "sbmv"]
            self.node("BatchNormalization", [inputs[0], *parts], out)
        elif layer.op in ("max_pool2d", "avg_pool2d"):
            op = {"max_pool2d": "MaxPool", "avg_pool2d": "AveragePool"}[layer.op]
            window = {
                "kernel_shape": layer.attrs["kernel"],
                "strides": layer.attrs["stride"],
                "pads": layer.attrs["padding"],
            }
            self.node(op, inputs, out, **window)
        elif layer.op == "clip":
            ends = [self.constant(f"{layer.name}_{end}", np.float32(layer.attrs[end])) for end in ("low", "high")]
            self.node("Clip", [inputs[0], *ends], out)
        elif layer.op in SIMPLE:
            self.node(SIMPLE[layer.op], inputs, out, **ATTRIBUTES.get(layer.op, {}))
        else:
            raise UnsupportedError(
                f"{layer.name}: {layer.op} is not measured; expected {', '.join(SIMPLE)}, conv2d, dense, pools; "
                "leave it out"
            )
        fused = self._is_followed_by(layer, IMPLIED)
        self.names[layer.output] = out if fused else self._requantised(out, layer.output)

    def _is_followed_by(self, layer: Layer, ops: tuple[str, ...]) -> bool:
        """Whether one of `ops` is all that reads the layer, so that runtimes may merge it."""
        follows = self.network.consumers(layer.output)
        return len(follows) == 1 and follows[0].op in ops

    def _weighted(self, layer: Layer, source: str, out: str) -> None:
        shape = self.network.tensors[layer.params["weight"]].shape
        weight, bias = self._weights(layer, shape)
        inputs = [source, weight, *([bias] if bias else [])]
        if layer.op == "dense":
            self.node("Gemm", inputs, out, transB=1)
            return
        attrs = layer.attrs
        self.node("Conv", inputs, out, kernel_shape=attrs["kernel"], strides=attrs["stride"], pads=attrs["padding"],
                  dilations=attrs["dilation"], group=attrs["groups"])  # fmt: skip

    def _weights(self, layer: Layer, shape: tuple[int, ...]) -> tuple[str, str]:
        """Names of weight and bias, "" without one."""
        name, biased = layer.name, "bias" in layer.params
        if not self.quantised:
            weight = self.generator.normal(0, 0.05, shape).astype(np.float32)
            bias = self.constant(f"{name}_b", np.zeros(shape[0], np.float32)) if biased else ""
            return self.constant(f"{name}_w", weight), bias
        scale = self.constant(f"{name}_ws", np.float32(WEIGHT_SCALE))
        zero = self.constant(f"{name}_wz", np.int8(0))
        integers = self.constant(f"{name}_wq", self.generator.integers(-127, 128, shape).astype(np.int8))
        weight = self.node("DequantizeLinear", [integers, scale, zero], f"{name}_w")
        if not biased:
            return weight, ""
        # Runtimes compute in 8 bits only where the bias has the scale of the sums.
        sums = np.float32(WEIGHT_SCALE) * np.float32(QUANTISERS[self._range(layer.inputs[0])][0])
        empty = self.constant(f"{name}_bz", np.int32(0))
        bias = self.constant(f"{name}_bq", np.zeros(shape[0], np.int32))
        return weight, self.node("DequantizeLinear", [bias, self.constant(f"{name}_bs", sums), empty], f"{name}_b")

    def _requantised(self, value: str, name: str) -> str:
        if not self.quantised:
            return value
        quantiser = [f"{self._range(name)}_scale", f"{self._range(name)}_zero"]
        integers = self.node("QuantizeLinear", [value, *quantiser], f"q_{name}")
        return self.node("DequantizeLinear", [integers, *quantiser], f"d_{name}")

    def _range(self, tensor: str) -> str:
        """Which of QUANTISERS a tensor needs: what wrote it, through layers that keep the range."""
        producer = self.network.producer(tensor)
        while producer is not None and producer.op in RANGE_KEEPING:
            producer = self.network.producer(producer.inputs[0])
        return RANGES.get(producer.op, "signed") if producer is not None else "signed"
