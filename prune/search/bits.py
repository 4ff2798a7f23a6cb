# SPDX-License-Identifier: Apache-2.0
"""Bits as variables of a search: one for the weights of every layer, one for every activation.

They are named as a recipe's ``quantise.overrides`` spell them: ``conv1.weight_width``, ``relu1.activation_width``.
Everything else - operands of additions, averages, biases - keeps the widths of the quantisation's own record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwsim import ops
from hwsim.fixed import FixedPoint
from hwsim.formats import complete_formats
from hwsim.network import Network, Weights
from prune.search.space import Variable
from quant.calibrate import calibrate
from quant.convert import to_network
from quant.module import QuantModule
from quant.placement import ACTIVATIONS, KEEPS_GRID
from quant.spec import LayerWidths, QuantSpec

Array = npt.NDArray[Any]
WEIGHTS, ACTIVATION = "weight_width", "activation_width"
REMEMBERED = 4096  # networks of given bits


def bit_variables(network: Network, options: Sequence[int]) -> tuple[Variable, ...]:
    """A variable for the weights of every convolution and dense layer, and for every activation function's result."""
    kinds = {**dict.fromkeys(ops.WEIGHTED, WEIGHTS), **dict.fromkeys(ACTIVATIONS, ACTIVATION)}
    ascending = tuple(sorted(set(options)))
    return tuple(Variable(f"{one.name}.{kinds[one.op]}", ascending) for one in network.layers if one.op in kinds)


def overrides(values: Mapping[str, int]) -> dict[str, LayerWidths]:
    """Widths by layer from the values of a point; variables that are no bits are passed over."""
    found: dict[str, LayerWidths] = {}
    for name, bits in values.items():
        layer, _, what = name.rpartition(".")
        if what in (WEIGHTS, ACTIVATION):
            found[layer] = replace(found.get(layer, LayerWidths()), **{what: bits})
    return found


def with_bits(spec: QuantSpec, values: Mapping[str, int]) -> QuantSpec:
    """The quantisation with the bits of a point, which go before those that it names itself."""
    return replace(spec, overrides={**spec.overrides, **overrides(values)})


class Formats:
    """A network's number formats for any bits, from one calibration per number of bits.

    A format depends on its own tensor's bits alone: activations are observed in the float network. Exact results get
    the narrowest formats that lose nothing, for the weights of the network as it came.

    Args:
        network, weights: float, batch norms folded.
        images: (N, *shape) training images.
        options: bits that may be asked for.
    """

    def __init__(
        self, network: Network, weights: Weights, spec: QuantSpec, images: torch.Tensor, options: Sequence[int]
    ) -> None:
        self._network = network
        self._known = {}
        for bits in sorted(set(options)):
            module = QuantModule(network, weights, _all(spec, network, bits))
            self._known[bits] = to_network(calibrate(module, images))
            self._placed = tuple(module.activation_quantisers())
        self._made = lru_cache(REMEMBERED)(self._make)

    def __call__(self, values: Mapping[str, int]) -> Network:
        """The network with formats for the bits of a point; tensors without a variable have the most bits."""
        return self._made(tuple((name, bits) for name, bits in values.items() if _kind(name)))

    def _make(self, bits: tuple[tuple[str, int], ...]) -> Network:
        asked, top = dict(bits), max(self._known)
        formats: dict[str, FixedPoint] = {}
        integers: dict[str, Array] = {}
        fracs: dict[str, int] = {}  # of tensors on a grid, which every weighted layer reads
        for layer in self._network.layers:
            own = self._known[asked.get(f"{layer.name}.{WEIGHTS}", top)]
            for role, tensor in layer.params.items():
                formats[tensor], integers[tensor] = _format(own[0], tensor), own[1][tensor]
                if role == "bias":
                    most = fracs[layer.inputs[0]] + formats[layer.params["weight"]].frac
                    formats[tensor], integers[tensor] = _no_finer(*self._of(tensor, top), most)
            if layer.output in self._placed:
                source = asked.get(f"{layer.name}.{ACTIVATION}", top) if layer.op in ACTIVATIONS else top
                formats[layer.output] = _format(self._known[source][0], layer.output)
                fracs[layer.output] = formats[layer.output].frac
            elif layer.op in KEEPS_GRID and all(tensor in fracs for tensor in layer.inputs):
                fracs[layer.output] = max(fracs[tensor] for tensor in layer.inputs)
        return complete_formats(self._network.with_formats(formats), integers)

    def _of(self, tensor: str, bits: int) -> tuple[FixedPoint, Array]:
        network, weights = self._known[bits]
        return _format(network, tensor), weights[tensor]


def _format(network: Network, tensor: str) -> FixedPoint:
    found = network.tensors[tensor].format
    assert found is not None  # a calibrated network has formats everywhere
    return found


def _no_finer(found: FixedPoint, values: Array, most: int) -> tuple[FixedPoint, Array]:
    """A bias whose last bit is no finer than the accumulator's, as :func:`quant.calibrate.calibrate` has it."""
    if found.frac <= most:
        return found, values
    return replace(found, frac=most), np.rint(values / 2.0 ** (found.frac - most)).astype(np.int64)


def _all(spec: QuantSpec, network: Network, bits: int) -> QuantSpec:
    return with_bits(spec, {one.name: bits for one in bit_variables(network, (bits,))})


def _kind(name: str) -> bool:
    return name.rpartition(".")[2] in (WEIGHTS, ACTIVATION)
