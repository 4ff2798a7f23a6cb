# SPDX-License-Identifier: Apache-2.0
"""Learning-rate schedules: the factor on the peak learning rate as a function of training progress in [0, 1].

They are functions of the step number alone, so that a resumed training is at the right place by itself.
"""

import math
from collections.abc import Callable

from hwsim.registry import Registry

Schedule = Callable[[float], float]
SCHEDULES: Registry[Schedule] = Registry("schedule")

# The defaults of torch.optim.lr_scheduler.OneCycleLR.
ONECYCLE_WARMUP, ONECYCLE_START, ONECYCLE_END = 0.3, 1 / 25, 1 / 25e4


def _cosine_between(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


@SCHEDULES.register("onecycle")
def onecycle(progress: float) -> float:
    """Rise by a cosine for the first 30 %, then fall to nearly zero (Smith & Topin 2017, arXiv:1708.07120)."""
    if progress < ONECYCLE_WARMUP:
        return _cosine_between(ONECYCLE_START, 1.0, progress / ONECYCLE_WARMUP)
    return _cosine_between(1.0, ONECYCLE_END, (progress - ONECYCLE_WARMUP) / (1 - ONECYCLE_WARMUP))


@SCHEDULES.register("cosine")
def cosine(progress: float) -> float:
    """Fall from 1 to 0 by half a cosine (Loshchilov & Hutter, ICLR 2017, arXiv:1608.03983, without restarts)."""
    return _cosine_between(1.0, 0.0, progress)


@SCHEDULES.register("linear")
def linear(progress: float) -> float:
    """Fall from 1 to 0 in a straight line."""
    return 1.0 - progress


@SCHEDULES.register("step")
def step(progress: float) -> float:
    """A tenth after one half, a hundredth after three quarters (He et al., CVPR 2016, section 4.2, in proportion)."""
    return 0.1 ** ((progress >= 0.5) + (progress >= 0.75))


@SCHEDULES.register("constant")
def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0
