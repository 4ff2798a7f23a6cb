# SPDX-License-Identifier: Apache-2.0
"""In how many steps the budget is reached.

A schedule is a function ``steps -> (progress after step 1, …, 1.0)`` under :data:`SCHEDULES`; at progress p every
limit stands at ``before + p * (value - before)``. Soft methods, which cut once at the end, let the same progress say
which share of the final amount is silenced or merged after each of their epochs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from hwsim.errors import InputError
from hwsim.registry import Registry
from prune.budget import Limit

Schedule = Callable[[int], tuple[float, ...]]
SCHEDULES: Registry[Schedule] = Registry("pruning schedule")

# k of ``asymptotic``: the positive root of (1 - exp(-k/8)) / (1 - exp(-k)) = 3/4.
DECAY = 11.08998855222832


@SCHEDULES.register("one_shot")
def one_shot(steps: int = 1) -> tuple[float, ...]:
    """Everything at once."""
    if steps != 1:
        raise InputError(f"one_shot: got steps={steps}; expected 1; choose schedule iterative or agp for more")
    return (1.0,)


@SCHEDULES.register("iterative")
def iterative(steps: int) -> tuple[float, ...]:
    """Equal steps."""
    _check_steps("iterative", steps)
    return tuple((i + 1) / steps for i in range(steps))


@SCHEDULES.register("agp")
def agp(steps: int) -> tuple[float, ...]:
    """Large steps first: 1 - (1 - t)^3 (Zhu and Gupta, To Prune or Not to Prune, 2017, eq. 1)."""
    _check_steps("agp", steps)
    return tuple(1 - (1 - (i + 1) / steps) ** 3 for i in range(steps))


@SCHEDULES.register("asymptotic")
def asymptotic(steps: int) -> tuple[float, ...]:
    """``a exp(-k t) + b`` through (0, 0), (1/8, 3/4) and (1, 1): most of the way in the first eighth.

    Source: He et al., Asymptotic Soft Filter Pruning, IEEE Trans. Cybernetics 2020; the place of 3/4 is that of
    its implementations.
    """
    _check_steps("asymptotic", steps)
    return tuple(-math.expm1(-DECAY * (i + 1) / steps) / -math.expm1(-DECAY) for i in range(steps))


@SCHEDULES.register("constant")
def constant(steps: int) -> tuple[float, ...]:
    """All of it from the first step on; what a soft training may still change is which units go."""
    _check_steps("constant", steps)
    return (1.0,) * steps


def limits_at(limits: Sequence[Limit], progress: float) -> tuple[Limit, ...]:
    """The limits on the way; one that already holds is not loosened."""
    return tuple(
        replace(limit, value=max(limit.value, limit.before + progress * (limit.value - limit.before)))
        for limit in limits
    )


def _check_steps(schedule: str, steps: int) -> None:
    if steps < 1:
        raise InputError(f"{schedule}: got steps={steps}; expected at least 1")
