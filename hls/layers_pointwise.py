# SPDX-License-Identifier: Apache-2.0
"""Element by element: thresholds, tables, scaling per channel."""

from collections.abc import Mapping
from dataclasses import replace

from hls.dataflow import Draft, Lowering, Order, Stream
from hls.templates.matrix_vector import accumulator
from hls.templates.threshold import threshold
from hwsim.formats import exact_format
from hwsim.network import Layer


def lower_threshold(draft: Draft, layer: Layer) -> None:
    """threshold: all of a channel's thresholds at once, and the count times the slope."""
    stream, roles = draft.own_lanes(layer), ("thresholds", "start", "slope")
    exact = accumulator(layer.name, exact_format(draft.network, layer))
    order = _channels(draft, layer, stream)
    thresholds, start, slope = (draft.weights[layer.params[role]][order] for role in roles)
    reached, first, climb = (draft.format(layer.params[role]) for role in roles)
    formats = stream.format, reached, first, climb
    wire = draft.behind(stream, f"{layer.name}_steps", exact)
    wires, params = (stream.wire, wire), (thresholds, start, slope)
    draft.units.append(threshold(wire, layer.name, wires, params, formats, exact, stream.lanes, stream.beats))
    draft.finish(layer, replace(stream, wire=wire, format=exact))


def _channels(draft: Draft, layer: Layer, stream: Stream) -> Order:
    """The channels in the order in which they arrive, again and again; of a flattened image, every value is one."""
    if len(draft.network.tensors[layer.inputs[0]].shape) == 1:
        return stream.order
    channels, rows, columns = stream.image
    return stream.order[:channels] // (rows * columns)


LOWERINGS: Mapping[str, Lowering] = {
    "threshold": lower_threshold,
}
