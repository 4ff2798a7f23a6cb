# SPDX-License-Identifier: Apache-2.0
"""Integers to the bytes of AXI4-Stream beats and back: the first value of a beat in the low bits."""

import numpy as np
import numpy.typing as npt

from hls.dataflow import Array, Stream


def pack(stream: Stream, values: Array) -> npt.NDArray[np.uint8]:
    """(N, values per image) integers in the stream's order → (beats, bytes) of TDATA, little endian."""
    width = stream.format.width
    lanes = values.astype(np.int64).reshape(-1, stream.lanes)
    bits = ((lanes[..., None] >> np.minimum(np.arange(width), 63)) & 1).astype(np.uint8)
    return np.packbits(bits.reshape(len(lanes), -1), axis=1, bitorder="little")


def unpack(stream: Stream, beats: npt.NDArray[np.uint8]) -> Array:
    """(beats, bytes) of TDATA → (beats, lanes) integers."""
    width = stream.format.width
    bits = np.unpackbits(beats, axis=1, count=width * stream.lanes, bitorder="little")
    lanes = bits.reshape(len(beats), stream.lanes, width).astype(np.int64)
    values: Array = (lanes << np.arange(width)).sum(axis=-1)
    if stream.format.signed and width < 64:
        values -= lanes[..., -1] << width
    return values


def from_hex(text: str, size: int) -> npt.NDArray[np.uint8]:
    """Beats as a simulation writes them, one hexadecimal number a line → (beats, size) bytes, little endian."""
    lines = text.split()
    joined = b"".join(bytes.fromhex(line.zfill(2 * size))[::-1] for line in lines)
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(lines), size)


def to_stream(stream: Stream, images: Array) -> Array:
    """(N, *shape) integers in golden order → (N, values per image) in the stream's order."""
    arranged: Array = images.reshape(len(images), -1)[:, stream.order]
    return arranged


def from_stream(stream: Stream, values: Array, shape: tuple[int, ...]) -> Array:
    """(N, values per image) integers in the stream's order → (N, *shape) in golden order."""
    golden = np.empty_like(values)
    golden[:, stream.order] = values
    return golden.reshape(len(values), *shape)
