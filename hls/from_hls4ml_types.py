# SPDX-License-Identifier: Apache-2.0
"""hls4ml's number types as formats, and its weights as the integers that its C++ reads."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hwsim.errors import FormatError, UnsupportedError
from hwsim.fixed import FixedPoint, IntArray

#: Rounding modes whose result moves by a whole period when the value does, so that they commute with wrapping.
PERIODIC = ("TRN", "RND", "RND_MIN_INF", "RND_CONV")


@dataclass(frozen=True)
class Parameter:
    """Integers of a format; ``binary`` marks hls4ml's ap_uint<1> whose 0 means -1 (the integers are -1 and 1)."""

    ints: IntArray
    format: FixedPoint
    binary: bool = False


def is_binary(precision: Any) -> bool:
    """Whether hls4ml means -1 and 1 by the 0 and 1 of this type."""
    return type(precision).__name__ == "XnorPrecisionType"


def format_of(precision: Any, where: str) -> FixedPoint:
    """The format of an hls4ml precision object; ``where`` begins the message of a refusal.

    Raises:
        UnsupportedError: floating point, powers of two, saturated bits, or more than 64 bits.
    """
    if is_binary(precision):
        return FixedPoint(2, 0)
    kind = type(precision).__name__
    if kind not in ("FixedPrecisionType", "IntegerPrecisionType"):
        raise UnsupportedError(
            f"{where}: got {kind} {precision}; expected a fixed-point or integer type; set one in hls_config"
        )
    try:
        return FixedPoint.parse(str(precision))
    except FormatError as error:
        raise UnsupportedError(f"{where}: {error}") from None


def parameter_of(variable: Any, where: str) -> Parameter:
    """A WeightVariable's values as C++ has them.

    hls4ml prints a value with as many decimals as its type has fractional bits (``WeightVariable.update_precision``)
    and the type's constructor rounds what it reads, so a value beside the grid is rounded twice.

    Raises:
        UnsupportedError: a type without fixed point, or weights that hls4ml compressed.
    """
    precision = variable.type.precision
    if type(variable).__name__ != "WeightVariable":
        raise UnsupportedError(
            f"{where}: got a {type(variable).__name__}; expected plain weights; remove Compression or the power-of-two "
            "quantiser"
        )
    fmt = format_of(precision, where)
    if is_binary(precision):
        return Parameter(np.where(np.asarray(variable.data) > 0, 1, -1).astype(np.int64), fmt, binary=True)
    values = np.asarray(variable.data, dtype=np.float64).copy()
    scaled = values * 2.0**fmt.frac
    beside = scaled != np.rint(scaled)
    decimals = max(0, fmt.frac)
    values[beside] = [float(f"{value:.{decimals}f}") for value in values[beside]]
    return Parameter(fmt.quantise(values), plain(fmt))


def plain(fmt: FixedPoint) -> FixedPoint:
    """The same bits without modes: for values that are integers of the format already."""
    return FixedPoint(fmt.width, fmt.frac, fmt.signed)


def trimmed(parameter: Parameter, bits: int) -> Parameter | None:
    """The same values with ``bits`` fewer fractional bits; None where a value needs them."""
    if np.any(parameter.ints & ((1 << bits) - 1)):
        return None
    fmt = parameter.format
    narrower = FixedPoint(max(fmt.width - bits, 1 + fmt.signed), fmt.frac - bits, fmt.signed)
    return replace(parameter, ints=parameter.ints >> bits, format=narrower)


def settled(target: FixedPoint, exact: FixedPoint) -> FixedPoint:
    """The target format without the modes that change none of the values of ``exact``.

    What needs no rounding is truncated, what cannot overflow wraps, and towards zero is down where nothing is negative.
    """
    rounding, overflow = target.rounding, target.overflow
    down = {"TRN_ZERO": "TRN", "RND_ZERO": "RND_MIN_INF", "RND_INF": "RND"}
    if exact.frac <= target.frac:
        rounding = "TRN"
    elif not exact.signed:
        rounding = down.get(rounding, rounding)
    if _fits(target, exact, rounding):
        overflow = "WRAP"
    elif overflow == "SAT_SYM" and not target.signed:
        overflow = "SAT"
    return replace(target, rounding=rounding, overflow=overflow)


def _fits(target: FixedPoint, exact: FixedPoint, rounding: str) -> bool:
    """Whether no value of ``exact``, rounded, leaves the target's range (that of SAT_SYM where it asks for it)."""
    shift = exact.frac - target.frac
    if shift <= 0:
        low, high = exact.min_int << -shift, exact.max_int << -shift
    else:
        low = exact.min_int >> shift
        high = (exact.max_int >> shift) if rounding == "TRN" else -(-exact.max_int >> shift)
    return target.min_int <= low and high <= target.max_int


def passes_through(inner: FixedPoint, outer: FixedPoint) -> bool:
    """Whether casting to ``inner`` without losing a fractional bit, then to ``outer``, is the second cast alone.

    That holds where both wrap and ``outer`` keeps none of the bits that ``inner`` drops.
    """
    both_wrap = inner.overflow == outer.overflow == "WRAP"
    return both_wrap and outer.integer <= inner.integer and outer.rounding in PERIODIC
