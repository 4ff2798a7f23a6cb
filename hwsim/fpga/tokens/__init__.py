# SPDX-License-Identifier: Apache-2.0
"""The token level: in which cycle every beat passes every wire of a pipeline, without simulating the hardware."""

from hwsim.fpga.tokens.depths import smallest_depths, waits_for_itself, with_depths
from hwsim.fpga.tokens.engine import Flow, Outside, peak, simulate
from hwsim.fpga.tokens.stages import Fork, Node, Pattern, Pipe, Pipeline, Queue, Schedule, Stage, Window, pattern
from hwsim.fpga.tokens.steady import Steady, keeps_pace, slowest, steady

__all__ = [
    "Flow",
    "Fork",
    "Node",
    "Outside",
    "Pattern",
    "Pipe",
    "Pipeline",
    "Queue",
    "Schedule",
    "Stage",
    "Steady",
    "Window",
    "keeps_pace",
    "pattern",
    "peak",
    "simulate",
    "slowest",
    "smallest_depths",
    "steady",
    "waits_for_itself",
    "with_depths",
]
