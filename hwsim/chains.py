# SPDX-License-Identifier: Apache-2.0
"""A chain of element-wise layers over the integers of one tensor, as integer operators that equal it everywhere.

few steps    threshold                        (up to 15: four bits)
many steps   batch_norm: multiply, add, cast  with the steps proved equal (:mod:`hwsim.multiply_shift`)
neither      lookup                           where all channels agree and the integers are few
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format
from hwsim.multiply_shift import MultiplyShift, find_multiply_shift
from hwsim.staircase import IntArray, Staircase, Step, find_staircase, run_steps
from hwsim.tabulate import MAX_TABLE_BITS

Array = npt.NDArray[Any]

# Comparators grow with the number of levels, multipliers with their logarithm: four bits is where FINN stops too.
MAX_STEPS = 15
# A bisection holds channels x steps integers: 2**24 of them are 128 MiB.
_MAX_SEARCHED = 1 << 24

GRIDS = ("requantise", "threshold")
_MONOTONE = (
    *GRIDS,
    "batch_norm",
    "relu",
    "clip",
    "output",
    "leaky_relu",
    "sigmoid",
    "tanh",
    "hard_sigmoid",
)
#: What a chain may consist of; the last three rise and fall.
ELEMENTWISE = (*_MONOTONE, "gelu", "silu", "hard_swish")
_AFTER_GRID = ("batch_norm", "relu", "clip", "output")


@dataclass(frozen=True, eq=False)
class Part:
    """An integer layer to be: integer parameters with their formats, and the format of what it writes."""

    op: str
    format: FixedPoint
    params: Mapping[str, tuple[IntArray, FixedPoint]] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Closed:
    """The integer layers of a chain. The chain's value is ``scale`` (C,) times the value of the last one's integers."""

    parts: tuple[Part, ...]
    scale: Array
    note: str


class Lattice(NamedTuple):
    """The values a chain takes: ``unit`` (C,) times the integers ``levels``."""

    unit: Array
    levels: range


def last_grid(steps: Sequence[Step]) -> int | None:
    """Where a chain last takes values on a grid; None where it does not."""
    found = [index for index, step in enumerate(steps) if step.layer.op in GRIDS]
    return found[-1] if found else None


def count_steps(steps: Sequence[Step], channels: int) -> int:
    """How many steps a chain that ends on a grid can have."""
    return len(lattice_of(steps, channels).levels) - 1


def close(steps: Sequence[Step], fmt: FixedPoint, channels: int) -> Closed:
    """Integer layers that equal a chain on every integer of ``fmt``.

    Raises:
        UnsupportedError: the chain takes no few evenly spaced values, or no integer operator equals it.
    """
    name = steps[-1].layer.name
    lattice = lattice_of(steps, channels)
    if channels * len(lattice.levels) > _MAX_SEARCHED:
        raise UnsupportedError(
            f"{name}: {channels} channels with {len(lattice.levels)} levels each are too many to prove equal; expected "
            f"at most {_MAX_SEARCHED} in all; quantise to fewer bits"
        )
    exponent = int(np.frexp(lattice.unit[0])[1]) - 1
    scale, frac = lattice.unit * 2.0**-exponent, -exponent
    if not _is_monotone(steps, fmt, channels):
        return Closed((_table(steps, fmt, lattice, channels, frac),), scale, "a table")
    staircase = _staircase(steps, fmt, lattice, channels, np.float32)
    if staircase.steps <= MAX_STEPS:
        note = f"{staircase.steps} thresholds per channel over {fmt.min_int}..{fmt.max_int}"
        return Closed((_threshold(staircase, fmt, frac),), scale, note)
    found, differing = find_multiply_shift(staircase), 0
    if found is None:
        real = _staircase(steps, fmt, lattice, channels, np.float64)
        found, differing = find_multiply_shift(real), int(np.count_nonzero(real.firsts != staircase.firsts))
        staircase = real
    if found is None:
        return Closed((_table(steps, fmt, lattice, channels, frac),), scale, "a table")
    kind = "multiply and shift"
    if np.all(found.multiplier == 1):
        kind, frac = "shift", fmt.frac - found.shift  # on this grid it is a cast
        scale = lattice.unit * 2.0**frac
    note = f"{kind} by {found.shift}, {staircase.steps} steps proved over {fmt.min_int}..{fmt.max_int}"
    if differing:
        note += f"; float32 rounds {differing} of {staircase.firsts.size} steps elsewhere"
    return Closed(_multiply_shift(found, staircase, fmt, frac), scale, note)


# The values of a chain


def lattice_of(steps: Sequence[Step], channels: int) -> Lattice:
    """The values of a chain, from its last cast or thresholds and what follows them.

    Raises:
        UnsupportedError: they are not evenly spaced about zero, or not known.
    """
    index = last_grid(steps)
    assert index is not None
    grid = steps[index]
    if grid.layer.op == "threshold":
        offset, slope = grid.params["start"], grid.params["slope"]
        unit = np.where(slope == 0.0, 1.0, np.abs(slope))
        ends = np.stack([offset, offset + slope * grid.params["thresholds"].shape[1]])
    elif grid.format is not None:
        unit, offset = np.full(channels, grid.format.step), np.zeros(channels)
        ends = _saturated(_bounds(steps[:index], channels), grid.format)
    else:
        raise UnsupportedError(
            f"{grid.layer.name}: only the width of its result is known; expected its levels; export a Quant node"
        )
    after, even = steps[index + 1 :], True
    for step in after:
        if step.layer.op not in _AFTER_GRID or (step.format is not None and not step.exact):
            raise UnsupportedError(
                f"{step.layer.name}: {step.layer.op} between a quantiser and the layer that reads it; expected scales, "
                "relu or clip there; quantise behind it"
            )
        if step.layer.op == "batch_norm":
            unit = unit * np.abs(step.params["scale"])
            offset = offset * step.params["scale"] + step.params["shift"]
        else:
            even = even and step.layer.op == "output"
    unit = np.where(unit == 0.0, 1.0, unit)
    ends, stride = run_steps(after, ends, np.float64), 1
    if not _is_whole(offset / unit):
        unit = 0.5 * unit  # such as -1, +1: odd multiples of half the distance
        stride = 2 if even else 1
        if not _is_whole(offset / unit):
            raise UnsupportedError(
                f"{grid.layer.name}: its levels are {offset[0]:g} and steps of {2 * unit[0]:g} from it; expected zero "
                "to be such a level or midway between two; choose another zero point"
            )
    whole = np.rint(ends / unit).astype(np.int64)
    return Lattice(unit, range(int(whole.min()), int(whole.max()) + 1, stride))


def _bounds(steps: Sequence[Step], channels: int) -> Array:
    """Smallest and largest value that steps can give of any number whatever, (2, channels)."""
    everything = np.array([[-np.inf], [np.inf]]).repeat(channels, axis=1)
    ends = everything
    for step in steps:
        if step.layer.op == "batch_norm":
            scale = step.params["scale"]
            ends = np.sort(np.where(scale == 0.0, 0.0, ends) * scale + step.params["shift"], axis=0)
        elif step.layer.op not in _MONOTONE:
            ends = everything
        elif step.layer.op not in GRIDS:
            ends = run_steps([replace(step, format=None)], ends, np.float64)
        else:
            ends = everything  # as wide as its format, or as its thresholds
        if step.format is not None:
            ends = _saturated(ends, step.format)
    return ends


def _saturated(ends: Array, fmt: FixedPoint) -> Array:
    clipped = np.clip(ends, fmt.to_real(fmt.min_int), fmt.to_real(fmt.max_int))
    return fmt.to_real(fmt.quantise(clipped))


def _is_whole(values: Array) -> bool:
    # What float32 scales and offsets leave of whole numbers: their rounding, relative to the value.
    return bool(np.all(np.abs(values - np.rint(values)) <= 2.0**-20 * np.maximum(1.0, np.abs(values))))


def _is_monotone(steps: Sequence[Step], fmt: FixedPoint, channels: int) -> bool:
    """Whether a chain rises or falls all the way: no cast of it wraps, and every function of it does so."""
    for step in steps:
        if step.layer.op not in ELEMENTWISE:
            raise UnsupportedError(
                f"{step.layer.name}: {step.layer.op} has no exact integer form; end the network before it"
            )
    if any(step.layer.op not in _MONOTONE for step in steps):
        return False
    ends = fmt.to_real(np.array([[fmt.min_int], [fmt.max_int]])).repeat(channels, axis=1)
    for step in steps:
        target = step.format
        free = run_steps([replace(step, format=None)], ends)
        if target is not None and target.overflow not in ("SAT", "SAT_SYM"):
            low, high = target.to_real(target.min_int), target.to_real(target.max_int)
            if np.any(free < low) or np.any(free > high):
                return False
        ends = run_steps([step], ends)
    return True


def _levels_of(steps: Sequence[Step], fmt: FixedPoint, lattice: Lattice, x: IntArray, precision: Any) -> IntArray:
    """Levels at the integers x (points, channels)."""
    after = (last_grid(steps) or 0) + 1  # where rounding is done, so that float64 does no harm
    values = run_steps(steps[:after], fmt.to_real(x), precision)
    values = run_steps(steps[after:], values, np.float64) / lattice.unit
    whole = np.rint(values)
    if np.any(np.abs(values - whole) > 2.0**-20 * np.maximum(1.0, np.abs(whole))):
        raise UnsupportedError(
            f"{steps[-1].layer.name}: takes a value between the levels of the quantiser before it; expected bounds on "
            "its levels; clip before the quantiser"
        )
    return whole.astype(np.int64)


def _staircase(steps: Sequence[Step], fmt: FixedPoint, lattice: Lattice, channels: int, precision: Any) -> Staircase:
    def level(x: IntArray) -> IntArray:
        return _levels_of(steps, fmt, lattice, x, precision)

    return find_staircase(level, channels, fmt.min_int, fmt.max_int, lattice.levels)


# Integer operators


def _threshold(staircase: Staircase, fmt: FixedPoint, frac: int) -> Part:
    """Formats depend on the ranges alone, not on the thresholds found."""
    thresholds, start, slope = staircase.thresholds()
    target = smallest_format(staircase.low, staircase.high, frac)
    params = {
        "thresholds": (thresholds, smallest_format(staircase.low_x, staircase.high_x + 1, fmt.frac)),
        "start": (start, target),
        "slope": (slope, smallest_format(-staircase.stride, staircase.stride, frac)),
    }
    return Part("threshold", target, params)


def _multiply_shift(found: MultiplyShift, staircase: Staircase, fmt: FixedPoint, frac: int) -> tuple[Part, ...]:
    """One layer that casts and saturates; a clip follows where the levels are not all integers of a format."""
    target = smallest_format(staircase.low, staircase.high, frac)
    ends = np.array([[staircase.low_x], [staircase.high_x]]) * found.multiplier + found.addend
    rounded = FixedPoint(62, 0, True, found.rounding).cast(ends, found.shift)
    low, high = int(rounded.min()), int(rounded.max())
    for overflow in ("WRAP", "SAT", "SAT_SYM"):
        cast = replace(target, rounding=found.rounding, overflow=overflow)
        saturates = overflow != "WRAP"
        is_low_kept = low >= staircase.low or (saturates and cast.min_int == staircase.low)
        is_high_kept = high <= staircase.high or (saturates and cast.max_int == staircase.high)
        if is_low_kept and is_high_kept:
            return (_batch_norm(found, fmt, cast),)
    wide = replace(smallest_format(min(low, staircase.low), max(high, staircase.high), frac), rounding=found.rounding)
    bounds = {"low": staircase.low * target.step, "high": staircase.high * target.step}
    return _batch_norm(found, fmt, wide), Part("clip", target, attrs=bounds)


def _batch_norm(found: MultiplyShift, fmt: FixedPoint, target: FixedPoint) -> Part:
    """A batch norm, or a cast alone where it multiplies by one and adds nothing but what a rounding adds."""
    if np.all(found.multiplier == 1):
        half = 1 << (found.shift - 1) if found.shift and found.rounding == "TRN" else 0
        for addend, rounding in ((0, found.rounding), (half, "RND")):
            if np.all(found.addend == addend):
                return Part("requantise", replace(target, rounding=rounding))
    params = {}
    for role, array, frac in (
        ("scale", found.multiplier, found.shift + target.frac - fmt.frac),
        ("shift", found.addend, found.shift + target.frac),
    ):
        params[role] = (array, smallest_format(int(array.min()), int(array.max()), frac))
    return Part("batch_norm", target, params)


def _table(steps: Sequence[Step], fmt: FixedPoint, lattice: Lattice, channels: int, frac: int) -> Part:
    name, chain = steps[-1].layer.name, ", ".join(step.layer.op for step in steps)
    if fmt.width > MAX_TABLE_BITS:
        raise UnsupportedError(
            f"{name}: no multiply-and-shift equals {chain} over {fmt.min_int}..{fmt.max_int}; expected at most "
            f"{MAX_TABLE_BITS} bits for a table; quantise in front of it"
        )
    x = np.arange(fmt.min_int, fmt.max_int + 1)[:, None].repeat(channels, axis=1)
    levels = _levels_of(steps, fmt, lattice, x, np.float32)
    if np.any(levels != levels[:, :1]):
        raise UnsupportedError(
            f"{name}: no multiply-and-shift equals {chain}, whose channels differ; expected one function for a table; "
            "quantise in front of it"
        )
    table, target = levels[:, 0], smallest_format(lattice.levels[0], lattice.levels[-1], frac)
    return Part("lookup", target, {"table": (table, target)}, {"first": fmt.min_int})
