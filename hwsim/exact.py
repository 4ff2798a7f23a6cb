# SPDX-License-Identifier: Apache-2.0
"""An integer network, and what is left to the host on either side of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.network import Layer, Network, Tensor, Weights
from hwsim.reference import execute
from hwsim.staircase import Step

Array = npt.NDArray[Any]


class HostPart(NamedTuple):
    """A float network that the host computes."""

    network: Network
    weights: Weights


@dataclass(frozen=True, eq=False)
class Exact:
    """An integer network with ``head`` in front of it and ``tail`` behind it, each None where there is nothing to do.

    The head gives real numbers on the grid of the network's input; the tail takes the real values of the network's
    integers. ``notes`` has one line for everything that was replaced or left to the host.
    """

    network: Network
    weights: Weights
    head: HostPart | None = None
    tail: HostPart | None = None
    notes: tuple[str, ...] = ()

    def run(self, x: npt.ArrayLike) -> Array:
        """Real outputs (N, *shape) of real inputs (N, *shape), computed by host, integers, and host.

        Inputs are cast to the format of the network's input.

        Raises:
            UnsupportedError: more than one input or output.
        """
        target = self.network.tensors[self.network.outputs[0]].format
        assert target is not None
        results: Array = target.to_real(execute(self.network, self.weights, self.quantise(x)))
        return results if self.tail is None else execute(*self.tail, results)

    def quantise(self, x: npt.ArrayLike) -> Array:
        """The network's integer inputs for real inputs (N, *shape): the head, and a cast.

        Raises:
            NetworkError: x does not fit the head's input.
            FormatError: a value is not finite.
        """
        reals = np.asarray(x, dtype=np.float64) if self.head is None else execute(*self.head, x)
        source = self.network.tensors[self.network.inputs[0]].format
        assert source is not None
        return source.quantise(reals)


def head_of(network: Network, weights: Mapping[str, Array], tensor: str, scale: Array) -> HostPart:
    """The layers that ``tensor`` depends on, and a division by ``scale`` (C,)."""
    wanted, layers = {tensor}, list[Layer]()
    for layer in reversed(network.layers):
        if wanted.intersection(layer.outputs):
            layers.insert(0, layer)
            wanted.update(layer.inputs)
    named = {t for layer in layers for t in (*layer.outputs, *layer.params.values())}
    tensors = {name: network.tensors[name] for name in named}
    arrays = {name: weights[name] for layer in layers for name in layer.params.values()}
    output = tensor
    if np.any(scale != 1.0):
        step = scale_step(f"{tensor}.level", 1.0 / scale)
        output = _append(layers, tensors, arrays, step, tensor)
    inputs = tuple(layer.output for layer in layers if layer.op == "input")
    return HostPart(Network(f"{network.name}.head", tuple(layers), tensors, inputs, (output,)), arrays)


def tail_of(network: Network, chains: Sequence[tuple[str, Sequence[Step]]]) -> HostPart | None:
    """The element-wise layers behind the outputs of an integer network; None where there are none.

    Args:
        chains: for every output of the source, an output of the integer network and the steps behind it.
    """
    if not any(steps for _, steps in chains):
        return None
    layers, arrays = [Layer(name, "input", (), (name,)) for name in network.outputs], Weights()
    tensors = {name: Tensor(network.tensors[name].shape) for name in network.outputs}
    outputs = []
    for source, steps in chains:
        tensor = source
        for step in steps:
            tensor = _append(layers, tensors, arrays, step, tensor)
        outputs.append(tensor)
    return HostPart(Network(f"{network.name}.tail", tuple(layers), tensors, network.outputs, tuple(outputs)), arrays)


def scale_step(name: str, scale: Array, shift: Array | None = None) -> Step:
    """A step ``x * scale + shift`` per channel, without format."""
    params = {"scale": scale, "shift": np.zeros_like(scale) if shift is None else shift}
    return Step(Layer(name, "batch_norm", ("x",), (name,), {}, {"scale": "scale", "shift": "shift"}), params)


def _append(layers: list[Layer], tensors: dict[str, Tensor], arrays: Weights, step: Step, source: str) -> str:
    name = step.layer.name
    roles = {role: f"{name}.{role}" for role in step.params}
    for role, array in step.params.items():
        tensors[roles[role]], arrays[roles[role]] = Tensor(array.shape), array
    output = step.layer.output
    tensors[output] = Tensor(tensors[source].shape, step.format)
    layers.append(replace(step.layer, inputs=(source,), params=roles))
    return output
