# SPDX-License-Identifier: Apache-2.0
"""Every hardware template with parameters as layers of small networks have them, for template_timing.py.

8-bit networks unless the case says otherwise: activations of 8 bits, accumulators of 20 to 32. "4x8" is pe x simd, or
lanes x bits.
"""

from collections.abc import Mapping

import numpy as np

from hls.dataflow import Dataflow, Stream
from hls.templates.argmax import argmax
from hls.templates.cast import cast
from hls.templates.lookup import lookup
from hls.templates.matrix_vector import accumulator, matrix_vector
from hls.templates.max_pool import max_pool
from hls.templates.mean import accumulate, divide
from hls.templates.operands import Operands
from hls.templates.scale import scale
from hls.templates.shape import concat, pad, upsample
from hls.templates.sliding_window import sliding_window
from hls.templates.sparse import sparse_matrix_vector
from hls.templates.streams import add, fifo, stream_fork, width_converter
from hls.templates.threshold import threshold
from hls.templates.unit import Array, Unit
from hls.templates.unrolled import unrolled
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow import Window

IO = ("in", "out")
NAME = ("unit", "layer")
ACT = FixedPoint(8, 4, True, "RND_CONV", "SAT")
RELU = FixedPoint(8, 4, False, "RND", "SAT")
WEIGHT, BIAS = FixedPoint(8, 7), FixedPoint(8, 4)

Case = tuple[Dataflow, str]  # a design, and its unit that is meant


def alone(unit: Unit, bits: int = 8, beats: int = 1) -> Case:
    """A unit as a design: a fork in front of several inputs, a sum behind several outputs.

    Args:
        bits, beats: of a frame at the design's ends; a multiple of 8, any number.
    """
    word, lanes = FixedPoint(8, 0), bits // 8
    before = [stream_fork("fork", "", "in", unit.inputs, bits, 1)] if len(unit.inputs) > 1 else []
    behind = [add("sum", "", unit.outputs, "out", word, lanes, 1)] if len(unit.outputs) > 1 else []
    wires = dict.fromkeys((*IO, *unit.inputs, *unit.outputs), bits)
    ends = (Stream(wire, word, lanes, (lanes, beats, 1), np.arange(lanes * beats)) for wire in IO)
    units = (*before, unit, *behind)
    return Dataflow("alone", "0" * 16, Design("0" * 16, "none", 100.0), units, wires, *ends), unit.name


def around(part: str, bits: int, beats: int) -> Case:
    """What stands around every core, for frames of ``beats`` beats of ``bits`` bits."""
    return alone(fifo(*NAME, IO, bits, beats, 2), bits, beats)[0], part


def product(
    shape: tuple[int, int], fold: Folding, formats: tuple[FixedPoint, FixedPoint] = (ACT, WEIGHT), depthwise: int = 0
) -> Case:
    """A dense layer, or a convolution of (filters, channels · taps); of (side by side, taps) where it is depthwise.

    Args:
        formats: of activations and weights.
        depthwise: how many matrices take turns.
    """
    operands = matrices((max(depthwise, 1), *shape), *formats)
    parallel = shape[0] if depthwise else 1
    return alone(matrix_vector(*NAME, IO, operands, fold, max(depthwise, 1), parallel))


def punched(
    shape: tuple[int, int], fold: Folding, kept: float, formats: tuple[FixedPoint, FixedPoint] = (ACT, WEIGHT)
) -> Case:
    """Like ``product``, with zeros in all but a share of the blocks."""
    operands = matrices((1, *shape), *formats)
    blocks = np.random.default_rng(0).random((shape[0] // fold.pe, shape[1] // fold.simd)) < kept
    zeros = ~blocks.repeat(fold.pe, axis=0).repeat(fold.simd, axis=1)
    operands.matrices[0, zeros] = 0
    return alone(sparse_matrix_vector(*NAME, IO, operands, fold, 1))


def adders(rows: int, columns: int, bits: int) -> Case:
    """A dense layer as adders, with weights of ``bits`` bits and activations of as many."""
    operands = matrices((1, rows, columns), FixedPoint(bits, bits - 2), FixedPoint(bits, bits - 1))
    return alone(unrolled(*NAME, IO, operands, 1))


def matrices(shape: tuple[int, int, int], source: FixedPoint, weight: FixedPoint) -> Operands:
    """Random weights of (matrices, rows, columns) and biases, in an accumulator that holds every result."""
    weights = filled(shape, weight)
    biases = filled(shape[:2], BIAS)
    width = source.width + weight.width + shape[2].bit_length()
    exact = accumulator("layer", FixedPoint(width, source.frac + weight.frac))
    return Operands(weights, biases, source, weight, BIAS, exact)


def filled(shape: tuple[int, ...], fmt: FixedPoint) -> Array:
    """Random integers of a format."""
    return np.random.default_rng(0).integers(fmt.min_int, fmt.max_int + 1, shape)


def window(channels: int, lanes: int, size: int, kernel: int, stride: int, pads: int, groups: int = 1) -> Case:
    """Windows of a square image of 8-bit values, padded alike on all sides."""
    out = (size + 2 * pads - kernel) // stride + 1
    geometry = Window(channels // lanes, size, size, (kernel, kernel), (stride, stride), (1, 1), (pads,) * 4, out, out)
    return alone(sliding_window(*NAME, IO, geometry, ACT, lanes, groups=groups, passes=1))


def staircase(channels: int, lanes: int, steps: int, source: FixedPoint) -> Case:
    """Thresholds per channel that give a number of few bits."""
    params = np.sort(filled((channels, steps), source)), np.zeros(channels, int), np.ones(channels, int)
    one, exact = FixedPoint(2, 0), FixedPoint(steps.bit_length() + 1, 0)
    return alone(threshold(*NAME, IO, params, (source, source, one, one), exact, Folding(lanes), channels // lanes))


def factors(channels: int, lanes: int, source: FixedPoint, factor: FixedPoint) -> Case:
    """A factor and a shift per channel."""
    exact = FixedPoint(source.width + factor.width + 1, source.frac + factor.frac)
    shift = FixedPoint(source.width, source.frac)
    params = filled((channels,), factor), filled((channels,), shift)
    return alone(scale(*NAME, IO, params, (source, factor, shift), exact, Folding(lanes), channels // lanes))


def table(lanes: int, bits: int) -> Case:
    """A function of numbers of ``bits`` bits."""
    fmt = FixedPoint(bits, bits - 4)
    return alone(lookup(*NAME, IO, (fmt.min_int, filled((1 << bits,), fmt)), (fmt, fmt), Folding(lanes), 64))


def total(bits: int) -> FixedPoint:
    """A sum of 8-bit activations."""
    return FixedPoint(bits, ACT.frac)


#: By module: what the parameters mean → the design and its unit.
CASES: Mapping[str, Mapping[str, Case]] = {
    "accumulate": {
        "64 pixels x 16 beats, 4x8 to 14 bits": alone(accumulate(*NAME, IO, ACT, total(14), 4, (64, 16, 1))),
        "49 pixels x 128 beats, 8x8 to 22 bits": alone(accumulate(*NAME, IO, ACT, total(22), 8, (49, 128, 1))),
        "9 pixels x 1 beat, 16x8 to 12 bits": alone(accumulate(*NAME, IO, ACT, total(12), 16, (9, 1, 64))),
    },
    "add": {
        "2 streams, 4x10": alone(add(*NAME, ("a", "b"), "out", total(10), 4, 256)),
        "3 streams, 8x20": alone(add(*NAME, ("a", "b", "c"), "out", total(20), 8, 256)),
    },
    "argmax": {
        "10 classes, 1x16": alone(argmax(*NAME, IO, total(16), FixedPoint(4, 0, False), 1, 10)),
        "1000 classes, 4x20": alone(argmax(*NAME, IO, total(20), FixedPoint(10, 0, False), 4, 1000)),
    },
    "cast": {
        "20 to 8 bits, 4 lanes, RND SAT": alone(cast(*NAME, IO, FixedPoint(20, 11), RELU, 4, 16)),
        "32 to 8 bits, 16 lanes, RND_CONV SAT": alone(cast(*NAME, IO, FixedPoint(32, 20), ACT, 16, 16)),
        "48 to 16 bits, 2 lanes": alone(
            cast(*NAME, IO, FixedPoint(48, 30), FixedPoint(16, 8, True, "RND_CONV", "SAT"), 2, 16)
        ),
    },
    "concat": {
        "2 streams of 4 beats, 32 bits": alone(concat(*NAME, ("a", "b"), "out", 32, 64, (4, 4))),
        "3 streams of 8, 16 and 4 beats, 128 bits": alone(concat(*NAME, ("a", "b", "c"), "out", 128, 64, (8, 16, 4))),
    },
    "control": {
        "frames of 256 x 4 bytes": around("control", 32, 256),
        "frames of 3072 x 16 bytes": around("control", 128, 3072),
    },
    "divide": {
        "14 bits by 49, 4 lanes": alone(divide(*NAME, IO, total(14), 49, ACT, 4, 16)),
        "24 bits by 9, 16 lanes": alone(divide(*NAME, IO, total(24), 9, ACT, 16, 4)),
        "40 bits by 1000, 1 lane": alone(divide(*NAME, IO, FixedPoint(40, 16), 1000, FixedPoint(16, 8), 1, 4)),
    },
    "fifo": {
        "2 words of 32 bits": alone(fifo(*NAME, IO, 32, 64, 2)),
        "32 words of 64 bits": alone(fifo(*NAME, IO, 64, 64, 32)),
        "1024 words of 64 bits": alone(fifo(*NAME, IO, 64, 1024, 1024)),
    },
    "frame_last": {"frames of 256 x 4 bytes": around("last", 32, 256), "of 1000 x 2 bytes": around("last", 16, 1000)},
    "lookup": {"4x8": table(4, 8), "1x12": table(1, 12), "2x16": table(2, 16)},
    "matrix_vector": {
        "64x64, 8x8 bits, 4x4": product((64, 64), Folding(4, 4)),
        "128x784, 8x8 bits, 16x4": product((128, 784), Folding(16, 4)),
        "128x784, 8x8 bits, 2x1": product((128, 784), Folding(2, 1)),
        "32x144, 4x4 bits, 8x16": product((32, 144), Folding(8, 16), (FixedPoint(4, 2), FixedPoint(4, 3))),
        "64x64, 16x12 bits, 2x4": product((64, 64), Folding(2, 4), (FixedPoint(16, 8), FixedPoint(12, 8))),
        "depthwise 3x3, 64 channels, 4 at a time": product((4, 9), Folding(4, 1), depthwise=16),
    },
    "max_pool": {
        "2x2, 16x8": alone(max_pool(*NAME, IO, RELU, 16, 4, 256)),
        "3x3, 4x16": alone(max_pool(*NAME, IO, FixedPoint(16, 8), 4, 9, 256)),
    },
    "pad": {
        "32x32 image, 8 beats of 32 bits": alone(pad(*NAME, IO, 32, 8, (32, 32), (1, 1, 1, 1))),
        "224x224 image, 1 beat of 24 bits": alone(pad(*NAME, IO, 24, 1, (224, 224), (3, 3, 2, 2))),
    },
    "scale": {
        "batch norm, 64 channels, 4 of 12 x 8 bits": factors(64, 4, total(12), FixedPoint(8, 6)),
        "requantise, 128 channels, 8 of 24 x 16 bits": factors(128, 8, total(24), FixedPoint(16, 15, False)),
    },
    "sliding_window": {
        "3x3 of 32x32x16, 4x8": window(16, 4, 32, 3, 1, 1),
        "3x3 stride 2 of 112x112x32, 16x8": window(32, 16, 112, 3, 2, 1),
        "2x2 pooling of 32x32x64, 8x8": window(64, 8, 32, 2, 2, 0, groups=8),
        "1x1 stride 2 of 56x56x64, 8x8": window(64, 8, 56, 1, 2, 0),
    },
    "sparse_matrix_vector": {
        "32x288, 8x8 bits, 8x4, a quarter": punched((32, 288), Folding(8, 4), 0.25),
        "128x784, 8x8 bits, 16x4, half": punched((128, 784), Folding(16, 4), 0.5),
        "128x784, 8x8 bits, 2x1, half": punched((128, 784), Folding(2, 1), 0.5),
        "32x144, 4x4 bits, 8x16, half, LUT": punched(
            (32, 144), Folding(8, 16), 0.5, (FixedPoint(4, 2), FixedPoint(4, 3))
        ),
    },
    "stream_fork": {
        "2 x 32 bits": alone(stream_fork(*NAME, "in", ("a", "b"), 32, 64)),
        "3 x 128 bits": alone(stream_fork(*NAME, "in", ("a", "b", "c"), 128, 64)),
    },
    "threshold": {
        "64 channels, 15 steps, 4x16": staircase(64, 4, 15, total(16)),
        "16 channels, 3 steps, 8x24": staircase(16, 8, 3, total(24)),
    },
    "unrolled": {"16x16, 6 bits": adders(16, 16, 6), "32x64, 4 bits": adders(32, 64, 4)},
    "upsample": {
        "2x2, 8x8 image, 16 beats of 32 bits": alone(upsample(*NAME, IO, 32, 16, (8, 8), (2, 2))),
        "2x2, 64x64 image, 8 beats of 64 bits": alone(upsample(*NAME, IO, 64, 8, (64, 64), (2, 2))),
    },
    "width_converter": {
        "1 to 8 of 8 bits": alone(width_converter(*NAME, IO, 8, (1, 8), 64)),
        "64 to 4 of 8 bits": alone(width_converter(*NAME, IO, 8, (64, 4), 4)),
        "16 to 128 of 8 bits": alone(width_converter(*NAME, IO, 8, (16, 128), 16)),
    },
}
