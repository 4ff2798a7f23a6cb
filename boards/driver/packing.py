# SPDX-License-Identifier: Apache-2.0
"""Real numbers to integers, integers to the bytes that the DMA engine moves, and back: vectorised, and saturating.

A beat carries its first value in the low bits, is little endian, and is padded with zeros to whole words.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import DataError
from .manifest import Port

Array = npt.NDArray[Any]

# Whether a fraction of exactly one half rounds up, given the floor and whether the number is negative
# (AMD UG1399, "Arbitrary Precision Fixed-Point Data Types").
_HALVES: dict[str, Callable[[Array, Array], Array | bool]] = {
    "RND": lambda floor, negative: True,
    "RND_MIN_INF": lambda floor, negative: False,
    "RND_INF": lambda floor, negative: ~negative,
    "RND_ZERO": lambda floor, negative: negative,
}


def container(port: Port) -> np.dtype[Any]:
    """The smallest numpy integers that hold the port's values."""
    bits = next(size for size in (8, 16, 32, 64) if port.width <= size)
    return np.dtype(("i" if port.signed else "u") + str(bits // 8))


def quantise(port: Port, reals: Array) -> Array:
    """(N, *shape) real numbers → integers of the port: rounded as its format says, and saturated.

    Raises:
        DataError: a number is not finite.
    """
    floats: Array = np.asarray(reals, np.float32 if _is_exact(port, reals) else np.float64)
    scaled = floats / port.scale
    # A sum is finite if all its terms are; it may overflow only where a term is already out of every format's range.
    if not np.isfinite(scaled.sum(dtype=np.float64)) and not np.isfinite(scaled).all():
        raise DataError(f"input: got {np.count_nonzero(~np.isfinite(scaled))} values that are not finite; clean them")
    rounded = _rounded(scaled, port.rounding)
    integers: Array = np.clip(rounded, port.low, port.high, out=rounded).astype(container(port))
    if port.width > np.finfo(np.float64).nmant:  # the upper end was rounded up to a power of two
        np.minimum(integers, port.high, out=integers)
    return integers


def _is_exact(port: Port, reals: Array) -> bool:
    """Whether float32 data stay exact in float32: the scale is a power of two, and integers fit the mantissa."""
    return bool(np.asarray(reals).dtype == np.float32 and math.frexp(port.scale)[0] == 0.5 and port.width <= 24)


def _rounded(scaled: Array, rounding: str) -> Array:
    """Whole numbers; ``scaled`` is used again."""
    simple = {"RND_CONV": np.rint, "TRN_ZERO": np.trunc, "TRN": np.floor}
    if rounding in simple:
        whole: Array = simple[rounding](scaled, out=scaled)
        return whole
    floor: Array = np.floor(scaled)
    rest = scaled - floor
    rounded: Array = floor + ((rest > 0.5) | ((rest == 0.5) & _HALVES[rounding](floor, scaled < 0)))
    return rounded


def check(port: Port, integers: Array) -> Array:
    """(N, *shape) integers as they are.

    Raises:
        DataError: they are of another shape or leave the port's range.
    """
    given = np.asarray(integers)
    if given.ndim == 0 or given.shape[1:] != port.shape:
        raise DataError(f"input: got shape {given.shape}; expected (N, {', '.join(map(str, port.shape))})")
    if given.dtype.kind not in "iu":
        raise DataError(f"input: got {given.dtype} data; expected integers or real numbers")
    full = given.dtype.itemsize * 8 == port.width and (given.dtype.kind == "i") == port.signed
    if not full and given.size and not (port.low <= given.min() and given.max() <= port.high):
        raise DataError(
            f"input: got integers from {given.min()} to {given.max()}; expected {port.low} to {port.high}; "
            "give real numbers to have them quantised"
        )
    return given


def pack(port: Port, integers: Array, out: Array) -> None:
    """Write (N, *shape) integers into ``out``, N·beats·word_bytes bytes, in the order in which they travel."""
    pixels_first = integers.reshape(len(integers), port.image[0], -1).transpose(0, 2, 1)
    kind = _whole_words(port)
    if kind is not None:  # one pass over memory
        target = out.view(kind).reshape(pixels_first.shape)
        np.copyto(target, pixels_first, casting="unsafe")
        if port.signed and port.width < 8 * kind.itemsize:
            target &= kind.type((1 << port.width) - 1)  # the sign's copies above the value
        return
    values = np.ascontiguousarray(pixels_first, container(port)).reshape(len(integers), -1)
    words = out.reshape(-1, port.word_bytes)
    if port.width in (8, 16, 32):
        bytes_in = values.astype(f"<i{port.width // 8}", copy=False).reshape(len(words), port.lanes)
        words[:, : port.data_bytes] = bytes_in.view(np.uint8)
    else:
        lanes = values.astype(np.int64, copy=False).reshape(-1, port.lanes, 1)
        bits = (lanes >> np.arange(port.width)).astype(np.uint8) & 1
        words[:, : port.data_bytes] = np.packbits(bits.reshape(len(words), -1), axis=1, bitorder="little")
    words[:, port.data_bytes :] = 0


def _whole_words(port: Port) -> np.dtype[Any] | None:
    """The integers that memory consists of where a word is one value, or values without anything between them."""
    if port.lanes == 1 and port.word_bytes in (1, 2, 4, 8):
        return np.dtype(f"<u{port.word_bytes}")
    if port.width in (8, 16, 32) and port.word_bytes == port.data_bytes:
        return np.dtype(f"<u{port.width // 8}")
    return None


def unpack(port: Port, memory: Array) -> Array:
    """N·beats·word_bytes bytes → a new array of (N, *shape) integers."""
    words = memory.reshape(-1, port.word_bytes)
    count, kind = len(words) // port.beats, _whole_words(port)
    if kind is not None:
        values = _extended(port, words.view(kind))
    elif port.width in (8, 16, 32):
        bytes_out = np.ascontiguousarray(words[:, : port.data_bytes])
        values = bytes_out.view(f"<{'i' if port.signed else 'u'}{port.width // 8}").astype(container(port), copy=False)
    else:
        bits = np.unpackbits(words[:, : port.data_bytes], axis=1, count=port.lanes * port.width, bitorder="little")
        lanes = bits.reshape(len(words), port.lanes, port.width).astype(np.int64)
        values = _extended(port, (lanes << np.arange(port.width)).sum(axis=-1))
    pixels = values.reshape(count, -1, port.image[0])
    return np.array(pixels.transpose(0, 2, 1), order="C").reshape((count, *port.shape))  # memory is used again


def _extended(port: Port, raw: Array) -> Array:
    """Bits of values, with zeros above them → values."""
    kind = container(port)
    if raw.dtype.itemsize == kind.itemsize and (not port.signed or port.width == 8 * kind.itemsize):
        return raw.view(kind)
    if not port.signed:
        return raw.astype(kind)
    unused = 8 * kind.itemsize - port.width
    return (raw.astype(kind) << unused) >> unused


def checksum(port: Port, memory: Array, before: int) -> int:
    """The design's checksum: CRC-32 over words without their padding, after bytes whose own is ``before``."""
    if port.word_bytes != port.data_bytes:
        memory = np.ascontiguousarray(memory.reshape(-1, port.word_bytes)[:, : port.data_bytes])
    return zlib.crc32(memory.data, before)
