# SPDX-License-Identifier: Apache-2.0
"""The IDX file format of MNIST (http://yann.lecun.com/exdb/mnist, section "File formats")."""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwsim.errors import DatasetError
from slimfab.datasets.files import check_sha256, read_bytes

UNSIGNED_BYTE = 0x08


def read_idx(path: Path, shape: tuple[int, ...], sha256: str) -> npt.NDArray[np.uint8]:
    """Read an IDX file of bytes, plain or gzip (by its name), and check everything about it.

    The SHA-256 is that of the uncompressed content: archives repackage the files, and gzip is not reproducible.

    Raises:
        DatasetError: the file is unreadable, truncated, of another kind or shape, or its content differs.
    """
    content = read_bytes(path)
    if path.suffix == ".gz":
        content = _uncompress(path, content)
    array = parse_idx(path, content)
    if array.shape != shape:
        raise DatasetError(
            f"{path}: got an array of shape {array.shape}; expected {shape}; the file is of another data set"
        )
    check_sha256(path, content, sha256)
    return array


def parse_idx(path: Path, content: bytes) -> npt.NDArray[np.uint8]:
    """The array in the bytes of an IDX file; ``path`` is for messages."""
    if len(content) < 4 or content[:3] != bytes((0, 0, UNSIGNED_BYTE)) or content[3] == 0:
        raise DatasetError(
            f"{path}: starts with {content[:4].hex(' ') or 'nothing'}; expected 00 00 08 and the number "
            "of dimensions, an IDX file of bytes; replace the file"
        )
    header = 4 + 4 * content[3]
    shape = tuple(int(size) for size in np.frombuffer(content[4:header].ljust(header - 4, b"\0"), dtype=">u4"))
    if len(content) != header + prod(shape):
        raise DatasetError(
            f"{path}: holds {len(content)} bytes; expected {header + prod(shape)} for an array of shape "
            f"{shape}; the file is truncated or damaged; replace it"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _uncompress(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: not a complete gzip file ({error}); it is truncated or damaged; replace it"
        ) from error
