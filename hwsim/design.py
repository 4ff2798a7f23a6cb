# SPDX-License-Identifier: Apache-2.0
"""How a network is laid out on an FPGA: the folding of every layer, chosen once and read by everyone.

Names follow FINN (``pe`` neurons in parallel, ``simd`` inputs in parallel) and hls4ml (``reuse_factor``:
how often one multiplier is used per output position).  For a matrix of mh rows and mw columns,
``reuse_factor = (mh / pe) * (mw / simd)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from hwsim.errors import InputError
from hwsim.registry import suggest

STRATEGIES = ("latency", "resource", "distributed_arithmetic")
IO_TYPES = ("io_stream", "io_parallel")
BACKENDS = ("Vitis", "Vivado", "Slimfab")
MULTIPLIERS = ("auto", "lut", "dsp")
MEMORIES = ("auto", "logic", "distributed", "block", "ultra")


@dataclass(frozen=True)
class Folding:
    """How much of one layer runs in parallel, and out of what it is made.

    ``multiplier`` says where products are computed; "auto" takes DSP blocks from 5 bits up. ``memory`` says where
    weights are kept: constants in logic, distributed (LUT) RAM or block RAM; "auto" leaves it to synthesis. Both are
    read by the Slimfab back end alone. It refuses "ultra": UltraRAM cannot start with weights (AMD UG573), and nothing
    loads them. Raises InputError for numbers below 1 or unknown words.
    """

    pe: int = 1
    simd: int = 1
    reuse_factor: int = 1
    strategy: str = "resource"
    multiplier: str = "auto"
    memory: str = "auto"

    def __post_init__(self) -> None:
        for name in ("pe", "simd", "reuse_factor"):
            number = getattr(self, name)
            if number < 1:
                raise InputError(f"folding: got {name}={number}; expected a whole number >= 1; use 1 for none")
        words = (("strategy", STRATEGIES), ("multiplier", MULTIPLIERS), ("memory", MEMORIES))
        for name, known in words:
            if getattr(self, name) not in known:
                raise InputError(
                    f"folding: unknown {name} '{getattr(self, name)}'; {suggest(getattr(self, name), known)}"
                )


@dataclass(frozen=True)
class Design:
    """A network placed on a device: clock, interface style, and the folding of each layer by its name.

    ``fifo_depths`` maps a tensor's name to the depth of the FIFO that carries it.
    """

    network_hash: str
    device: str
    clock_mhz: float
    io_type: str = "io_stream"
    backend: str = "Vitis"
    folding: Mapping[str, Folding] = field(default_factory=dict)
    fifo_depths: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.clock_mhz < math.inf:
            raise InputError(f"design: got clock_mhz={self.clock_mhz}; expected a number > 0; give the clock in MHz")
        for name, value, known in (("io_type", self.io_type, IO_TYPES), ("backend", self.backend, BACKENDS)):
            if value not in known:
                raise InputError(f"design: unknown {name} '{value}'; {suggest(value, known)}")
