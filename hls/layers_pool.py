# SPDX-License-Identifier: Apache-2.0
"""Pooling over windows and over the whole image."""

import math
from collections.abc import Mapping
from dataclasses import replace

from hls.dataflow import Draft, Lowering, Stream, arrival_order, image_of
from hls.templates.max_pool import max_pool
from hls.templates.mean import accumulate, divide
from hls.templates.sliding_window import sliding_window
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format
from hwsim.fpga.dataflow import Division
from hwsim.network import Layer


def lower_max_pool(draft: Draft, layer: Layer) -> None:
    """max_pool2d, global_max_pool: the positions of a window one after the other, and the largest of them."""
    stream = draft.own_lanes(layer)
    window, fmt = draft.window(layer, stream), stream.format
    stream = _windows(draft, layer, stream, fmt.min_int)
    wire = draft.behind(stream, f"{layer.name}_max")
    taps, windows = math.prod(window.kernel), window.out_rows * window.out_columns * window.blocks
    draft.units.append(max_pool(wire, layer.name, (stream.wire, wire), fmt, stream.lanes, taps, windows))
    draft.finish(layer, _result(draft, layer, stream, wire, fmt))


def lower_avg_pool2d(draft: Draft, layer: Layer) -> None:
    """avg_pool2d: exact sums over windows, divided and rounded once."""
    if any(layer.attrs["padding"]) and not layer.attrs["count_include_pad"]:
        raise draft.refuse(
            layer, "padding that is not counted", "count_include_pad or no padding", "pad less, or count the padding"
        )
    stream = draft.own_lanes(layer)
    window, source = draft.window(layer, stream), stream.format
    stream = _windows(draft, layer, stream, 0)
    taps = math.prod(window.kernel)
    _mean(draft, layer, stream, source, taps, (taps, 1, window.out_rows * window.out_columns * window.blocks))


def lower_global_avg_pool(draft: Draft, layer: Layer) -> None:
    """global_avg_pool: one sum per channel while the image passes, divided and rounded once."""
    stream = draft.own_lanes(layer)
    channels, rows, columns = stream.image
    _mean(draft, layer, stream, stream.format, rows * columns, (rows * columns, channels // stream.lanes, 1))


def _windows(draft: Draft, layer: Layer, stream: Stream, pad_value: int) -> Stream:
    """The positions of each window one after the other, channel block by channel block."""
    wire = draft.behind(stream, f"{layer.name}_window")
    window, wires = draft.window(layer, stream), (stream.wire, wire)
    draft.units.append(
        sliding_window(wire, layer.name, wires, window, stream.format, stream.lanes, pad_value, window.blocks)
    )
    return replace(stream, wire=wire)


def _mean(
    draft: Draft, layer: Layer, stream: Stream, source: FixedPoint, count: int, shape: tuple[int, int, int]
) -> None:
    """Sums of ``count`` values, their division where it is no shift, and the layer's cast."""
    exact = smallest_format(min(source.min_int * count, -1), source.max_int * count, source.frac)
    wire = draft.behind(stream, f"{layer.name}_sum", exact)
    draft.units.append(accumulate(wire, layer.name, (stream.wire, wire), source, exact, stream.lanes, shape))
    result = _result(draft, layer, stream, wire, exact)
    if count & (count - 1) == 0:
        # The same integers, read at another binary point, are the means.
        shifted = FixedPoint(exact.width, exact.frac + count.bit_length() - 1)
        draft.finish(layer, replace(result, format=shifted))
        return
    target = draft.format(layer.output)
    quotient = Division.of(exact, count, target).quotient
    wire = draft.behind(result, f"{layer.name}_mean", quotient)
    wires = (result.wire, wire)
    draft.units.append(divide(wire, layer.name, wires, exact, count, target, result.lanes, result.beats))
    draft.finish(layer, replace(result, wire=wire, format=quotient))


def _result(draft: Draft, layer: Layer, stream: Stream, wire: str, fmt: FixedPoint) -> Stream:
    image = image_of(draft.network.tensors[layer.output].shape)
    return Stream(wire, fmt, stream.lanes, image, arrival_order(image))


LOWERINGS: Mapping[str, Lowering] = {
    "max_pool2d": lower_max_pool,
    "global_max_pool": lower_max_pool,
    "avg_pool2d": lower_avg_pool2d,
    "global_avg_pool": lower_global_avg_pool,
}
