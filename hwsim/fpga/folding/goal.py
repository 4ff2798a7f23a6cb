# SPDX-License-Identifier: Apache-2.0
"""What a folding is to make the most of, and what it may not exceed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from hwsim.errors import InputError
from hwsim.registry import suggest

RESOURCES = ("lut", "ff", "dsp", "bram18")
OBJECTIVES = ("interval_us", "latency_us", "energy_uj", *RESOURCES)
BUDGETS = (*RESOURCES, "interval_us", "latency_us", "power_w")


@dataclass(frozen=True)
class Goal:
    """The figure to make smallest, and upper limits by name, in the units of :class:`hwsim.estimate.Estimate`.

    ``interval_us`` is the time from inference to inference, so the smallest is the highest throughput. Resources are
    those of the whole design, the board's shell included. A resource without a limit may take ``utilisation`` of what
    the device has. Raises InputError for unknown names and for limits that are no numbers >= 0.
    """

    objective: str = "interval_us"
    budgets: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise InputError(f"objective: unknown '{self.objective}'; {suggest(self.objective, OBJECTIVES)}")
        for name, value in self.budgets.items():
            if name not in BUDGETS:
                raise InputError(f"budget: unknown '{name}'; {suggest(name, BUDGETS)}")
            if not 0 <= value < math.inf:
                raise InputError(f"budget: got {name}={value:g}; expected a number >= 0; leave it out for no limit")


def parse_budgets(text: str) -> dict[str, float]:
    """Limits written as ``dsp=100,interval_us=500``.

    Raises:
        InputError: a part is no name with a number.
    """
    budgets: dict[str, float] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, number = part.partition("=")
        try:
            budgets[name.strip()] = float(number)
        except ValueError:
            raise InputError(f"budget: got '{part}'; expected NAME=NUMBER such as dsp=100") from None
    return budgets
