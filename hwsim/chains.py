# SPDX-License-Identifier: Apache-2.0
"""A chain of element-wise layers over the integers of one tensor, as integer operators that equal it everywhere.

Few steps become thresholds. Many become a batch norm – multiply, add, cast – whose steps are proved equal
(:mod:`hwsim.multiply_shift`), or a cast alone. What is neither becomes a table where all channels agree and the
integers are few.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format
from hwsim.lattice import Lattice, is_monotone, lattice_of, levels_at
from hwsim.multiply_shift import MultiplyShift, find_multiply_shift
from hwsim.staircase import IntArray, Staircase, Step, find_staircase
from hwsim.tabulate import MAX_TABLE_BITS

Array = npt.NDArray[Any]

# Comparators and stored thresholds double with every bit of the result, a multiplier hardly grows: up to four bits.
MAX_STEPS = 15
# A bisection holds channels x steps integers: 2**24 of them are 128 MiB.
_MAX_SEARCHED = 1 << 24


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


def close(steps: Sequence[Step], fmt: FixedPoint, channels: int) -> Closed:
    """Integer layers that equal a chain on every integer of ``fmt``.

    Raises:
        UnsupportedError: the chain takes no few evenly spaced values, or no integer operator equals it.
    """
    lattice = lattice_of(steps, channels)
    if channels * len(lattice.levels) > _MAX_SEARCHED:
        raise UnsupportedError(
            f"{steps[-1].layer.name}: {channels} channels with {len(lattice.levels)} levels each are too many to prove "
            f"equal; expected at most {_MAX_SEARCHED} in all; quantise to fewer bits"
        )
    closed = _by_steps(steps, fmt, lattice) if is_monotone(steps, fmt, channels) else None
    return closed or _by_table(steps, fmt, lattice)


def _by_steps(steps: Sequence[Step], fmt: FixedPoint, lattice: Lattice) -> Closed | None:
    """Thresholds, or a multiplication with the steps of float32, else with those of float64, else nothing."""
    frac = _fitting_frac(lattice)
    staircase = _staircase(steps, fmt, lattice, np.float32)
    where = f"over {fmt.min_int}..{fmt.max_int}"
    if staircase.steps <= MAX_STEPS:
        note = f"{staircase.steps} threshold{'s' if staircase.steps > 1 else ''} per channel {where}"
        return Closed((_threshold(staircase, fmt, frac),), lattice.unit * 2.0**frac, note)
    proved, found = staircase, find_multiply_shift(staircase)
    if found is None:
        proved = _staircase(steps, fmt, lattice, np.float64)
        found = find_multiply_shift(proved)
    if found is None:
        return None
    kind = "multiply and shift"
    if np.all(found.multiplier == 1):
        kind, frac = "shift", fmt.frac - found.shift  # on this grid it is a cast
    note = f"{kind} by {found.shift}, {staircase.steps} steps proved {where}"
    differing = int(np.count_nonzero(proved.firsts != staircase.firsts))
    if differing:
        note += f"; float32 rounds {differing} of {staircase.firsts.size} steps elsewhere"
    return Closed(_multiply_shift(found, proved, fmt, frac), lattice.unit * 2.0**frac, note)


def _fitting_frac(lattice: Lattice) -> int:
    """Fractional bits that leave a scale of 1 up to 2 (of the first channel); exactly 1 for powers of two."""
    return 1 - int(np.frexp(lattice.unit[0])[1])


def _staircase(steps: Sequence[Step], fmt: FixedPoint, lattice: Lattice, precision: npt.DTypeLike) -> Staircase:
    def level(x: IntArray) -> IntArray:
        return levels_at(steps, fmt, lattice, x, precision)

    return find_staircase(level, len(lattice.unit), fmt.min_int, fmt.max_int, lattice.levels)


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


def _by_table(steps: Sequence[Step], fmt: FixedPoint, lattice: Lattice) -> Closed:
    name, chain = steps[-1].layer.name, ", ".join(step.layer.op for step in steps)
    if fmt.width > MAX_TABLE_BITS:
        raise UnsupportedError(
            f"{name}: no multiply-and-shift equals {chain} over {fmt.min_int}..{fmt.max_int}; expected at most "
            f"{MAX_TABLE_BITS} bits for a table; quantise in front of it"
        )
    x = np.arange(fmt.min_int, fmt.max_int + 1)[:, None].repeat(len(lattice.unit), axis=1)
    levels = levels_at(steps, fmt, lattice, x)
    if np.any(levels != levels[:, :1]):
        raise UnsupportedError(
            f"{name}: no multiply-and-shift equals {chain}, whose channels differ; expected one function for a table; "
            "quantise in front of it"
        )
    frac = _fitting_frac(lattice)
    target = smallest_format(lattice.levels[0], lattice.levels[-1], frac)
    part = Part("lookup", target, {"table": (levels[:, 0], target)}, {"first": fmt.min_int})
    return Closed((part,), lattice.unit * 2.0**frac, "a table")
