# SPDX-License-Identifier: Apache-2.0
"""Dense layers and convolutions as matrix-vector units."""

import math
from dataclasses import replace

import numpy as np

from hls.dataflow import Array, Draft, Stream, arrival_order, image_of
from hls.templates.matrix_vector import accumulator, matrix_vector
from hls.templates.sliding_window import sliding_window
from hls.templates.unit import expect_divisor
from hwsim.design import Folding
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format
from hwsim.network import Layer


def lower_dense(draft: Draft, layer: Layer) -> None:
    stream, folding = draft.take(layer.inputs[0]), draft.folding(layer) or Folding()
    if len(draft.network.tensors[layer.inputs[0]].shape) != 1:
        raise draft.refuse(layer, "an image", "a vector", "flatten it first")
    features = len(stream.order)
    expect_divisor(layer.name, "simd", folding.simd, features, "input features")
    matrix = draft.weights[layer.params["weight"]][:, stream.order]
    _matrix(draft, layer, draft.with_lanes(layer, stream, folding.simd), matrix, folding)


def lower_conv2d(draft: Draft, layer: Layer) -> None:
    groups = int(layer.attrs["groups"])
    if groups != 1:
        raise draft.refuse(layer, f"groups={groups}", "groups=1", "use hls4ml (backend Vitis) for this network")
    stream, folding = draft.take(layer.inputs[0]), draft.folding(layer) or Folding()
    expect_divisor(layer.name, "simd", folding.simd, stream.image[0], "input channels")
    weight = draft.weights[layer.params["weight"]]
    expect_divisor(layer.name, "pe", folding.pe, len(weight), "output channels")
    stream = draft.with_lanes(layer, stream, folding.simd)
    window = draft.window(layer, stream)
    if (window.kernel, window.stride, window.padding) != ((1, 1), (1, 1), (0, 0, 0, 0)):
        wire = draft.behind(stream, f"{layer.name}_window")
        passes = len(weight) // folding.pe
        wires = (stream.wire, wire)
        unit = sliding_window(wire, layer.name, wires, window, stream.format, stream.lanes, passes=passes)
        draft.units.append(unit)
        taps = math.prod(window.kernel) * window.out_rows * window.out_columns
        # Only the number of beats matters behind a window; the order is set again behind the matrix.
        stream = replace(stream, wire=wire, order=np.zeros(taps * stream.image[0], np.intp))
    matrix = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    _matrix(draft, layer, stream, matrix, folding)


def _matrix(draft: Draft, layer: Layer, stream: Stream, matrix: Array, folding: Folding) -> None:
    """A matrix-vector unit over the vectors of a stream, and the layer's cast."""
    rows, columns = matrix.shape
    expect_divisor(layer.name, "pe", folding.pe, rows, "output channels")
    exact = accumulator(layer.name, exact_format(draft.network, layer, draft.weights))
    bias_name = layer.params.get("bias")
    bias = draft.weights[bias_name] if bias_name else np.zeros(rows, dtype=np.int64)
    weight_format = draft.format(layer.params["weight"])
    bias_format = draft.format(bias_name) if bias_name else FixedPoint(1, exact.frac)
    wire = draft.wire(f"{layer.name}_matrix", folding.pe * exact.width)
    formats = (stream.format, weight_format, bias_format)
    vectors = len(stream.order) // columns
    lanes = (folding.pe, folding.simd)
    unit = matrix_vector(wire, layer.name, (stream.wire, wire), matrix, bias, formats, exact, lanes, vectors)
    draft.units.append(unit)
    image = image_of(draft.network.tensors[layer.output].shape)
    draft.finish(layer, Stream(wire, exact, folding.pe, image, arrival_order(image)))
