# SPDX-License-Identifier: Apache-2.0
"""Every supported operator as hardware units; one function per operator, listed in :data:`LOWERINGS`.

What has no row, or cannot be made exact, is refused with the layer's name and a remedy.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from hls.dataflow import Array, Dataflow, Draft, Stream, arrival_order, check_chain, image_of
from hls.templates.cast import is_identity
from hls.templates.matrix_vector import accumulator, matrix_vector
from hls.templates.max_pool import max_pool
from hls.templates.sliding_window import expect_padding, sliding_window
from hls.templates.unit import expect_divisor
from hwsim.design import Design, Folding
from hwsim.errors import NetworkError
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format
from hwsim.fpga.dataflow import Window
from hwsim.network import Layer, Network, check_weights


def build(network: Network, weights: Mapping[str, Array], design: Design) -> Dataflow:
    """The units and streams that compute a quantised network exactly.

    Args:
        weights: integers of the parameter tensors' formats.
        design: backend "Slimfab"; ``pe`` and ``simd`` of each layer by name (1 where it names none), and the depth of
            FIFOs in pixels by tensor.

    Raises:
        UnsupportedError: a layer has no template, or its folding does not divide; names it, with a remedy.
        NetworkError: the design belongs to another network, or the network has more than one input or output.
        WeightsError: weights are missing, misshapen or leave their format.
    """
    check_chain(network, design)
    check_weights(network, weights)
    for name in design.folding:
        network.layer(name)
    draft = Draft(network, weights, design)
    for layer in network.layers:
        if layer.op not in LOWERINGS:
            known = ", ".join(LOWERINGS)
            raise draft.refuse(layer, layer.op, f"one of {known}", "use hls4ml (backend Vitis) for this network")
        LOWERINGS[layer.op](draft, layer)
    if len(draft.units) == 0:
        raise NetworkError(f"{network.name}: got a network that computes nothing; expected at least one layer")
    source, result = draft.streams[network.inputs[0]], draft.streams[network.outputs[0]]
    return Dataflow(network.name, network.hash, design, tuple(draft.units), dict(draft.wires), source, result)


def _input(draft: Draft, layer: Layer) -> None:
    fmt, shape = draft.format(layer.output), draft.network.tensors[layer.output].shape
    _expect_stream_shape(draft, layer, shape)
    image = image_of(shape)
    lanes = _wanted_lanes(draft, layer.output, image[0])
    wire = draft.wire(layer.name, fmt.width * lanes)
    draft.streams[layer.output] = Stream(wire, fmt, lanes, image, arrival_order(image))


def _wanted_lanes(draft: Draft, tensor: str, channels: int) -> int:
    """The lanes that the first layer to fold reads, so that the input needs no converter."""
    for layer in draft.network.consumers(tensor):
        folding = draft.folding(layer)
        lanes = 1
        if layer.op in ("relu", "clip", "requantise", "flatten") and folding is None:
            lanes = _wanted_lanes(draft, layer.output, channels)
        elif folding is not None:
            lanes = folding.simd if layer.op in ("dense", "conv2d") else folding.pe
        return lanes if channels % lanes == 0 else 1
    return 1


def _expect_stream_shape(draft: Draft, layer: Layer, shape: tuple[int, ...]) -> None:
    if len(shape) not in (1, 3):
        raise draft.refuse(
            layer, f"a tensor of shape {shape}", "(features,) or (channels, height, width)", "flatten it"
        )


def _lanes_of(draft: Draft, layer: Layer) -> Stream:
    """What the layer reads, with the lanes that its own folding asks for."""
    stream = draft.streams[layer.inputs[0]]
    folding = draft.folding(layer)
    if folding is None:
        return stream
    expect_divisor(layer.name, "pe", folding.pe, stream.image[0], "channels")
    return draft.with_lanes(layer, stream, folding.pe)


def _same(draft: Draft, layer: Layer) -> None:
    """output, requantise, flatten: the cast alone; nothing at all where the format stays.

    A flattened image goes on travelling as an image: golden places do not change.
    """
    if is_identity(draft.streams[layer.inputs[0]].format, draft.format(layer.output)):
        draft.streams[layer.output] = draft.streams[layer.inputs[0]]
    else:
        draft.finish(layer, _lanes_of(draft, layer))


def _relu(draft: Draft, layer: Layer) -> None:
    stream = _lanes_of(draft, layer)
    draft.finish(layer, stream, (0, max(stream.format.max_int, 0), stream.format.frac))


def _clip(draft: Draft, layer: Layer) -> None:
    stream = _lanes_of(draft, layer)
    low, high = float(layer.attrs["low"]), float(layer.attrs["high"])
    frac = next((f for f in range(32) if (low * 2.0**f).is_integer() and (high * 2.0**f).is_integer()), None)
    if frac is None:
        raise draft.refuse(layer, f"bounds {low} and {high}", "multiples of 2**-31", "choose bounds on a binary grid")
    frac = max(frac, stream.format.frac)
    smallest = stream.format.min_int << (frac - stream.format.frac)
    largest = stream.format.max_int << (frac - stream.format.frac)
    lowest, highest = int(low * 2**frac), int(high * 2**frac)
    # Bounds far outside the values' range would only widen the unit.
    bounds = min(max(lowest, smallest), highest), max(min(highest, largest), lowest)
    draft.finish(layer, stream, (*bounds, frac))


def _dense(draft: Draft, layer: Layer) -> None:
    stream, folding = draft.streams[layer.inputs[0]], draft.folding(layer) or Folding()
    _expect_stream_shape(draft, layer, draft.network.tensors[layer.inputs[0]].shape)
    if len(draft.network.tensors[layer.inputs[0]].shape) != 1:
        raise draft.refuse(layer, "an image", "a vector", "flatten it first")
    features = len(stream.order)
    expect_divisor(layer.name, "simd", folding.simd, features, "input features")
    matrix = draft.weights[layer.params["weight"]][:, stream.order]
    _matrix(draft, layer, draft.with_lanes(layer, stream, folding.simd), matrix, folding)


def _conv2d(draft: Draft, layer: Layer) -> None:
    groups = int(layer.attrs["groups"])
    if groups != 1:
        raise draft.refuse(layer, f"groups={groups}", "groups=1", "use hls4ml (backend Vitis) for this network")
    stream, folding = draft.streams[layer.inputs[0]], draft.folding(layer) or Folding()
    expect_divisor(layer.name, "simd", folding.simd, stream.image[0], "input channels")
    weight = draft.weights[layer.params["weight"]]
    expect_divisor(layer.name, "pe", folding.pe, len(weight), "output channels")
    stream = draft.with_lanes(layer, stream, folding.simd)
    window = _window(draft, layer, stream)
    if (window.kernel, window.stride, window.padding) != ((1, 1), (1, 1), (0, 0, 0, 0)):
        wire = draft.behind(stream, f"{layer.name}_window")
        passes = len(weight) // folding.pe
        wires = (stream.wire, wire)
        unit = sliding_window(wire, layer.name, wires, window, stream.format, stream.lanes, passes=passes)
        draft.units.append(unit)
        taps = math.prod(window.kernel) * window.out_rows * window.out_columns
        # Only the number of beats matters behind a window; the order is set again behind the matrix.
        stream = Stream(wire, stream.format, stream.lanes, stream.image, np.zeros(taps * stream.image[0], np.intp))
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


def _max_pool2d(draft: Draft, layer: Layer) -> None:
    stream = _lanes_of(draft, layer)
    window = _window(draft, layer, stream)
    wire, fmt = draft.behind(stream, f"{layer.name}_window"), stream.format
    wires = (stream.wire, wire)
    unit = sliding_window(wire, layer.name, wires, window, fmt, stream.lanes, fmt.min_int, channels_outer=True)
    draft.units.append(unit)
    result = draft.behind(stream, f"{layer.name}_max")
    taps, windows = math.prod(window.kernel), window.out_rows * window.out_columns * window.blocks
    draft.units.append(max_pool(result, layer.name, (wire, result), fmt, stream.lanes, taps, windows))
    image = image_of(draft.network.tensors[layer.output].shape)
    draft.finish(layer, Stream(result, fmt, stream.lanes, image, arrival_order(image)))


def _window(draft: Draft, layer: Layer, stream: Stream) -> Window:
    channels, rows, columns = stream.image
    _, out_rows, out_columns = draft.network.tensors[layer.output].shape
    attrs = layer.attrs
    window = Window(
        channels // stream.lanes, rows, columns, tuple(attrs["kernel"]), tuple(attrs["stride"]),
        tuple(attrs.get("dilation", (1, 1))), tuple(attrs["padding"]), out_rows, out_columns,
    )  # fmt: skip
    expect_padding(layer.name, window)
    return window


LOWERINGS: Mapping[str, Callable[[Draft, Layer], None]] = {
    "input": _input,
    "output": _same,
    "requantise": _same,
    "flatten": _same,
    "relu": _relu,
    "clip": _clip,
    "dense": _dense,
    "conv2d": _conv2d,
    "max_pool2d": _max_pool2d,
}
