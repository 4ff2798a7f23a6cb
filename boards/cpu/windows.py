# SPDX-License-Identifier: Apache-2.0
"""Calls of the layers that multiply with weights, or look at windows: convolutions, dense layers, poolings."""

import math
from collections.abc import Sequence

import numpy as np

from boards.cpu.writer import Array, Writer, integer_type, pixels_of, sum_type
from hwsim import ops
from hwsim.errors import UnsupportedError
from hwsim.network import Layer


def max_pool2d(writer: Writer, layer: Layer) -> None:
    """The largest of every window."""
    source = layer.inputs[0]
    _pool(writer, layer, "max_pool2d", writer.largest(source), 1)


def avg_pool2d(writer: Writer, layer: Layer) -> None:
    """The mean of every window, with the zeros around the image or without."""
    source, padding = layer.inputs[0], layer.attrs["padding"]
    size = math.prod(layer.attrs["kernel"])
    largest = writer.largest(source) * size
    if layer.attrs["count_include_pad"] or not any(padding):
        _pool(writer, layer, "avg_pool2d", largest, size)
        return
    counts = _inside(writer.shape(source), writer.shape(layer.output), layer)
    common = math.lcm(*counts)  # one divisor for all windows, as in hwsim.kernels
    _pool(writer, layer, "avg_pool2d_inside", largest * common, common)


def _inside(source: Sequence[int], result: Sequence[int], layer: Layer) -> set[int]:
    """How many pixels of the image windows hold."""
    sides = []
    for axis in (0, 1):
        begin, stride, kernel = layer.attrs["padding"][axis], layer.attrs["stride"][axis], layer.attrs["kernel"][axis]
        starts = [n * stride - begin for n in range(result[1 + axis])]
        sides.append([min(start + kernel, source[1 + axis]) - max(start, 0) for start in starts])
    return {rows * columns for rows in sides[0] for columns in sides[1]}


def global_max_pool(writer: Writer, layer: Layer) -> None:
    """The largest of every channel."""
    _pool(writer, layer, "max_pool2d", writer.largest(layer.inputs[0]), 1)


def global_avg_pool(writer: Writer, layer: Layer) -> None:
    """The mean of every channel."""
    _, pixels = pixels_of(writer.shape(layer.inputs[0]))
    _pool(writer, layer, "avg_pool2d", writer.largest(layer.inputs[0]) * pixels, pixels)


def _pool(writer: Writer, layer: Layer, function: str, bound: int, divisor: int) -> None:
    source, step = layer.inputs[0], writer.step
    name, number = writer.cast(layer, bound, writer.format(source).frac, divisor)
    window = {key: layer.attrs[key] for key in ("kernel", "stride", "padding") if key in layer.attrs}
    shape = writer.shape(source)
    writer.types.append(struct(step, shape, writer.shape(layer.output), **(window or {"kernel": shape[1:]})))
    result = writer.output(layer)
    sums = writer.scratch(f"sums_{step}", number, shape[0])
    more = f", {divisor}" if function.endswith("inside") else ""
    writer.lines.append(f"{function}<shape_{step}, {name}, {number}{more}>({writer.names[source]}, {result}, {sums});")


def _weighted(writer: Writer, layer: Layer, weight: Array) -> tuple[str, str, str, str]:
    """The template arguments after the shape, and where weights and biases are: "cast, sums, A, scale" first.

    Args:
        weight: integers, one row of them per output; the same in the order in which the loops want them is the
            caller's to write.
    """
    source = layer.inputs[0]
    rows = np.abs(weight.reshape(len(weight), -1)).sum(axis=1, dtype=object)  # Python integers: bounds must not wrap
    products = writer.largest(source) * int(max(rows, default=0))
    sums = sum_type(layer, products)
    frac = writer.format(source).frac + writer.format(layer.params["weight"]).frac
    bias, scale = np.zeros(len(weight), np.int64), 1
    if "bias" in layer.params:
        own = writer.format(layer.params["bias"]).frac
        fine = max(own, frac)
        scale, bias = 1 << (fine - frac), writer.weights[layer.params["bias"]].astype(object) << (fine - own)
        frac = fine
    bound = products * scale + max((abs(int(one)) for one in bias), default=0)
    name, number = writer.cast(layer, bound, frac)
    result = writer.parameter(bias.astype(np.int64), number)
    writer.lines.append(f"const auto *bias_{writer.step} = {result};")
    return f"{name}, {sums}, {number}, {scale}", sums, f"bias_{writer.step}", writer.names[source]


def dense(writer: Writer, layer: Layer) -> None:
    """Rows of features; images are refused."""
    shape = writer.shape(layer.inputs[0])
    if len(shape) == 3:
        raise UnsupportedError(f"{layer.name}: got an image of shape {shape}; expected a vector; flatten it first")
    weight = writer.weights[layer.params["weight"]].astype(np.int64)
    arguments, _, bias, source = _weighted(writer, layer, weight)
    result = writer.output(layer)
    memory = writer.scratch(f"row_{writer.step}", writer.operand(layer.inputs[0]), weight.shape[1])
    weights = writer.parameter(weight, _weight_type(weight))
    sizes = f"{math.prod(shape[:-1])}, {weight.shape[1]}, {weight.shape[0]}"
    writer.lines.append(f"dense<{arguments}, {sizes}>({source}, {weights}, {bias}, {result}, {memory});")


def conv2d(writer: Writer, layer: Layer) -> None:
    """Convolutions of any groups; those of one channel each have a loop of their own."""
    step, source = writer.step, layer.inputs[0]
    weight = writer.weights[layer.params["weight"]].astype(np.int64)
    arguments, sums, bias, x = _weighted(writer, layer, weight)
    keys = ("kernel", "stride", "padding", "dilation", "groups")
    window = {key: layer.attrs[key] for key in keys}
    shape, kind = writer.shape(source), writer.kind(source)
    writer.types.append(struct(step, shape, writer.shape(layer.output), **window))
    result = writer.output(layer)
    top, left, bottom, right = layer.attrs["padding"]
    size = shape[0] * (shape[1] + top + bottom) * (shape[2] + left + right) if any(layer.attrs["padding"]) else 0
    image = writer.scratch(f"image_{step}", kind, size)
    if ops.is_depthwise(layer, weight.shape):
        weights = writer.parameter(weight[:, 0].transpose(1, 2, 0), _weight_type(weight))
        memory = writer.scratch(f"sums_{step}", sums, len(weight))
    else:
        weights = writer.parameter(weight.transpose(0, 2, 3, 1), _weight_type(weight))
        memory = writer.scratch(f"patch_{step}", writer.operand(source), weight[0].size)
    function = "depthwise" if ops.is_depthwise(layer, weight.shape) else "conv2d"
    call = f"{function}<shape_{step}, {arguments}>({x}, {weights}, {bias}, {result}, {image}, {memory});"
    writer.lines.append(call)


def _weight_type(weight: Array) -> str:
    return integer_type(min(int(weight.min(initial=0)), -1), int(weight.max(initial=0)))


def struct(
    step: int, source: Sequence[int], result: Sequence[int] | None = None, *, kernel: Sequence[int] = (1, 1),
    stride: Sequence[int] = (1, 1), padding: Sequence[int] = (0, 0, 0, 0), dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> str:  # fmt: skip
    """The constants of a layer that looks at windows."""
    out = source if result is None else result
    numbers = {
        "channels": source[0], "rows": source[1], "columns": source[2], "filters": out[0], "out_rows": out[1],
        "out_columns": out[2], "groups": groups, "kernel_rows": kernel[0], "kernel_columns": kernel[1],
        "stride_y": stride[0], "stride_x": stride[1], "dilation_y": dilation[0], "dilation_x": dilation[1],
        **dict(zip(("top", "left", "bottom", "right"), padding, strict=True)),
    }  # fmt: skip
    fields = ", ".join(f"{name} = {value}" for name, value in numbers.items())
    return f"struct shape_{step} {{ static constexpr int {fields}; }};"
