# SPDX-License-Identifier: Apache-2.0
"""What stands between layers, and what passes a beat in every cycle."""

import math

from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow.timing import Timing

CAST_STEPS = 2  # hls/rtl/cast.sv
MAX_WIDENING = 4
MIN_DEPTH = 2  # a FIFO of one word could not pass a word in every cycle (hls/rtl/fifo.sv)


def is_identity(source: FixedPoint, target: FixedPoint) -> bool:
    """Whether a cast without clipping changes no bit."""
    return source.width == target.width and source.frac == target.frac and source.signed == target.signed


def cast(beats: int) -> Timing:
    """``beats`` beats through a cast."""
    return Timing(beats, beats, beats - 1 + CAST_STEPS, beats)


def fifo(beats: int) -> Timing:
    """``beats`` beats through an empty FIFO."""
    return Timing(beats, beats, beats, beats)


def width_converter(beats_in: int, lanes_in: int, lanes_out: int) -> Timing:
    """``beats_in`` beats of ``lanes_in`` values become beats of ``lanes_out``; one of the two divides the other."""
    beats_out = beats_in * lanes_in // lanes_out
    if lanes_in == lanes_out:
        return Timing(beats_in, beats_out, beats_in - 1, beats_in)
    return Timing(beats_in, beats_out, max(beats_in, beats_out), max(beats_in, beats_out))


def stream_fork(beats: int) -> Timing:
    """``beats`` beats to several readers; combinational."""
    return Timing(beats, beats, beats - 1, beats)


def add(beats: int, count: int) -> Timing:
    """The sums of ``count`` streams of ``beats`` beats."""
    return Timing(beats, beats, beats - 1 + (count - 1).bit_length(), beats)


def conversion_steps(lanes_in: int, lanes_out: int) -> tuple[int, ...]:
    """The lane counts a stream goes through: directly where one divides the other.

    Others meet in a common multiple, which slows neither side, unless it is over :data:`MAX_WIDENING` times as wide;
    then in a common divisor, where a beat carries less than on either side.
    """
    multiple = math.lcm(lanes_in, lanes_out)
    common = multiple if multiple <= MAX_WIDENING * max(lanes_in, lanes_out) else math.gcd(lanes_in, lanes_out)
    steps = [lanes_in]
    for lanes in (common, lanes_out):
        if lanes != steps[-1]:
            steps.append(lanes)
    return tuple(steps)
