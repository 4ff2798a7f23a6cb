# SPDX-License-Identifier: Apache-2.0
"""What units are counted in, and the counts that several modules share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

TREE_LEVELS = 12  # of adder trees, more than any has
BITS64 = 64
Array = npt.NDArray[np.float64]
Parameters = Mapping[str, Any]  # numbers, texts, or arrays of them, by parameter
Terms = Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Cells:
    """LUTs, those of them that are memory, flip-flops, DSP48 blocks, 18-kbit block RAMs: arrays of shape (units,)."""

    lut: Array
    lutram: Array
    ff: Array
    dsp: Array
    bram18: Array


@dataclass(frozen=True, eq=False)
class Parts:
    """What a unit's cells are counted from, arrays of shape (units,).

    ``lut`` and ``ff`` are cells by part, as its source says; each counts as often as a fitted constant tells, because
    synthesis shares and simplifies. ``lutram``, which is LUTs besides, ``dsp`` and ``bram18`` are exact.
    """

    lut: Terms
    ff: Terms
    lutram: Array | float = 0.0
    dsp: Array | float = 0.0
    bram18: Array | float = 0.0


def number(parameters: Parameters, name: str) -> Array:
    """A parameter as floats of shape (units,); SystemVerilog's 64-bit constants are in two's complement."""
    values = parameters[name]
    if isinstance(values, str):
        values = signed64(values)
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def signed64(constant: str) -> int:
    """The number that a constant like 64'hffffffffffffffff spells."""
    value = int(constant.partition("'h")[2], 16)
    return value - ((value >> (BITS64 - 1)) << BITS64)


def style(parameters: Parameters) -> npt.NDArray[np.str_]:
    """Where a unit's constants are kept: "auto", "block" or "luts", without quotes."""
    return np.char.strip(np.atleast_1d(np.asarray(parameters["MEMORY"], dtype=np.str_)), '"')


def bits(values: Array) -> Array:
    """Bits of a counter from 0 to values - 1, at least 1 (SystemVerilog's $clog2)."""
    return np.maximum(np.ceil(np.log2(np.maximum(values, 2.0))), 1.0)


def counter(values: Array) -> Array:
    """The same, 0 where there is nothing to count."""
    return np.where(values > 1, bits(values), 0.0)


def wrap(values: Array) -> Array:
    """Bits of a counter that has to be set back: those of a power of two come round by themselves."""
    return np.where(np.log2(np.maximum(values, 1.0)) % 1 > 0, bits(values), 0.0)


def ones(values: Array, width: Array) -> Array:
    """How many of the lowest ``width`` bits of whole numbers, in two's complement, are 1."""
    masks = (np.uint64(1) << np.minimum(width, BITS64 - 1).astype(np.uint64)) - np.uint64(1)
    found = np.bitwise_count(values.astype(np.int64).view(np.uint64) & masks)
    return np.asarray(found, dtype=np.float64)


def tree(terms: Array, width: Array, grows: bool) -> Array:
    """Bits of all adders of a tree of ``terms`` numbers of ``width`` bits; a number without another is a register.

    Args:
        grows: every level is a bit wider than the one before.
    """
    return _levels(terms, width, grows, np.floor)


def tree_registers(terms: Array, width: Array, grows: bool) -> Array:
    """Bits of all registers of such a tree."""
    return _levels(terms, width, grows, np.ceil)


def _levels(terms: Array, width: Array, grows: bool, round_half: np.ufunc) -> Array:
    left, total = np.broadcast_arrays(np.asarray(terms, dtype=np.float64), np.zeros_like(width))
    most = int(np.ceil(np.log2(max(float(left.max(initial=1.0)), 1.0))))
    for level in range(1, min(most, TREE_LEVELS) + 1):
        total = total + np.where(left > 1, round_half(left / 2), 0.0) * (width + level * grows)
        left = np.ceil(left / 2)
    return np.asarray(total, dtype=np.float64)
