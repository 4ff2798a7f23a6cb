# SPDX-License-Identifier: Apache-2.0
"""An outline while it is made, layer by layer: the same wires, units and FIFOs as in hls/dataflow.py."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy.typing as npt

from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format
from hwsim.fpga import dataflow
from hwsim.fpga.dataflow import MIN_DEPTH, Timing, Window
from hwsim.fpga.outline.unit import Stream, Unit
from hwsim.network import Layer, Network


@dataclass
class Draft:
    """Units so far, and by tensor the streams that are still to be read; without weights, none counts as zero."""

    network: Network
    design: Design
    weights: Mapping[str, npt.NDArray[Any]] | None = None
    units: list[Unit] = field(default_factory=list)
    wires: set[str] = field(default_factory=set)
    streams: dict[str, list[Stream]] = field(default_factory=dict)
    input: Stream | None = None

    def folding(self, layer: Layer) -> Folding | None:
        """The design's folding of a layer, where it gives one."""
        return self.design.folding.get(layer.name)

    def format(self, tensor: str) -> FixedPoint:
        """A tensor's number format."""
        fmt = self.network.tensors[tensor].format
        assert fmt is not None  # the network is quantised
        return fmt

    def accumulator(self, layer: Layer) -> FixedPoint:
        """The signed format that holds every exact result of a layer."""
        exact = exact_format(self.network, layer)
        return FixedPoint(exact.width + (not exact.signed), exact.frac)

    def image(self, layer: Layer) -> tuple[int, int, int]:
        """(channels, rows, columns) of a layer's output as it travels."""
        shape = self.network.tensors[layer.output].shape
        return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)

    def wire(self, name: str) -> str:
        """A new wire with a legal name like ``name``."""
        legal = plain = re.sub(r"\W", "_", name)
        count = 2
        while legal in self.wires:
            legal, count = f"{plain}_{count}", count + 1
        self.wires.add(legal)
        return legal

    def append(
        self, module: str, layer: Layer, wires: tuple[str, str], timing: Timing, numbers: Mapping[str, int]
    ) -> None:
        """A unit between two wires, named like the second one."""
        self.units.append(Unit(wires[1], module, layer.name, numbers, timing, wires[:1], wires[1:]))

    def with_lanes(self, layer: Layer, stream: Stream, lanes: int) -> Stream:
        """The stream with another number of lanes."""
        for step in dataflow.conversion_steps(stream.lanes, lanes)[1:]:
            wire = self.wire(f"{layer.name}_lanes")
            timing = dataflow.width_converter(stream.beats, stream.lanes, step)
            numbers = {"IN_LANES": stream.lanes, "OUT_LANES": step}
            self.append("width_converter", layer, (stream.wire, wire), timing, numbers)
            stream = replace(stream, wire=wire, lanes=step)
        return stream

    def take(self, tensor: str) -> Stream:
        """A stream of the tensor that no other layer has taken."""
        return self.streams[tensor].pop(0)

    def own_lanes(self, layer: Layer) -> Stream:
        """What the layer reads, with the lanes that its own folding asks for."""
        stream, folding = self.take(layer.inputs[0]), self.folding(layer)
        return stream if folding is None else self.with_lanes(layer, stream, folding.pe)

    def pointwise(
        self, module: str, layer: Layer, stream: Stream, name: str, fmt: FixedPoint, timing: Timing
    ) -> Stream:
        """What a unit makes of every beat of a stream."""
        wire = self.wire(f"{layer.name}_{name}")
        self.append(module, layer, (stream.wire, wire), timing, {})
        return replace(stream, wire=wire, format=fmt)

    def cast(self, layer: Layer, stream: Stream, target: FixedPoint, *, clips: bool = False) -> Stream:
        """The stream in another format; the same stream where that changes no bit."""
        if not clips and dataflow.is_identity(stream.format, target):
            return replace(stream, format=target)
        return self.pointwise("cast", layer, stream, "cast", target, dataflow.cast(stream.beats))

    def finish(self, layer: Layer, stream: Stream, *, clips: bool = False) -> None:
        """Cast an exact result to the format of the layer's output, and hold it in a FIFO for its readers."""
        stream = self.cast(layer, stream, self.format(layer.output), clips=clips)
        self.publish(layer, self._fifo(layer, stream) if self._readers(layer.output) == 1 else stream)

    def publish(self, layer: Layer, stream: Stream) -> None:
        """Let the readers of the layer's output have a stream; each of several has it behind a FIFO of its own."""
        readers = self._readers(layer.output)
        if readers == 1:
            self.streams[layer.output] = [stream]
            return
        wires = tuple(self.wire(f"{layer.name}_fork") for _ in range(readers))
        timing = dataflow.stream_fork(stream.beats)
        self.units.append(Unit(f"{wires[0]}_unit", "stream_fork", layer.name, {}, timing, (stream.wire,), wires))
        self.streams[layer.output] = [self._fifo(layer, replace(stream, wire=wire)) for wire in wires]

    def _readers(self, tensor: str) -> int:
        reads = sum(layer.inputs.count(tensor) for layer in self.network.consumers(tensor))
        return reads + (tensor in self.network.outputs)

    def _fifo(self, layer: Layer, stream: Stream) -> Stream:
        """A FIFO of the design's depth; by default short in a chain, and a whole image deep where branches part."""
        whole = stream.image[1] * stream.image[2]
        pixels = self.design.fifo_depths.get(layer.output, 0 if self._readers(layer.output) == 1 else whole)
        return self.fifo(layer, stream, "fifo", pixels * stream.image[0] // stream.lanes)

    def fifo(self, layer: Layer, stream: Stream, name: str, depth: int) -> Stream:
        """The stream behind a FIFO of so many beats."""
        wire = self.wire(f"{layer.name}_{name}")
        numbers = {"DEPTH": max(depth, MIN_DEPTH)}
        self.append("fifo", layer, (stream.wire, wire), dataflow.fifo(stream.beats), numbers)
        return replace(stream, wire=wire)

    def window(self, layer: Layer, stream: Stream) -> Window:
        """The geometry of a convolution's or pooling's window over a stream."""
        channels, rows, columns = stream.image
        _, out_rows, out_columns = self.image(layer)
        blocks, attrs = channels // stream.lanes, layer.attrs
        if "kernel" not in attrs:  # over the whole image
            return Window(blocks, rows, columns, (rows, columns), (1, 1), (1, 1), (0, 0, 0, 0), 1, 1)
        kernel, stride, dilation = attrs["kernel"], attrs["stride"], attrs.get("dilation", (1, 1))
        return Window(blocks, rows, columns, kernel, stride, dilation, attrs["padding"], out_rows, out_columns)

    def sliding_window(self, layer: Layer, stream: Stream, window: Window, passes: int, values: int) -> Stream:
        """The windows of a stream, ``values`` values per image; the reader goes through each ``passes`` times."""
        wire = self.wire(f"{layer.name}_window")
        numbers = {
            "BLOCKS": window.blocks, "ROWS": window.rows, "COLUMNS": window.columns, "KERNEL_Y": window.kernel[0],
            "KERNEL_X": window.kernel[1], "STRIDE_Y": window.stride[0], "DILATION_Y": window.dilation[0],
            "PAD_TOP": window.padding[0], "OUT_ROWS": window.out_rows, "OUT_COLUMNS": window.out_columns,
            "BUFFER_ROWS": dataflow.smallest_buffer(window, passes),
        }  # fmt: skip
        timing = dataflow.sliding_window(window, passes)
        self.append("sliding_window", layer, (stream.wire, wire), timing, numbers)
        return replace(stream, wire=wire, values=values)
