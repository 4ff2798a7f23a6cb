# SPDX-License-Identifier: Apache-2.0
"""A network as hardware units joined by streams: what is decided before any SystemVerilog is written.

An image travels pixel by pixel, row by row, with its channels innermost; a beat carries some channels of a pixel, its
*lanes*. Every layer ends in one cast, as in the golden executor, and a FIFO stands behind every layer.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hls.mappable import check_mappable
from hls.templates import streams
from hls.templates.cast import cast
from hls.templates.sliding_window import expect_padding
from hls.templates.unit import Unit, expect_divisor
from hwsim.design import Design, Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow import Window, conversion_steps, is_identity
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
    """Units in topological order, the width of every wire in bits, and the streams at both ends.

    ``tensors`` are the streams that carry each layer's output, by the tensor's golden name.
    """

    name: str
    network_hash: str
    design: Design
    units: tuple[Unit, ...]
    wires: Mapping[str, int]
    input: Stream
    output: Stream
    tensors: Mapping[str, Stream] = field(default_factory=dict)

    @property
    def interval(self) -> int:
        """Cycles between images that the slowest unit needs."""
        return max(unit.timing.interval for unit in self.units)


@dataclass
class Draft:
    """A dataflow while it is made, layer by layer: wires, and by tensor the streams still to be read and all."""

    network: Network
    weights: Mapping[str, Array]
    design: Design
    skip_zeros: bool = True
    units: list[Unit] = field(default_factory=list)
    wires: dict[str, int] = field(default_factory=dict)
    streams: dict[str, list[Stream]] = field(default_factory=dict)
    tensors: dict[str, Stream] = field(default_factory=dict)
    input: Stream | None = None

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
        for step in conversion_steps(stream.lanes, lanes)[1:]:
            width = stream.format.width
            wire = self.behind(stream, f"{layer.name}_lanes", lanes=step)
            beats, pair = stream.beats, (stream.lanes, step)
            unit = streams.width_converter(wire, layer.name, (stream.wire, wire), width, pair, beats)
            self.units.append(unit)
            stream = Stream(wire, stream.format, step, stream.image, stream.order)
        return stream

    def take(self, tensor: str) -> Stream:
        """A stream of the tensor that no other layer has taken."""
        return self.streams[tensor].pop(0)

    def own_lanes(self, layer: Layer) -> Stream:
        """What the layer reads, with the lanes that its own folding asks for."""
        stream, folding = self.take(layer.inputs[0]), self.folding(layer)
        if folding is None:
            return stream
        expect_divisor(layer.name, "pe", folding.pe, stream.image[0], "channels")
        return self.with_lanes(layer, stream, folding.pe)

    def cast(
        self, layer: Layer, stream: Stream, target: FixedPoint, clip: tuple[int, int, int] | None = None
    ) -> Stream:
        """The stream in another format; the same stream where that changes no bit."""
        if clip is None and is_identity(stream.format, target):
            return replace(stream, format=target)
        wire = self.behind(stream, f"{layer.name}_cast", target)
        wires = (stream.wire, wire)
        self.units.append(cast(wire, layer.name, wires, stream.format, target, stream.lanes, stream.beats, clip))
        return replace(stream, wire=wire, format=target)

    def finish(self, layer: Layer, stream: Stream, clip: tuple[int, int, int] | None = None) -> None:
        """Cast an exact result to the format of the layer's output, and hold it in a FIFO for its readers."""
        stream = self.cast(layer, stream, self.format(layer.output), clip)
        self.publish(layer, self._fifo(layer, stream) if self._readers(layer.output) == 1 else stream)

    def publish(self, layer: Layer, stream: Stream) -> None:
        """Let the readers of the layer's output have a stream; each of several has it behind a FIFO of its own."""
        readers = self._readers(layer.output)
        self.tensors[layer.output] = stream
        if readers == 1:
            self.streams[layer.output] = [stream]
            return
        wires = tuple(self.behind(stream, f"{layer.name}_fork") for _ in range(readers))
        width = self.wires[stream.wire]
        name = f"{wires[0]}_unit"
        self.units.append(streams.stream_fork(name, layer.name, stream.wire, wires, width, stream.beats))
        self.streams[layer.output] = [self._fifo(layer, replace(stream, wire=wire)) for wire in wires]

    def _readers(self, tensor: str) -> int:
        reads = sum(layer.inputs.count(tensor) for layer in self.network.consumers(tensor))
        return reads + (tensor in self.network.outputs)

    def _fifo(self, layer: Layer, stream: Stream) -> Stream:
        """A FIFO of the design's depth; by default short in a chain, and a whole image deep where branches part.

        The branch that waits where branches meet is then held until the other one gives its first result, which
        takes at most one image.
        """
        whole = stream.image[1] * stream.image[2]
        pixels = self.design.fifo_depths.get(layer.output, 0 if self._readers(layer.output) == 1 else whole)
        wire = self.behind(stream, f"{layer.name}_fifo")
        depth = pixels * stream.image[0] // stream.lanes
        wires, width = (stream.wire, wire), self.wires[stream.wire]
        self.units.append(streams.fifo(wire, layer.name, wires, width, stream.beats, depth))
        return replace(stream, wire=wire)

    def window(self, layer: Layer, stream: Stream) -> Window:
        """The geometry of a convolution's or pooling's window over a stream."""
        channels, rows, columns = stream.image
        _, out_rows, out_columns = self.network.tensors[layer.output].shape
        blocks, attrs = channels // stream.lanes, layer.attrs
        if "kernel" not in attrs:  # over the whole image
            return Window(blocks, rows, columns, (rows, columns), (1, 1), (1, 1), (0, 0, 0, 0), 1, 1)
        kernel, stride, dilation = attrs["kernel"], attrs["stride"], attrs.get("dilation", (1, 1))
        window = Window(blocks, rows, columns, kernel, stride, dilation, attrs["padding"], out_rows, out_columns)
        expect_padding(layer.name, window)
        return window


#: Adds the units of one layer to a draft.
Lowering = Callable[[Draft, Layer], None]


def image_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, rows, columns) of a tensor as it travels."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)


def arrival_order(image: tuple[int, int, int]) -> Order:
    """Golden places of an image's values in the order in which they arrive: rows, columns, then channels."""
    places: Order = np.arange(int(np.prod(image)), dtype=np.intp).reshape(image).transpose(1, 2, 0).ravel()
    return places


def check_network(network: Network, design: Design) -> None:
    """Refuse what no lowering of one layer could repair.

    Raises:
        NetworkError: the design is for another network, or there is more than one input or output.
        UnsupportedError: another back end's design, a tensor without a format, or one that nothing reads.
    """
    check_mappable(network, design, ("Slimfab",))
    for layer in network.layers:
        if not network.consumers(layer.output) and layer.output not in network.outputs:
            raise UnsupportedError(f"{layer.name}: nothing reads its output; expected a reader; remove the layer")
