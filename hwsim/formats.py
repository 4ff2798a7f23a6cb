# SPDX-License-Identifier: Apache-2.0
"""Which format holds a layer's exact result: interval arithmetic over integers.

Accumulators are never guessed. The smallest lossless format of every result follows from the formats a layer reads
and, where they are known, from its integer weights.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import FormatError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network

Array = npt.NDArray[Any]
Range = tuple[int, int, int]  # smallest integer, largest integer, fractional bits


def smallest_format(low: int, high: int, frac: int) -> FixedPoint:
    """The narrowest format with ``frac`` fractional bits that holds the integers ``low`` to ``high``.

    Raises:
        FormatError: more than 63 bits would be needed.
    """
    signed = low < 0
    width = max(max(high, 0).bit_length(), (~low if signed else low).bit_length()) + signed
    if width > 63:
        raise FormatError(f"an exact result needs {width} bits; expected at most 63; narrow weights or activations")
    return FixedPoint(max(width, 1), frac, signed)


def exact_format(network: Network, layer: Layer, weights: Mapping[str, Array] | None = None) -> FixedPoint:
    """The narrowest format that loses nothing of a layer's result.

    Args:
        weights: integer weights; with them the bound is over the actual values, without them over the formats.

    Raises:
        FormatError: an input or parameter has no format, or more than 63 bits are needed.
        UnsupportedError: the result has no finite binary expansion (a mean over 49), or no exact integer form.
    """
    if layer.op not in _RULES:
        raise UnsupportedError(f"{layer.name}: {layer.op} has no exact integer form; give its output a format")
    ranges = [_range(_format(network, layer, t)) for t in layer.inputs]
    params = {}
    for role, name in layer.params.items():
        fmt = _format(network, layer, name)
        params[role] = (fmt, weights[name].astype(np.int64)) if weights is not None else (fmt, None)
    try:
        return smallest_format(*_RULES[layer.op](network, layer, ranges, params))
    except FormatError as error:
        raise FormatError(f"{layer.name}: {error}") from None


def complete_formats(network: Network, weights: Mapping[str, Array] | None = None) -> Network:
    """Give every activation without a format the exact one, from the inputs on.

    Raises:
        FormatError, UnsupportedError: as :func:`exact_format`.
    """
    for layer in network.layers:
        tensor = network.tensors[layer.output]
        if tensor.format is None and layer.op != "input":
            network = network.with_formats({layer.output: exact_format(network, layer, weights)})
    return network


def _format(network: Network, layer: Layer, tensor: str) -> FixedPoint:
    fmt = network.tensors[tensor].format
    if fmt is None:
        raise FormatError(f"{layer.name}: '{tensor}' has no fixed-point format; quantise it first")
    return fmt


def _range(fmt: FixedPoint) -> Range:
    return fmt.min_int, fmt.max_int, fmt.frac


Params = Mapping[str, tuple[FixedPoint, Array | None]]
Rule = Callable[[Network, Layer, Sequence[Range], Params], Range]


def _sum(a: Range, b: Range) -> Range:
    frac = max(a[2], b[2])
    left, right = frac - a[2], frac - b[2]
    return (a[0] << left) + (b[0] << right), (a[1] << left) + (b[1] << right), frac


def _union(a: Range, b: Range) -> Range:
    frac = max(a[2], b[2])
    left, right = frac - a[2], frac - b[2]
    return min(a[0] << left, b[0] << right), max(a[1] << left, b[1] << right), frac


def _product(a: Range, b: Range) -> Range:
    corners = [x * y for x in a[:2] for y in b[:2]]
    return min(corners), max(corners), a[2] + b[2]


def _weighted(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    low, high, frac = inputs[0]
    fmt, values = params["weight"]
    if values is None:
        terms = math.prod(network.tensors[layer.params["weight"]].shape[1:])
        one = _product(inputs[0], _range(fmt))
        total = (terms * one[0], terms * one[1], one[2])
        return _sum(total, _range(params["bias"][0])) if "bias" in params else total
    rows = values.reshape(len(values), -1)
    # Python integers: the bound itself must not wrap.
    positive = [int(v) for v in np.maximum(rows, 0).sum(axis=1)]
    negative = [int(v) for v in np.minimum(rows, 0).sum(axis=1)]
    lows = [p * low + n * high for p, n in zip(positive, negative, strict=True)]
    highs = [p * high + n * low for p, n in zip(positive, negative, strict=True)]
    frac += fmt.frac
    if "bias" not in params:
        return min(lows), max(highs), frac
    bias_fmt, bias = params["bias"]
    assert bias is not None
    return reduce(
        _union,
        (
            _sum((lowest, highest, frac), (offset, offset, bias_fmt.frac))
            for lowest, highest, offset in zip(lows, highs, bias.tolist(), strict=True)
        ),
    )


def _batch_norm(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    (scale_fmt, scales), (shift_fmt, shifts) = params["scale"], params["shift"]
    if scales is None or shifts is None:
        return _sum(_product(inputs[0], _range(scale_fmt)), _range(shift_fmt))
    return reduce(
        _union,
        (
            _sum(_product(inputs[0], (scale, scale, scale_fmt.frac)), (shift, shift, shift_fmt.frac))
            for scale, shift in zip(scales.tolist(), shifts.tolist(), strict=True)
        ),
    )


def _threshold(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    steps = network.tensors[layer.params["thresholds"]].shape[1]
    (start_fmt, starts), (slope_fmt, slopes) = params["start"], params["slope"]
    if starts is None or slopes is None:
        climb = _product((0, steps, 0), _range(slope_fmt))
        return _sum(_range(start_fmt), climb)
    ends = [
        _sum((start, start, start_fmt.frac), (min(0, slope * steps), max(0, slope * steps), slope_fmt.frac))
        for start, slope in zip(starts.tolist(), slopes.tolist(), strict=True)
    ]
    return reduce(_union, ends)


def _lookup(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    fmt, table = params["table"]
    return _range(fmt) if table is None else (int(table.min()), int(table.max()), fmt.frac)


def _argmax(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    return 0, network.tensors[layer.inputs[0]].shape[0] - 1, 0


def _same(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    return inputs[0]


def _relu(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    low, high, frac = inputs[0]
    return max(low, 0), max(high, 0), frac


def _clip(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    low, high = float(layer.attrs["low"]), float(layer.attrs["high"])
    for frac in range(inputs[0][2], inputs[0][2] + 32):
        if (low * 2.0**frac).is_integer() and (high * 2.0**frac).is_integer():
            lowest, highest, _ = _union(inputs[0], (0, 0, frac))
            bounds = int(low * 2.0**frac), int(high * 2.0**frac)
            return min(max(lowest, bounds[0]), bounds[1]), max(min(highest, bounds[1]), bounds[0]), frac
    raise UnsupportedError(f"{layer.name}: clip bounds {low} and {high} are not on a binary grid of 32 more bits")


def _add(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    return reduce(_sum, inputs)


def _concat(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    return reduce(_union, inputs)


def _padded(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    return _union(inputs[0], (0, 0, inputs[0][2]))


def _mean(network: Network, layer: Layer, inputs: Sequence[Range], params: Params) -> Range:
    low, high, frac = inputs[0]
    kernel = layer.attrs.get("kernel", network.tensors[layer.inputs[0]].shape[1:])
    size = math.prod(kernel)
    uneven = any(layer.attrs.get("padding", ())) and not layer.attrs["count_include_pad"]
    if size & (size - 1) or uneven:
        raise UnsupportedError(
            f"{layer.name}: a mean over {size} values has no exact binary form; give its output a format (a "
            "quantiser after the pool)"
        )
    return low * size, high * size, frac + size.bit_length() - 1


_RULES: Mapping[str, Rule] = {
    "output": _same,
    "dense": _weighted,
    "conv2d": _weighted,
    "max_pool2d": _same,
    "global_max_pool": _same,
    "avg_pool2d": _mean,
    "global_avg_pool": _mean,
    "batch_norm": _batch_norm,
    "threshold": _threshold,
    "lookup": _lookup,
    "argmax": _argmax,
    "relu": _relu,
    "clip": _clip,
    "requantise": _same,
    "add": _add,
    "concat": _concat,
    "flatten": _same,
    "upsample2d": _same,
    "pad2d": _padded,
}
