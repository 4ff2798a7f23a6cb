# SPDX-License-Identifier: Apache-2.0
"""Activations without an exact integer form become tables.

A function of one number of few bits is exact as a table, whatever the function. Every entry is the function's value
in float64, rounded as the output's format rounds; the table is a parameter, so that it need not be computed again
anywhere.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.fixed import FixedPoint
from hwsim.kernels import KERNELS, Value
from hwsim.network import Layer, Network, Tensor, Weights

Array = npt.NDArray[Any]

#: Element by element, and without an exact integer form.
FUNCTIONS = ("sigmoid", "tanh", "leaky_relu", "gelu", "silu", "hard_sigmoid", "hard_swish")

# 4,096 entries: with 8-bit results two 18-Kbit block RAMs of an FPGA as 2,048 x 9 bits each (AMD UG473; ECP5's are of
# that size too). Every bit more doubles them. hls4ml's tables have 1,024 entries by default.
MAX_TABLE_BITS = 12


def tabulate(network: Network, weights: Mapping[str, Array]) -> tuple[Network, Weights]:
    """Replace activations between two formats by ``lookup`` layers with explicit tables.

    A function whose result has no format but is read by one ``requantise`` alone casts to that format, and the
    requantise vanishes. Functions of inputs wider than :data:`MAX_TABLE_BITS`, or without formats, stay.

    Raises:
        FormatError: a value leaves what the output format can be computed in (2**62).
    """
    arrays: Weights = dict(weights)
    for layer in network.layers:
        if layer.op not in FUNCTIONS:
            continue
        source = network.tensors[layer.inputs[0]].format
        if source is None or source.width > MAX_TABLE_BITS:
            continue
        cast = _cast_of(network, layer)
        target = network.tensors[cast.output].format
        if target is not None:
            network, table = _replace(network, layer, cast, source, target)
            arrays[network.layer(layer.name).params["table"]] = table
    return network, {name: arrays[name] for name in network.parameter_names}


def table_of(layer: Layer, source: FixedPoint, target: FixedPoint) -> Array:
    """Integers of ``target`` for all integers of ``source`` from the smallest on, (entries,)."""
    x = source.to_real(np.arange(source.min_int, source.max_int + 1))
    return target.quantise(KERNELS[layer.op](layer, [Value(x[None])], {}).array[0])


def _cast_of(network: Network, layer: Layer) -> Layer:
    """The layer whose output format a function casts to: itself, or the requantise that alone reads it."""
    readers = network.consumers(layer.output)
    is_open = network.tensors[layer.output].format is None and layer.output not in network.outputs
    return readers[0] if is_open and len(readers) == 1 and readers[0].op == "requantise" else layer


def _replace(
    network: Network, layer: Layer, cast: Layer, source: FixedPoint, target: FixedPoint
) -> tuple[Network, Array]:
    table, name = table_of(layer, source, target), f"{layer.name}.table"
    lookup = Layer(layer.name, "lookup", layer.inputs, cast.outputs, {"first": source.min_int}, {"table": name})
    merged = {layer.name: (lookup,), cast.name: () if cast is not layer else (lookup,)}
    layers = tuple(new for old in network.layers for new in merged.get(old.name, (old,)))
    tensors = {t: tensor for t, tensor in network.tensors.items() if t != layer.output or t == cast.output}
    stored = Tensor(table.shape, replace(target, rounding="TRN", overflow="WRAP"))
    return replace(network, layers=layers, tensors={**tensors, name: stored}), table
