# SPDX-License-Identifier: Apache-2.0
"""Dense layers and convolutions as matrix-vector units, which leave out blocks of zero weights where that is faster."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from hls.dataflow import Array, Draft, Lowering, Stream, arrival_order, image_of
from hls.layers_unrolled import STRATEGY, lower_unrolled
from hls.templates import streams
from hls.templates.matrix_vector import accumulator, matrix_vector
from hls.templates.operands import Operands
from hls.templates.sliding_window import sliding_window
from hls.templates.sparse import sparse_matrix_vector
from hls.templates.unit import Unit, expect_divisor
from hwsim.design import Folding
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format
from hwsim.fpga.dataflow import Window
from hwsim.fpga.outline.zeros import skips_zeros
from hwsim.network import Layer

#: Makes a unit of its name, layer, wires, operands, folding and vectors per image.
MatrixUnit = Callable[[str, str, tuple[str, str], Operands, Folding, int], Unit]


def lower_dense(draft: Draft, layer: Layer) -> None:
    """dense: one matrix-vector product per image; columns in the order in which the inputs arrive."""
    stream, folding = draft.take(layer.inputs[0]), draft.folding(layer) or Folding()
    if len(draft.network.tensors[layer.inputs[0]].shape) != 1:
        raise draft.refuse(layer, "an image", "a vector", "flatten it first")
    features = len(stream.order)
    matrix = draft.weights[layer.params["weight"]][:, stream.order]
    expect_divisor(layer.name, "simd", folding.simd, features, "input features")
    expect_divisor(layer.name, "pe", folding.pe, len(matrix), "output channels")
    stream = draft.with_lanes(layer, stream, folding.simd)
    make: MatrixUnit = sparse_matrix_vector
    if not _skips_zeros(draft, matrix, folding):
        make, stream = matrix_vector, _prefetched(draft, layer, stream, features // folding.simd)
    _matrix(draft, layer, stream, matrix[np.newaxis], folding, make)


def lower_conv2d(draft: Draft, layer: Layer) -> None:
    """conv2d: matrix-vector products over windows, one matrix per group.

    ``simd`` divides the channels of a group and ``pe`` its filters. Where a group is one channel, ``pe`` may also be
    all filters of several channels, which then arrive side by side.
    """
    stream, folding = draft.take(layer.inputs[0]), draft.folding(layer) or Folding()
    weight, groups = draft.weights[layer.params["weight"]], int(layer.attrs["groups"])
    filters, channels = len(weight) // groups, weight.shape[1]
    expect_divisor(layer.name, "simd", folding.simd, channels, _of_each("input channels", groups))
    parallel = _parallel(layer, folding.pe, filters, groups, channels)
    stream = draft.with_lanes(layer, stream, folding.simd * parallel)
    window = draft.window(layer, stream)
    # Columns as windows give them: position by position, channels innermost.
    matrices = weight.transpose(0, 2, 3, 1).reshape(groups // parallel, filters * parallel, -1)
    make: MatrixUnit = sparse_matrix_vector
    passes = 1
    if groups > 1 or not _skips_zeros(draft, matrices[0], folding, window):
        make, passes = partial(matrix_vector, parallel=parallel), filters * parallel // folding.pe
    stream = _windows(draft, layer, stream, window, groups // parallel, passes)
    _matrix(draft, layer, stream, matrices, folding, make)


def _skips_zeros(draft: Draft, matrix: Array, folding: Folding, window: Window | None = None) -> bool:
    """Whether the layer may leave out blocks of zero weights, and is faster if it does."""
    return folding.strategy != STRATEGY and draft.skip_zeros and skips_zeros(matrix, folding, window)


def _of_each(what: str, groups: int) -> str:
    return what if groups == 1 else f"{what} of each group"


def _parallel(layer: Layer, pe: int, filters: int, groups: int, channels: int) -> int:
    """How many groups are computed side by side: several only where a group is one channel."""
    if groups == 1 or channels > 1 or pe <= filters:
        expect_divisor(layer.name, "pe", pe, filters, _of_each("output channels", groups))
        return 1
    if pe % filters:
        expect_divisor(layer.name, "pe", pe, filters, "output channels of each group, or be a multiple of them")
    expect_divisor(layer.name, "pe", pe, filters * groups, "output channels")
    return pe // filters


def _windows(draft: Draft, layer: Layer, stream: Stream, window: Window, groups: int, passes: int) -> Stream:
    """The windows of a convolution; the pixels themselves where every window is one pixel."""
    if (window.kernel, window.stride, window.padding) == ((1, 1), (1, 1), (0, 0, 0, 0)):
        return stream if passes == 1 else _prefetched(draft, layer, stream, window.blocks // groups)
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


def _matrix(draft: Draft, layer: Layer, stream: Stream, matrices: Array, folding: Folding, make: MatrixUnit) -> None:
    """A matrix unit over the vectors of a stream, and the layer's cast."""
    operands = _operands(draft, layer, stream, matrices)
    if folding.strategy == STRATEGY:
        return lower_unrolled(draft, layer, stream, operands, folding)
    exact, image = operands.exact, image_of(draft.network.tensors[layer.output].shape)
    wire = draft.wire(f"{layer.name}_matrix", folding.pe * exact.width)
    vectors = stream.beats // (matrices.shape[-1] // folding.simd)
    draft.units.append(make(wire, layer.name, (stream.wire, wire), operands, folding, vectors))
    draft.finish(layer, Stream(wire, exact, folding.pe, image, arrival_order(image)))


def _operands(draft: Draft, layer: Layer, stream: Stream, matrices: Array) -> Operands:
    """Matrices with their biases, zeros where there are none.

    The accumulator holds the sums of all weights of their format, so that new weights change no width.
    """
    exact = accumulator(layer.name, exact_format(draft.network, layer))
    name, weight = layer.params.get("bias"), draft.format(layer.params["weight"])
    bias = np.zeros(matrices.shape[:2], np.int64) if name is None else draft.weights[name].reshape(matrices.shape[:2])
    offset = FixedPoint(1, exact.frac) if name is None else draft.format(name)
    return Operands(matrices, bias, stream.format, weight, offset, exact)


LOWERINGS: Mapping[str, Lowering] = {
    "dense": lower_dense,
    "conv2d": lower_conv2d,
}
