# SPDX-License-Identifier: Apache-2.0
"""Dense layers and convolutions as matrix-vector units."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hls.dataflow import Array, Draft, Lowering, Stream, arrival_order, image_of
from hls.templates import streams
from hls.templates.depthwise import depthwise
from hls.templates.matrix_vector import accumulator, matrix_vector
from hls.templates.sliding_window import sliding_window
from hls.templates.unit import expect_divisor
from hwsim.design import Folding
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format
from hwsim.network import Layer

Formats = tuple[FixedPoint, FixedPoint, FixedPoint]


def lower_dense(draft: Draft, layer: Layer) -> None:
    """dense: one matrix-vector product per image; columns in the order in which the inputs arrive."""
    stream, folding = draft.take(layer.inputs[0]), draft.folding(layer) or Folding()
    if len(draft.network.tensors[layer.inputs[0]].shape) != 1:
        raise draft.refuse(layer, "an image", "a vector", "flatten it first")
    features = len(stream.order)
    expect_divisor(layer.name, "simd", folding.simd, features, "input features")
    matrix = draft.weights[layer.params["weight"]][:, stream.order]
    stream = draft.with_lanes(layer, stream, folding.simd)
    _matrix(draft, layer, _prefetched(draft, layer, stream, features // folding.simd), matrix, folding)


def lower_conv2d(draft: Draft, layer: Layer) -> None:
    """conv2d: a matrix-vector product over windows, or every channel by itself."""
    weight = draft.weights[layer.params["weight"]]
    groups = int(layer.attrs["groups"])
    if groups == 1:
        _standard(draft, layer, weight)
    elif weight.shape[:2] == (groups, 1):
        _depthwise(draft, layer, weight)
    else:
        raise draft.refuse(
            layer, f"groups={groups} with {len(weight)} filters", "groups=1, or as many groups as channels and filters",
            "use hls4ml (backend Vitis) for this network",
        )  # fmt: skip


def _standard(draft: Draft, layer: Layer, weight: Array) -> None:
    stream, folding = draft.take(layer.inputs[0]), draft.folding(layer) or Folding()
    expect_divisor(layer.name, "simd", folding.simd, stream.image[0], "input channels")
    expect_divisor(layer.name, "pe", folding.pe, len(weight), "output channels")
    stream = draft.with_lanes(layer, stream, folding.simd)
    stream = _windows(draft, layer, stream, passes=len(weight) // folding.pe)
    _matrix(draft, layer, stream, weight.transpose(0, 2, 3, 1).reshape(len(weight), -1), folding)


def _depthwise(draft: Draft, layer: Layer, weight: Array) -> None:
    folding = draft.folding(layer) or Folding()
    expect_divisor(layer.name, "simd", folding.simd, 1, "channel that each filter reads")
    expect_divisor(layer.name, "pe", folding.pe, len(weight), "output channels")
    stream = draft.with_lanes(layer, draft.take(layer.inputs[0]), folding.pe)
    stream = _windows(draft, layer, stream, groups=len(weight) // folding.pe)
    exact, bias, formats = _operands(draft, layer, stream)
    wire = draft.wire(f"{layer.name}_depthwise", folding.pe * exact.width)
    image = image_of(draft.network.tensors[layer.output].shape)
    wires, matrix = (stream.wire, wire), weight.reshape(len(weight), -1)
    unit = depthwise(wire, layer.name, wires, matrix, bias, formats, exact, folding.pe, image[1] * image[2])
    draft.units.append(unit)
    draft.finish(layer, Stream(wire, exact, folding.pe, image, arrival_order(image)))


def _windows(draft: Draft, layer: Layer, stream: Stream, passes: int = 1, groups: int = 1) -> Stream:
    """The windows of a convolution; the pixels themselves where every window is one pixel."""
    window = draft.window(layer, stream)
    if (window.kernel, window.stride, window.padding) == ((1, 1), (1, 1), (0, 0, 0, 0)):
        return stream if passes == 1 else _prefetched(draft, layer, stream, window.blocks)
    wire = draft.behind(stream, f"{layer.name}_window")
    wires = (stream.wire, wire)
    draft.units.append(
        sliding_window(wire, layer.name, wires, window, stream.format, stream.lanes, groups=groups, passes=passes)
    )
    taps = math.prod(window.kernel) * window.out_rows * window.out_columns
    # Only the number of values matters behind a window; the order is set again behind the products.
    return replace(stream, wire=wire, order=np.zeros(taps * stream.image[0], np.intp))


def _prefetched(draft: Draft, layer: Layer, stream: Stream, beats: int) -> Stream:
    """A FIFO for the next vector: while the matrix replays one, the stream need not wait."""
    wire = draft.behind(stream, f"{layer.name}_vector")
    wires, width = (stream.wire, wire), draft.wires[stream.wire]
    draft.units.append(streams.fifo(wire, layer.name, wires, width, stream.beats, beats))
    return replace(stream, wire=wire)


def _matrix(draft: Draft, layer: Layer, stream: Stream, matrix: Array, folding: Folding) -> None:
    """A matrix-vector unit over the vectors of a stream, and the layer's cast."""
    rows, columns = matrix.shape
    expect_divisor(layer.name, "pe", folding.pe, rows, "output channels")
    exact, bias, formats = _operands(draft, layer, stream)
    wire = draft.wire(f"{layer.name}_matrix", folding.pe * exact.width)
    vectors = len(stream.order) // columns
    lanes = (folding.pe, folding.simd)
    unit = matrix_vector(wire, layer.name, (stream.wire, wire), matrix, bias, formats, exact, lanes, vectors)
    draft.units.append(unit)
    image = image_of(draft.network.tensors[layer.output].shape)
    draft.finish(layer, Stream(wire, exact, folding.pe, image, arrival_order(image)))


def _operands(draft: Draft, layer: Layer, stream: Stream) -> tuple[FixedPoint, Array, Formats]:
    """The accumulator's format, the bias (zeros where there is none), and the formats of input, weight and bias.

    The accumulator holds the sums of all weights of their format, so that new weights change no width.
    """
    exact = accumulator(layer.name, exact_format(draft.network, layer))
    weight_format = draft.format(layer.params["weight"])
    name = layer.params.get("bias")
    if name is None:
        filters = draft.network.tensors[layer.params["weight"]].shape[0]
        return exact, np.zeros(filters, dtype=np.int64), (stream.format, weight_format, FixedPoint(1, exact.frac))
    return exact, draft.weights[name], (stream.format, weight_format, draft.format(name))


LOWERINGS: Mapping[str, Lowering] = {
    "dense": lower_dense,
    "conv2d": lower_conv2d,
}
