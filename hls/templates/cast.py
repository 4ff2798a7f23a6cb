# SPDX-License-Identifier: Apache-2.0
"""The one cast at the end of every layer, with the clipping of relu and clip in front of it."""

from hls.templates.unit import Unit, bits64, expect_modes
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow
from hwsim.fpga.casts import ROUNDINGS, cast_numbers

OVERFLOWS = ("WRAP", "SAT")
MAX_BITS = 63  # one bit more than every number on the way, in 64-bit parameters


def cast(
    name: str,
    layer: str,
    wires: tuple[str, str],
    source: FixedPoint,
    target: FixedPoint,
    lanes: int,
    beats: int,
    clip: tuple[int, int, int] | None = None,
) -> Unit:
    """Clip, round, then wrap or saturate: in hardware, round, then limit.

    Args:
        wires: in and out.
        beats: per image.
        clip: smallest integer, largest integer, their fractional bits.

    Raises:
        UnsupportedError: a mode outside :data:`ROUNDINGS` and :data:`OVERFLOWS`, or more than 63 bits on the way.
    """
    expect_modes(layer, target, ROUNDINGS, OVERFLOWS)
    numbers = cast_numbers(source, target, clip)
    bits = numbers.width + numbers.right
    if bits > MAX_BITS:
        raise UnsupportedError(
            f"{layer}: the cast from {source} to {target} needs {bits} bits on the way; expected at most {MAX_BITS}; "
            "bring the formats closer together"
        )
    parameters: dict[str, int | str] = {
        "LANES": lanes,
        "IN_WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "LEFT": numbers.left,
        "RIGHT": numbers.right,
        "ROUNDING": ROUNDINGS.index(target.rounding),
        "WIDTH": numbers.width,
        "HAS_LOW": int(numbers.has_low),
        "HAS_HIGH": int(numbers.has_high),
        "LOW": bits64(numbers.low),
        "HIGH": bits64(numbers.high),
        "OUT_WIDTH": target.width,
    }
    return Unit(name, "cast", layer, parameters, dataflow.cast(beats), (wires[0],), (wires[1],))
