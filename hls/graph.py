# SPDX-License-Identifier: Apache-2.0
"""The layer list that hls4ml builds its model graph from, with every number format written out.

hls4ml is channels last: an image tensor (C, H, W) of ours lives in it as (H, W, C). A :class:`Placement` remembers
where each golden tensor lives and in which order, so that weights can be permuted to match and results read back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.design import Design, Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]
MAX_STREAM_COPIES = 7  # hls4ml 1.3.0, backends/fpga/passes/clone.py, refuses more readers of one stream


@dataclass(frozen=True)
class Node:
    """One hls4ml layer.

    ``kind`` is hls4ml's class name, ``attrs`` its attributes, ``precision`` maps hls4ml's type variable (result,
    accum, weight, bias, scale) to its format. ``layer`` names the golden layer the node belongs to.
    """

    name: str
    kind: str
    layer: str
    inputs: tuple[str, ...]
    attrs: Mapping[str, Any]
    precision: Mapping[str, FixedPoint]
    strategy: str = "latency"
    reuse_factor: int = 1


@dataclass(frozen=True)
class Placement:
    """Where a golden tensor lives in hls4ml's graph.

    ``shape`` and ``format`` are those of the node's output; element ``i`` of the flattened node output is element
    ``order[i]`` of the flattened golden tensor.
    """

    node: str
    shape: tuple[int, ...]
    format: FixedPoint
    order: IntArray = field(repr=False, compare=False)


@dataclass(frozen=True)
class Lowered:
    """A network as hls4ml layers. ``notes`` lists what was changed on the way, one sentence each."""

    name: str
    nodes: tuple[Node, ...]
    placements: Mapping[str, Placement]
    input: Placement
    output: Placement
    design: Design
    notes: tuple[str, ...]

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)


def image_order(shape: tuple[int, ...]) -> IntArray:
    """For each element of a channels-last flattening, its index in our channels-first flattening."""
    order = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    return order.transpose(1, 2, 0).ravel() if len(shape) == 3 else order.ravel()


def image_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(C, H, W) as hls4ml's (H, W, C); vectors as they are."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


class Draft:
    """The layer list while it is being written; one method per thing a lowering needs."""

    def __init__(self, network: Network, weights: Mapping[str, Array], design: Design) -> None:
        self.network = network
        self.weights = weights
        self.design = design
        self.nodes: list[Node] = []
        self.placements: dict[str, Placement] = {}
        self.notes: list[tuple[str, str]] = []  # layer, what was changed
        self._taken: set[str] = {"input"}  # hls4ml reserves this name; the input port is called x

    @property
    def is_stream(self) -> bool:
        """Whether tensors travel as streams of pixels, which limits what pooling can do."""
        return self.design.io_type == "io_stream"

    def format(self, tensor: str) -> FixedPoint:
        """The number format of a golden tensor."""
        fmt = self.network.tensors[tensor].format
        assert fmt is not None  # lower() checked it
        return fmt

    def reals(self, tensor: str) -> Array:
        """A parameter as the real numbers hls4ml writes to its weight files."""
        return self.format(tensor).to_real(self.weights[tensor])

    def source(self, layer: Layer, index: int = 0) -> Placement:
        """Where an input of the layer lives."""
        return self.placements[layer.inputs[index]]

    def folding(self, layer: Layer) -> Folding:
        """The layer's folding in the design."""
        return self.design.folding.get(layer.name, Folding())

    def add(
        self,
        layer: Layer,
        kind: str,
        inputs: tuple[Placement, ...],
        attrs: Mapping[str, Any],
        precision: Mapping[str, FixedPoint],
        shape: tuple[int, ...],
        *,
        suffix: str = "",
        folding: Folding | None = None,
    ) -> Placement:
        """Append one hls4ml layer; its output keeps the order of its first input."""
        folding = folding or Folding(strategy="latency")
        node = Node(
            self._name("x" if kind == "InputLayer" else layer.name + suffix),
            kind,
            layer.name,
            tuple(one.node for one in inputs),
            attrs,
            precision,
            folding.strategy,
            folding.reuse_factor,
        )
        self.nodes.append(node)
        order = inputs[0].order if inputs else image_order(self.network.tensors[layer.output].shape)
        return Placement(node.name, shape, precision["result"], order)

    def cast(self, layer: Layer, value: Placement, target: FixedPoint, suffix: str = "_cast") -> Placement:
        """The value in another format; no node where every value survives unchanged."""
        if target.holds(value.format):
            return value
        attrs = {"activation": "linear"}
        return self.add(layer, "Activation", (value,), attrs, {"result": target}, value.shape, suffix=suffix)

    def reshape(self, layer: Layer, value: Placement, shape: tuple[int, ...]) -> Placement:
        """The same elements in the same order under another shape."""
        if value.shape == shape:
            return value
        attrs = {"target_shape": list(shape)}
        return self.add(layer, "Reshape", (value,), attrs, {"result": value.format}, shape, suffix="_shape")

    def image(self, layer: Layer, index: int = 0) -> Placement:
        """An input of the layer as (H, W, C)."""
        shape = image_shape(self.network.tensors[layer.inputs[index]].shape)
        return self.reshape(layer, self.source(layer, index), shape)

    def note(self, layer: Layer, text: str) -> None:
        """Remember that a layer is computed in another way than it is written."""
        self.notes.append((layer.name, text))

    def refuse(self, layer: Layer, got: str, expected: str, remedy: str) -> UnsupportedError:
        """The error for a layer that hls4ml cannot compute exactly."""
        return UnsupportedError(f"{layer.name}: got {got}; {expected}; {remedy}")

    def finish(self, placement: Placement, layer: Layer) -> None:
        """File where the layer's output lives."""
        self.placements[layer.output] = placement

    def finish_in_order(self, placement: Placement, layer: Layer) -> None:
        """File an output that hls4ml computes in its natural order, whatever order the input had."""
        order = image_order(self.network.tensors[layer.output].shape)
        self.placements[layer.output] = replace(placement, order=order)

    def _name(self, wish: str) -> str:
        """A C++ identifier that is unique even in lower case, in which hls4ml looks precisions up."""
        name = re.sub(r"\W", "_", wish, flags=re.ASCII).lower()
        if not name[0].isalpha():
            name = f"l{name}"
        unique, number = name, 2
        while unique in self._taken:
            unique, number = f"{name}_{number}", number + 1
        self._taken.add(unique)
        return unique
