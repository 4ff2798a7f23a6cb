# SPDX-License-Identifier: Apache-2.0
"""What each operator computes: exact results on integers, or float64 on reals.

A kernel takes the layer, its activations and its parameters and returns an exact :class:`Value`; casting to the
output's format is the executor's business. Products run as floating-point matrix multiplications only where the
largest possible sum is proved to fit the significand (24 bits of float32, 53 of float64), so that they are exact;
otherwise on int64.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.errors import NetworkError, UnsupportedError
from hwsim.network import Layer

Array = npt.NDArray[Any]


class Value(NamedTuple):
    """An exact result ``array / divisor * 2**-frac``; arrays are (N, *shape) for activations."""

    array: Array
    frac: int = 0
    divisor: int = 1


Params = Mapping[str, Value]
Kernel = Callable[[Layer, Sequence[Value], Params], Value]

_LIMIT = 1 << 62  # exact integers stay below this magnitude


# Exact products


def _largest(array: Array) -> int:
    """The largest magnitude among integers."""
    return max(int(array.max(initial=0)), -int(array.min(initial=0)))


def _expect_room(layer: Layer, bound: int) -> None:
    """Refuse what int64 might not hold, so that no result ever wraps unnoticed."""
    if bound >= _LIMIT:
        raise NetworkError(
            f"{layer.name}: an exact result may reach {bound}, beyond 62 bits; narrow weights or activations"
        )


def _product_dtype(layer: Layer, x: Array, weight: Array) -> Any:
    """The fastest type in which sums of ``x * weight`` over all but the first weight axis are exact."""
    if x.dtype.kind == "f":
        return np.float64
    # Summed in float64: exact where the comparison needs it (below 2**53), and it cannot wrap.
    rows = np.abs(weight.astype(np.float64)).reshape(len(weight), -1).sum(axis=1)
    bound = _largest(x) * int(rows.max(initial=0))
    if bound < 1 << 24:
        return np.float32
    if bound < 1 << 53:
        return np.float64
    _expect_room(layer, bound)
    return np.int64


def _with_bias(layer: Layer, products: Array, frac: int, params: Params, axis: int) -> Value:
    if "bias" not in params:
        return Value(products, frac)
    bias = params["bias"]
    array, aligned = _align(layer, [Value(products, frac), bias])
    shape = [1] * products.ndim
    shape[axis] = -1
    return Value(array[0] + array[1].reshape(shape), aligned)


def _align(layer: Layer, values: Sequence[Value]) -> tuple[list[Array], int]:
    """Bring integers with different fractional bits to the finest of them, exactly; their sum fits too."""
    frac = max(value.frac for value in values)
    if values[0].array.dtype.kind == "i":
        _expect_room(layer, sum(_largest(v.array) << (frac - v.frac) for v in values))
    return [v.array << (frac - v.frac) if frac != v.frac else v.array for v in values], frac


def _dense(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x, weight = inputs[0], params["weight"]
    dtype = _product_dtype(layer, x.array, weight.array)
    products = x.array.astype(dtype) @ weight.array.astype(dtype).T
    return _with_bias(layer, products.astype(x.array.dtype), x.frac + weight.frac, params, axis=-1)


def _conv2d(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x, weight = inputs[0], params["weight"]
    dtype = _product_dtype(layer, x.array, weight.array)
    padded = _pad(x.array.astype(dtype), layer.attrs["padding"], 0)
    kernels = weight.array.astype(dtype)
    convolve = _depthwise if ops.is_depthwise(layer, kernels.shape) else _grouped
    products = convolve(layer, padded, kernels)
    return _with_bias(layer, products.astype(x.array.dtype), x.frac + weight.frac, params, axis=1)


def _grouped(layer: Layer, padded: Array, kernels: Array) -> Array:
    groups = layer.attrs["groups"]
    results = []
    for part, kernel in zip(np.split(padded, groups, axis=1), np.split(kernels, groups), strict=True):
        channels_last = np.ascontiguousarray(part.transpose(0, 2, 3, 1))
        windows = _windows(channels_last, layer, axes=(1, 2))  # (N, OY, OX, C, FY, FX)
        unfolded = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, kernel[0].size)
        matrix = kernel.transpose(2, 3, 1, 0).reshape(-1, len(kernel))
        products = unfolded @ matrix
        results.append(products.reshape(*windows.shape[:3], len(kernel)).transpose(0, 3, 1, 2))
    return results[0] if groups == 1 else np.concatenate(results, axis=1)


def _depthwise(layer: Layer, padded: Array, kernels: Array) -> Array:
    multiplier = len(kernels) // layer.attrs["groups"]
    windows = _windows(padded, layer, axes=(2, 3))  # (N, C, OY, OX, FY, FX)
    result = np.zeros((len(padded), len(kernels), *windows.shape[2:4]), dtype=padded.dtype)
    for y in range(kernels.shape[2]):
        for x in range(kernels.shape[3]):
            position = windows[..., y, x]
            if multiplier > 1:
                position = np.repeat(position, multiplier, axis=1)
            result += position * kernels[:, 0, y, x].reshape(1, -1, 1, 1)
    return result


# Windows


def _pad(x: Array, padding: Sequence[int], value: float) -> Array:
    top, left, bottom, right = padding
    if not any(padding):
        return x
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _windows(x: Array, layer: Layer, axes: tuple[int, int]) -> Array:
    """A view with the kernel's axes appended; strides and dilation applied."""
    kernel, stride = layer.attrs["kernel"], layer.attrs["stride"]
    dilation = layer.attrs.get("dilation", (1, 1))
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis=axes)
    index: list[slice] = [slice(None)] * view.ndim
    for axis, step in zip(axes, stride, strict=True):
        index[axis] = slice(None, None, step)
    index[-2], index[-1] = slice(None, None, dilation[0]), slice(None, None, dilation[1])
    return view[tuple(index)]


def _max_pool2d(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x = inputs[0].array
    lowest = -math.inf if x.dtype.kind == "f" else np.iinfo(np.int64).min
    windows = _windows(_pad(x, layer.attrs["padding"], lowest), layer, axes=(2, 3))
    return Value(_over_windows(np.maximum, windows), inputs[0].frac)


def _avg_pool2d(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x, padding = inputs[0].array, layer.attrs["padding"]
    size = math.prod(layer.attrs["kernel"])
    if x.dtype.kind == "i":
        _expect_room(layer, _largest(x) * size)
    sums = _over_windows(np.add, _windows(_pad(x, padding, 0), layer, axes=(2, 3)))
    if layer.attrs["count_include_pad"] or not any(padding):
        return Value(sums, inputs[0].frac, size)
    inside = _pad(np.ones((1, 1, *x.shape[2:]), dtype=np.int64), padding, 0)
    counts = _over_windows(np.add, _windows(inside, layer, axes=(2, 3)))
    common = math.lcm(*map(int, np.unique(counts)))  # one divisor for all windows keeps the mean exact
    if x.dtype.kind == "i":
        _expect_room(layer, _largest(x) * size * common)
    return Value(sums * (common // counts), inputs[0].frac, common)


def _over_windows(combine: np.ufunc, windows: Array) -> Array:
    rows, columns = windows.shape[-2:]
    result = windows[..., 0, 0].copy()
    for position in range(1, rows * columns):
        combine(result, windows[..., position // columns, position % columns], out=result)
    return result


def _global_avg_pool(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x = inputs[0].array
    size = x.shape[2] * x.shape[3]
    if x.dtype.kind == "i":
        _expect_room(layer, _largest(x) * size)
    return Value(x.sum(axis=(2, 3), keepdims=True), inputs[0].frac, size)


def _global_max_pool(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    return Value(inputs[0].array.max(axis=(2, 3), keepdims=True), inputs[0].frac)


# Element by element


def _same(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    return inputs[0]


def _relu(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    return Value(np.maximum(inputs[0].array, 0), inputs[0].frac)


def _clip(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x = inputs[0]
    low, high = float(layer.attrs["low"]), float(layer.attrs["high"])
    if x.array.dtype.kind == "f":
        return Value(np.clip(x.array, low, high))
    frac = max(x.frac, _frac_of(layer, low), _frac_of(layer, high))
    _expect_room(layer, _largest(x.array) << (frac - x.frac))
    lowest, highest = (max(-_LIMIT, min(_LIMIT, round(bound * 2.0**frac))) for bound in (low, high))
    return Value(np.clip(x.array << (frac - x.frac), lowest, highest), frac)


def _frac_of(layer: Layer, bound: float) -> int:
    for frac in range(32):
        if (bound * 2.0**frac).is_integer():
            return frac
    raise UnsupportedError(
        f"{layer.name}: clip bound {bound} is not on a grid of 2**-31; expected a multiple of a power of two"
    )


def _add(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    arrays, frac = _align(layer, inputs)
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return Value(total, frac)


def _concat(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    arrays, frac = _align(layer, inputs)
    return Value(np.concatenate(arrays, axis=1), frac)


def _flatten(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x = inputs[0].array
    return Value(x.reshape(len(x), math.prod(x.shape[1:])), inputs[0].frac)


def _batch_norm(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x, scale = inputs[0], params["scale"]
    shape = (1, -1) + (1,) * (x.array.ndim - 2)
    if x.array.dtype.kind == "i":
        _expect_room(layer, _largest(x.array) * _largest(scale.array))
    product = Value(x.array * scale.array.reshape(shape), x.frac + scale.frac)
    arrays, frac = _align(layer, [product, params["shift"]])
    return Value(arrays[0] + arrays[1].reshape(shape), frac)


def _threshold(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x, thresholds = _align(layer, [inputs[0], params["thresholds"]])[0]
    (start, slope), frac = _align(layer, [params["start"], params["slope"]])
    shape = (1, -1) + (1,) * (x.ndim - 2)
    steps = np.zeros(x.shape, dtype=start.dtype)
    for column in thresholds.T:
        steps += x >= column.reshape(shape)
    return Value(start.reshape(shape) + slope.reshape(shape) * steps, frac)


def _lookup(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x, table, first = inputs[0].array, params["table"], layer.attrs["first"]
    if x.dtype.kind != "i":
        raise UnsupportedError(f"{layer.name}: a table is read by integers; got real numbers; quantise the network")
    if x.size and (x.min() < first or x.max() >= first + len(table.array)):
        raise NetworkError(
            f"{layer.name}: got integers {x.min()}..{x.max()}; the table holds {first}..{first + len(table.array) - 1}"
        )
    return Value(table.array[x - first], table.frac)


def _argmax(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    x = inputs[0].array
    return Value(x.reshape(len(x), -1).argmax(axis=1)[:, None].astype(x.dtype))


def _upsample2d(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    rows, columns = layer.attrs["factor"]
    return Value(inputs[0].array.repeat(rows, axis=2).repeat(columns, axis=3), inputs[0].frac)


def _pad2d(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
    return Value(_pad(inputs[0].array, layer.attrs["padding"], 0), inputs[0].frac)


def _real(function: Callable[[Layer, Array], Array]) -> Kernel:
    def kernel(layer: Layer, inputs: Sequence[Value], params: Params) -> Value:
        return Value(function(layer, inputs[0].array))

    return kernel


def _sigmoid(x: Array) -> Array:
    half: Array = 0.5 * (1.0 + np.tanh(0.5 * x))  # does not overflow for large negative x
    return half


def _softmax(layer: Layer, x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    normalised: Array = powers / powers.sum(axis=-1, keepdims=True)
    return normalised


def _gelu(layer: Layer, x: Array) -> Array:
    result: Array = 0.5 * x * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))
    return result


KERNELS: Mapping[str, Kernel] = {
    "output": _same,
    "dense": _dense,
    "conv2d": _conv2d,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "global_avg_pool": _global_avg_pool,
    "global_max_pool": _global_max_pool,
    "batch_norm": _batch_norm,
    "threshold": _threshold,
    "lookup": _lookup,
    "argmax": _argmax,
    "relu": _relu,
    "clip": _clip,
    "requantise": _same,
    "add": _add,
    "concat": _concat,
    "flatten": _flatten,
    "upsample2d": _upsample2d,
    "pad2d": _pad2d,
    "leaky_relu": _real(lambda layer, x: np.where(x > 0, x, layer.attrs["alpha"] * x)),
    "sigmoid": _real(lambda layer, x: _sigmoid(x)),
    "tanh": _real(lambda layer, x: np.tanh(x)),
    "softmax": _real(_softmax),
    "gelu": _real(_gelu),
    "silu": _real(lambda layer, x: x * _sigmoid(x)),
    "hard_sigmoid": _real(lambda layer, x: np.clip(x / 6.0 + 0.5, 0.0, 1.0)),
    "hard_swish": _real(lambda layer, x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0)),
}
