# SPDX-License-Identifier: Apache-2.0
"""What stands between layers, and what passes a beat in every cycle."""

from hwsim.fpga.dataflow.timing import Timing

CAST_STEPS = 2  # hls/rtl/cast.sv


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
