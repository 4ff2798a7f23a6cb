# SPDX-License-Identifier: Apache-2.0
"""Maxima, sums and means."""

from dataclasses import dataclass

from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow.timing import Timing

DIVIDE_STEPS = 2  # in front of and behind the division itself (hls/rtl/divide.sv)


@dataclass(frozen=True)
class Division:
    """Sums divided by a constant and rounded once, at the binary point of what they become.

    Numerators lie from ``low`` to ``high``; with ``offset`` denominators added, none is negative, and all have
    ``width`` bits.
    """

    low: int
    high: int
    denominator: int
    width: int
    target: FixedPoint

    @classmethod
    def of(cls, total: FixedPoint, divisor: int, target: FixedPoint) -> "Division":
        """The division of sums of format ``total`` by ``divisor`` for results of format ``target``."""
        left, right = max(0, target.frac - total.frac), max(0, total.frac - target.frac)
        low, high, denominator = total.min_int << left, total.max_int << left, divisor << right
        width = max((high - denominator * (low // denominator)).bit_length(), total.width + left)
        return cls(low, high, denominator, width, target)

    @property
    def offset(self) -> int:
        """In denominators."""
        return -(self.low // self.denominator)

    @property
    def quotient(self) -> FixedPoint:
        """The signed format, with the target's binary point, of every rounded quotient."""
        most = max((self.high // self.denominator + 1).bit_length(), (self.low // self.denominator).bit_length())
        return FixedPoint(most + 1, self.target.frac)

    @property
    def bits(self) -> int:
        """Bits of a quotient that are found one per cycle, with the one that says how to round."""
        return self.width - (self.denominator.bit_length() - 1) + int(self.target.rounding != "TRN")


def max_pool(taps: int, windows: int) -> Timing:
    """The maxima of ``windows`` windows of ``taps`` beats each."""
    return Timing(taps * windows, windows, taps * windows, taps * windows)


def accumulate(pixels: int, blocks: int, sums: int = 1) -> Timing:
    """``sums`` sums over ``pixels`` pixels of ``blocks`` beats each."""
    beats = sums * pixels * blocks
    return Timing(beats, sums * blocks, beats, beats)


def divide(beats: int, bits: int) -> Timing:
    """``beats`` beats through a division by a constant that gives one of ``bits`` bits of the quotient per cycle."""
    return Timing(beats, beats, beats - 1 + bits + DIVIDE_STEPS, beats)
