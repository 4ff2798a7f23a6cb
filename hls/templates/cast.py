# SPDX-License-Identifier: Apache-2.0
"""The one cast at the end of every layer, with the clipping of relu and clip in front of it."""

from hls.templates.unit import Unit, bits64, expect_modes
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow

ROUNDINGS = ("TRN", "RND", "RND_CONV")  # by the code of the module's parameter ROUNDING
OVERFLOWS = ("WRAP", "SAT")  # by the code of SATURATE
MAX_BITS = 64


def is_identity(source: FixedPoint, target: FixedPoint) -> bool:
    """Whether a cast without clipping changes no bit."""
    return source.width == target.width and source.frac == target.frac and source.signed == target.signed


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
    """Clip, round, then wrap or saturate.

    Args:
        wires: in and out.
        beats: per image.
        clip: smallest integer, largest integer, their fractional bits.

    Raises:
        UnsupportedError: a mode outside :data:`ROUNDINGS` and :data:`OVERFLOWS`, or more than 64 bits on the way.
    """
    expect_modes(layer, target, ROUNDINGS, OVERFLOWS)
    common = max(source.frac, target.frac, clip[2] if clip else source.frac)
    left, right = common - source.frac, common - target.frac
    low, high = source.min_int << left, source.max_int << left
    bounds = (clip[0] << (common - clip[2]), clip[1] << (common - clip[2])) if clip else (low, high)
    saturate = int(target.overflow == "SAT")
    on_the_way = [low, high, *bounds, *((target.min_int, target.max_int) if saturate else ())]
    width = max(right + 2, *(_signed_bits(value) for value in on_the_way))
    if width > MAX_BITS:
        raise UnsupportedError(
            f"{layer}: the cast from {source} to {target} needs {width} bits on the way; expected at most {MAX_BITS}; "
            "bring the formats closer together"
        )
    parameters: dict[str, int | str] = {
        "LANES": lanes,
        "IN_WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "WIDTH": width,
        "LEFT": left,
        "RIGHT": right,
        "ROUNDING": ROUNDINGS.index(target.rounding),
        "SATURATE": saturate,
        "OUT_WIDTH": target.width,
        "CLIP_LOW": bits64(bounds[0]),
        "CLIP_HIGH": bits64(bounds[1]),
        "OUT_LOW": bits64(target.min_int if saturate else 0),
        "OUT_HIGH": bits64(target.max_int if saturate else 0),
    }
    return Unit(name, "cast", layer, parameters, dataflow.cast(beats), (wires[0],), (wires[1],))


def _signed_bits(value: int) -> int:
    return (value if value >= 0 else ~value).bit_length() + 1
