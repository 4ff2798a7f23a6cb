# SPDX-License-Identifier: Apache-2.0
"""Every supported operator as hardware units; one function per operator, listed in its file's ``LOWERINGS``.

What has no row, or cannot be made exact, is refused with the layer's name and a remedy.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from hls import layers_matrix, layers_pointwise, layers_pool, layers_shape
from hls.dataflow import Array, Dataflow, Draft, Stream, arrival_order, check_network, image_of
from hls.mappable import with_assumed_formats
from hls.templates import streams
from hls.templates.matrix_vector import accumulator
from hls.templates.unit import Unit, expect_divisor
from hwsim.design import Design, Folding
from hwsim.device import Device
from hwsim.errors import InputError, NetworkError
from hwsim.formats import exact_format
from hwsim.fpga.dataflow import is_identity
from hwsim.fpga.folding import choose_design
from hwsim.fpga.outline import fork_depths
from hwsim.network import Layer, Network, Tensor, check_weights


def build(network: Network, weights: Mapping[str, Array], design: Design, *, skip_zeros: bool = True) -> Dataflow:
    """The units and streams that compute a quantised network exactly.

    Args:
        weights: integers of the parameter tensors' formats.
        design: backend "Slimfab"; ``pe`` and ``simd`` of each layer by name (1 where it names none), and the depth of
            FIFOs in pixels by tensor.
        skip_zeros: blocks of zero weights are left out where that makes a layer faster; else nothing but memories
            depends on the weights of layers that are not unrolled.

    Raises:
        UnsupportedError: a layer has no template, or its folding does not divide; names it, with a remedy.
        NetworkError: the design belongs to another network, or the network has more than one input or output.
        WeightsError: weights are missing, misshapen or leave their format.
    """
    check_network(network, design)
    check_weights(network, weights)
    for name in design.folding:
        network.layer(name)
    draft = Draft(network, weights, design, skip_zeros)
    for layer in network.layers:
        _lower(draft, layer)
    if not any(unit.module != "stream_fork" for unit in draft.units):
        raise NetworkError(f"{network.name}: got a network that computes nothing; expected at least one layer")
    source, result = draft.input, draft.take(network.outputs[0])
    assert source is not None  # every network has an input layer
    units = _deepened(draft)
    wires, tensors = dict(draft.wires), dict(draft.tensors)
    return Dataflow(network.name, network.hash, design, units, wires, source, result, tensors)


def _deepened(draft: Draft) -> tuple[Unit, ...]:
    """The units; FIFOs behind forks are deeper where that keeps the pace of the slowest one."""
    least = fork_depths(draft.network, draft.units, draft.design.fifo_depths)
    return tuple(
        replace(unit, parameters={**unit.parameters, "DEPTH": max(int(unit.parameters["DEPTH"]), least[unit.name])})
        if unit.name in least
        else unit
        for unit in draft.units
    )


def explain(network: Network, device: Device) -> dict[str, str]:
    """Why a layer cannot be built, "" where it can, for every layer and at the folding chosen for the device.

    A float network is judged at 8 bits, with unsigned inputs.

    Raises:
        NetworkError, UnsupportedError: see :func:`build`; for what concerns no single layer.
    """
    network = network if network.is_quantised else with_assumed_formats(network)
    design = choose_design(network, device, "folded")
    check_network(network, design)
    # Zeros could be left out; what is judged must not depend on that.
    weights = {name: _nonzero(network.tensors[name]) for name in network.parameter_names}
    draft = Draft(network, weights, design)
    found = dict.fromkeys((layer.name for layer in network.layers), "")
    for layer in network.layers:
        try:
            _lower(draft, layer)
        except InputError as error:
            found[layer.name] = str(error).removeprefix(f"{layer.name}: ")
            _stand_in(draft, layer)
    return found


def _nonzero(tensor: Tensor) -> Array:
    assert tensor.format is not None
    return np.full(tensor.shape, tensor.format.max_int or tensor.format.min_int, dtype=np.int64)


def _stand_in(draft: Draft, layer: Layer) -> None:
    """An output out of nowhere for a layer that was refused, so that its readers can be looked at."""
    for tensor in layer.outputs:
        fmt, image = draft.format(tensor), image_of(draft.network.tensors[tensor].shape)
        stream = Stream(draft.wire(layer.name, fmt.width), fmt, 1, image, arrival_order(image))
        draft.publish(layer, stream)


def _lower(draft: Draft, layer: Layer) -> None:
    if layer.op not in LOWERINGS:
        known = ", ".join(LOWERINGS)
        remedy = layers_pointwise.REMEDIES.get(layer.op, "use hls4ml (backend Vitis) for this network")
        raise draft.refuse(layer, layer.op, f"one of {known}", remedy)
    LOWERINGS[layer.op](draft, layer)


def _input(draft: Draft, layer: Layer) -> None:
    fmt, shape = draft.format(layer.output), draft.network.tensors[layer.output].shape
    if len(shape) not in (1, 3):
        raise draft.refuse(layer, f"shape {shape}", "(features,) or (channels, height, width)", "flatten it")
    image = image_of(shape)
    lanes = _wanted_lanes(draft, layer.output, image[0])
    draft.input = Stream(draft.wire(layer.name, fmt.width * lanes), fmt, lanes, image, arrival_order(image))
    draft.publish(layer, draft.input)


def _wanted_lanes(draft: Draft, tensor: str, channels: int) -> int:
    """The lanes that the first layer to fold reads, so that the input needs no converter."""
    for layer in draft.network.consumers(tensor):
        folding = draft.folding(layer)
        lanes = 1
        if layer.op in ("relu", "clip", "requantise", "flatten") and folding is None:
            lanes = _wanted_lanes(draft, layer.output, channels)
        elif folding is not None:
            lanes = _read_lanes(draft, layer, folding)
        return lanes if channels % lanes == 0 else 1
    return 1


def _read_lanes(draft: Draft, layer: Layer, folding: Folding) -> int:
    if layer.op not in ("dense", "conv2d"):
        return folding.pe
    # Groups of one channel are computed side by side where there are more rows than one of them has.
    filters = draft.network.tensors[layer.output].shape[0] // int(layer.attrs.get("groups", 1))
    return folding.simd * max(1, folding.pe // filters)


def _same(draft: Draft, layer: Layer) -> None:
    """output, requantise, flatten: the cast alone; nothing at all where the format stays.

    A flattened image goes on travelling as an image: golden places do not change.
    """
    target = draft.format(layer.output)
    if is_identity(draft.streams[layer.inputs[0]][0].format, target):
        draft.publish(layer, replace(draft.take(layer.inputs[0]), format=target))
    else:
        draft.finish(layer, draft.own_lanes(layer))


def _relu(draft: Draft, layer: Layer) -> None:
    stream = draft.own_lanes(layer)
    draft.finish(layer, stream, (0, max(stream.format.max_int, 0), stream.format.frac))


def _clip(draft: Draft, layer: Layer) -> None:
    stream = draft.own_lanes(layer)
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


def _add(draft: Draft, layer: Layer) -> None:
    """All terms at one binary point, in one width that holds the sum; branches meet beat by beat."""
    terms = [draft.take(tensor) for tensor in layer.inputs]
    folding = draft.folding(layer)
    if any(not np.array_equal(term.order, terms[0].order) for term in terms):
        raise draft.refuse(
            layer, "a flattened image and a vector", "terms that arrive in the same order", "add before flattening"
        )
    lanes = folding.pe if folding else terms[0].lanes
    expect_divisor(layer.name, "pe", lanes, terms[0].image[0], "channels")
    exact = accumulator(layer.name, exact_format(draft.network, layer))
    terms = [draft.cast(layer, draft.with_lanes(layer, term, lanes), exact) for term in terms]
    wire = draft.behind(terms[0], f"{layer.name}_sum")
    sources = tuple(term.wire for term in terms)
    draft.units.append(streams.add(wire, layer.name, sources, wire, exact, lanes, terms[0].beats))
    draft.finish(layer, replace(terms[0], wire=wire))


LOWERINGS: Mapping[str, Callable[[Draft, Layer], None]] = {
    "input": _input,
    "output": _same,
    "requantise": _same,
    "flatten": _same,
    "relu": _relu,
    "clip": _clip,
    "add": _add,
    **layers_matrix.LOWERINGS,
    **layers_pointwise.LOWERINGS,
    **layers_pool.LOWERINGS,
    **layers_shape.LOWERINGS,
}
