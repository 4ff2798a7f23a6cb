# SPDX-License-Identifier: Apache-2.0
"""The values that a chain of element-wise layers takes: whole multiples of a unit, from its last cast or thresholds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.staircase import IntArray, Step, run_steps

Array = npt.NDArray[Any]

GRIDS = ("requantise", "threshold")
_BOUNDING = ("relu", "clip", "output", "sigmoid", "tanh", "hard_sigmoid")
_MONOTONE = (*GRIDS, *_BOUNDING, "batch_norm", "leaky_relu")
#: What a chain may consist of; the last three rise and fall.
ELEMENTWISE = (*_MONOTONE, "gelu", "silu", "hard_swish")
_AFTER_GRID = ("batch_norm", "relu", "clip", "output")


class Lattice(NamedTuple):
    """The values a chain takes: ``unit`` (C,) times the integers ``levels``."""

    unit: Array
    levels: range


def last_grid(steps: Sequence[Step]) -> int | None:
    """Where a chain last takes values on a grid; None where it does not."""
    found = [index for index, step in enumerate(steps) if step.layer.op in GRIDS]
    return found[-1] if found else None


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
        ends = _cast(_bounds(steps[:index], channels), grid.format)
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


def levels_at(
    steps: Sequence[Step], fmt: FixedPoint, lattice: Lattice, x: IntArray, precision: npt.DTypeLike = np.float32
) -> IntArray:
    """Levels of a chain at the integers x (points, channels) of ``fmt``, up to its last grid in ``precision``.

    Raises:
        UnsupportedError: a value is none of the levels.
    """
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


def is_monotone(steps: Sequence[Step], fmt: FixedPoint, channels: int) -> bool:
    """Whether a chain rises or falls all the way: no cast of it wraps, and every function of it does so."""
    for step in steps:
        if step.layer.op not in ELEMENTWISE:
            raise UnsupportedError(
                f"{step.layer.name}: {step.layer.op} has no exact integer form; end the network before it"
            )
    if any(step.layer.op not in _MONOTONE or step.layer.attrs.get("alpha", 0.0) < 0.0 for step in steps):
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


def _bounds(steps: Sequence[Step], channels: int) -> Array:
    """Smallest and largest value that steps can give of any number whatever, (2, channels)."""
    everything = np.array([[-np.inf], [np.inf]]).repeat(channels, axis=1)
    ends = everything
    for step in steps:
        if step.layer.op == "batch_norm":
            scale = step.params["scale"]
            ends = np.sort(np.where(scale == 0.0, 0.0, ends) * scale + step.params["shift"], axis=0)
        elif step.layer.op in _BOUNDING:
            ends = run_steps([replace(step, format=None)], ends, np.float64)
        elif step.layer.op != "requantise":
            ends = everything
        if step.format is not None:
            ends = _cast(ends, step.format)
    return ends


def _cast(ends: Array, fmt: FixedPoint) -> Array:
    """The range of a cast; all that the format holds where values beyond it wrap."""
    low, high = fmt.to_real(fmt.min_int), fmt.to_real(fmt.max_int)
    if fmt.overflow not in ("SAT", "SAT_SYM") and (np.any(ends < low) or np.any(ends > high)):
        return np.stack([np.full(ends.shape[1], low), np.full(ends.shape[1], high)])
    return fmt.to_real(fmt.quantise(np.clip(ends, low, high)))


def _is_whole(values: Array) -> bool:
    # What float32 scales and offsets leave of whole numbers: their rounding, relative to the value.
    return bool(np.all(np.abs(values - np.rint(values)) <= 2.0**-20 * np.maximum(1.0, np.abs(values))))
