# SPDX-License-Identifier: Apache-2.0
"""Which units stand for which operator: those that hls/layers.py makes of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format, smallest_format
from hwsim.fpga import dataflow
from hwsim.fpga.multipliers import multiplier, parts
from hwsim.fpga.outline.draft import Draft
from hwsim.fpga.outline.unit import Stream, Unit
from hwsim.fpga.outline.zeros import ON_THE_WAY, Blocks, scheduled_blocks, skips_zeros
from hwsim.network import Layer

Matrix = npt.NDArray[Any]
UNROLLED = "distributed_arithmetic"  # a strategy whose cycles depend on weights (hls/layers_unrolled.py)


def outline_layer(draft: Draft, layer: Layer) -> None:
    """Add a layer's units.

    Raises:
        UnsupportedError: there is none for its operator, or its cycles depend on its weights.
    """
    if layer.op not in _OUTLINES:
        raise UnsupportedError(
            f"{layer.name}: got {layer.op}; expected one of {', '.join(_OUTLINES)}; choose target fpga:NAME, by hls4ml"
        )
    _OUTLINES[layer.op](draft, layer)


def _input(draft: Draft, layer: Layer) -> None:
    shape = draft.network.tensors[layer.output].shape
    image = draft.image(layer)
    lanes = _wanted_lanes(draft, layer.output, image[0])
    draft.input = Stream(draft.wire(layer.name), draft.format(layer.output), lanes, image, math.prod(shape))
    draft.publish(layer, draft.input)


def _wanted_lanes(draft: Draft, tensor: str, channels: int) -> int:
    """The lanes that the first layer to fold reads, so that the input needs no converter."""
    for layer in draft.network.consumers(tensor):
        folding, lanes = draft.folding(layer), 1
        if layer.op in ("relu", "clip", "requantise", "flatten") and folding is None:
            lanes = _wanted_lanes(draft, layer.output, channels)
        elif folding is not None and layer.op not in ("dense", "conv2d"):
            lanes = folding.pe
        elif folding is not None:
            filters = draft.network.tensors[layer.output].shape[0] // int(layer.attrs.get("groups", 1))
            lanes = folding.simd * max(1, folding.pe // filters)
        return lanes if channels % lanes == 0 else 1
    return 1


def _same(draft: Draft, layer: Layer) -> None:
    target = draft.format(layer.output)
    if dataflow.is_identity(draft.streams[layer.inputs[0]][0].format, target):
        draft.publish(layer, replace(draft.take(layer.inputs[0]), format=target))
    else:
        draft.finish(layer, draft.own_lanes(layer))


def _clip(draft: Draft, layer: Layer) -> None:
    draft.finish(layer, draft.own_lanes(layer), clips=True)


def _add(draft: Draft, layer: Layer) -> None:
    terms, folding = [draft.take(tensor) for tensor in layer.inputs], draft.folding(layer)
    lanes, exact = folding.pe if folding else terms[0].lanes, draft.accumulator(layer)
    terms = [draft.cast(layer, draft.with_lanes(layer, term, lanes), exact) for term in terms]
    _join(draft, layer, "add", "sum", terms, dataflow.add(terms[0].beats, len(terms)), terms[0])


def _concat(draft: Draft, layer: Layer) -> None:
    terms, folding = [draft.take(tensor) for tensor in layer.inputs], draft.folding(layer)
    lanes = math.gcd(*(term.lanes for term in terms)) if folding is None else folding.pe
    terms = [draft.with_lanes(layer, term, lanes) for term in terms]
    if any(not dataflow.is_identity(term.format, terms[0].format) for term in terms):
        terms = [draft.cast(layer, term, draft.format(layer.output)) for term in terms]
    blocks = tuple(term.image[0] // lanes for term in terms)
    timing, image = dataflow.concat(terms[0].image[1] * terms[0].image[2], blocks), draft.image(layer)
    joined = replace(terms[0], image=image, values=math.prod(image))
    _join(draft, layer, "concat", "joined", terms, timing, joined, blocks)


def _join(
    draft: Draft, layer: Layer, module: str, name: str, terms: list[Stream], timing: dataflow.Timing, result: Stream,
    turns: tuple[int, ...] = (),
) -> None:  # fmt: skip
    wire = draft.wire(f"{layer.name}_{name}")
    numbers = {"COUNT": len(terms)}
    sources = tuple(term.wire for term in terms)
    draft.units.append(Unit(wire, module, layer.name, numbers, timing, sources, (wire,), turns))
    draft.finish(layer, replace(result, wire=wire))


def _dense(draft: Draft, layer: Layer) -> None:
    folding = draft.folding(layer) or Folding()
    stream = draft.take(layer.inputs[0])
    features = stream.values
    matrix = None if draft.weights is None else draft.weights[layer.params["weight"]][:, _arrival(stream.image)]
    stream = draft.with_lanes(layer, stream, folding.simd)
    if _skips_zeros(folding, matrix):
        return _sparse(draft, layer, stream, folding, matrix)
    stream = draft.fifo(layer, stream, "vector", features // folding.simd)
    return _matrix(draft, layer, stream, folding, (draft.image(layer)[0], features))


def _conv2d(draft: Draft, layer: Layer) -> None:
    folding, groups = draft.folding(layer) or Folding(), int(layer.attrs["groups"])
    shape = draft.network.tensors[layer.params["weight"]].shape
    filters, channels = shape[0] // groups, shape[1]
    parallel = folding.pe // filters if groups > 1 and channels == 1 and folding.pe > filters else 1
    stream = draft.with_lanes(layer, draft.take(layer.inputs[0]), folding.simd * parallel)
    window, passes, matrix = draft.window(layer, stream), filters * parallel // folding.pe, None
    if draft.weights is not None and groups == 1:
        matrix = draft.weights[layer.params["weight"]].transpose(0, 2, 3, 1).reshape(filters, -1)
    sparse = _skips_zeros(folding, matrix, window)
    passes = 1 if sparse else passes
    if (window.kernel, window.stride, window.padding) != ((1, 1), (1, 1), (0, 0, 0, 0)):
        taps = math.prod(window.kernel) * window.out_rows * window.out_columns
        stream = draft.sliding_window(layer, stream, window, passes, taps * stream.image[0])
    elif passes > 1:
        stream = draft.fifo(layer, stream, "vector", window.blocks // (groups // parallel))
    if sparse:
        return _sparse(draft, layer, stream, folding, matrix)
    return _matrix(draft, layer, stream, folding, (filters * parallel, math.prod(shape[1:])), parallel)


def _arrival(image: tuple[int, int, int]) -> Blocks:
    """Places of an image's values, as they are flattened, in the order in which they arrive: channels innermost."""
    return np.arange(math.prod(image)).reshape(image).transpose(1, 2, 0).ravel()


def _skips_zeros(folding: Folding, matrix: Matrix | None, window: dataflow.Window | None = None) -> bool:
    return matrix is not None and folding.strategy != UNROLLED and skips_zeros(matrix, folding, window)


def _sparse(draft: Draft, layer: Layer, stream: Stream, folding: Folding, matrix: Matrix | None) -> None:
    """Products that leave out blocks of zeros, and the layer's cast."""
    assert matrix is not None  # it has zeros
    rows, columns = matrix.shape
    beats = columns // folding.simd
    row_blocks, _ = scheduled_blocks(matrix, folding.pe, folding.simd)
    numbers = {
        "MW": columns, "MH": rows, "PE": folding.pe, "SIMD": folding.simd, "STEPS": len(row_blocks),
        "DEPTH": 2 * beats + ON_THE_WAY,
    }  # fmt: skip
    weight = draft.format(layer.params["weight"])
    multiply = multiplier(stream.format.width, weight.width, folding.multiplier).steps
    vectors, exact, image = stream.values // columns, draft.accumulator(layer), draft.image(layer)
    shape = columns, rows, folding.pe, folding.simd
    timing = dataflow.sparse_matrix_vector(*shape, len(row_blocks), vectors, multiply)
    ends = tuple(np.flatnonzero(np.diff(row_blocks, append=-1)).tolist())
    wire = draft.wire(f"{layer.name}_matrix")
    draft.units.append(Unit(wire, "sparse_matrix_vector", layer.name, numbers, timing, (stream.wire,), (wire,), ends))
    draft.finish(layer, Stream(wire, exact, folding.pe, image, math.prod(image)))


def _matrix(
    draft: Draft, layer: Layer, stream: Stream, folding: Folding, shape: tuple[int, int], parallel: int = 1
) -> None:
    """Products of (rows, columns) matrices and the layer's cast."""
    if folding.strategy == UNROLLED:
        raise UnsupportedError(
            f"{layer.name}: got strategy distributed_arithmetic; expected one whose cycles do not depend on weights; "
            "choose resource"
        )
    (rows, columns), exact, image = shape, draft.accumulator(layer), draft.image(layer)
    weight = draft.format(layer.params["weight"])
    steps = multiplier(stream.format.width, weight.width, folding.multiplier).steps
    vectors = stream.values // (columns * parallel)
    timing = dataflow.matrix_vector(columns, rows, folding.pe, folding.simd, vectors, steps)
    numbers = {"MW": columns, "MH": rows, "PE": folding.pe, "SIMD": folding.simd}
    wire = draft.wire(f"{layer.name}_matrix")
    draft.append("matrix_vector", layer, (stream.wire, wire), timing, numbers)
    draft.finish(layer, Stream(wire, exact, folding.pe, image, math.prod(image)))


def _max_pool(draft: Draft, layer: Layer) -> None:
    stream = draft.own_lanes(layer)
    window, image = draft.window(layer, stream), draft.image(layer)
    taps, windows = math.prod(window.kernel), window.out_rows * window.out_columns * window.blocks
    stream = draft.sliding_window(layer, stream, window, 1, taps * windows * stream.lanes)
    wire = draft.wire(f"{layer.name}_max")
    draft.append("max_pool", layer, (stream.wire, wire), dataflow.max_pool(taps, windows), {"TAPS": taps})
    draft.finish(layer, replace(stream, wire=wire, image=image, values=math.prod(image)))


def _avg_pool(draft: Draft, layer: Layer) -> None:
    stream = draft.own_lanes(layer)
    window = draft.window(layer, stream)
    taps, windows = math.prod(window.kernel), window.out_rows * window.out_columns * window.blocks
    stream = draft.sliding_window(layer, stream, window, 1, taps * windows * stream.lanes)
    _mean(draft, layer, stream, taps, (taps, 1, windows))


def _global_avg_pool(draft: Draft, layer: Layer) -> None:
    stream = draft.own_lanes(layer)
    channels, rows, columns = stream.image
    _mean(draft, layer, stream, rows * columns, (rows * columns, channels // stream.lanes, 1))


def _mean(draft: Draft, layer: Layer, stream: Stream, count: int, shape: tuple[int, int, int]) -> None:
    """Sums of ``count`` values – ``shape``: pixels and beats of each, sums – divided where that is no shift."""
    source, image = stream.format, draft.image(layer)
    exact = smallest_format(min(source.min_int * count, -1), source.max_int * count, source.frac)
    wire = draft.wire(f"{layer.name}_sum")
    pixels, blocks, sums = shape
    numbers = {"PIXELS": pixels, "BLOCKS": blocks}
    draft.append("accumulate", layer, (stream.wire, wire), dataflow.accumulate(pixels, blocks, sums), numbers)
    result = replace(stream, wire=wire, format=exact, image=image, values=math.prod(image))
    if count & (count - 1) == 0:
        shifted = FixedPoint(exact.width, exact.frac + count.bit_length() - 1)
        return draft.finish(layer, replace(result, format=shifted))
    division = dataflow.Division.of(exact, count, draft.format(layer.output))
    timing = dataflow.divide(result.beats, division.bits)
    return draft.finish(layer, draft.pointwise("divide", layer, result, "mean", division.quotient, timing))


def _pad(draft: Draft, layer: Layer) -> None:
    stream, padding = draft.own_lanes(layer), layer.attrs["padding"]
    blocks, (rows, columns) = stream.image[0] // stream.lanes, stream.image[1:]
    numbers = {"BLOCKS": blocks, "ROWS": rows, "COLUMNS": columns}
    numbers |= dict(zip(("TOP", "LEFT", "BOTTOM", "RIGHT"), padding, strict=True))
    _moved(draft, layer, stream, "pad", "padded", dataflow.pad(blocks, (rows, columns), padding), numbers)


def _upsample(draft: Draft, layer: Layer) -> None:
    stream, factor = draft.own_lanes(layer), layer.attrs["factor"]
    blocks = stream.image[0] // stream.lanes
    numbers = {"BLOCKS": blocks, "COLUMNS": stream.image[2], "FACTOR_Y": factor[0], "FACTOR_X": factor[1]}
    _moved(draft, layer, stream, "upsample", "repeated", dataflow.upsample(stream.beats, factor), numbers)


def _moved(
    draft: Draft, layer: Layer, stream: Stream, module: str, name: str, timing: dataflow.Timing,
    numbers: Mapping[str, int],
) -> None:  # fmt: skip
    wire, image = draft.wire(f"{layer.name}_{name}"), draft.image(layer)
    draft.append(module, layer, (stream.wire, wire), timing, numbers)
    draft.finish(layer, replace(stream, wire=wire, image=image, values=math.prod(image)))


def _threshold(draft: Draft, layer: Layer) -> None:
    stream, exact = draft.own_lanes(layer), draft.accumulator(layer)
    steps = draft.network.tensors[layer.params["thresholds"]].shape[1]
    timing = dataflow.threshold(stream.beats, steps)
    draft.finish(layer, draft.pointwise("threshold", layer, stream, "steps", exact, timing))


def _batch_norm(draft: Draft, layer: Layer) -> None:
    stream, exact = draft.own_lanes(layer), draft.accumulator(layer)
    factor = draft.format(layer.params["scale"])
    products = multiplier(stream.format.width, factor.width, (draft.folding(layer) or Folding()).multiplier)
    in_dsp = products.rows_per_dsp > 0
    count = parts(stream.format) * parts(factor) if in_dsp else 1
    timing = dataflow.scale(stream.beats, 1 if in_dsp else products.steps, count)
    draft.finish(layer, draft.pointwise("scale", layer, stream, "scale", exact, timing))


def _lookup(draft: Draft, layer: Layer) -> None:
    stream, fmt = draft.own_lanes(layer), draft.format(layer.params["table"])
    draft.finish(layer, draft.pointwise("lookup", layer, stream, "table", fmt, dataflow.lookup(stream.beats)))


def _argmax(draft: Draft, layer: Layer) -> None:
    stream = draft.own_lanes(layer)
    fmt = exact_format(draft.network, layer)
    wire = draft.wire(f"{layer.name}_place")
    numbers = {"LANES": stream.lanes, "BLOCKS": stream.beats}
    draft.append("argmax", layer, (stream.wire, wire), dataflow.argmax(stream.beats, stream.lanes), numbers)
    draft.finish(layer, Stream(wire, fmt, 1, (1, 1, 1), 1))


_OUTLINES: Mapping[str, Callable[[Draft, Layer], None]] = {
    "input": _input,
    "output": _same,
    "requantise": _same,
    "flatten": _same,
    "relu": _clip,
    "clip": _clip,
    "add": _add,
    "concat": _concat,
    "dense": _dense,
    "conv2d": _conv2d,
    "max_pool2d": _max_pool,
    "global_max_pool": _max_pool,
    "avg_pool2d": _avg_pool,
    "global_avg_pool": _global_avg_pool,
    "pad2d": _pad,
    "upsample2d": _upsample,
    "threshold": _threshold,
    "batch_norm": _batch_norm,
    "lookup": _lookup,
    "argmax": _argmax,
}
