# SPDX-License-Identifier: Apache-2.0
"""Fully unrolled networks in da4ml: one piece of combinational logic, run by da4ml's own bit-exact interpreter.

A second opinion on networks that need no memory. Every tensor is an array of da4ml's symbols (FixedVariable), which
count integers, as in the golden executor; what does not depend on the input is a Python integer. Every layer computes
exactly and casts once.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from hls.adders import da4ml_trace, product, variables
from hls.mappable import check_images
from hls.templates.lookup import by_code
from hls.templates.threshold import distances
from hls.templates.unit import expect_modes
from hwsim.errors import NetworkError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format
from hwsim.kernels import Value
from hwsim.network import Layer, Network, check_weights

Array = npt.NDArray[Any]
Params = Mapping[str, Value]
ROUNDINGS = ("TRN", "RND", "RND_CONV")
OVERFLOWS = ("WRAP", "SAT", "SAT_SYM")
# da4ml 0.6's interpreter errs where a relu has 32 bits; limits are found by a difference, which has one bit more.
MAX_BITS = 30


class DaExecutor:
    """A quantised network of dense layers and what is computed element by element, run by da4ml.

    ``logic`` is da4ml's CombLogic; its generators of RTL and HLS take it as it is.

    Args:
        weights: integers of the parameter tensors' formats.

    Raises:
        UnsupportedError: the network is not quantised, or a layer cannot be unrolled exactly; names it.
        NetworkError: there is more than one input or output.
        WeightsError: weights are missing, misshapen or leave their format.
        ToolMissing: da4ml is not installed.
    """

    def __init__(self, network: Network, weights: Mapping[str, Array]) -> None:
        self.network, self.logic = network, unroll(network, weights)

    def predict(self, x: npt.ArrayLike) -> Array:
        """(N, *input shape) integers of the input's format → (N, *output shape) integers of the output's.

        Raises:
            NetworkError: x does not fit the network's input.
        """
        images, shape = check_images(self.network, x), self.network.tensors[self.network.outputs[0]].shape
        if len(images) == 0:
            return np.zeros((0, *shape), dtype=np.int64)
        integers: Array = self.logic.predict(images.reshape(len(images), -1).astype(np.float64), n_threads=1)
        return integers.astype(np.int64).reshape(len(images), *shape)


def unroll(network: Network, weights: Mapping[str, Array]) -> Any:
    """A network as da4ml's CombLogic, from the integers of its input to those of its output.

    Raises:
        as :class:`DaExecutor`.
    """
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise NetworkError(
            f"{network.name}: got {len(network.inputs)} inputs and {len(network.outputs)} outputs; expected one of "
            "each; split the network"
        )
    if not network.is_quantised:
        raise UnsupportedError(f"{network.name}: got tensors without a format; expected none; quantise the network")
    check_weights(network, weights)
    tensor = network.tensors[network.inputs[0]]
    source = _format(network, network.inputs[0])
    inputs = list(variables(tensor.size, FixedPoint(source.width, 0, source.signed, overflow=source.overflow)))
    values = {network.inputs[0]: Value(np.array(inputs, dtype=object).reshape(tensor.shape), source.frac)}
    for layer in network.layers:
        if layer.op != "input":
            values[layer.output] = _layer(network, layer, weights, [values[name] for name in layer.inputs])
    return da4ml_trace().comb_trace(inputs, list(values[network.outputs[0]].array.ravel()))


def _layer(network: Network, layer: Layer, weights: Mapping[str, Array], inputs: Sequence[Value]) -> Value:
    if layer.op not in _RULES:
        raise UnsupportedError(
            f"{layer.name}: got {layer.op}; expected one of {', '.join(_RULES)}; emit the network (hls.emit)"
        )
    exact, target = exact_format(network, layer), _format(network, layer.output)
    expect_modes(layer.name, target, ROUNDINGS, OVERFLOWS)
    bits = exact.width + max(0, target.frac - exact.frac)
    if bits > MAX_BITS:
        raise UnsupportedError(
            f"{layer.name}: got results of {bits} bits; expected at most {MAX_BITS}; narrow its formats"
        )
    params = {
        role: Value(weights[name].astype(object), _format(network, name).frac) for role, name in layer.params.items()
    }
    result = _RULES[layer.op](network, layer, inputs, params)
    return Value(_cast(result, target), target.frac)


def _format(network: Network, tensor: str) -> FixedPoint:
    fmt = network.tensors[tensor].format
    assert fmt is not None  # the network is quantised
    return fmt


# One number


def _is_symbol(value: Any) -> bool:
    return not isinstance(value, int)


def _settled(value: Any) -> Any:
    """The integer where a symbol has but one value."""
    return int(value.low) if _is_symbol(value) and value.low == value.high else value


_SETTLED = np.frompyfunc(_settled, 1, 1)


def _at_least(value: Any, low: int) -> Any:
    return low + (value - low).relu() if _is_symbol(value) else max(value, low)


def _clamp(value: Any, low: int, high: int) -> Any:
    """Between two integers, by means of relu: a selection between binary points da4ml 0.6 cannot always run."""
    negative = -_settled(_at_least(value, low))
    return _settled(-_settled(_at_least(negative, -high)))


def _bits(value: Any, signed: bool, high: int, low: int) -> Any:
    """The bits ``high`` - 1 to ``low`` of a symbol, at their places; the highest is a sign if ``signed``."""
    if not signed and value.low < 0:
        # da4ml 0.6 does not repeat the sign of a narrow number; a multiple of 2**high changes none of the bits.
        value = value + (-(int(value.low) >> high) << high)
    return _settled(value.quantize(int(signed), high - signed, -low))


def _floor(value: Any, shift: int) -> Any:
    """Divided by 2**shift and rounded down."""
    low, high = int(value.low) >> shift, int(value.high) >> shift
    if low == high:
        return low
    signed, integer, _ = value.kif
    return _bits(value, bool(signed), max(integer, shift) + bool(signed), shift) * 2.0**-shift


def _rounded(value: Any, shift: int, rounding: str) -> Any:
    """A symbol divided by 2**shift, with one of the :data:`ROUNDINGS`."""
    half = 1 << shift - 1
    if rounding == "RND":
        return _floor(value + half, shift)
    if rounding == "RND_CONV":
        # A remainder of one half is carried only where the floor is odd.
        odd = _bits(value, False, shift + 1, shift)
        value = value + (half - 1) + (odd * 2.0**-shift if _is_symbol(odd) else odd >> shift)
    return _floor(value, shift)


def _cast(result: Value, target: FixedPoint) -> Array:
    """Round and limit exact integers, as :meth:`hwsim.fixed.FixedPoint.cast` does."""
    shift = result.frac - target.frac

    def one(value: Any) -> Any:
        if not _is_symbol(value):
            return int(target.cast(value, result.frac))
        value = value * 2.0**-shift if shift <= 0 else _settled(_rounded(value, shift, target.rounding))
        if target.overflow != "WRAP":
            return _clamp(value, target.min_int, target.max_int)
        if not _is_symbol(value):
            return int(target.cast(value, target.frac))
        return _bits(value, target.signed, target.width, 0)

    cast: Array = np.frompyfunc(one, 1, 1)(_SETTLED(result.array))
    return cast


# Operators


def _aligned(values: Sequence[Value]) -> tuple[list[Array], int]:
    """Brought to the finest of their binary points."""
    frac = max(value.frac for value in values)
    return [value.array * (1 << frac - value.frac) for value in values], frac


def _per_channel(array: Array, like: Array) -> Array:
    return array.reshape(-1, *(1,) * (like.ndim - 1))


def _same(network: Network, layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    return Value(inputs[0].array.reshape(network.tensors[layer.output].shape), inputs[0].frac)


def _dense(network: Network, layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x, weight = inputs[0].array, params["weight"].array
    if x.ndim != 1:
        raise UnsupportedError(f"{layer.name}: got an image; expected a vector; flatten it first")
    varies = np.array([_is_symbol(value) for value in x], dtype=bool)
    sums = weight[:, ~varies] @ x[~varies] if not varies.all() else np.zeros(len(weight), dtype=object)
    if varies.any():
        fmt = _format(network, layer.params["weight"])
        symbols = da4ml_trace().FixedVariableArray(x[varies])
        integers = FixedPoint(fmt.width, 0, fmt.signed)
        found = product(layer.name, symbols, weight[:, varies], integers, exact_format(network, layer))
        sums = sums + np.array(list(found), dtype=object)
    total = Value(sums, inputs[0].frac + params["weight"].frac)
    if "bias" not in params:
        return total
    (products, bias), frac = _aligned([total, params["bias"]])
    return Value(products + bias, frac)


def _relu(network: Network, layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    return Value(np.frompyfunc(lambda value: _at_least(value, 0), 1, 1)(inputs[0].array), inputs[0].frac)


def _clip(network: Network, layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    frac = exact_format(network, layer).frac  # that of the finer grid of values and bounds
    low, high = (int(float(layer.attrs[bound]) * 2.0**frac) for bound in ("low", "high"))
    x = inputs[0].array * (1 << frac - inputs[0].frac)
    return Value(np.frompyfunc(lambda v: _clamp(v, low, high), 1, 1)(_SETTLED(x)), frac)


def _add(network: Network, layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    arrays, frac = _aligned(inputs)
    return Value(reduce(np.add, arrays), frac)


def _batch_norm(network: Network, layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x, scale = inputs[0], params["scale"]
    scaled = Value(x.array * _per_channel(scale.array, x.array), x.frac + scale.frac)
    (products, shift), frac = _aligned([scaled, params["shift"]])
    return Value(products + _per_channel(shift, products), frac)


def _threshold(network: Network, layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x, source = inputs[0].array, _format(network, layer.inputs[0])
    heights = distances(params["thresholds"].array, _format(network, layer.params["thresholds"]), source)
    lowest = FixedPoint(source.width, 0, source.signed).min_int
    (start, slope), frac = _aligned([params["start"], params["slope"]])
    total = np.broadcast_to(_per_channel(start, x), x.shape)
    for steps in heights.astype(object).T + lowest:
        total = total + np.frompyfunc(_step, 2, 1)(_SETTLED(x - _per_channel(steps, x)), _per_channel(slope, x))
    return Value(total, frac)


def _step(distance: Any, height: int) -> Any:
    """``height`` where the distance is not negative, else 0."""
    low, high = (int(distance.low), int(distance.high)) if _is_symbol(distance) else (distance, distance)
    if low >= 0 or high < 0:
        return height if low >= 0 else 0
    place = max(~low, high).bit_length()  # of the sign
    return _bits(distance + (1 << place), False, place + 1, place) * (2.0**-place * height)


def _lookup(network: Network, layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    source = _format(network, layer.inputs[0])
    table = by_code(layer.name, int(layer.attrs["first"]), params["table"].array.astype(np.int64), source)

    def one(value: Any) -> Any:
        if not _is_symbol(value):
            return int(table[value % len(table)])
        read = table[np.arange(int(value.low), int(value.high) + 1, int(value.step)) % len(table)]
        return value.lookup(read.astype(np.float64)) if np.ptp(read) else int(read[0])

    return Value(np.frompyfunc(one, 1, 1)(inputs[0].array), params["table"].frac)


Rule = Callable[[Network, Layer, Sequence[Value], Params], Value]

_RULES: Mapping[str, Rule] = {
    "output": _same,
    "requantise": _same,
    "flatten": _same,
    "dense": _dense,
    "relu": _relu,
    "clip": _clip,
    "add": _add,
    "batch_norm": _batch_norm,
    "threshold": _threshold,
    "lookup": _lookup,
}
