# SPDX-License-Identifier: Apache-2.0
"""Element by element: thresholds, tables, scaling per channel; and the place of the largest."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hls.dataflow import Draft, Lowering, Order, Stream
from hls.templates.argmax import argmax
from hls.templates.lookup import lookup
from hls.templates.matrix_vector import accumulator
from hls.templates.scale import scale
from hls.templates.threshold import threshold
from hwsim.design import Folding
from hwsim.formats import exact_format
from hwsim.network import Layer
from hwsim.tabulate import FUNCTIONS, MAX_TABLE_BITS

#: Operators that have no hardware as they are → what to do.
REMEDIES: Mapping[str, str] = {
    **dict.fromkeys(FUNCTIONS, f"make it a table: hwsim.tabulate, for inputs of at most {MAX_TABLE_BITS} bits"),
    "softmax": "end the network in front of it, or with argmax, whose answer is the same",
}


def lower_threshold(draft: Draft, layer: Layer) -> None:
    """threshold: all of a channel's thresholds at once, and the count times the slope."""
    stream, folding = _folded(draft, layer)
    roles = "thresholds", "start", "slope"
    exact = accumulator(layer.name, exact_format(draft.network, layer))
    order = _channels(draft, layer, stream)
    thresholds, start, slope = (draft.weights[layer.params[role]][order] for role in roles)
    reached, first, climb = (draft.format(layer.params[role]) for role in roles)
    formats = stream.format, reached, first, climb
    wire = draft.behind(stream, f"{layer.name}_steps", exact)
    wires, params = (stream.wire, wire), (thresholds, start, slope)
    draft.units.append(threshold(wire, layer.name, wires, params, formats, exact, folding, stream.beats))
    draft.finish(layer, replace(stream, wire=wire, format=exact))


def lower_batch_norm(draft: Draft, layer: Layer) -> None:
    """batch_norm: an exact product and sum per channel; with integers and a rounding cast, multiply and shift."""
    stream, folding = _folded(draft, layer)
    exact = accumulator(layer.name, exact_format(draft.network, layer))
    order, names = _channels(draft, layer, stream), (layer.params["scale"], layer.params["shift"])
    params = draft.weights[names[0]][order], draft.weights[names[1]][order]
    formats = stream.format, draft.format(names[0]), draft.format(names[1])
    wire = draft.behind(stream, f"{layer.name}_scale", exact)
    wires = stream.wire, wire
    draft.units.append(scale(wire, layer.name, wires, params, formats, exact, folding, stream.beats))
    draft.finish(layer, replace(stream, wire=wire, format=exact))


def lower_lookup(draft: Draft, layer: Layer) -> None:
    """lookup: a memory that the input's bits address."""
    stream, folding = _folded(draft, layer)
    name = layer.params["table"]
    formats = stream.format, draft.format(name)
    wire = draft.behind(stream, f"{layer.name}_table", formats[1])
    table, wires = (int(layer.attrs["first"]), draft.weights[name]), (stream.wire, wire)
    draft.units.append(lookup(wire, layer.name, wires, table, formats, folding, stream.beats))
    draft.finish(layer, replace(stream, wire=wire, format=formats[1]))


def lower_argmax(draft: Draft, layer: Layer) -> None:
    """argmax: one result per image."""
    stream = draft.own_lanes(layer)
    if not np.array_equal(stream.order, np.arange(len(stream.order))):
        raise draft.refuse(layer, "a flattened image", "one value per class", "let a dense layer read the image")
    place = exact_format(draft.network, layer)
    wire = draft.wire(f"{layer.name}_place", place.width)
    wires, classes = (stream.wire, wire), len(stream.order)
    draft.units.append(argmax(wire, layer.name, wires, stream.format, place, stream.lanes, classes))
    draft.finish(layer, Stream(wire, place, 1, (1, 1, 1), np.zeros(1, np.intp)))


def _folded(draft: Draft, layer: Layer) -> tuple[Stream, Folding]:
    """What the layer reads, and its folding; without one, the lanes stay as they come."""
    stream = draft.own_lanes(layer)
    return stream, draft.folding(layer) or Folding(stream.lanes)


def _channels(draft: Draft, layer: Layer, stream: Stream) -> Order:
    """The channels in the order in which they arrive, again and again; of a flattened image, every value is one."""
    if len(draft.network.tensors[layer.inputs[0]].shape) == 1:
        return stream.order
    channels, rows, columns = stream.image
    return stream.order[:channels] // (rows * columns)


LOWERINGS: Mapping[str, Lowering] = {
    "argmax": lower_argmax,
    "batch_norm": lower_batch_norm,
    "lookup": lower_lookup,
    "threshold": lower_threshold,
}
