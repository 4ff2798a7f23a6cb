# SPDX-License-Identifier: Apache-2.0
"""hls4ml's table activations (nnet_activation.h), entry by entry, as its C simulation fills and reads them.

Tables are computed in float32 where C++ says ``float`` and in double elsewhere. An index is the input times a power of
two, cut towards zero into a 32-bit ``int``, and limited to the table.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from hwsim.fixed import FixedPoint, IntArray

Float = np.float32
_OVERFLOW = np.float32(np.inf)


def _exp(x: np.float32) -> np.float32:
    """std::exp(float)."""
    try:
        return Float(math.exp(float(x)))
    except OverflowError:
        return _OVERFLOW


def _sigmoid(x: np.float32) -> float:
    return float(Float(1.0 / float(Float(1) + _exp(Float(-x)))))


def _tanh(x: np.float32) -> float:
    return float(Float(math.tanh(float(x))))


def _softplus(x: np.float32) -> float:
    return float(Float(math.log(float(_exp(x)) + 1.0)))


def _softsign(x: np.float32) -> float:
    return float(Float(float(x) / (abs(float(x)) + 1.0)))


def _elu(x: np.float32) -> float:
    return float(Float(float(_exp(x)) - 1.0))


def _selu(x: np.float32) -> float:
    scaled = 1.6732632423543772848170429916717 * (float(_exp(x)) - 1.0)
    return float(Float(1.0507009873554804934193349852946 * scaled))


@dataclass(frozen=True)
class Table:
    """One function of nnet_activation.h: its values, and how its table is addressed.

    The entries lie ``span / size`` apart: around 0, or from 0 downwards where span is negative (elu and selu, whose
    tables serve negative inputs only). ``span`` is also what the input times the size is divided by.
    """

    function: Callable[[np.float32], float]
    span: int

    def entries(self, size: int, fmt: FixedPoint) -> IntArray:
        """The table of ``size`` integers of table_t."""
        middle = float(size) / 2.0 if self.span > 0 else 0.0
        places = [Float(self.span * (i - middle) / float(size)) for i in range(size)]
        return fmt.quantise([self.function(place) for place in places])

    def index(self, codes: IntArray, fmt: FixedPoint, size: int) -> IntArray:
        """The entry that each integer of the input's format reads."""
        quotient = _towards_zero(codes * size, abs(self.span)) * (1 if self.span > 0 else -1)
        place = _int32(_towards_zero(quotient, 1 << fmt.frac) if fmt.frac >= 0 else quotient << -fmt.frac)
        first = size // 2 if self.span > 0 else 0
        return np.clip(_int32(place + first), 0, size - 1)


def _towards_zero(values: IntArray, divisor: int) -> IntArray:
    quotient: IntArray = np.sign(values) * (np.abs(values) // divisor)
    return quotient


def _int32(values: IntArray) -> IntArray:
    """What a C++ int keeps of a wider integer."""
    low: IntArray = ((values + (1 << 31)) & 0xFFFF_FFFF) - (1 << 31)
    return low


#: Activation → its table.
TABLES: Mapping[str, Table] = {
    "sigmoid": Table(_sigmoid, 16),
    "tanh": Table(_tanh, 8),
    "softplus": Table(_softplus, 16),
    "softsign": Table(_softsign, 16),
    "elu": Table(_elu, -8),
    "selu": Table(_selu, -8),
}
