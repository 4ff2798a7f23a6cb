# SPDX-License-Identifier: Apache-2.0
"""Give an imported network every format that follows from its quantisers.

A tensor between two quantisers gets the exact format of its values, so that a network whose scales are powers of
two is integer throughout. Where a value has no exact format, at an input and behind a mean, the quantiser that
follows is what the source itself casts to: rounding and saturation are monotone and keep zero, so they commute with
every layer that only moves or selects values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format, smallest_format
from hwsim.network import Layer, Network, Weights

Array = npt.NDArray[Any]

_COMMUTES = {"flatten", "relu", "max_pool2d", "global_max_pool", "upsample2d", "pad2d"}
_MEANS = {"avg_pool2d", "global_avg_pool"}
# A float32 constant that fits this few bits was meant as fixed point: by chance one in 2**8 does.
_DYADIC_BITS = 16


def settle_formats(network: Network, weights: Mapping[str, Array]) -> tuple[Network, Weights]:
    """The network with all formats that are certain; tensors of unknown format stay float.

    Raises:
        FormatError: an exact result needs more than 63 bits.
    """
    settled: Weights = dict(weights)
    for name in [layer.name for layer in network.layers]:
        layer = next((layer for layer in network.layers if layer.name == name), None)
        if layer is None:  # a quantiser its source now casts to
            continue
        if layer.op == "input":
            if network.tensors[layer.output].format is None:
                network = _cast_at_source(network, layer)
            continue
        if not all(network.tensors[t].format for t in layer.inputs):
            continue
        network = _fix_constants(network, layer, settled)
        if _is_open(network, layer.output) and all(network.tensors[t].format for t in layer.params.values()):
            network = _with_exact_format(network, layer, settled)
    return network, settled


def _is_open(network: Network, tensor: str) -> bool:
    return network.tensors[tensor].format is None and network.tensors[tensor].storage_bits is None


def _with_exact_format(network: Network, layer: Layer, weights: Weights) -> Network:
    try:
        return network.with_formats({layer.output: exact_format(network, layer, weights)})
    except UnsupportedError:  # no finite binary expansion
        return _cast_at_source(network, layer) if layer.op in _MEANS else network


def _fix_constants(network: Network, layer: Layer, weights: Weights) -> Network:
    """Store float parameters that all lie on a short binary grid (powers of two, ±1) as fixed point."""
    found = {t: _dyadic_format(weights[t]) for t in layer.params.values() if _is_open(network, t)}
    formats = {tensor: fmt for tensor, fmt in found.items() if fmt is not None}
    if not formats or len(formats) < len(found):
        return network
    for tensor, fmt in formats.items():
        weights[tensor] = fmt.quantise(weights[tensor])
    return network.with_formats(formats)


def _dyadic_format(array: Array) -> FixedPoint | None:
    for frac in range(_DYADIC_BITS + 1):
        scaled = array.astype(np.float64) * 2.0**frac
        if np.array_equal(scaled, np.rint(scaled)):
            limit = float(np.abs(scaled).max(initial=0))
            if limit >= 2.0**_DYADIC_BITS:
                return None
            return smallest_format(int(scaled.min(initial=0)), int(scaled.max(initial=0)), frac)
    return None


def _cast_at_source(network: Network, source: Layer) -> Network:
    """Let ``source`` cast to the format of the quantiser that alone reads it, directly or through moving layers."""
    tensor = source.output
    while tensor not in network.outputs:
        readers = network.consumers(tensor)
        targets = {network.tensors[reader.output].format for reader in readers if reader.op == "requantise"}
        if len(targets) == 1 and all(reader.op == "requantise" for reader in readers):
            target = targets.pop()
            return network if target is None else _merge(network, source, tensor, readers, target)
        if len(readers) != 1 or readers[0].op not in _COMMUTES:
            break
        tensor = readers[0].output
    return network


def _merge(network: Network, source: Layer, tensor: str, quantisers: Sequence[Layer], fmt: FixedPoint) -> Network:
    """Drop ``quantisers``, all reading ``tensor``, and give ``source`` their format.

    The tensor takes the name of the first quantiser's output, whose values it now has; an input keeps its own.
    """
    kept = tensor if tensor in network.inputs else quantisers[0].output
    renamed = {name: kept for name in (tensor, *(layer.output for layer in quantisers))}
    dropped = {layer.name for layer in quantisers}
    layers = tuple(
        replace(
            layer,
            inputs=tuple(renamed.get(t, t) for t in layer.inputs),
            outputs=tuple(renamed.get(t, t) for t in layer.outputs),
        )
        for layer in network.layers
        if layer.name not in dropped
    )
    formats = {renamed.get(source.output, source.output): fmt, kept: fmt}
    tensors = {name: t for name, t in network.tensors.items() if renamed.get(name, name) == name}
    tensors |= {name: replace(tensors[name], format=f) for name, f in formats.items()}
    outputs = tuple(renamed.get(t, t) for t in network.outputs)
    return replace(network, layers=layers, tensors=tensors, outputs=outputs)
