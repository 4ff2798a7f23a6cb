# SPDX-License-Identifier: Apache-2.0
"""ONNX operators that compute nothing: they rename, reshape or reorder elements."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hwsim.errors import UnsupportedError
from hwsim.importers.onnx_file import Node
from hwsim.importers.onnx_lowering import Lowering
from hwsim.importers.onnx_values import Constant, Value

_log = logging.getLogger(__name__)

Handler = Callable[[Lowering, Node], None]


def _identity(low: Lowering, node: Node) -> None:
    low.values[node.outputs[0]] = low.value(node)


def _cast(low: Lowering, node: Node) -> None:
    import onnx

    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    if node.attrs["to"] not in floats:
        kind = onnx.TensorProto.DataType.Name(node.attrs["to"])
        raise UnsupportedError(
            f"{node.name}: Cast of an activation to {kind}; expected a floating-point type; quantise with Quant nodes"
        )
    _identity(low, node)


def _transpose(low: Lowering, node: Node) -> None:
    value = low.value(node)
    axes = list(node.attrs.get("perm") or range(len(value.shape), -1, -1))
    if axes[0] != 0:
        raise UnsupportedError(
            f"{node.name}: Transpose with perm={axes} moves the batch; expected perm[0]=0; keep the batch first"
        )
    low.values[node.outputs[0]] = value.transposed([axis - 1 for axis in axes[1:]])


def _reshape(low: Lowering, node: Node) -> None:
    value = low.value(node)
    target = low.constant(node, 1, "shape").array if "shape" not in node.attrs else np.asarray(node.attrs["shape"])
    full = (low.batch, *value.shape)
    shape = [
        full[i] if extent == 0 and not node.attrs.get("allowzero") else int(extent) for i, extent in enumerate(target)
    ]
    if -1 in shape:
        shape[shape.index(-1)] = math.prod(full) // -math.prod(shape)
    _view_as(low, node, value, shape)


def _flatten(low: Lowering, node: Node) -> None:
    value = low.value(node)
    full = (low.batch, *value.shape)
    axis = node.attrs.get("axis", 1)
    axis += len(full) if axis < 0 else 0
    _view_as(low, node, value, [math.prod(full[:axis]), math.prod(full[axis:])])


def _squeeze(low: Lowering, node: Node) -> None:
    value = low.value(node)
    full = (low.batch, *value.shape)
    axes = axes_of(low, node, len(full)) or [i for i, extent in enumerate(full) if extent == 1]
    _view_as(low, node, value, [extent for i, extent in enumerate(full) if i not in axes])


def _unsqueeze(low: Lowering, node: Node) -> None:
    value = low.value(node)
    rest = iter((low.batch, *value.shape))
    given = node.attrs.get("axes")
    count = len(given) if given is not None else low.constant(node, 1, "axes").array.size
    rank = len(value.shape) + 1 + count
    axes = axes_of(low, node, rank)
    _view_as(low, node, value, [1 if i in axes else next(rest) for i in range(rank)])


def axes_of(low: Lowering, node: Node, rank: int) -> list[int]:
    """The axes of a node (an attribute, from opset 13 or 18 on an input), counted from 0; empty when not given."""
    given = node.attrs.get("axes")
    if given is None:
        constant = low.optional(node, 1, "axes")
        given = [] if constant is None else constant.array.reshape(-1).tolist()
    return [int(axis) % rank for axis in given]


def _view_as(low: Lowering, node: Node, value: Value, shape: Sequence[int]) -> None:
    full = (low.batch, *value.shape)
    if not shape or shape[0] != low.batch or math.prod(shape) != math.prod(full):
        raise UnsupportedError(
            f"{node.name}: {node.op} from {full} to {tuple(shape)} touches the batch; expected the "
            f"first axis to stay {low.batch}; reshape to (batch, -1)"
        )
    low.values[node.outputs[0]] = flattened(low, node, value.reshaped(shape[1:]))


def flattened(low: Lowering, node: Node, value: Value) -> Value:
    """The view, behind a flatten layer where it makes a vector of an image."""
    if len(value.shape) != 1 or len(low.shape(value)) == 1:
        return value
    return Value(low.emit(node, "flatten", [value.tensor]), value.shape, value.order)


def _shape(low: Lowering, node: Node) -> None:
    full = (low.batch, *low.value(node).shape)
    part = full[node.attrs.get("start", 0) : node.attrs.get("end", len(full))]
    low.constants[node.outputs[0]] = Constant(np.asarray(part, dtype=np.int64))


def _pick(low: Lowering, node: Node) -> None:
    value = low.value(node)
    if any(low.uses[name] > (name in low.graph.outputs) for name in node.outputs):
        raise UnsupportedError(
            f"{node.name}: {node.op} inside the network; expected it at the very end, where it is "
            "left to the host; cut the model before it"
        )
    _log.warning("%s: %s is left to the host; the network ends at '%s'", node.name, node.op, value.tensor)
    for name in node.outputs:
        low.values[name] = value


HANDLERS: Mapping[str, Handler] = {
    "Identity": _identity,
    "Dropout": _identity,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Shape": _shape,
    "ArgMax": _pick,
    "TopK": _pick,
}
