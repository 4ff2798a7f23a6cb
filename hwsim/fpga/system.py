# SPDX-License-Identifier: Apache-2.0
"""Around a pipeline on a board: how inputs reach it, how a processor starts it, and what the board draws meanwhile.

    latency = start + (copy in + pipeline + copy out) / clock
    energy  = board power x latency

``start`` is what the processor needs to hand over addresses, start the accelerator and see that it has finished; it
depends on the processor, not on the design. Copies depend on the generator's wrapper:

* ``stream``   an AXI DMA feeds the pipeline while it works: 44 cycles from the descriptor to the first word and 39
  behind the last (AMD PG021); input arrives at the bus's rate
* ``copied``   hls4ml's ``axi_master`` wrapper copies the image to a FIFO before the network starts, a pixel per AXI
  round trip, and the result back (hls4ml templates/vivado_accelerator/myproject_axi.cpp)

Published measurements give the constants: see `benchmarks/boards.py`, which fits them and prints how well they predict
networks that were left out.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.device import Device

Numbers = npt.NDArray[np.float64]

DMA_START_CYCLES = 44.0  # AMD PG021: 10 + 28 + 6 clocks from the tail descriptor to the first word
DMA_STOP_CYCLES = 39.0  # AMD PG021: S2MM
# Cycles of an AXI read that is not part of a burst, from a DDR3 controller of a Zynq-7000 at 100 MHz: RN06 and RN07 of
# the MLPerf Tiny submissions (github:mlcommons/tiny_results_v0.5, tiny_results_v0.7), 74 and 77 of them per pixel.
ROUND_TRIP_CYCLES = 75.0
# Factors within which 90 % of networks yet to be seen lie, by those left out of a fit (benchmarks/boards.py).
LATENCY_ERROR = 1.25
BATCH_ERROR = 1.01
ENERGY_ERROR = 1.37
HUBER = 0.05  # relative residuals beyond this one no longer draw the fit


@dataclass(frozen=True)
class Transfers:
    """Cycles ``before`` a pipeline starts, between pixels of its input, and ``after`` its last output."""

    wrapper: str
    before: float
    per_pixel: float
    after: float


def transfers(
    wrapper: str, pixels_in: int, channels_in: int, values_out: int, values_per_cycle: float = 1.0
) -> Transfers:
    """How an image of ``pixels_in`` pixels gets to a pipeline and ``values_out`` results get back."""
    if wrapper == "copied":
        copied = pixels_in * (ROUND_TRIP_CYCLES + channels_in)
        return Transfers(wrapper, copied, 0.0, ROUND_TRIP_CYCLES + values_out)
    after = values_out / values_per_cycle + DMA_STOP_CYCLES
    return Transfers(wrapper, DMA_START_CYCLES, channels_in / values_per_cycle, after)


def clock_mhz(board: Device, wrapper: str, asked_mhz: float) -> float:
    """The clock a design runs at. hls4ml's wrapper takes the memory controller's where the board has one in its logic.

    github:fastmachinelearning/hls4ml, templates/vivado_accelerator/arty-a7-100t/tcl_scripts/axi_master_design.tcl.
    """
    return board.get("memory_clock_mhz", asked_mhz) if wrapper == "copied" else asked_mhz


def fitted_start(rest_us: Numbers, measured_us: Numbers) -> float:
    """The start that makes the relative errors of ``start + rest`` smallest: Huber's loss, not below 0.

    Args:
        rest_us: latencies without the start, shape (designs,).
        measured_us: on the board, shape (designs,).
    """
    weight = 1 / measured_us**2
    start = 0.0
    for _ in range(100):
        residual = np.abs(start + rest_us - measured_us) / measured_us
        bounded = weight * np.minimum(1.0, HUBER / np.maximum(residual, 1e-12))
        start = max(0.0, float((bounded * (measured_us - rest_us)).sum() / bounded.sum()))
    return start
