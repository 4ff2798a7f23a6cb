# SPDX-License-Identifier: Apache-2.0
"""Evaluate the parts of an ONNX graph that do not depend on its inputs.

Standard operators run on the ``onnx`` package's own reference implementation, so every opset means what its
specification says; quantisers of weights run on :func:`hwsim.importers.qonnx.quantise_reals`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import UnsupportedError
from hwsim.importers import qonnx
from hwsim.importers.onnx_file import Node
from hwsim.importers.onnx_values import Constant
from hwsim.importers.qonnx import Array, Quantiser

# These move a quantised constant's elements and leave their values, so the quantiser stays known.
_MOVES = {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast"}
_RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}


def fold(node: Node, inputs: Sequence[Constant | None], opset: int) -> list[Constant]:
    """Outputs of a node whose inputs are all constant (None for absent optional inputs).

    Raises:
        UnsupportedError: the node cannot be evaluated.
    """
    first = inputs[0] if inputs else None
    root = first.root if first else ""
    if node.op in _RANDOM:
        raise UnsupportedError(
            f"{node.name}: {node.op} draws random numbers; expected constants; export in evaluation mode"
        )
    if node.op == "Constant":
        return [Constant(_constant(node))]
    if node.op in ("Quant", "IntQuant", "BipolarQuant") and node.domain in qonnx.DOMAINS and first:
        read = qonnx.read_bipolar if node.op == "BipolarQuant" else qonnx.read_quant
        quantiser = read(node.name, node.attrs, [c.array for c in inputs[1:] if c])
        return [Constant(qonnx.quantise_reals(first.array, quantiser), quantiser, root)]
    if node.op in _CODES and not node.domain:
        return [_CODES[node.op](node, [c.array for c in inputs if c], first.quantiser if first else None, root)]
    if first is None or node.op not in _MOVES:
        arrays = _run(node, [None if c is None else c.array for c in inputs], opset)
        return [Constant(array, None, root) for array in arrays]
    others = [None if c is None else c.array for c in inputs[1:]]
    return [first.moved(lambda array: _run(node, [array, *others], opset)[0])]


def _constant(node: Node) -> Array:
    for key, kind in (
        ("value", None),
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if key in node.attrs:
            return np.asarray(node.attrs[key], dtype=kind)
    raise UnsupportedError(
        f"{node.name}: Constant without a dense value; expected a tensor; simplify the file with onnxsim"
    )


def _quantise(node: Node, arrays: Sequence[Array], _: Quantiser | None, root: str) -> Constant:
    """QuantizeLinear: ties to even, saturating (ONNX operator specification)."""
    reals, scale, zero = _along_axis(node, arrays, np.uint8)
    info = np.iinfo(zero.dtype)
    levels = np.rint(reals.astype(np.float32) / scale) + zero.astype(np.float32)
    return Constant(np.clip(levels, info.min, info.max).astype(zero.dtype), root=root)


def _clip(node: Node, arrays: Sequence[Array], _: Quantiser | None, root: str) -> Constant:
    """Clip; of integers it says how many bits the codes between QuantizeLinear and DequantizeLinear really have."""
    bounds = [*arrays[1:], *(node.attrs[key] for key in ("min", "max") if key in node.attrs)]
    if len(bounds) != 2:
        raise UnsupportedError(
            f"{node.name}: Clip of a constant with {len(bounds)} bounds; expected two; fold it before export"
        )
    low, high = (np.asarray(bound).reshape(()) for bound in bounds)
    kept = np.clip(arrays[0], low, high).astype(arrays[0].dtype)
    integers = kept.dtype.kind in "iu"
    levels = qonnx.from_levels(node.name, np.ones(()), np.zeros(()), int(low), int(high)) if integers else None
    return Constant(kept, levels, root)


def _dequantise(node: Node, arrays: Sequence[Array], levels: Quantiser | None, root: str) -> Constant:
    codes, scale, zero = _along_axis(node, arrays, arrays[0].dtype)
    bits = levels.bits if levels else 8 * codes.dtype.itemsize
    quantiser = Quantiser(bits, scale.astype(np.float64), zero.astype(np.float64), codes.dtype.kind == "i")
    reals = (codes.astype(np.float32) - zero.astype(np.float32)) * scale
    return Constant(reals.astype(np.float32), quantiser, root)


def _along_axis(node: Node, arrays: Sequence[Array], codes: npt.DTypeLike) -> tuple[Array, Array, Array]:
    """Data, scale and zero point, the latter two shaped to broadcast along the node's axis."""
    data, scale = arrays[0], arrays[1]
    zero = arrays[2] if len(arrays) > 2 else np.zeros((), codes)
    if zero.dtype.kind not in "iu" or node.attrs.get("block_size"):
        raise UnsupportedError(
            f"{node.name}: {node.op} with {zero.dtype} codes or blocks; expected plain integers and one "
            "scale per tensor or channel; quantise to int8"
        )
    shape = [1] * data.ndim
    if scale.size > 1:
        shape[int(node.attrs.get("axis", 1))] = -1
    return data, scale.reshape(shape), zero.reshape(shape if zero.size > 1 else [1] * data.ndim)


# Evaluated here because they carry the width of the integers, and onnx's evaluator lacks their older versions.
_CODES = {"QuantizeLinear": _quantise, "Clip": _clip, "DequantizeLinear": _dequantise}


def _run(node: Node, arrays: Sequence[Array | None], opset: int) -> list[Array]:
    import onnx
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    if node.domain:
        raise UnsupportedError(
            f"{node.name}: operator '{node.domain}.{node.op}' over constants is not known; expected "
            "a standard ONNX operator; fold the constants before export"
        )
    try:
        given = {f"in{i}": array for i, array in enumerate(arrays) if array is not None}
        names = [f"in{i}" if array is not None else "" for i, array in enumerate(arrays)]
        attrs: dict[str, Any] = {
            k: numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v for k, v in node.attrs.items()
        }
        proto = helper.make_node(node.op, names, list(node.outputs), **attrs)
        infos = [onnx.ValueInfoProto(name=name) for name in given]
        results = [onnx.ValueInfoProto(name=name) for name in node.outputs]
        graph = helper.make_graph([proto], "constants", infos, results)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        outputs = ReferenceEvaluator(model).run(None, given)
    except Exception as error:  # the evaluator raises whatever the operator's numpy code raised
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise UnsupportedError(
            f"{node.name}: {node.op} of constants cannot be evaluated ({reason}); expected a standard "
            "operator; simplify the file with onnxsim"
        ) from None
    return [np.asarray(array) for array in outputs]
