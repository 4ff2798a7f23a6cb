# SPDX-License-Identifier: Apache-2.0
"""Maxima, sums and means."""

from hwsim.fpga.dataflow.timing import Timing

DIVIDE_STEPS = 2  # in front of and behind the division itself (hls/rtl/divide.sv)


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
