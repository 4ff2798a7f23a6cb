# SPDX-License-Identifier: Apache-2.0
"""The pipeline of a network: one record per hardware stage, with the numbers all formulas need.

Layers that cost no hardware of their own (input, output, flatten, requantise) vanish, and so do opaque ones, whose
hardware nobody knows and which estimates list (hwsim/coverage.py); the padding of a convolution
or pooling is part of its stage.  Tensors without a number format are costed as 16 bits, hls4ml's default type.
"""

import math
from dataclasses import dataclass
from functools import cached_property

from hwsim import ops
from hwsim.columns import columns, per_network
from hwsim.fixed import FixedPoint
from hwsim.fpga.resources import Array
from hwsim.fpga.stage_formats import StageFormats, stage_formats
from hwsim.network import Layer, Network

FLOAT_BITS = 16  # hls4ml's default ap_fixed<16,6> (hls4ml 1.3, config_from_*_model)
KINDS = ("matrix", "depthwise", "window", "global", "pointwise")  # pointwise: element by element, no reduction
WINDOWED = ("conv2d", "max_pool2d", "avg_pool2d")
INVISIBLE = ("input", "output", "flatten", "requantise", ops.OPAQUE)
GLOBAL = ("global_avg_pool", "global_max_pool")


@dataclass(frozen=True)
class Stage:
    """One stage.  Images are (channels, rows, columns); a vector is one pixel unless it comes from an image.

    ``mw`` inputs meet ``mh`` outputs in the matrix of one output position, ``groups`` such matrices side by side
    (``mw`` and ``mh`` per group; a depthwise layer has mw = taps, mh = multiplier, groups = channels).
    ``channels_each`` is what lanes divide: the channels in, at a concatenation the common divisor of all its inputs'.
    ``padding_rows`` are rows of padding that windows read.
    ``sources`` are the stages it reads, by position; an empty tuple reads the network's input.  ``tensor`` is what it
    writes, for ``readers`` others, each through a FIFO of its own.
    """

    name: str
    tensor: str
    op: str
    kind: str
    sources: tuple[int, ...]
    macs: int
    mw: int
    mh: int
    groups: int
    channels_in: int
    channels_each: int
    rows_in: int
    columns_in: int
    padded_rows: int
    padded_columns: int
    channels_out: int
    rows_out: int
    columns_out: int
    kernel_rows: int
    kernel_columns: int
    stride_rows: int
    stride_columns: int
    pad_top: int
    padding_rows: int
    weight_bits: int
    input_bits: int
    output_bits: int
    bias_bits: int
    readers: int
    dilation_rows: int
    dilation_columns: int
    formats: StageFormats

    @property
    def pixels_out(self) -> int:
        """Output positions."""
        return self.rows_out * self.columns_out


@dataclass(frozen=True, eq=False)
class Pipeline:
    """All stages in topological order; `column` gives one number of every stage, shape (stages,).

    ``input_readers`` are the places of the stages that read the network's input; one that reads it twice stands twice.
    """

    stages: tuple[Stage, ...]
    input_bits: int
    output_bits: int
    has_float: bool
    has_images: bool
    input_readers: tuple[int, ...] = ()

    def column(self, name: str) -> Array:
        """One number of every stage as a float array."""
        return self._columns[name]

    @cached_property
    def _columns(self) -> dict[str, Array]:
        return columns(Stage, self.stages) | columns(StageFormats, [stage.formats for stage in self.stages])


@per_network
def pipeline(network: Network) -> Pipeline:
    """The stages of a network, remembered by the network's hash."""
    stages: list[Stage] = []
    input_readers: list[int] = []
    formatted = _with_formats(network)
    position: dict[str, int] = {}  # tensor -> index of the stage that produces it; -1 for the network's inputs
    format_of: dict[str, str] = {}  # tensor -> the tensor whose format the hardware gives it
    for layer in network.layers:
        if layer.op == "input":
            position.update(dict.fromkeys(layer.outputs, -1))
        elif layer.op in INVISIBLE:
            position.update(dict.fromkeys(layer.outputs, position[layer.inputs[0]]))
            format_of[layer.inputs[0]] = layer.outputs[0]
        else:
            position.update(dict.fromkeys(layer.outputs, len(stages)))
            sources = tuple(position[tensor] for tensor in layer.inputs)
            input_readers += [len(stages)] * sources.count(-1)
            stages.append(_stage(network, layer, sources, stage_formats(formatted, layer)))
    return Pipeline(
        tuple(stages),
        sum(network.tensors[t].size * _bits(network, t) for t in network.inputs),
        sum(network.tensors[t].size * _bits(network, t) for t in network.outputs),
        has_float=any(t.format is None and t.storage_bits is None for t in network.tensors.values()),
        has_images=any(stage.padded_rows * stage.padded_columns > 1 for stage in stages),
        input_readers=tuple(input_readers),
    )


def _with_formats(network: Network) -> Network:
    """The network with a fixed-point format for every tensor, of as many bits as the tensor is costed with."""
    missing = {
        name: FixedPoint(_bits(network, name), _bits(network, name) // 2, True, "RND", "SAT")
        for name, tensor in network.tensors.items()
        if tensor.format is None
    }
    return network.with_formats(missing) if missing else network


def _bits(network: Network, tensor: str) -> int:
    record = network.tensors[tensor]
    if record.format is None and record.storage_bits is None:
        return FLOAT_BITS
    return record.bits


def _output_bits(network: Network, tensor: str) -> int:
    """A requantisation behind a layer is that layer's output type in hardware."""
    readers = network.consumers(tensor)
    while len(readers) == 1 and readers[0].op in ("requantise", "flatten"):
        tensor = readers[0].output
        readers = network.consumers(tensor)
    return _bits(network, tensor)


def _stage(network: Network, layer: Layer, sources: tuple[int, ...], formats: StageFormats) -> Stage:
    shape_in = _image(network, layer.inputs[0])
    shape_out = _image(network, layer.output)
    top, left, bottom, right = layer.attrs.get("padding", (0, 0, 0, 0)) if layer.op in WINDOWED else (0, 0, 0, 0)
    kernel = layer.attrs.get("kernel", (1, 1)) if layer.op in WINDOWED else (1, 1)
    stride = layer.attrs.get("stride", (1, 1)) if layer.op in WINDOWED else (1, 1)
    dilation = layer.attrs.get("dilation", (1, 1)) if layer.op in WINDOWED else (1, 1)
    kind, mw, mh, groups = _matrix(network, layer)
    weight = layer.params.get("weight") or layer.params.get("scale")
    bias = layer.params.get("bias") or layer.params.get("shift")
    return Stage(
        name=layer.name, tensor=layer.output, op=layer.op, kind=kind,
        sources=tuple(s for s in dict.fromkeys(sources) if s >= 0),
        macs=ops.macs(network, layer), mw=mw, mh=mh, groups=groups,
        channels_in=shape_in[0] if layer.op != "concat" else shape_out[0],
        channels_each=math.gcd(*(_image(network, tensor)[0] for tensor in layer.inputs)),
        rows_in=shape_in[1], columns_in=shape_in[2],
        padded_rows=shape_in[1] + top + bottom, padded_columns=shape_in[2] + left + right,
        channels_out=shape_out[0], rows_out=shape_out[1], columns_out=shape_out[2],
        kernel_rows=int(kernel[0]), kernel_columns=int(kernel[1]),
        stride_rows=int(stride[0]), stride_columns=int(stride[1]),
        pad_top=int(top),
        padding_rows=_padding_rows(layer, int(top), shape_in[1], shape_out[1]),
        weight_bits=_bits(network, weight) if weight else 0,
        input_bits=max(_bits(network, tensor) for tensor in layer.inputs),
        output_bits=_output_bits(network, layer.output), bias_bits=_bits(network, bias) if bias else 0,
        readers=max(1, len(network.consumers(layer.output))),
        dilation_rows=int(dilation[0]), dilation_columns=int(dilation[1]), formats=formats,
    )  # fmt: skip


def _padding_rows(layer: Layer, top: int, rows_in: int, rows_out: int) -> int:
    """Strides may pass over rows at the bottom."""
    if layer.op not in WINDOWED:
        return 0
    kernel, stride, dilation = (layer.attrs.get(name, (1, 1))[0] for name in ("kernel", "stride", "dilation"))
    used = (rows_out - 1) * int(stride) + int(dilation) * (int(kernel) - 1) + 1
    return top + max(0, used - top - rows_in)


def _image(network: Network, tensor: str) -> tuple[int, int, int]:
    """(channels, rows, columns) as it streams: a flattened image still arrives pixel by pixel."""
    shape = network.tensors[tensor].shape
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    producer = network.producer(tensor)
    if producer is not None and producer.op in ("flatten", "requantise"):
        return _image(network, producer.inputs[0])
    rows = 1
    for extent in shape[:-1]:
        rows *= extent
    return shape[-1], rows, 1


def _matrix(network: Network, layer: Layer) -> tuple[str, int, int, int]:
    if layer.op in ops.WEIGHTED:
        dims = ops.loop_dims(network, layer)
        groups = int(layer.attrs.get("groups", 1))
        weight = network.tensors[layer.params["weight"]].shape
        kind = "depthwise" if ops.is_depthwise(layer, weight) else "matrix"
        return kind, dims["C"] * dims["FY"] * dims["FX"], dims["K"] // groups, groups
    if layer.op in GLOBAL:
        return "global", 0, 0, 1
    return ("window" if layer.op in WINDOWED else "pointwise"), 0, 0, 1
