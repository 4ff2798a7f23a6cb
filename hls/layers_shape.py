# SPDX-License-Identifier: Apache-2.0
"""What only moves values: padding, upsampling, concatenation."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hls.dataflow import Draft, Lowering, Stream, arrival_order, image_of
from hls.templates import shape
from hls.templates.unit import expect_divisor
from hwsim.fpga.dataflow import is_identity
from hwsim.network import Layer


def lower_concat(draft: Draft, layer: Layer) -> None:
    """concat: the channels of a pixel come image by image.

    Every value is cast once: behind the concatenation where all images have one format, else in front of it.
    """
    terms = [draft.take(tensor) for tensor in layer.inputs]
    images = [image_of(draft.network.tensors[tensor].shape) for tensor in layer.inputs]
    if any(not np.array_equal(term.order, arrival_order(image)) for term, image in zip(terms, images, strict=True)):
        raise draft.refuse(layer, "a flattened image", "images, or vectors that never were images", "flatten it later")
    lanes = _common_lanes(draft, layer, terms, [channels for channels, _, _ in images])
    terms = [draft.with_lanes(layer, term, lanes) for term in terms]
    if any(not is_identity(term.format, terms[0].format) for term in terms):
        terms = [draft.cast(layer, term, draft.format(layer.output)) for term in terms]
    wire = draft.behind(terms[0], f"{layer.name}_joined")
    sources, pixels = tuple(term.wire for term in terms), images[0][1] * images[0][2]
    blocks = [channels // lanes for channels, _, _ in images]
    draft.units.append(shape.concat(wire, layer.name, sources, wire, draft.wires[wire], pixels, blocks))
    draft.finish(layer, _result(draft, layer, terms[0], wire))


def lower_pad2d(draft: Draft, layer: Layer) -> None:
    """pad2d: zeros around the image."""
    stream, padding = draft.own_lanes(layer), layer.attrs["padding"]
    wire = draft.behind(stream, f"{layer.name}_padded")
    blocks, size = stream.image[0] // stream.lanes, stream.image[1:]
    width = draft.wires[wire]
    draft.units.append(shape.pad(wire, layer.name, (stream.wire, wire), width, blocks, size, padding))
    draft.finish(layer, _result(draft, layer, stream, wire))


def lower_upsample2d(draft: Draft, layer: Layer) -> None:
    """upsample2d: pixels repeated within a row, and rows out of a memory."""
    stream, factor = draft.own_lanes(layer), layer.attrs["factor"]
    wire = draft.behind(stream, f"{layer.name}_repeated")
    blocks, size = stream.image[0] // stream.lanes, stream.image[1:]
    width = draft.wires[wire]
    draft.units.append(shape.upsample(wire, layer.name, (stream.wire, wire), width, blocks, size, factor))
    draft.finish(layer, _result(draft, layer, stream, wire))


def _common_lanes(draft: Draft, layer: Layer, terms: list[Stream], channels: list[int]) -> int:
    """The folding's lanes, which must divide the channels of every image; by default the lanes common to all."""
    folding = draft.folding(layer)
    if folding is None:
        return math.gcd(*(term.lanes for term in terms))
    what = f"channels, the common divisor of {', '.join(map(str, channels))}"
    expect_divisor(layer.name, "pe", folding.pe, math.gcd(*channels), what)
    return folding.pe


def _result(draft: Draft, layer: Layer, stream: Stream, wire: str) -> Stream:
    image = image_of(draft.network.tensors[layer.output].shape)
    return replace(stream, wire=wire, image=image, order=arrival_order(image))


LOWERINGS: Mapping[str, Lowering] = {
    "concat": lower_concat,
    "pad2d": lower_pad2d,
    "upsample2d": lower_upsample2d,
}
