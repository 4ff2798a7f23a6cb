# SPDX-License-Identifier: Apache-2.0
"""ONNX operators with weights: convolutions and dense layers."""

from collections.abc import Mapping

import numpy as np

from hwsim.errors import UnsupportedError
from hwsim.importers.onnx_file import Node
from hwsim.importers.onnx_lowering import Lowering
from hwsim.importers.onnx_pools import padding_of, pair
from hwsim.importers.onnx_values import Constant
from hwsim.importers.onnx_views import Handler


def _conv(low: Lowering, node: Node) -> None:
    weight = low.constant(node, 1, "weight")
    if weight.array.ndim != 4:
        raise UnsupportedError(
            f"{node.name}: {weight.array.ndim - 2}-D convolution; expected a 2-D one; write a 1-D "
            "convolution as Conv2d with a (1, k) kernel"
        )
    source = low.image(node)
    kernel, stride, dilation = tuple(weight.array.shape[2:]), pair(node, "strides"), pair(node, "dilations")
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    attrs = {
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "groups": node.attrs.get("group", 1),
        "padding": padding_of(low, node, source, (extent[0], extent[1]), stride),
    }
    params = {"weight": weight}
    bias = low.optional(node, 2, "bias")
    if bias is not None:
        params["bias"] = bias
    low.show(node.outputs[0], low.emit(node, "conv2d", [source], attrs, params))


def _gemm(low: Lowering, node: Node) -> None:
    if node.attrs.get("transA"):
        raise UnsupportedError(
            f"{node.name}: Gemm with transA=1; expected the activation untransposed; export a Linear layer"
        )
    weight = _scaled(low.constant(node, 1, "weight"), node.attrs.get("alpha", 1.0))
    if not node.attrs.get("transB"):
        weight = weight.moved(np.transpose)
    params = {"weight": weight}
    bias = low.optional(node, 2, "bias")
    if bias is not None and node.attrs.get("beta", 1.0):
        scaled = _scaled(bias, node.attrs.get("beta", 1.0))
        params["bias"] = scaled.moved(lambda array: np.broadcast_to(array, (1, len(weight.array))).reshape(-1))
    _dense(low, node, params)


def _matmul(low: Lowering, node: Node) -> None:
    if node.input(0) in low.constants or node.input(1) in low.values:
        raise UnsupportedError(
            f"{node.name}: MatMul expects an activation times a constant matrix; got another order or "
            "two activations; attention is not supported"
        )
    weight = low.constant(node, 1, "weight")
    if weight.array.ndim != 2:
        raise UnsupportedError(
            f"{node.name}: MatMul with a weight of shape {weight.array.shape}; expected a matrix; use "
            "one Linear layer per matrix"
        )
    _dense(low, node, {"weight": weight.moved(np.transpose)})


def _dense(low: Lowering, node: Node, params: dict[str, Constant]) -> None:
    value, weight = low.value(node), params["weight"]
    if not low.is_plain(value):
        if len(value.shape) != 1 or len(low.shape(value)) != 1:
            raise UnsupportedError(
                f"{node.name}: {node.op} reads a reshaped or transposed tensor {low.shape(value)} as "
                f"{value.shape}; expected a vector (F,); flatten before it"
            )
        order = np.argsort(value.indices)  # the tensor's order instead of the view's
        params["weight"] = weight.moved(lambda array: array[:, order])
    low.show(node.outputs[0], low.emit(node, "dense", [value.tensor], params=params))


def _scaled(constant: Constant, factor: float) -> Constant:
    return constant if factor == 1.0 else Constant(constant.array * np.float32(factor), None, constant.root)


HANDLERS: Mapping[str, Handler] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
