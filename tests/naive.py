# SPDX-License-Identifier: Apache-2.0
"""A second executor, in rational numbers and plain loops, against which the fast one is compared with ``==``.

Nothing here is shared with :mod:`hwsim.kernels` or :mod:`hwsim.fixed`: rounding is written from its definition and
convolutions from theirs.
"""

import math
from fractions import Fraction

import numpy as np

HALF = Fraction(1, 2)


def _sign(value: Fraction) -> int:
    return -1 if value < 0 else 1


ROUND = {
    "TRN": math.floor,
    "TRN_ZERO": math.trunc,
    "RND": lambda v: math.floor(v + HALF),
    "RND_MIN_INF": lambda v: math.ceil(v - HALF),
    "RND_ZERO": lambda v: _sign(v) * math.ceil(abs(v) - HALF),
    "RND_INF": lambda v: _sign(v) * math.floor(abs(v) + HALF),
    "RND_CONV": round,  # Python rounds a Fraction half to even
}


def cast(value: Fraction, fmt) -> int:
    """The integer of ``fmt`` that stands for an exact number."""
    whole = ROUND[fmt.rounding](Fraction(value) * Fraction(2) ** fmt.frac)
    low = -(2 ** (fmt.width - 1)) if fmt.signed else 0
    high = low + 2**fmt.width - 1
    if fmt.overflow == "WRAP":
        return low + (whole - low) % 2**fmt.width
    if fmt.overflow == "SAT_SYM" and fmt.signed:
        low = -max(high, 1)  # one bit still holds -1
    if low <= whole <= high:
        return whole
    if fmt.overflow == "SAT_ZERO":
        return 0
    return low if whole < low else high


def cast_all(values, fmt) -> np.ndarray:
    ints = [cast(value, fmt) for value in values.flat]
    return np.array(ints, dtype=np.int64).reshape(values.shape)


def fractions(ints, frac: int) -> np.ndarray:
    """Integers with ``frac`` fractional bits as exact numbers."""
    array = np.empty(np.shape(ints), dtype=object)
    array.flat = [Fraction(int(i)) / Fraction(2) ** frac for i in np.asarray(ints).flat]
    return array


def _pad(x, padding, value):
    top, left, bottom, right = padding
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _windows(layer, x):
    """(output row, output column, window) of every position of a padded input."""
    kernel, stride = layer.attrs["kernel"], layer.attrs["stride"]
    dilation = layer.attrs.get("dilation", (1, 1))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    for row, top in enumerate(range(0, x.shape[2] - reach[0] + 1, stride[0])):
        for column, left in enumerate(range(0, x.shape[3] - reach[1] + 1, stride[1])):
            rows = slice(top, top + reach[0], dilation[0])
            yield row, column, x[:, :, rows, left : left + reach[1] : dilation[1]]


def _conv2d(layer, shape, x, weight, bias):
    padded, groups = _pad(x, layer.attrs["padding"], Fraction(0)), layer.attrs["groups"]
    result = np.empty((len(x), *shape), dtype=object)
    per_in, per_out = x.shape[1] // groups, len(weight) // groups
    for row, column, window in _windows(layer, padded):
        for k, kernel in enumerate(weight):
            first = k // per_out * per_in
            products = window[:, first : first + per_in] * kernel
            result[:, k, row, column] = products.sum(axis=(1, 2, 3)) + bias[k]
    return result


def _pool(layer, shape, x):
    padded = _pad(x, layer.attrs["padding"], None)
    result = np.empty((len(x), *shape), dtype=object)
    for row, column, window in _windows(layer, padded):
        for image in range(len(x)):
            for channel in range(x.shape[1]):
                values = [v for v in window[image, channel].flat if v is not None]
                if layer.op == "max_pool2d":
                    result[image, channel, row, column] = max(values)
                else:
                    counted = window[image, channel].size if layer.attrs["count_include_pad"] else len(values)
                    result[image, channel, row, column] = sum(values, Fraction(0)) / counted
    return result


def _threshold(x, params):
    result = np.empty(x.shape, dtype=object)
    for index, value in np.ndenumerate(x):
        channel = index[1]
        reached = sum(1 for threshold in params["thresholds"][channel] if value >= threshold)
        result[index] = params["start"][channel] + params["slope"][channel] * reached
    return result


def exact(layer, shape, inputs, params):
    """A layer's exact result on arrays of Fractions (N, …).

    A ``lookup`` has ``params["grid"]`` too: how many steps of its input's format make one.
    """
    x, attrs = inputs[0], layer.attrs
    if layer.op == "conv2d":
        return _conv2d(layer, shape, x, params["weight"], params.get("bias", [0] * len(params["weight"])))
    if layer.op == "dense":
        return x.dot(params["weight"].T) + params.get("bias", Fraction(0))
    if layer.op in ("max_pool2d", "avg_pool2d"):
        return _pool(layer, shape, x)
    if layer.op == "global_avg_pool":
        return x.sum(axis=(2, 3), keepdims=True) / Fraction(x.shape[2] * x.shape[3])
    if layer.op == "global_max_pool":
        return x.max(axis=(2, 3), keepdims=True)
    if layer.op == "batch_norm":
        axes = (1, -1) + (1,) * (x.ndim - 2)
        return x * params["scale"].reshape(axes) + params["shift"].reshape(axes)
    if layer.op == "threshold":
        return _threshold(x, params)
    if layer.op == "lookup":
        entries = [params["table"][int(value * params["grid"]) - attrs["first"]] for value in x.flat]
        return np.array(entries, dtype=object).reshape(x.shape)
    if layer.op == "argmax":
        firsts = [Fraction(row.index(max(row))) for row in x.reshape(len(x), -1).tolist()]
        return np.array(firsts, dtype=object)[:, None]
    if layer.op == "relu":
        return np.maximum(x, Fraction(0))
    if layer.op == "clip":
        return np.minimum(np.maximum(x, Fraction(attrs["low"])), Fraction(attrs["high"]))
    if layer.op == "add":
        return sum(inputs[1:], x)
    if layer.op == "concat":
        return np.concatenate(inputs, axis=1)
    if layer.op == "flatten":
        return x.reshape(len(x), -1)
    if layer.op == "upsample2d":
        return x.repeat(attrs["factor"][0], axis=2).repeat(attrs["factor"][1], axis=3)
    if layer.op == "pad2d":
        return _pad(x, attrs["padding"], Fraction(0))
    assert layer.op in ("requantise", "output"), layer.op
    return x


def run(network, weights, x) -> dict[str, np.ndarray]:
    """Every activation of a network: integers where its tensor has a format, exact Fractions where it has none."""
    formats = {name: tensor.format for name, tensor in network.tensors.items()}

    def real(name, array):
        return array if array.dtype == object else fractions(array, formats[name].frac)

    values = {network.inputs[0]: np.asarray(x)}
    for layer in network.layers:
        if layer.op == "input":
            continue
        params = {role: real(name, np.asarray(weights[name])) for role, name in layer.params.items()}
        if layer.op == "lookup":
            params["grid"] = Fraction(2) ** formats[layer.inputs[0]].frac
        inputs = [real(name, values[name]) for name in layer.inputs]
        result = exact(layer, network.tensors[layer.output].shape, inputs, params)
        fmt = formats[layer.output]
        values[layer.output] = result if fmt is None else cast_all(result, fmt)
    return values
