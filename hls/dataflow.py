# SPDX-License-Identifier: Apache-2.0
"""A network as hardware units joined by streams: what is decided before any SystemVerilog is written.

An image travels pixel by pixel, row by row, with its channels innermost; a beat carries some channels of a pixel, its
*lanes*. Every layer ends in one cast, as in the golden executor, and a FIFO stands behind every layer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hls.templates import streams
from hls.templates.cast import cast, is_identity
from hls.templates.unit import Unit
from hwsim.design import Design, Folding
from hwsim.errors import NetworkError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network

Array = npt.NDArray[Any]
Order = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Stream:
    """One tensor on its way: ``lanes`` integers of ``format`` per beat.

    ``image`` is (channels, rows, columns), with rows = columns = 1 for a vector; ``order[i]`` is the place in the
    flattened golden tensor of the i-th value that arrives.
    """

    wire: str
    format: FixedPoint
    lanes: int
    image: tuple[int, int, int]
    order: Order

    @property
    def beats(self) -> int:
        """Beats per image."""
        return len(self.order) // self.lanes


@dataclass(frozen=True, eq=False)
class Dataflow:
    """Units in topological order, the width of every wire in bits, and the streams at both ends."""

    name: str
    network_hash: str
    design: Design
    units: tuple[Unit, ...]
    wires: Mapping[str, int]
    input: Stream
    output: Stream

    @property
    def interval(self) -> int:
        """Cycles between images that the slowest unit needs."""
        return max(unit.timing.interval for unit in self.units)


@dataclass
class Draft:
    """A dataflow while it is made, layer by layer: the wires so far, and the streams that layers may read."""

    network: Network
    weights: Mapping[str, Array]
    design: Design
    units: list[Unit] = field(default_factory=list)
    wires: dict[str, int] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)

    def folding(self, layer: Layer) -> Folding | None:
        """The design's folding of a layer, where it gives one."""
        return self.design.folding.get(layer.name)

    def format(self, tensor: str) -> FixedPoint:
        """A tensor's number format."""
        fmt = self.network.tensors[tensor].format
        assert fmt is not None  # the network is quantised
        return fmt

    def refuse(self, layer: Layer, got: str, expected: str, remedy: str) -> UnsupportedError:
        """The error for a layer without hardware."""
        return UnsupportedError(f"{layer.name}: got {got}; expected {expected}; {remedy}")

    def wire(self, name: str, width: int) -> str:
        """A new wire of ``width`` bits with a legal name like ``name``."""
        legal = plain = re.sub(r"\W", "_", name)
        count = 2
        while legal in self.wires:
            legal, count = f"{plain}_{count}", count + 1
        self.wires[legal] = width
        return legal

    def behind(self, stream: Stream, name: str, fmt: FixedPoint | None = None, lanes: int | None = None) -> str:
        """A new wire for what a unit makes of a stream, perhaps with another format or number of lanes."""
        return self.wire(name, (fmt or stream.format).width * (lanes or stream.lanes))

    def with_lanes(self, layer: Layer, stream: Stream, lanes: int) -> Stream:
        """The stream with another number of lanes, which must divide its number of values."""
        for step in streams.conversion_steps(stream.lanes, lanes)[1:]:
            width = stream.format.width
            wire = self.behind(stream, f"{layer.name}_lanes", lanes=step)
            beats, pair = stream.beats, (stream.lanes, step)
            unit = streams.width_converter(wire, layer.name, (stream.wire, wire), width, pair, beats)
            self.units.append(unit)
            stream = Stream(wire, stream.format, step, stream.image, stream.order)
        return stream

    def finish(self, layer: Layer, stream: Stream, clip: tuple[int, int, int] | None = None) -> None:
        """Cast an exact result to the format of the layer's output, and hold it in a FIFO for its reader."""
        target = self.format(layer.output)
        if clip is not None or not is_identity(stream.format, target):
            wire = self.behind(stream, f"{layer.name}_cast", target)
            self.units.append(
                cast(wire, layer.name, (stream.wire, wire), stream.format, target, stream.lanes, stream.beats, clip)
            )
            stream = Stream(wire, target, stream.lanes, stream.image, stream.order)
        wire = self.behind(stream, f"{layer.name}_fifo")
        depth = self.design.fifo_depths.get(layer.output, 0) * stream.image[0] // stream.lanes
        self.units.append(streams.fifo(wire, layer.name, (stream.wire, wire), self.wires[wire], stream.beats, depth))
        self.streams[layer.output] = Stream(wire, target, stream.lanes, stream.image, stream.order)


def image_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, rows, columns) of a tensor as it travels."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)


def arrival_order(image: tuple[int, int, int]) -> Order:
    """Golden places of an image's values in the order in which they arrive: rows, columns, then channels."""
    places: Order = np.arange(int(np.prod(image)), dtype=np.intp).reshape(image).transpose(1, 2, 0).ravel()
    return places


def check_chain(network: Network, design: Design) -> None:
    """Refuse what no lowering of one layer could repair.

    Raises:
        NetworkError: the design is for another network, or there is more than one input or output.
        UnsupportedError: another back end's design, a tensor without a format, or a tensor with several readers.
    """
    if design.network_hash != network.hash:
        raise NetworkError(
            f"{network.name}: the design is for network {design.network_hash}, this one is {network.hash}; "
            "make the design anew"
        )
    if design.backend != "Slimfab":
        raise UnsupportedError(
            f"{network.name}: got a design for {design.backend}; expected Slimfab; choose it in the design"
        )
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise NetworkError(
            f"{network.name}: got {len(network.inputs)} inputs and {len(network.outputs)} outputs; expected one of "
            "each; split the network"
        )
    for layer in network.layers:
        for name in (*layer.outputs, *layer.params.values()):
            if network.tensors[name].format is None:
                raise UnsupportedError(
                    f"{layer.name}: '{name}' is float; expected a fixed-point format; quantise the network"
                )
        readers = network.consumers(layer.output)
        if len(readers) + (layer.output in network.outputs) > 1:
            names = ", ".join(reader.name for reader in readers)
            raise UnsupportedError(
                f"{layer.name}: its output goes to {names or 'several places'}; expected one reader, because streams "
                "do not fork; use hls4ml (backend Vitis) for this network"
            )
        if not readers and layer.output not in network.outputs:
            raise UnsupportedError(f"{layer.name}: nothing reads its output; expected one reader; remove the layer")
