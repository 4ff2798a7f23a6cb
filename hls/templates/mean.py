# SPDX-License-Identifier: Apache-2.0
"""Means: a sum, and its division by the number of values, rounded once.

A power of two is divided by in the cast that follows, any other number bit by bit, with the exact remainder.
"""

from hls.templates.ram import bank_words
from hls.templates.unit import Unit, bits64, expect_modes
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow
from hwsim.fpga.casts import ROUNDINGS

MAX_BITS = 62  # of the shifted sum


def accumulate(
    name: str,
    layer: str,
    wires: tuple[str, str],
    source: FixedPoint,
    total: FixedPoint,
    lanes: int,
    shape: tuple[int, int, int],
) -> Unit:
    """Sums of pixels, channel by channel.

    Args:
        wires: in and out.
        total: the signed format of the sums, at the source's binary point.
        shape: pixels per sum, beats per pixel, sums per image.
    """
    pixels, blocks, sums = shape
    parameters: dict[str, int | str] = {
        "LANES": lanes,
        "IN_WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "ACC_WIDTH": total.width,
        "PIXELS": pixels,
        "BLOCKS": blocks,
        "BANK": bank_words(lanes * total.width, blocks),
    }
    timing = dataflow.accumulate(pixels, blocks, sums)
    return Unit(name, "accumulate", layer, parameters, timing, (wires[0],), (wires[1],))


def divide(
    name: str,
    layer: str,
    wires: tuple[str, str],
    total: FixedPoint,
    divisor: int,
    target: FixedPoint,
    lanes: int,
    beats: int,
) -> Unit:
    """Sums divided by ``divisor`` (at least 3, no power of two), rounded to the target's binary point in its mode.

    The result has the quotient of :class:`~hwsim.fpga.dataflow.Division`; the target's overflow is left to a cast.

    Raises:
        UnsupportedError: a rounding the hardware lacks, or more than 62 bits on the way.
    """
    expect_modes(layer, target, ROUNDINGS, (target.overflow,))
    division = dataflow.Division.of(total, divisor, target)
    width, denominator = division.width, division.denominator
    if max(width, denominator.bit_length()) > MAX_BITS or denominator >= 1 << 31:
        raise UnsupportedError(
            f"{layer}: its mean needs {width} bits on the way to {target}; expected at most {MAX_BITS}; bring the "
            "formats closer together"
        )
    parameters: dict[str, int | str] = {
        "LANES": lanes,
        "IN_WIDTH": total.width,
        "LEFT": max(0, target.frac - total.frac),
        "WIDTH": width,
        "DIVISOR": denominator,
        "OFFSET": bits64(division.offset),
        "ROUNDING": ROUNDINGS.index(target.rounding),
        "OUT_WIDTH": division.quotient.width,
    }
    return Unit(name, "divide", layer, parameters, dataflow.divide(beats, division.bits), (wires[0],), (wires[1],))
