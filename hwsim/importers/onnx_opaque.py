# SPDX-License-Identifier: Apache-2.0
"""Nodes that cannot be layers of ours, kept as opaque layers with their shapes, so that the others can be costed.

Whatever the importer refuses by a node's name – an unknown operator, or a mode of one – becomes a layer that names the
operator, its products where a formula is known (:mod:`hwsim.importers.products`), and the constants that it reads.
"""

from collections.abc import Mapping

import numpy as np

from hwsim import ops
from hwsim.errors import UnsupportedError
from hwsim.importers.onnx_file import Node
from hwsim.importers.onnx_lowering import Lowering
from hwsim.importers.onnx_shapes import inferred_shapes
from hwsim.importers.onnx_values import Constant, Value
from hwsim.importers.products import Shape, onnx_macs
from hwsim.importers.qonnx import Array

_INDICES = (np.int64, np.bool_)


def keep_opaque(low: Lowering, node: Node, error: UnsupportedError, stated: Mapping[str, Shape]) -> None:
    """Append opaque layers for a refused node, one for each of its outputs that something reads.

    The first has the node's products and constants. An output whose first axis is not the batch keeps its whole shape,
    and what reads it is opaque too.

    Args:
        stated: full shapes that the file states, by name, for operators that onnx does not know.

    Raises:
        UnsupportedError: the refusal, where the shape of an output is not known or no input is an activation.
    """
    sources = [name for name in dict.fromkeys(node.inputs) if name in low.values or name in low.codes]
    outputs = [name for name in node.outputs if name and low.uses[name]]
    if not sources or not outputs:
        raise error
    given = {name: _full_shape(low, name) for name in sources}
    constants = {name: low.constants[name].array for name in dict.fromkeys(node.inputs) if name in low.constants}
    if node.op == "Shape":  # of data without a batch; known all the same
        part = slice(node.attrs.get("start", 0), node.attrs.get("end"))
        low.constants[outputs[0]] = Constant(np.asarray(given[sources[0]][part], dtype=np.int64))
        return
    shapes = {**stated, **inferred_shapes(node, low.graph, given, constants)}
    unknown = next((name for name in outputs if name not in shapes), None)
    if unknown is not None:
        raise UnsupportedError(
            f"{error}; to list it as not covered, the shape of '{unknown}' must be in the file: store it as value_info"
        ) from error
    operands = [constants[name].shape if name in constants else given.get(name, ()) for name in node.inputs]
    whole = onnx_macs(node.op, node.attrs, operands, shapes[outputs[0]])
    macs = None if whole is None else whole // low.batch
    operator = f"{node.domain}.{node.op}" if node.domain else node.op
    tensors = [_tensor(low, name) for name in sources]
    for position, name in enumerate(outputs):
        attrs = {
            "operator": operator,
            "shape": _without_batch(low, shapes[name]),
            "macs": 0 if position else macs,
            "reason": str(error).removeprefix(f"{node.name}: "),
        }
        low.emit(node, ops.OPAQUE, tensors, attrs, {} if position else _weights(constants), output=name)
        if shapes[name][:1] == (low.batch,):
            low.show(name, name)
        else:
            low.values[name] = Value(name, shapes[name])
            low.foreign.add(name)


def _full_shape(low: Lowering, name: str) -> Shape:
    value = _value(low, name)
    return value.shape if name in low.foreign else (low.batch, *value.shape)


def _tensor(low: Lowering, name: str) -> str:
    return _value(low, name).tensor


def _value(low: Lowering, name: str) -> Value:
    found: Value = low.values[name] if name in low.values else low.codes[name].value
    return found


def _without_batch(low: Lowering, shape: Shape) -> Shape:
    """The shape of one inference; what has no axis for the batch keeps its own."""
    own = shape[1:] if shape[:1] == (low.batch,) else shape
    return own or (1,)


def _weights(constants: Mapping[str, Array]) -> dict[str, Constant]:
    """All weights of a node as one vector; shapes, axes and indices are no weights."""
    arrays = [array.reshape(-1).astype(np.float32) for array in constants.values() if array.dtype not in _INDICES]
    return {"constants": Constant(np.concatenate(arrays))} if sum(array.size for array in arrays) else {}
