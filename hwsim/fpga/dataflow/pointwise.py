# SPDX-License-Identifier: Apache-2.0
"""Thresholds, scaling, tables and the place of the largest."""

from hwsim.fpga.dataflow.timing import Timing

THRESHOLD_STEPS = 4  # two operand registers, comparison, the terms of the result (hls/rtl/threshold.sv)
OPERAND_STEPS = 2  # registers behind a memory (hls/rtl/rom.sv)


def threshold(beats: int, steps: int) -> Timing:
    """``beats`` beats through staircases of ``steps`` thresholds.

    A tree counts what is reached, another one sums the start and one term per bit of the count.
    """
    trees = (steps - 1).bit_length() + steps.bit_length().bit_length()
    return Timing(beats, beats, beats - 1 + THRESHOLD_STEPS + trees, beats)


def scale(beats: int, multiply: int, parts: int) -> Timing:
    """``beats`` beats through multipliers of ``multiply`` cycles; a tree sums ``parts`` products and the shift."""
    return Timing(beats, beats, beats - 1 + OPERAND_STEPS + multiply + parts.bit_length(), beats)


def lookup(beats: int) -> Timing:
    """``beats`` beats through the register of an address and a table."""
    return Timing(beats, beats, beats - 1 + 1 + OPERAND_STEPS, beats)


def argmax(beats: int, lanes: int) -> Timing:
    """The place of the largest of ``beats`` beats of ``lanes`` values."""
    return Timing(beats, 1, beats + (lanes - 1).bit_length(), beats)
