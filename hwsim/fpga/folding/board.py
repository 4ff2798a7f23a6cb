# SPDX-License-Identifier: Apache-2.0
"""What a board and the budgets allow a pipeline, in the pipeline's clock."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hwsim.device import Device
from hwsim.errors import InputError
from hwsim.fpga.folding.goal import RESOURCES, Goal
from hwsim.fpga.power import dynamic_uj
from hwsim.fpga.stages import pipeline
from hwsim.fpga.system import DMA_START_CYCLES, DMA_STOP_CYCLES
from hwsim.network import Network


@dataclass(frozen=True)
class Board:
    """Limits of resources, shell included, and what the device has (``scale``); times in cycles of the pipeline.

    ``input_cycles`` is how long an image takes to arrive and ``outside`` what a latency contains besides the pipeline.
    ``shortest`` is the interval below which images come and go no faster, or which the power does not allow: mean power
    is that of images that follow each other so. Energy is ``watts`` x time + ``dynamic_uj``.
    """

    clock_mhz: float
    limits: Mapping[str, float]
    scale: Mapping[str, float]
    input_cycles: float
    outside: float
    shortest: float
    interval: float
    latency: float
    watts: float
    watts_allowed: float
    dynamic_uj: float

    def energy_uj(self, latency_cycles: float) -> float:
        """Energy of one inference of that latency."""
        return self.watts * latency_cycles / self.clock_mhz + self.dynamic_uj


def expect_available(device: Device, goal: Goal) -> None:
    """Refuse budgets beyond the board.

    Raises:
        InputError: a budget is more than the device has.
    """
    for name in RESOURCES:
        if goal.budgets.get(name, 0.0) > device[name]:
            raise InputError(
                f"budget: got {name}={goal.budgets[name]:g}; expected at most {device[name]:g}, what {device.name} has"
            )


def allowed_by(network: Network, device: Device, clock_mhz: float, goal: Goal) -> Board:
    """The limits that follow from a device and a goal; a resource without budget has the device's ``utilisation``.

    Raises:
        InputError: a budget is more than the device has.
    """
    stages = pipeline(network)
    expect_available(device, goal)
    scale = {name: device[name] for name in RESOURCES}
    bytes_per_cycle = min(device["axi_bits"] / 8, device["bandwidth_gb_s.dram"] * 1e3 / clock_mhz)
    reads, writes = (bits / 8 / bytes_per_cycle for bits in (stages.input_bits, stages.output_bits))
    driver = device.get("overhead_us.inference", 0.0) * clock_mhz
    # A measured power is that of the whole board at work.
    watts = device["power_w"] if "power_w" in device else device["power_static_w"]
    dynamic = 0.0 if "power_w" in device else dynamic_uj(network)
    watts_allowed = goal.budgets.get("power_w", math.inf)
    spare = max(watts_allowed - watts, 0.0)
    return Board(
        clock_mhz=clock_mhz,
        limits={name: goal.budgets.get(name, scale[name] * device["utilisation"]) for name in RESOURCES},
        scale=scale,
        input_cycles=reads,
        outside=DMA_START_CYCLES + writes + DMA_STOP_CYCLES + driver,
        shortest=max(reads, writes, dynamic / spare * clock_mhz if spare else 0.0),
        interval=clock_mhz * goal.budgets.get("interval_us", math.inf),
        latency=clock_mhz * goal.budgets.get("latency_us", math.inf),
        watts=watts,
        watts_allowed=watts_allowed,
        dynamic_uj=dynamic,
    )


def exceeded(board: Board, used: Mapping[str, float], interval: float, latency: float) -> dict[str, float]:
    """By how much a design misses the limits, by budget and in its unit; ``interval`` and ``latency`` in cycles."""
    over = {name: used[name] - board.limits[name] for name in RESOURCES}
    over["interval_us"] = (interval - board.interval) / board.clock_mhz
    over["latency_us"] = (latency - board.latency) / board.clock_mhz
    over["power_w"] = board.watts - board.watts_allowed
    return {name: excess for name, excess in over.items() if excess > 1e-6}
