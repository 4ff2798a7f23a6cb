# SPDX-License-Identifier: Apache-2.0
"""A Network as an ONNX model with random weights, to be timed: in float, or between 8-bit quantisers.

Quantisers have arbitrary scales, since no runtime's speed depends on them. Batch norms are left out of quantised
models, as a quantiser folds them into the convolution before them.
"""

from typing import Any

import numpy as np

from hwsim.errors import UnsupportedError
from hwsim.network import Layer, Network

OPSET, IR = 17, 9  # read by ONNX Runtime 1.22 and later
SCALE = 0.05
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
            self.constant("activation_scale", np.float32(SCALE))
            self.constant("activation_zero", np.uint8(128))
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
        self.nodes.append(self.helper.make_node(op, inputs, [output], **attributes))
        return output

    def _add(self, layer: Layer) -> None:
        tensors = self.network.tensors
        if layer.op == "input":
            self.names[layer.output] = self._requantised(f"in_{layer.output}", layer.output)
            return
        inputs = [self.names[name] for name in layer.inputs]
        if layer.op in ("output", "requantise") or (layer.op == "batch_norm" and self.quantised):
            for name in layer.outputs:
                self.names[name] = inputs[0]
            return
        out = f"v_{layer.output}"
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
        follows = self.network.consumers(layer.output)
        fused = len(follows) == 1 and follows[0].op in ("relu", "clip", "batch_norm") and layer.op != "input"
        self.names[layer.output] = out if fused else self._requantised(out, layer.output)

    def _weighted(self, layer: Layer, source: str, out: str) -> None:
        shape = self.network.tensors[layer.params["weight"]].shape
        weight, bias = self._weights(layer.name, shape, "bias" in layer.params)
        inputs = [source, weight, *([bias] if bias else [])]
        if layer.op == "dense":
            self.node("Gemm", inputs, out, transB=1)
            return
        attrs = layer.attrs
        self.node("Conv", inputs, out, kernel_shape=attrs["kernel"], strides=attrs["stride"], pads=attrs["padding"],
                  dilations=attrs["dilation"], group=attrs["groups"])  # fmt: skip

    def _weights(self, name: str, shape: tuple[int, ...], biased: bool) -> tuple[str, str]:
        """Names of weight and bias, "" without one."""
        if not self.quantised:
            weight = self.generator.normal(0, 0.05, shape).astype(np.float32)
            bias = self.constant(f"{name}_b", np.zeros(shape[0], np.float32)) if biased else ""
            return self.constant(f"{name}_w", weight), bias
        scale = self.constant(f"{name}_ws", np.float32(0.01))
        zero = self.constant(f"{name}_wz", np.int8(0))
        integers = self.constant(f"{name}_wq", self.generator.integers(-127, 128, shape).astype(np.int8))
        weight = self.node("DequantizeLinear", [integers, scale, zero], f"{name}_w")
        if not biased:
            return weight, ""
        sums = self.constant(f"{name}_bs", np.float32(0.01 * SCALE))
        empty = self.constant(f"{name}_bz", np.int32(0))
        bias = self.constant(f"{name}_bq", np.zeros(shape[0], np.int32))
        return weight, self.node("DequantizeLinear", [bias, sums, empty], f"{name}_b")

    def _requantised(self, value: str, name: str) -> str:
        if not self.quantised:
            return value
        quantiser = ["activation_scale", "activation_zero"]
        integers = self.node("QuantizeLinear", [value, *quantiser], f"q_{name}")
        return self.node("DequantizeLinear", [integers, *quantiser], f"d_{name}")
