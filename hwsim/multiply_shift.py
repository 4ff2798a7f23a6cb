# SPDX-License-Identifier: Apache-2.0
"""A staircase as an integer multiplication, an addition and a shift, proved to have the same steps.

Requantisation is usually approximated: a real factor becomes an integer times a power of two, and results differ
somewhere. Here the factor is searched such that they differ nowhere. A channel's level ``l`` begins at the integer
``first[l]`` if and only if ``m * first[l] + b`` reaches the edge of ``l`` and ``m * (first[l] - 1) + b`` does not, two
linear inequalities in m and b. As both sides rise with x, they prove equality over the whole range.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.staircase import IntArray, Staircase

Array = npt.NDArray[Any]

_MAX_BITS = 61  # products and sums stay below what the executor computes exactly
# A search by thirds shortens its interval by a third each time: 128 times reach the end of float64.
_THIRDS = 128
_UNBOUNDED = np.int64(1 << 62)


class MultiplyShift(NamedTuple):
    """``level = clip(round((multiplier * x + addend) / 2**shift))``, per channel, rounded by an ap_fixed mode."""

    multiplier: IntArray
    addend: IntArray
    shift: int
    rounding: str


def find_multiply_shift(staircase: Staircase) -> MultiplyShift | None:
    """The multiply-and-shift of the fewest bits with exactly the steps of ``staircase``; None if there is none.

    Truncation is tried first, since the addend holds any constant; ties to even are needed where a step lies on a tie.
    """
    if staircase.stride != 1:
        return None
    for rounding in ("TRN", "RND_CONV"):
        slope = _widest_slope(staircase, 0.5 if rounding == "RND_CONV" else 0.0)
        for shift in range(rounding == "RND_CONV", _MAX_BITS):
            if _bits(staircase, slope, shift) > _MAX_BITS:
                break
            found = _at_shift(staircase, slope, shift, rounding)
            if found is not None:
                multiplier, addend = found
                return MultiplyShift(multiplier * staircase.sign, addend, shift, rounding)
    return None


def _bits(staircase: Staircase, slope: Array, shift: int) -> int:
    """Width of the largest product or sum at some shift."""
    top = int(np.abs(slope).max(initial=0.0) * 2.0**shift) + 1
    reach = max(-staircase.low_x, staircase.high_x, 1)
    return (2 * top * reach + (max(abs(staircase.low), abs(staircase.high)) + 1 << shift)).bit_length()


def _edges(staircase: Staircase, shift: int, rounding: str) -> IntArray:
    """The smallest numerator that is rounded to each level but the lowest, (steps,)."""
    levels = np.arange(staircase.low + 1, staircase.high + 1, dtype=np.int64)
    if rounding == "TRN":
        return levels << shift
    # halfway up from the level below; that tie itself goes to the even one of the two
    return (levels << shift) - (1 << (shift - 1)) + (levels & 1)


def _at_shift(staircase: Staircase, slope: Array, shift: int, rounding: str) -> tuple[IntArray, IntArray] | None:
    """Multiplier and addend of every channel at one shift: integers on either side of the best slope, checked."""
    below = np.floor(slope * 2.0**shift).astype(np.int64)
    edges = _edges(staircase, shift, rounding)
    multiplier, addend = np.zeros_like(below), np.zeros_like(below)
    missing = np.ones(below.shape, dtype=bool)
    for candidate in (below, below + 1):
        lowest, highest = _addends(staircase, candidate, edges)
        chosen = missing & (lowest <= highest)
        multiplier = np.where(chosen, candidate, multiplier)
        addend = np.where(chosen, np.clip(0, lowest, highest), addend)
        missing &= ~chosen
        if not missing.any():
            return multiplier, addend
    return None


def _addends(staircase: Staircase, multiplier: IntArray, edges: IntArray) -> tuple[IntArray, IntArray]:
    """The smallest and largest addend with which a multiplier has the steps of its channel."""
    smallest, largest = (end[:, None] for end in staircase.ends)
    reached = edges - multiplier[:, None] * staircase.firsts
    missed = edges - 1 - multiplier[:, None] * (staircase.firsts - 1)
    lowest = np.where(staircase.firsts <= largest, reached, -_UNBOUNDED).max(axis=1, initial=-_UNBOUNDED)
    highest = np.where(staircase.firsts > smallest, missed, _UNBOUNDED).min(axis=1, initial=_UNBOUNDED)
    return lowest, highest


def _widest_slope(staircase: Staircase, half: float) -> Array:
    """The slope of the line through the middle of all steps: that with the widest choice of offsets, (C,).

    The width is a concave function of the slope, so a search by thirds finds its maximum, and at any shift only the
    integers next to it need to be tried.
    """
    firsts = staircase.firsts.astype(np.float64)
    levels = np.arange(staircase.low + 1, staircase.high + 1) - half
    smallest, largest = (end[:, None] for end in staircase.ends)
    floor = np.where(staircase.firsts <= largest, levels, -np.inf)
    ceiling = np.where(staircase.firsts > smallest, levels, np.inf)

    def width(slope: Array) -> Array:
        column = slope[:, None]
        lowest = (floor - column * firsts).max(axis=1, initial=-np.inf)
        gap: Array = (ceiling - column * (firsts - 1.0)).min(axis=1, initial=np.inf) - lowest
        return gap

    left, right = np.zeros(len(floor)), np.full(len(floor), float(staircase.steps + 1))
    for _ in range(_THIRDS):
        third = (right - left) / 3.0
        first, second = left + third, right - third
        is_first = width(first) >= width(second)
        left, right = np.where(is_first, left, first), np.where(is_first, second, right)
    middle: Array = 0.5 * (left + right)
    return middle
