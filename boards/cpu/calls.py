# SPDX-License-Identifier: Apache-2.0
"""How each operator becomes a call of ``layers.h``: exact bounds choose the types, one cast ends every layer.

Images are stored channels innermost, other tensors as the network has them. Operands with different fractional bits are
brought to the finest of them by multiplying with powers of two, as :mod:`hwsim.kernels` does by shifting.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from boards.cpu import windows
from boards.cpu.writer import Array, Writer, pixels_of, sum_type
from hwsim.errors import UnsupportedError
from hwsim.network import Layer

Rule = Callable[[Writer, Layer], None]


def _channel(shape: Sequence[int]) -> str:
    """The channel of element i."""
    channels, places = pixels_of(shape)
    return f"i % {channels}" if len(shape) == 3 else f"i / {places}"


def _elementwise(writer: Writer, layer: Layer, bound: int, frac: int, expression: str) -> None:
    """Every element on its own; ``expression`` has i for its place and A for the type of sums."""
    name, number = writer.cast(layer, bound, frac)
    result, size = writer.output(layer), writer.network.tensors[layer.output].size
    value = re.sub(r"\bA\b", number, expression)
    writer.lines.append(f"each<{size}>({result}, [&](int i) {{ return {name}::of({value}); }});")


def _same(writer: Writer, layer: Layer) -> None:
    source = layer.inputs[0]
    _elementwise(writer, layer, writer.largest(source), writer.format(source).frac, f"A({writer.names[source]}[i])")


def _relu(writer: Writer, layer: Layer) -> None:
    source = layer.inputs[0]
    value = f"{writer.names[source]}[i]"
    expression = f"A({value} > 0 ? {value} : 0)" if writer.format(source).signed else f"A({value})"
    _elementwise(writer, layer, writer.largest(source), writer.format(source).frac, expression)


def _clip(writer: Writer, layer: Layer) -> None:
    source = layer.inputs[0]
    own = writer.format(source).frac
    bounds = [float(layer.attrs["low"]), float(layer.attrs["high"])]
    frac = next((f for f in range(32) if all((b * 2.0**f).is_integer() for b in bounds)), None)
    if frac is None:
        raise UnsupportedError(
            f"{layer.name}: clip bounds {bounds} are not on a grid of 2**-31; expected multiples of a power of two"
        )
    frac = max(frac, own)
    limit = (1 << 62) - 1
    low, high = (max(-limit, min(limit, round(bound * 2.0**frac))) for bound in bounds)
    bound = writer.largest(source) << (frac - own)
    # Bounds beyond the values' own never bind, and would need wider numbers.
    low, high = max(low, -bound - 1), min(high, bound + 1)
    low, high = min(low, bound + 1), max(high, -bound - 1)
    value = f"A({writer.names[source]}[i]) * {1 << frac - own}"
    _elementwise(writer, layer, bound + 1, frac, f"std::clamp<A>({value}, A({low}), A({high}))")


def _aligned(writer: Writer, layer: Layer) -> tuple[int, list[int], int]:
    """The finest fractional bits of the inputs, what brings each to them, and a bound of their sum."""
    fracs = [writer.format(tensor).frac for tensor in layer.inputs]
    factors = [1 << (max(fracs) - frac) for frac in fracs]
    bound = sum(writer.largest(tensor) * factor for tensor, factor in zip(layer.inputs, factors, strict=True))
    return max(fracs), factors, bound


def _add(writer: Writer, layer: Layer) -> None:
    frac, factors, bound = _aligned(writer, layer)
    terms = (f"A({writer.names[t]}[i]) * {factor}" for t, factor in zip(layer.inputs, factors, strict=True))
    _elementwise(writer, layer, bound, frac, " + ".join(terms))


def _concat(writer: Writer, layer: Layer) -> None:
    frac, factors, bound = _aligned(writer, layer)
    name, number = writer.cast(layer, bound, frac)
    result, shape = writer.output(layer), writer.shape(layer.output)
    images = len(shape) == 3  # channels innermost: parts of every pixel
    begin = 0
    for tensor, factor in zip(layer.inputs, factors, strict=True):
        channels, places = pixels_of(writer.shape(tensor))
        run, runs, step = (channels, places, shape[0]) if images else (channels * places, 1, 0)
        value = f"{number}({writer.names[tensor]}[p * {run} + i]) * {factor}"
        writer.lines.append(
            f"for (int p = 0; p < {runs}; p++) "
            f"each<{run}>({result} + p * {step} + {begin}, [&](int i) {{ return {name}::of({value}); }});"
        )
        begin += run


def _flatten(writer: Writer, layer: Layer) -> None:
    source = layer.inputs[0]
    channels, places = pixels_of(writer.shape(source))
    place = f"i % {places} * {channels} + i / {places}" if len(writer.shape(source)) == 3 else "i"
    bound, frac = writer.largest(source), writer.format(source).frac
    _elementwise(writer, layer, bound, frac, f"A({writer.names[source]}[{place}])")


def _batch_norm(writer: Writer, layer: Layer) -> None:
    source = layer.inputs[0]
    scale, shift = (writer.weights[layer.params[role]].astype(np.int64) for role in ("scale", "shift"))
    product = writer.format(source).frac + writer.format(layer.params["scale"]).frac
    own = writer.format(layer.params["shift"]).frac
    frac = max(product, own)
    bound = (writer.largest(source) * _largest(scale) << frac - product) + (_largest(shift) << frac - own)
    kind = sum_type(layer, bound)
    factors = writer.parameter(scale << (frac - product), kind)
    offsets = writer.parameter(shift << (frac - own), kind)
    writer.lines += [f"const auto *scale_{writer.step} = {factors};", f"const auto *shift_{writer.step} = {offsets};"]
    channel = _channel(writer.shape(source))
    expression = f"A({writer.names[source]}[i]) * A(scale_{writer.step}[{channel}]) + A(shift_{writer.step}[{channel}])"
    _elementwise(writer, layer, bound, frac, expression)


def _threshold(writer: Writer, layer: Layer) -> None:
    source, step = layer.inputs[0], writer.step
    levels, start, slope = (writer.weights[layer.params[role]].astype(np.int64) for role in _LEVELS)
    fine = max(writer.format(source).frac, writer.format(layer.params["thresholds"]).frac)
    near = fine - writer.format(source).frac
    far = fine - writer.format(layer.params["thresholds"]).frac
    kind = sum_type(layer, max(writer.largest(source) << near, _largest(levels) << far))
    count = levels.shape[1]
    fracs = [writer.format(layer.params[role]).frac for role in ("start", "slope")]
    frac = max(fracs)
    start, slope = start << (frac - fracs[0]), slope << (frac - fracs[1])
    bound = _largest(start) + _largest(slope) * count
    number = sum_type(layer, bound)
    for word, values, type_ in (("levels", levels << far, kind), ("start", start, number), ("slope", slope, number)):
        writer.lines.append(f"const auto *{word}_{step} = {writer.parameter(values, type_)};")
    value = f"{kind}({writer.names[source]}[i]) * {1 << near}"
    channel = _channel(writer.shape(source))
    reached = f"A(reached<{kind}>({value}, levels_{step} + ({channel}) * {count}, {count}))"
    expression = f"A(start_{step}[{channel}]) + A(slope_{step}[{channel}]) * {reached}"
    _elementwise(writer, layer, bound, frac, expression)


def _lookup(writer: Writer, layer: Layer) -> None:
    source, first = layer.inputs[0], int(layer.attrs["first"])
    name = layer.params["table"]
    table = writer.weights[name].astype(np.int64)
    low, high = writer.format(source).min_int, writer.format(source).max_int
    if low < first or high >= first + len(table):
        raise UnsupportedError(
            f"{layer.name}: got inputs from {low} to {high}; the table holds {first} to {first + len(table) - 1}; "
            "expected an entry for each"
        )
    values = writer.format(layer.output).cast(table, writer.format(name).frac)  # cast once, here
    result, size = writer.output(layer), writer.network.tensors[layer.output].size
    found = writer.parameter(values, writer.kind(layer.output))
    place = f"int64_t({writer.names[source]}[i]) - ({first})"
    writer.lines += [
        f"const auto *table_{writer.step} = {found};",
        f"each<{size}>({result}, [&](int i) {{ return table_{writer.step}[{place}]; }});",
    ]


def _argmax(writer: Writer, layer: Layer) -> None:
    source = layer.inputs[0]
    count = writer.network.tensors[source].size
    name, number = writer.cast(layer, count, 0)
    result = writer.output(layer)
    writer.lines.append(f"{result}[0] = {name}::of({number}(argmax({writer.names[source]}, {count})));")


def _upsample2d(writer: Writer, layer: Layer) -> None:
    source = layer.inputs[0]
    channels, _, columns = writer.shape(layer.output)
    rows, across = layer.attrs["factor"]
    pixel = f"i / {columns * channels} / {rows} * {columns // across} + i / {channels} % {columns} / {across}"
    bound, frac = writer.largest(source), writer.format(source).frac
    _elementwise(writer, layer, bound, frac, f"A({writer.names[source]}[({pixel}) * {channels} + i % {channels}])")


def _pad2d(writer: Writer, layer: Layer) -> None:
    source, step = layer.inputs[0], writer.step
    name, number = writer.cast(layer, writer.largest(source), writer.format(source).frac)
    result, size = writer.output(layer), writer.network.tensors[layer.output].size
    image = writer.scratch(f"image_{step}", writer.kind(source), size)
    writer.types.append(windows.struct(step, writer.shape(source), padding=layer.attrs["padding"]))
    writer.lines += [
        f"const auto *padded_{step} = padded<shape_{step}>({writer.names[source]}, {image});",
        f"each<{size}>({result}, [&](int i) {{ return {name}::of({number}(padded_{step}[i])); }});",
    ]


def _largest(values: Array) -> int:
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))


_LEVELS = ("thresholds", "start", "slope")

#: Every operator that has an exact integer form, but the input.
RULES: Mapping[str, Rule] = {
    "output": _same,
    "dense": windows.dense,
    "conv2d": windows.conv2d,
    "max_pool2d": windows.max_pool2d,
    "avg_pool2d": windows.avg_pool2d,
    "global_avg_pool": windows.global_avg_pool,
    "global_max_pool": windows.global_max_pool,
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
}
