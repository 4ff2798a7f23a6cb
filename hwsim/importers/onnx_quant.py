# SPDX-License-Identifier: Apache-2.0
"""Quantiser nodes of activations: each becomes a ``requantise`` layer.

Its output carries the fixed-point format of the levels, or only their width where fixed point cannot express them
(a scale that is no power of two, one scale per channel, bipolar values, thresholds). What it does exactly is kept
beside it, in ``Lowering.quantisers``, for :func:`hwsim.importers.levels.spell_out`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hwsim.errors import UnsupportedError
from hwsim.importers import onnx_elementwise, qonnx
from hwsim.importers.onnx_file import Node
from hwsim.importers.onnx_lowering import Lowering
from hwsim.importers.onnx_values import Value
from hwsim.importers.onnx_views import Handler
from hwsim.importers.qonnx import Array, Quantiser, Thresholds

_ARGUMENTS = ("", "scale", "zero point", "bit width", "output scale", "output bit width")


class Codes(NamedTuple):
    """What lies between QuantizeLinear and DequantizeLinear: integers ``low`` to ``high`` of an activation."""

    value: Value
    scale: Array
    zero_point: Array
    low: int
    high: int


def _quantise_by(read: qonnx.Reader) -> Handler:
    def handler(low: Lowering, node: Node) -> None:
        arrays = [low.constant(node, i, _ARGUMENTS[i]).array for i in range(1, len(node.inputs))]
        value = low.channels(node, 0, max(array.size for array in arrays))
        quantiser = read(node.name, node.attrs, arrays)
        _requantise(low, node, node.outputs[0], value, _along_channels(low, node, value, quantiser))

    return handler


def _along_channels(low: Lowering, node: Node, value: Value, quantiser: Quantiser) -> Quantiser:
    """The quantiser with its scale and zero point as one value, or one per channel of the tensor."""
    if not quantiser.is_per_channel:
        return quantiser
    parts = (np.asarray(part, dtype=np.float64) for part in (quantiser.scale, quantiser.zero_point))
    scale, zero_point = (low.per_channel(node, part, value, 0) for part in parts)
    return replace(quantiser, scale=scale, zero_point=zero_point)


def _trunc(low: Lowering, node: Node) -> None:
    """Version 2 rounds to the input's grid and then to the output's; version 1 is known by its width only."""
    arrays = [low.constant(node, i, _ARGUMENTS[i]).array for i in range(1, len(node.inputs))]
    first, second = qonnx.read_trunc(node.name, node.attrs, arrays)
    value = low.value(node)
    if first is not None:
        name = f"{node.outputs[0]}.grid"
        _requantise(low, node, name, value, first)
        value = low.values[name]
    _requantise(low, node, node.outputs[0], value, second)


def _multithreshold(low: Lowering, node: Node) -> None:
    """Thresholds lie along the channels of the data layout (qonnx ``multithreshold.py``), here along the tensor's."""
    quantiser = qonnx.read_multithreshold(node.name, node.attrs, [low.constant(node, 1, "thresholds").array])
    value = low.channels(node, 0, len(quantiser.thresholds))
    axis = -1 if str(node.attrs.get("data_layout", "")).endswith("C") else 0
    shape = [1] * len(value.shape)
    shape[axis] = -1
    if len(quantiser.thresholds) > 1:
        columns = [low.per_channel(node, column.reshape(shape), value, 0) for column in quantiser.thresholds.T]
        quantiser = replace(quantiser, thresholds=np.stack(columns, axis=1))
    _requantise(low, node, node.outputs[0], value, quantiser)


def _requantise(low: Lowering, node: Node, output: str, value: Value, quantiser: Quantiser | Thresholds) -> None:
    tensor = low.emit(node, "requantise", [value.tensor], output=output)
    fmt = quantiser.activation_format()
    low.tensors[tensor] = replace(low.tensors[tensor], format=fmt, storage_bits=None if fmt else quantiser.bits)
    low.quantisers[tensor] = quantiser
    low.values[output] = replace(value, tensor=tensor)


def _quantize_linear(low: Lowering, node: Node) -> None:
    scale = low.constant(node, 1, "scale").array
    zero = low.optional(node, 2, "zero point")
    zeros = zero.array if zero else np.zeros((), dtype=np.uint8)
    if zeros.dtype.kind not in "iu" or node.attrs.get("block_size"):
        raise UnsupportedError(
            f"{node.name}: QuantizeLinear to {zeros.dtype} or by blocks; expected an integer type and one "
            "scale per tensor or channel; quantise to int8"
        )
    info = np.iinfo(zeros.dtype)
    low.codes[node.outputs[0]] = Codes(low.value(node), scale, zeros, int(info.min), int(info.max))


def _clip(low: Lowering, node: Node) -> None:
    codes = low.codes.get(node.inputs[0])
    if codes is None:
        onnx_elementwise.HANDLERS["Clip"](low, node)
        return
    lowest, highest = (int(low.constant(node, i, "bound").array) for i in (1, 2))
    low.codes[node.outputs[0]] = codes._replace(low=max(codes.low, lowest), high=min(codes.high, highest))


def _dequantize_linear(low: Lowering, node: Node) -> None:
    codes = low.codes.get(node.inputs[0])
    if codes is None or not np.array_equal(codes.scale, low.constant(node, 1, "scale").array):
        raise UnsupportedError(
            f"{node.name}: DequantizeLinear without a QuantizeLinear of the same scale before it; expected "
            "such a pair; export in QDQ form"
        )
    shape = [1] * len(codes.value.shape)
    shape[int(node.attrs.get("axis", 1)) % (len(shape) + 1) - 1] = -1
    scale, zero_point = (part.reshape(shape if part.size > 1 else ()) for part in (codes.scale, codes.zero_point))
    quantiser = qonnx.from_levels(node.name, scale, zero_point, codes.low, codes.high)
    _requantise(low, node, node.outputs[0], codes.value, _along_channels(low, node, codes.value, quantiser))


HANDLERS: Mapping[str, Handler] = {
    "QuantizeLinear": _quantize_linear,
    "DequantizeLinear": _dequantize_linear,
    "Clip": _clip,
}
# In the domains of :data:`hwsim.importers.qonnx.DOMAINS`.
CUSTOM_HANDLERS: Mapping[str, Handler] = {
    "Quant": _quantise_by(qonnx.read_quant),
    "IntQuant": _quantise_by(qonnx.read_quant),
    "BipolarQuant": _quantise_by(qonnx.read_bipolar),
    "MultiThreshold": _multithreshold,
    "Trunc": _trunc,
}
