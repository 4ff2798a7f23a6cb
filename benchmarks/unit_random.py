# SPDX-License-Identifier: Apache-2.0
"""Units of hls/rtl with random parameters, as layers of small networks have them, for template_resources.py."""

from collections.abc import Callable, Mapping

import numpy as np

from hls.templates.argmax import argmax
from hls.templates.cast import cast
from hls.templates.lookup import lookup
from hls.templates.matrix_vector import accumulator, matrix_vector
from hls.templates.max_pool import max_pool
from hls.templates.mean import accumulate, divide
from hls.templates.operands import Operands
from hls.templates.ram import line_words
from hls.templates.scale import scale
from hls.templates.shape import concat, pad, upsample
from hls.templates.sliding_window import sliding_window
from hls.templates.sparse import sparse_matrix_vector
from hls.templates.streams import add, fifo, stream_fork, width_converter
from hls.templates.threshold import threshold
from hls.templates.unit import Unit
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format
from hwsim.fpga.dataflow import Timing, Window

IO, NAME = ("in", "out"), ("unit", "layer")
WIDTHS = ((8, 8), (8, 8), (4, 4), (8, 4), (6, 6), (16, 12), (2, 2), (8, 2), (5, 8), (12, 8), (3, 5), (7, 7), (4, 8))
LANES = (1, 1, 2, 3, 4, 6, 8, 16)
MOST_WEIGHTS, MOST_PRODUCTS, MOST_PRODUCT_BITS = 9000, 64, 2500  # larger units take minutes
MOST_DEEP_BITS = 200_000
NO_TIMING = Timing(1, 1, 1, 1)  # of parts that are no layer's

Random = np.random.Generator


def units(module: str, count: int, seed: int) -> list[Unit]:
    """Random units of a module; parameters that no template takes are drawn anew."""
    return _made(MAKERS[module], count, np.random.default_rng([seed, sorted(MAKERS).index(module)]))


def deep_units(module: str, count: int, seed: int) -> list[Unit]:
    """Random units of a module of DEEP, whose weights fill several banks of block RAM."""
    return _made(DEEP[module], count, np.random.default_rng([seed, 1, sorted(DEEP).index(module)]))


def _made(maker: Callable[[Random], Unit], count: int, pick: Random) -> list[Unit]:
    made: list[Unit] = []
    while len(made) < count:
        try:
            made.append(maker(pick))
        except UnsupportedError:
            continue
    return made


def _any(pick: Random, *choices: int) -> int:
    return int(pick.choice(choices))


def _word(pick: Random, *choices: str) -> str:
    return str(pick.choice(choices))


def _format(pick: Random, width: int, frac: int, rounds: bool = False) -> FixedPoint:
    if not rounds:
        return FixedPoint(width, frac, bool(pick.integers(2)))
    modes = _word(pick, "TRN", "RND", "RND_CONV"), _word(pick, "WRAP", "SAT")
    return FixedPoint(width, frac, bool(pick.integers(2)), *modes)


def _filled(pick: Random, shape: tuple[int, ...], fmt: FixedPoint) -> np.ndarray:
    return pick.integers(fmt.min_int, fmt.max_int + 1, shape)


def _operands(pick: Random, shape: tuple[int, int, int]) -> Operands:
    """Random matrices with biases of 0, 8 or 16 bits, in the accumulator that their formats ask for."""
    x, w = WIDTHS[int(pick.integers(len(WIDTHS)))] if pick.random() < 0.7 else pick.integers(2, 11, 2).tolist()
    source, weight = _format(pick, int(x), 4), FixedPoint(int(w), 3)
    offset = FixedPoint(_any(pick, 1, 8, 8, 16), 7)
    if offset.width == 1:  # none
        offset = FixedPoint(1, source.frac + weight.frac)
    frac = max(source.frac + weight.frac, offset.frac)
    left, right = frac - source.frac - weight.frac, frac - offset.frac
    ends = [x * w for x in (source.min_int, source.max_int) for w in (weight.min_int, weight.max_int)]
    low = (min(ends) * shape[-1] << left) + (offset.min_int << right)
    high = (max(ends) * shape[-1] << left) + (offset.max_int << right)
    exact = accumulator("layer", smallest_format(low, high, frac))
    matrices = _filled(pick, shape, weight)
    bias = _filled(pick, shape[:2], offset) if offset.width > 1 else np.zeros(shape[:2], int)
    return Operands(matrices, bias, source, weight, offset, exact)


def _folding(pick: Random, pe: int, simd: int, bits: int) -> Folding:
    memory, multiplier = _word(pick, "auto", "block", "logic"), _word(pick, "auto", "lut", "dsp")
    if pe * simd > MOST_PRODUCTS or pe * simd * bits > MOST_PRODUCT_BITS:
        raise UnsupportedError("too large")
    return Folding(pe, simd, memory=memory, multiplier=multiplier)


def _matrix(pick: Random) -> Unit:
    parallel = _any(pick, 1, 1, 1, 1, 2, 4, 8)
    if parallel > 1:  # depthwise: filters of several channels side by side
        each, simd, turns = _any(pick, 1, 1, 1, 2), 1, _any(pick, 1, 2, 4, 8)
        pe, rows, columns = parallel * each, parallel * each, _any(pick, 4, 9, 9, 25)
    else:
        pe, simd, turns = _any(pick, 1, 2, 3, 4, 6, 8, 16), _any(pick, 1, 2, 3, 4, 8, 9, 16, 32), 1
        rows, columns = pe * _any(pick, 1, 2, 4, 8, 16), simd * _any(pick, 1, 2, 4, 8, 9, 16, 36)
    operands = _operands(pick, (turns, rows, columns))
    folding = _folding(pick, pe, simd, operands.source.width * operands.weight.width)
    if turns * rows * columns > MOST_WEIGHTS:
        raise UnsupportedError("too large")
    return matrix_vector(*NAME, IO, operands, folding, turns, parallel)


def _deep(pick: Random) -> tuple[Operands, Folding]:
    """A folding with few products, and weights for it in several banks."""
    pe, simd = _any(pick, 1, 2, 2, 4), _any(pick, 1, 1, 2, 3)
    rows, columns = pe * _any(pick, 16, 32, 48), simd * _any(pick, 36, 72, 144, 200)
    operands = _operands(pick, (1, rows, columns))
    depth, bits = rows * columns // (pe * simd), pe * simd * operands.weight.width
    if depth * bits > MOST_DEEP_BITS or line_words(bits, depth) >= depth:
        raise UnsupportedError("too large, or one bank")
    return operands, Folding(pe, simd, memory=_word(pick, "auto", "block"))


def _deep_matrix(pick: Random) -> Unit:
    operands, folding = _deep(pick)
    return matrix_vector(*NAME, IO, operands, folding, 1)


def _deep_sparse(pick: Random) -> Unit:
    operands, folding = _deep(pick)
    _, rows, columns = operands.matrices.shape
    dropped = pick.random((rows // folding.pe, columns // folding.simd)) < 0.2
    operands.matrices[0, dropped.repeat(folding.pe, axis=0).repeat(folding.simd, axis=1)] = 0
    return sparse_matrix_vector(*NAME, IO, operands, folding, 1)


def _sparse(pick: Random) -> Unit:
    pe, simd = _any(pick, 1, 2, 3, 4, 8, 16), _any(pick, 1, 2, 3, 4, 8, 9, 16)
    rows, columns = pe * _any(pick, 1, 2, 4, 8, 16), simd * _any(pick, 2, 4, 8, 9, 16, 36)
    operands = _operands(pick, (1, rows, columns))
    folding = _folding(pick, pe, simd, operands.source.width * operands.weight.width)
    if rows * columns > MOST_WEIGHTS:
        raise UnsupportedError("too large")
    dropped = pick.random((rows // pe, columns // simd)) < pick.uniform(0.2, 0.8)
    operands.matrices[0, dropped.repeat(pe, axis=0).repeat(simd, axis=1)] = 0
    return sparse_matrix_vector(*NAME, IO, operands, folding, 1)


def _window(pick: Random) -> Unit:
    lanes, blocks = _any(pick, *LANES), _any(pick, 1, 1, 2, 3, 4, 8)
    rows, columns = (_any(pick, 6, 7, 8, 12, 14, 16, 28, 32, 56) for _ in range(2))
    kernel = _any(pick, 1, 2, 3, 3, 3, 4, 5)
    across = kernel if pick.random() < 0.8 else _any(pick, 1, 2, 3, 5)
    stride, dilation = _any(pick, 1, 1, 2, 3), _any(pick, 1, 1, 1, 1, 2)
    pads = tuple(_any(pick, 0, (size - 1) // 2) for size in (kernel, across)) * 2
    spans = [dilation * (size - 1) + 1 for size in (kernel, across)]
    out = [(size + 2 * pad - span) // stride + 1
           for size, pad, span in zip((rows, columns), pads, spans, strict=False)]  # fmt: skip
    if min(out) < 1:
        raise UnsupportedError("no window")
    groups, passes = _any(pick, 1, 1, blocks), _any(pick, 1, 2, 4)
    geometry = Window(blocks, rows, columns, (kernel, across), (stride, stride), (dilation, dilation), pads, *out)
    source = _format(pick, _any(pick, 4, 8, 8, 8, 12, 16), 4)
    return sliding_window(*NAME, IO, geometry, source, lanes, groups=groups, passes=passes)


def _fifo(pick: Random) -> Unit:
    depth = _any(pick, 2, 2, 3, 4, 5, 8, 16, 20, 32, 33, 64, 100, 128, 256, 400, 512, 1024, 1500, 2048)
    return fifo(*NAME, IO, _any(pick, *range(1, 33), 40, 48, 64, 96, 128, 160, 184), max(64, depth), depth)


def _cast(pick: Random) -> Unit:
    wide, out = int(pick.integers(6, 41)), int(pick.integers(1, 17))
    source = FixedPoint(wide, int(pick.integers(0, wide)), bool(pick.integers(4)))
    target = _format(pick, out, min(out, int(pick.integers(0, 9))), rounds=True)
    relu = (0, source.max_int, source.frac) if pick.integers(2) else None
    return cast(*NAME, IO, source, target, _any(pick, *LANES), 16, relu)


def _add(pick: Random) -> Unit:
    wires = tuple("abcd"[: _any(pick, 2, 2, 3, 4)])
    return add(*NAME, wires, "out", FixedPoint(int(pick.integers(4, 25)), 4), _any(pick, *LANES), 64)


def _fork(pick: Random) -> Unit:
    return stream_fork(*NAME, "in", tuple("abcdef"[: _any(pick, 2, 3, 4, 5, 6)]), int(pick.integers(1, 129)), 64)


def _converter(pick: Random) -> Unit:
    few, ratio, width = _any(pick, 1, 2, 3, 4), _any(pick, 2, 3, 4, 5, 8, 16), int(pick.integers(2, 17))
    lanes = (few, few * ratio) if pick.integers(2) else (few * ratio, few)
    return width_converter(*NAME, IO, width, lanes, 64)


def _max_pool(pick: Random) -> Unit:
    source = _format(pick, int(pick.integers(2, 17)), 2)
    return max_pool(*NAME, IO, source, _any(pick, *LANES), _any(pick, 2, 4, 6, 9, 16, 25, 49), 64)


def _lookup(pick: Random) -> Unit:
    source, result = _format(pick, int(pick.integers(3, 13)), 2), _format(pick, int(pick.integers(2, 17)), 2)
    values = np.round(np.tanh(np.linspace(-3, 3, 1 << source.width)) * result.max_int).astype(int)
    if pick.integers(2):
        values = _filled(pick, (1 << source.width,), result)
    folding = Folding(_any(pick, 1, 2, 3, 4, 8), memory=_word(pick, "auto", "auto", "block", "logic"))
    if folding.memory == "logic" and source.width > 9:
        raise UnsupportedError("too large")
    return lookup(*NAME, IO, (source.min_int, values), (source, result), folding, 64)


def _threshold(pick: Random) -> Unit:
    lanes, blocks = _any(pick, 1, 2, 4, 8), _any(pick, 1, 2, 4, 8, 16)
    steps = _any(pick, 1, 3, 3, 7, 15)
    if lanes * steps > 40:
        raise UnsupportedError("too large")
    source = _format(pick, int(pick.integers(8, 25)), 4)
    params = np.sort(_filled(pick, (lanes * blocks, steps), source)), np.zeros(lanes * blocks, int)
    start, slope = FixedPoint(_any(pick, 1, 2, 4), 0), FixedPoint(2, 0)
    exact = FixedPoint(max(start.width, steps.bit_length()) + 2, 0)
    folding = Folding(lanes, memory=_word(pick, "auto", "auto", "logic"))
    formats = source, source, start, slope
    return threshold(*NAME, IO, (*params, np.ones(lanes * blocks, int)), formats, exact, folding, blocks)


def _scale(pick: Random) -> Unit:
    lanes, blocks = _any(pick, 1, 2, 4, 8), _any(pick, 1, 2, 4, 8, 16)
    source, factor = _format(pick, int(pick.integers(8, 29)), 4), _format(pick, int(pick.integers(4, 20)), 3)
    shift = FixedPoint(int(pick.integers(8, 20)), 4)
    exact = FixedPoint(max(source.width + factor.width, shift.width + 3) + 2, 7)
    params = _filled(pick, (lanes * blocks,), factor), _filled(pick, (lanes * blocks,), shift)
    folding = Folding(lanes, multiplier=_word(pick, "auto", "lut", "dsp"), memory=_word(pick, "auto", "logic"))
    return scale(*NAME, IO, params, (source, factor, shift), exact, folding, blocks)


def _argmax(pick: Random) -> Unit:
    lanes, blocks = _any(pick, 1, 1, 2, 4, 5, 8), _any(pick, 1, 2, 5, 10, 25, 100, 250)
    place = FixedPoint(max(1, (lanes * blocks - 1).bit_length()), 0, False)
    if lanes * blocks < 2:
        raise UnsupportedError("one class")
    return argmax(*NAME, IO, _format(pick, int(pick.integers(4, 25)), 4), place, lanes, lanes * blocks)


def _accumulate(pick: Random) -> Unit:
    source, pixels = _format(pick, int(pick.integers(4, 17)), 4), _any(pick, 4, 9, 16, 25, 49, 64, 196)
    exact = smallest_format(min(source.min_int * pixels, -1), source.max_int * pixels, source.frac)
    blocks = _any(pick, 1, 2, 3, 4, 8, 16, 32, 64, 128, 512)
    return accumulate(*NAME, IO, source, exact, _any(pick, *LANES), (pixels, blocks, 1))


def _divide(pick: Random) -> Unit:
    divisor = _any(pick, 3, 9, 25, 36, 49, 63, 81, 100, 121, 144, 169, 196, 225, 1000)
    width, frac = int(pick.integers(8, 25)), int(pick.integers(2, 9))
    target = _format(pick, 8, int(pick.integers(1, 9)), rounds=True)
    return divide(*NAME, IO, FixedPoint(width, frac), divisor, target, _any(pick, 1, 2, 3, 4, 8), 16)


def _concat(pick: Random) -> Unit:
    count = _any(pick, 2, 2, 3, 4)
    blocks = [_any(pick, 1, 2, 4, 8, 16) for _ in range(count)]
    return concat(*NAME, tuple("abcd"[:count]), "out", int(pick.integers(4, 129)), 64, blocks)


def _pad(pick: Random) -> Unit:
    image = _any(pick, 6, 8, 14, 28, 32, 56), _any(pick, 6, 8, 14, 28, 32, 56)
    padding = tuple(int(each) for each in pick.integers(0, 4, 4))
    return pad(*NAME, IO, int(pick.integers(4, 97)), _any(pick, 1, 2, 4, 8), image, padding)  # type: ignore[arg-type]


def _upsample(pick: Random) -> Unit:
    image, factor = (_any(pick, 4, 7, 8, 14, 16, 32), _any(pick, 4, 7, 8, 14, 16, 32, 64)), (_any(pick, 1, 2, 2, 3), 2)
    return upsample(*NAME, IO, int(pick.integers(4, 97)), _any(pick, 1, 2, 4, 8), image, factor)


def _control(pick: Random) -> Unit:
    beats, stamps = _any(pick, 1, 4, 10, 49, 64, 256, 784, 1024, 3072), 1 << _any(pick, *range(1, 11))
    parameters: dict[str, int | str] = {
        "NETWORK": f"64'h{int(pick.integers(1 << 62)):016x}", "BEATS_IN": beats,
        "OUT_BYTES": _any(pick, 1, 2, 3, 4, 5, 8, 16), "STAMPS": stamps,
    }  # fmt: skip
    return Unit("control", "control", "", parameters, NO_TIMING, (), ())


def _frame_last(pick: Random) -> Unit:
    parameters: dict[str, int | str] = {"WIDTH": 8 * _any(pick, 1, 2, 4, 8), "BEATS": int(pick.integers(1, 2000))}
    return Unit("last", "frame_last", "", parameters, NO_TIMING, (), ())


#: By module: a random unit of it with weights in several banks of block RAM.
DEEP: Mapping[str, Callable[[Random], Unit]] = {"matrix_vector": _deep_matrix, "sparse_matrix_vector": _deep_sparse}

#: By module: a random unit of it.
MAKERS: Mapping[str, Callable[[Random], Unit]] = {
    "accumulate": _accumulate,
    "add": _add,
    "argmax": _argmax,
    "cast": _cast,
    "concat": _concat,
    "control": _control,
    "divide": _divide,
    "fifo": _fifo,
    "frame_last": _frame_last,
    "lookup": _lookup,
    "matrix_vector": _matrix,
    "max_pool": _max_pool,
    "pad": _pad,
    "scale": _scale,
    "sliding_window": _window,
    "sparse_matrix_vector": _sparse,
    "stream_fork": _fork,
    "threshold": _threshold,
    "upsample": _upsample,
    "width_converter": _converter,
}
