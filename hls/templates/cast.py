# SPDX-License-Identifier: Apache-2.0
"""The one cast at the end of every layer, with the clipping of relu and clip in front of it."""

from hls.templates.unit import Unit, bits64, expect_modes
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow

ROUNDINGS = ("TRN", "RND", "RND_CONV")  # by the code of the module's parameter ROUNDING
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
    smallest, largest = (_rounded(value, source.frac, target) for value in (source.min_int, source.max_int))
    low, high = (_rounded(value, clip[2], target) for value in clip[:2]) if clip else (smallest, largest)
    if target.overflow == "SAT":
        low, high = (min(max(value, target.min_int), target.max_int) for value in (low, high))
    left, right = max(0, target.frac - source.frac), max(0, source.frac - target.frac)
    width = max(2, *(_signed_bits(value) for value in (smallest, largest, low, high)))
    if width + right > MAX_BITS:
        raise UnsupportedError(
            f"{layer}: the cast from {source} to {target} needs {width + right} bits on the way; expected at most "
            f"{MAX_BITS}; bring the formats closer together"
        )
    parameters: dict[str, int | str] = {
        "LANES": lanes,
        "IN_WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "LEFT": left,
        "RIGHT": right,
        "ROUNDING": ROUNDINGS.index(target.rounding),
        "WIDTH": width,
        "HAS_LOW": int(low > smallest),
        "HAS_HIGH": int(high < largest),
        "LOW": bits64(low),
        "HIGH": bits64(high),
        "OUT_WIDTH": target.width,
    }
    return Unit(name, "cast", layer, parameters, dataflow.cast(beats), (wires[0],), (wires[1],))


def _rounded(value: int, frac: int, target: FixedPoint) -> int:
    """``value / 2**frac`` on the target's grid, by its rounding, however large."""
    if frac <= target.frac:
        return value << (target.frac - frac)
    step = 1 << (frac - target.frac)
    down, rest = divmod(value, step)
    up = {"TRN": False, "RND": 2 * rest >= step, "RND_CONV": 2 * rest > step or (2 * rest == step and down % 2 == 1)}
    return down + int(up[target.rounding])


def _signed_bits(value: int) -> int:
    return (value if value >= 0 else ~value).bit_length() + 1
