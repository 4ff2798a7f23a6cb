# SPDX-License-Identifier: Apache-2.0
"""What a cast between fixed-point formats has to compute: shift, round, limit (hls/rtl/cast.sv)."""

from dataclasses import dataclass

from hwsim.fixed import FixedPoint

ROUNDINGS = ("TRN", "RND", "RND_CONV")  # by the code of the module's parameter ROUNDING


@dataclass(frozen=True)
class CastNumbers:
    """A cast in integers: shifts by ``left`` or ``right`` bits, the ``width`` of rounded values with their sign.

    A limit counts only where ``has_low`` or ``has_high`` is set: where some value lies beyond it.
    """

    left: int
    right: int
    width: int
    has_low: bool
    has_high: bool
    low: int
    high: int


def cast_numbers(source: FixedPoint, target: FixedPoint, clip: tuple[int, int, int] | None = None) -> CastNumbers:
    """Clip, round, then wrap or saturate: in hardware, round, then limit.

    Args:
        clip: smallest integer, largest integer, their fractional bits.
    """
    smallest, largest = (rounded(value, source.frac, target) for value in (source.min_int, source.max_int))
    low, high = (rounded(value, clip[2], target) for value in clip[:2]) if clip else (smallest, largest)
    if target.overflow == "SAT":
        low, high = (min(max(value, target.min_int), target.max_int) for value in (low, high))
    left, right = max(0, target.frac - source.frac), max(0, source.frac - target.frac)
    width = max(2, *(_signed_bits(value) for value in (smallest, largest, low, high)))
    return CastNumbers(left, right, width, low > smallest, high < largest, low, high)


def rounded(value: int, frac: int, target: FixedPoint) -> int:
    """``value / 2**frac`` on the target's grid, by its rounding, however large."""
    if frac <= target.frac:
        return value << (target.frac - frac)
    step = 1 << (frac - target.frac)
    down, rest = divmod(value, step)
    up = {"TRN": False, "RND": 2 * rest >= step, "RND_CONV": 2 * rest > step or (2 * rest == step and down % 2 == 1)}
    return down + int(up[target.rounding])


def _signed_bits(value: int) -> int:
    return (value if value >= 0 else ~value).bit_length() + 1
