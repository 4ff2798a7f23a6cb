# SPDX-License-Identifier: Apache-2.0
"""What units are counted in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

TREE_LEVELS = 12  # of adder trees, more than any has
Array = npt.NDArray[np.float64]
Parameters = Mapping[str, Any]  # numbers, texts, or arrays of them, by parameter


@dataclass(frozen=True, eq=False)
class Cells:
    """LUTs, DSP48 blocks and 18-kbit block RAMs, arrays of shape (units,)."""

    lut: Array
    dsp: Array
    bram18: Array


def number(parameters: Parameters, name: str) -> Array:
    """A parameter as floats of shape (units,)."""
    return np.atleast_1d(np.asarray(parameters[name], dtype=np.float64))


def bits(values: Array) -> Array:
    """Bits of a counter from 0 to values - 1, at least 1 (SystemVerilog's $clog2)."""
    return np.maximum(np.ceil(np.log2(np.maximum(values, 2.0))), 1.0)


def tree(terms: Array, width: Array, grows: bool) -> Array:
    """Bits of all adders of a tree of ``terms`` numbers of ``width`` bits; a number without another is a register.

    Args:
        grows: every level is a bit wider than the one before.
    """
    left, total = np.broadcast_arrays(np.asarray(terms, dtype=np.float64), np.zeros_like(width))
    for level in range(1, TREE_LEVELS + 1):
        total = total + np.floor(left / 2) * (width + level * grows)
        left = np.ceil(left / 2)
    return np.asarray(total, dtype=np.float64)
