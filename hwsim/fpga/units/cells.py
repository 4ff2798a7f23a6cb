# SPDX-License-Identifier: Apache-2.0
"""What units are counted in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
