# SPDX-License-Identifier: Apache-2.0
"""ONNX operators that work element by element or channel by channel.

Arithmetic with constants becomes a bias of the layer before it where that has none, and a ``batch_norm``
(``x * scale + shift`` per channel) otherwise; affine maps in a row become one, composed in float64.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hwsim import ops
from hwsim.errors import UnsupportedError
from hwsim.importers.onnx_file import Node
from hwsim.importers.onnx_lowering import Lowering
from hwsim.importers.onnx_values import Constant, Value
from hwsim.importers.onnx_views import Handler
from hwsim.importers.qonnx import Array


def _plain(op: str) -> Handler:
    def handler(low: Lowering, node: Node) -> None:
        low.elementwise(node, op)

    return handler


def _leaky_relu(low: Lowering, node: Node) -> None:
    low.elementwise(node, "leaky_relu", {"alpha": float(node.attrs.get("alpha", 0.01))})


def _prelu(low: Lowering, node: Node) -> None:
    slopes = np.unique(low.constant(node, 1, "slope").array)
    if len(slopes) != 1:
        raise UnsupportedError(
            f"{node.name}: PRelu with {len(slopes)} slopes; expected one for the whole tensor; use "
            "nn.PReLU(1) or nn.LeakyReLU"
        )
    low.elementwise(node, "leaky_relu", {"alpha": float(slopes[0])})


def _hard_sigmoid(low: Lowering, node: Node) -> None:
    alpha, beta = node.attrs.get("alpha", 0.2), node.attrs.get("beta", 0.5)
    if not (math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5):
        raise UnsupportedError(
            f"{node.name}: HardSigmoid with alpha={alpha:g}, beta={beta:g}; expected 1/6 and 0.5 as in "
            "nn.Hardsigmoid; use that"
        )
    low.elementwise(node, "hard_sigmoid")


def _softmax(low: Lowering, node: Node) -> None:
    value = low.value(node)
    axis = node.attrs.get("axis", -1 if low.graph.opset >= 13 else 1)
    if len(value.shape) != 1 or len(low.shape(value)) != 1 or axis not in (1, -1):
        raise UnsupportedError(
            f"{node.name}: Softmax over axis {axis} of {(low.batch, *value.shape)}; expected it over the "
            "features of (batch, F); flatten before it"
        )
    low.elementwise(node, "softmax")


def _clip(low: Lowering, node: Node) -> None:
    bounds = []
    for index, key in ((1, "min"), (2, "max")):
        constant = low.optional(node, index, key)
        bounds.append(float(constant.array) if constant else node.attrs.get(key))
    # Exporters write an absent bound as none, as infinity or as the largest float32.
    lowest, highest = (None if b is None or abs(b) > 3e38 else float(b) for b in bounds)
    if lowest is None and highest is None:
        low.values[node.outputs[0]] = low.value(node)
    elif lowest == 0.0 and highest is None:
        low.elementwise(node, "relu")
    else:
        limit = float(np.finfo(np.float32).max)
        low.elementwise(
            node, "clip", {"low": -limit if lowest is None else lowest, "high": limit if highest is None else highest}
        )


def _batch_norm(low: Lowering, node: Node) -> None:
    if node.attrs.get("training_mode"):
        raise UnsupportedError(
            f"{node.name}: BatchNormalization in training mode; expected inference; call model.eval() before the export"
        )
    names = ("scale", "bias", "mean", "variance")
    constants = [low.constant(node, i + 1, what) for i, what in enumerate(names)]
    value = low.channels(node, 0, constants[0].array.size)
    column = (-1, *(1,) * (len(value.shape) - 1))
    gamma, beta, mean, variance = (
        low.per_channel(node, c.array.astype(np.float64).reshape(column), value, 0) for c in constants
    )
    with np.errstate(all="ignore"):  # what is not finite is refused by name when it is filed
        scale = gamma / np.sqrt(variance + node.attrs.get("epsilon", 1e-5))
        shift = beta - mean * scale
    _affine(low, node, value, scale, shift, constants[0].root)


def _add(low: Lowering, node: Node) -> None:
    constant = next((i for i in range(len(node.inputs)) if node.inputs[i] in low.constants), None)
    if constant is None:
        _add_activations(low, node)
        return
    addend = low.constants[node.inputs[constant]]
    value = low.channels(node, 1 - constant, addend.array.size)
    source = low.layers[value.tensor]
    if source.op in ops.WEIGHTED and "bias" not in source.params and low.is_exclusive(value):
        axis = 0 if source.op == "conv2d" else -1
        bias = replace(addend, array=low.per_channel(node, addend.array, value, axis))
        name = low.add_parameter(source.name, "bias", bias)
        new = low.rewrite(
            value.tensor, node.outputs[0], lambda layer: replace(layer, params={**layer.params, "bias": name})
        )
        low.values[new] = replace(value, tensor=new)
        return
    shift = low.per_channel(node, addend.array.astype(np.float64), value, 0)
    _affine(low, node, value, np.ones_like(shift), shift, addend.root)


def _add_activations(low: Lowering, node: Node) -> None:
    values = [low.value(node, i) for i in range(len(node.inputs))]
    if len(values) == 1:
        low.values[node.outputs[0]] = values[0]
        return
    if not all(v.same_order(values[0]) and low.shape(v) == low.shape(values[0]) for v in values):
        raise UnsupportedError(
            f"{node.name}: adds activations of shapes {[v.shape for v in values]} in different layouts; "
            "expected equal shapes and layouts; broadcast or transpose before the network"
        )
    out = low.emit(node, "add", [v.tensor for v in values])
    low.values[node.outputs[0]] = replace(values[0], tensor=out)


def _sub(low: Lowering, node: Node) -> None:
    value, constant, first = _with_constant(low, node)
    offset = low.per_channel(node, constant.array.astype(np.float64), value, 0)
    sign = np.full_like(offset, -1.0 if first else 1.0)
    _affine(low, node, value, sign, offset if first else -offset, constant.root)


def _mul(low: Lowering, node: Node) -> None:
    value, constant, _ = _with_constant(low, node)
    scale = low.per_channel(node, constant.array.astype(np.float64), value, 0)
    _affine(low, node, value, scale, np.zeros_like(scale), constant.root)


def _div(low: Lowering, node: Node) -> None:
    value, constant, first = _with_constant(low, node)
    divisor = low.per_channel(node, constant.array.astype(np.float64), value, 0)
    if first or not np.all(divisor):
        raise UnsupportedError(
            f"{node.name}: {'a constant divided by an activation' if first else 'division by zero'}; "
            "expected an activation divided by constants other than zero; rewrite it"
        )
    _affine(low, node, value, 1.0 / divisor, np.zeros_like(divisor), constant.root)


def _neg(low: Lowering, node: Node) -> None:
    value = low.value(node)
    ones = np.ones(low.shape(value)[0])
    _affine(low, node, value, -ones, 0.0 * ones, "")


def _with_constant(low: Lowering, node: Node) -> tuple[Value, Constant, bool]:
    """The activation, the constant, and whether the constant comes first."""
    for index in (0, 1):
        if node.input(index) in low.constants:
            constant = low.constants[node.input(index)]
            return low.channels(node, 1 - index, constant.array.size), constant, index == 0
    raise UnsupportedError(
        f"{node.name}: {node.op} of two activations; expected one of them constant; gates, attention and "
        "squeeze-and-excite are not supported"
    )


def _affine(low: Lowering, node: Node, value: Value, scale: Array, shift: Array, root: str) -> None:
    """Emit ``x * scale + shift`` along axis 0 of the tensor, merged into an affine layer just before it."""
    source = value.tensor
    if source in low.affine and low.is_exclusive(value):
        before, offset = low.affine.pop(source)
        scale, shift = scale * before, shift + scale * offset
        tensor = low.rewrite(source, node.outputs[0], lambda layer: layer)
        for role, array in (("scale", scale), ("shift", shift)):
            low.weights[low.layers[tensor].params[role]] = array.astype(np.float32)
    elif np.all(scale == 1.0) and not np.any(shift):
        low.values[node.outputs[0]] = value
        return
    else:
        tensor = low.emit(
            node, "batch_norm", [source], params={"scale": Constant(scale, root=root), "shift": Constant(shift)}
        )
    low.affine[tensor] = scale, shift
    low.values[node.outputs[0]] = replace(value, tensor=tensor)


def _concat(low: Lowering, node: Node) -> None:
    values = [low.value(node, i) for i in range(len(node.inputs))]
    rank = len(values[0].shape)
    axis = node.attrs["axis"] % (rank + 1) - 1
    tensors = [v.tensor for v in values]
    plain = all(low.is_plain(v) for v in values)
    if plain and axis == 0:
        low.show(node.outputs[0], low.emit(node, "concat", tensors))
    elif rank == 3 and axis == 2 and all(low.is_plain(v.transposed((2, 0, 1))) for v in values):
        out = low.emit(node, "concat", tensors)
        low.values[node.outputs[0]] = Value(out, low.tensors[out].shape).transposed((1, 2, 0))
    elif rank == 1 and all(len(low.shape(v)) == 1 for v in values):
        starts = np.cumsum([0, *(v.shape[0] for v in values)])
        order = np.concatenate([v.indices + start for v, start in zip(values, starts, strict=False)])
        low.values[node.outputs[0]] = Value(low.emit(node, "concat", tensors), order.shape).with_order(order)
    else:
        raise UnsupportedError(
            f"{node.name}: Concat along axis {axis + 1} of {[(low.batch, *v.shape) for v in values]}; "
            "expected the channel axis; concatenate channels"
        )


HANDLERS: Mapping[str, Handler] = {
    "Relu": _plain("relu"),
    "Sigmoid": _plain("sigmoid"),
    "Tanh": _plain("tanh"),
    "HardSwish": _plain("hard_swish"),
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "Softmax": _softmax,
    "Clip": _clip,
    "BatchNormalization": _batch_norm,
    "Add": _add,
    "Sum": _add_activations,
    "Sub": _sub,
    "Mul": _mul,
    "Div": _div,
    "Neg": _neg,
    "Concat": _concat,
}
