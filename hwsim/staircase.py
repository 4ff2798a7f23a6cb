# SPDX-License-Identifier: Apache-2.0
"""Monotone functions of an integer, known by the points where they step.

Between two integer tensors a network may compute with real numbers: scales, batch norms, activations, and at last a
rounding. However it is written, per channel that is a monotone function from the integers of an accumulator to a few
integer levels, and such a function is known exactly once its steps are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.fixed import FixedPoint
from hwsim.kernels import KERNELS, Value
from hwsim.network import Layer

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Step:
    """One element-wise layer of a chain: its parameters as real numbers, one row per channel, and the cast behind it.

    ``exact`` says that the layer, all before it in the chain included, computes on formats throughout.
    """

    layer: Layer
    params: Mapping[str, Array]
    format: FixedPoint | None = None
    exact: bool = False


@dataclass(frozen=True, eq=False)
class Staircase:
    """``level(x)`` for integers x of ``low_x``..``high_x``, per channel.

    A channel's level is ``low`` plus ``stride`` for every one of its ``firsts`` that ``sign * x`` reaches; a first
    of one more than the largest ``sign * x`` is never reached.
    """

    low_x: int
    high_x: int
    low: int
    stride: int
    sign: IntArray  # (C,): +1 where levels rise with x, -1 where they fall
    firsts: IntArray  # (C, steps)

    @property
    def steps(self) -> int:
        """Number of steps from the lowest to the highest level."""
        return int(self.firsts.shape[1])

    @property
    def high(self) -> int:
        """The highest level."""
        return self.low + self.stride * self.steps

    @property
    def ends(self) -> tuple[IntArray, IntArray]:
        """Smallest and largest ``sign * x`` of every channel, (C,) each."""
        rising = self.sign > 0
        return np.where(rising, self.low_x, -self.high_x), np.where(rising, self.high_x, -self.low_x)

    def thresholds(self) -> tuple[IntArray, IntArray, IntArray]:
        """Thresholds (C, steps), start (C,) and slope (C,) of a ``threshold`` layer, in integers of x and of levels.

        Where levels fall, the count of ``-x >= first`` is the number of steps less that of ``x >= 1 - first``.
        """
        falling = self.sign < 0
        found = np.sort(np.where(falling[:, None], 1 - self.firsts, self.firsts), axis=1)
        return found, np.where(falling, self.high, self.low), self.stride * self.sign


def run_steps(steps: Sequence[Step], x: Array, precision: npt.DTypeLike = np.float32) -> Array:
    """What a chain computes of real numbers (points, channels), in ``precision`` after every operation.

    QONNX, onnxruntime and torch compute in float32, where values meet the ties of a rounding and the zeros of a sign
    that real arithmetic just misses, or the reverse: the mean of a batch norm, 0.75 / 0.1. A scale multiplies in
    float64 before it is rounded, so that the reciprocal of a scale gives the rounded quotient.
    """
    for step in steps:
        if step.layer.op == "batch_norm":
            product = (x * step.params["scale"]).astype(precision)
            x = (product + step.params["shift"].astype(precision)).astype(np.float64)
        else:
            params = {role: Value(array) for role, array in step.params.items()}
            x = KERNELS[step.layer.op](step.layer, [Value(x)], params).array
        if step.format is not None:
            x = step.format.to_real(step.format.quantise(x))
        x = x.astype(precision).astype(np.float64)
    return x


def find_staircase(
    level: Callable[[IntArray], IntArray],
    channels: int,
    low_x: int,
    high_x: int,
    levels: range,
) -> Staircase:
    """The steps of ``level``, monotone per channel, by bisection over all channels and levels at once.

    Args:
        level: integers x (points, channels) → levels (points, channels).
        levels: the levels it may take; its step is the staircase's stride.
    """
    ends = level(np.array([low_x, high_x])[:, None].repeat(channels, axis=1))
    sign = np.where(ends[0] <= ends[1], 1, -1).astype(np.int64)
    wanted = np.asarray(levels[1:], dtype=np.int64)[:, None]
    found = Staircase(low_x, high_x, levels[0], levels.step, sign, np.zeros((channels, len(wanted)), dtype=np.int64))
    smallest, largest = found.ends
    left = np.broadcast_to(smallest, (len(wanted), channels)).copy()
    right = np.broadcast_to(largest + 1, left.shape).copy()
    while np.any(left < right):
        middle = np.minimum((left + right) >> 1, largest)
        reached = level(sign * middle) >= wanted
        right = np.where(reached, np.minimum(right, middle), right)
        left = np.where(reached, left, np.minimum(middle + 1, right))
    return Staircase(low_x, high_x, levels[0], levels.step, sign, np.ascontiguousarray(right.T))
