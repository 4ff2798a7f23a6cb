# SPDX-License-Identifier: Apache-2.0
"""Thresholds, scaling, tables and the place of the largest."""

from hwsim.fpga.dataflow.timing import Timing

THRESHOLD_STEPS = 4  # two operand registers, comparison, the terms of the result (hls/rtl/threshold.sv)
SCALE_STEPS = 3  # two operand registers, product (hls/rtl/scale.sv)
LOOKUP_STEPS = 3  # address, two registers behind the table (hls/rtl/lookup.sv)


def threshold(beats: int, steps: int) -> Timing:
    """``beats`` beats through staircases of ``steps`` thresholds.

    A tree counts what is reached, another one sums the start and one term per bit of the count.
    """
    trees = (steps - 1).bit_length() + steps.bit_length().bit_length()
    return Timing(beats, beats, beats - 1 + THRESHOLD_STEPS + trees, beats)


def scale(beats: int, parts: int) -> Timing:
    """``beats`` beats through a multiplication of ``parts`` partial products, summed with the shift in a tree."""
    return Timing(beats, beats, beats - 1 + SCALE_STEPS + parts.bit_length(), beats)


def lookup(beats: int) -> Timing:
    """``beats`` beats through a table."""
    return Timing(beats, beats, beats - 1 + LOOKUP_STEPS, beats)


def argmax(beats: int, lanes: int) -> Timing:
    """The place of the largest of ``beats`` beats of ``lanes`` values."""
    return Timing(beats, 1, beats + (lanes - 1).bit_length(), beats)
