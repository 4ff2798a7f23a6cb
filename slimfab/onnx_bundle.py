# SPDX-License-Identifier: Apache-2.0
"""A quantised network as an 8-bit ONNX file in a bundle, for ONNX Runtime on the board's own processor.

Between QuantizeLinear and DequantizeLinear as ONNX Runtime's static quantisation writes them, so that its 8-bit kernels
run. Scales are the formats' powers of two; of wider formats the high eight bits are kept, so that results are near the
golden executor's and not equal. A ReLU whose result is unsigned is left to the quantiser behind it, which clips.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from boards.driver.cpu import FOLDER, MODEL, MODEL_REASON
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Weights

OPSET, IR = 17, 9  # read by ONNX Runtime 1.13 and later
BITS = 8
_PASSED = ("output", "requantise")  # nothing but a quantiser
_ABSORBING = ("relu", "clip", *_PASSED)  # what follows a layer before its quantiser
_PLAIN: Mapping[str, tuple[str, dict[str, Any]]] = {
    "add": ("Add", {}),
    "concat": ("Concat", {"axis": 1}),
    "flatten": ("Flatten", {"axis": 1}),
    "relu": ("Relu", {}),
    "global_avg_pool": ("GlobalAveragePool", {}),
    "global_max_pool": ("GlobalMaxPool", {}),
}


def bundle_files(network: Network, weights: Weights) -> dict[str, bytes]:
    """The file by the name that it has in a bundle; where the network cannot be written as one, the reason."""
    try:
        return {f"{FOLDER}/{MODEL}": onnx_model(network, weights)}
    except UnsupportedError as error:
        reason = str(error)
    except ImportError:
        reason = "onnx was not installed where the bundle was built; pip install 'slimfab[quant]'; build it again"
    return {f"{FOLDER}/{MODEL_REASON}": f"{reason}\n".encode()}


def onnx_model(network: Network, weights: Weights) -> bytes:
    """The serialised model: (1, *shape) float in, (1, *shape) float out.

    Raises:
        UnsupportedError: an operator that has no 8-bit form, by layer name.
    """
    from onnx import TensorProto, helper

    graph = _Graph(network, weights)
    for layer in network.layers:
        graph.add(layer)
    source, result = network.inputs[0], network.outputs[0]
    ends = [
        helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, *network.tensors[tensor].shape])
        for tensor, value in ((source, "input"), (result, graph.values[result]))
    ]
    made = helper.make_graph(graph.nodes, network.name or "network", ends[:1], ends[1:], initializer=graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants while they are collected; ``values`` names the model's value of every tensor."""

    def __init__(self, network: Network, weights: Weights) -> None:
        self.network, self.weights = network, weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.values: dict[str, str] = {}

    def add(self, layer: Layer) -> None:
        """One layer, and the quantiser behind it unless another layer comes before that."""
        name, result = f"v{len(self.values)}", layer.output
        inputs = [self.values[tensor] for tensor in layer.inputs]
        fmt = self._format(result)
        if layer.op == "input":
            value = "input"
        elif layer.op in _PASSED or (layer.op == "relu" and not fmt.signed):
            value = inputs[0]
        elif layer.op in _PLAIN:
            kind, attributes = _PLAIN[layer.op]
            value = self._node(kind, inputs, name, **attributes)
        elif layer.op in _RULES:
            value = _RULES[layer.op](self, layer, inputs, name)
        else:
            raise UnsupportedError(f"{layer.name}: {layer.op} has no 8-bit form in ONNX; see the C++ beside it")
        follows = self.network.consumers(result)
        absorbed = layer.op not in ("input", *_ABSORBING) and len(follows) == 1 and follows[0].op in _ABSORBING
        self.values[result] = value if absorbed else self._quantised(value, name, fmt)

    def weighted(self, layer: Layer, inputs: list[str], name: str) -> str:
        """A convolution or dense layer on 8-bit weights and 32-bit biases."""
        fmt, integers = self._format(layer.params["weight"]), self.weights[layer.params["weight"]]
        if fmt.signed and fmt.width <= BITS:
            scale = fmt.step
        else:
            scale = max(float(np.abs(integers).max(initial=1)), 1.0) / 127 * fmt.step
        rounded = np.clip(np.rint(fmt.to_real(integers) / scale), -128, 127).astype(np.int8)
        operands = [inputs[0], self._dequantised(f"{name}_w", rounded, scale)]
        if "bias" in layer.params:
            unit = scale * _scale(self._format(layer.inputs[0]))
            reals = self._format(layer.params["bias"]).to_real(self.weights[layer.params["bias"]])
            sums = np.clip(np.rint(reals / unit), -(2**31), 2**31 - 1).astype(np.int32)
            operands.append(self._dequantised(f"{name}_b", sums, unit))
        if layer.op == "dense":
            return self._node("Gemm", operands, name, transB=1)
        attrs = layer.attrs
        return self._node("Conv", operands, name, kernel_shape=attrs["kernel"], strides=attrs["stride"],
                          pads=attrs["padding"], dilations=attrs["dilation"], group=attrs["groups"])  # fmt: skip

    def pool(self, layer: Layer, inputs: list[str], name: str) -> str:
        """A pooling over windows."""
        window = {
            "kernel_shape": layer.attrs["kernel"],
            "strides": layer.attrs["stride"],
            "pads": layer.attrs["padding"],
        }
        if layer.op == "max_pool2d":
            return self._node("MaxPool", inputs, name, **window)
        return self._node(
            "AveragePool", inputs, name, **window, count_include_pad=int(layer.attrs["count_include_pad"])
        )

    def clip(self, layer: Layer, inputs: list[str], name: str) -> str:
        """Limits."""
        ends = [self._constant(f"{name}_{end}", np.float32(layer.attrs[end])) for end in ("low", "high")]
        return self._node("Clip", [inputs[0], *ends], name)

    def _quantised(self, value: str, name: str, fmt: FixedPoint) -> str:
        zero = np.int8(0) if fmt.signed else np.uint8(0)
        parts = [self._constant(f"{name}_s", np.float32(_scale(fmt))), self._constant(f"{name}_z", zero)]
        integers = self._node("QuantizeLinear", [value, *parts], f"{name}_q")
        return self._node("DequantizeLinear", [integers, *parts], f"{name}_d")

    def _dequantised(self, name: str, integers: Any, scale: float) -> str:
        parts = [self._constant(f"{name}i", integers), self._constant(f"{name}s", np.float32(scale))]
        return self._node("DequantizeLinear", [*parts, self._constant(f"{name}z", integers.dtype.type(0))], name)

    def _format(self, tensor: str) -> FixedPoint:
        fmt = self.network.tensors[tensor].format
        if fmt is None:
            raise UnsupportedError(f"{tensor}: has no number format; expected a quantised network; quantise it")
        return fmt

    def _constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output


def _scale(fmt: FixedPoint) -> float:
    """The step of eight bits that have the range of a format."""
    return float(fmt.step * 2.0 ** max(fmt.width - BITS, 0))


_RULES: Mapping[str, Callable[[_Graph, Layer, list[str], str], str]] = {
    "dense": _Graph.weighted,
    "conv2d": _Graph.weighted,
    "max_pool2d": _Graph.pool,
    "avg_pool2d": _Graph.pool,
    "clip": _Graph.clip,
}
