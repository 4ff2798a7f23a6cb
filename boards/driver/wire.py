# SPDX-License-Identifier: Apache-2.0
"""Messages between a host and a worker on a board: one line of JSON, then the bytes of the arrays that it names."""

from __future__ import annotations

import json
import math
from typing import Any, BinaryIO

import numpy as np

MAX_LINE = 64 << 20
MAX_ARRAY_BYTES = 4 << 30
_KINDS = "iuf"


def send(stream: BinaryIO, message: dict[str, Any], *arrays: np.ndarray) -> None:
    """Write one message with arrays of numbers."""
    solid = [np.ascontiguousarray(array) for array in arrays]
    heads = [{"dtype": array.dtype.str, "shape": list(array.shape)} for array in solid]
    stream.write(json.dumps({**message, "arrays": heads}).encode() + b"\n")
    for array in solid:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read one message.

    Raises:
        EOFError: the other side is gone.
        ValueError: what came is no message.
    """
    line = stream.readline(MAX_LINE)
    if not line.endswith(b"\n"):
        raise EOFError("the other side has closed the connection")
    try:
        message = json.loads(line)
        heads = [
            (np.dtype(head["dtype"]), tuple(int(size) for size in head["shape"])) for head in message.pop("arrays")
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"expected a message, got {line[:80]!r}") from error
    return message, [_array(stream, kind, shape) for kind, shape in heads]


def _array(stream: BinaryIO, kind: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    size = kind.itemsize * math.prod(shape)
    if kind.kind not in _KINDS or min(shape, default=0) < 0 or size > MAX_ARRAY_BYTES:
        raise ValueError(f"got an array of {kind} and shape {shape}; expected plain numbers")
    data = bytearray()
    while len(data) < size:
        part = stream.read(size - len(data))
        if not part:
            raise EOFError("the other side has closed the connection")
        data += part
    return np.frombuffer(data, kind).reshape(shape)
