# SPDX-License-Identifier: Apache-2.0
"""CPUs: a two-level roofline per fused kernel, with what the runtime spends around it.

    t = overhead + max(macs / (cores * clock * macs_per_cycle * efficiency), bytes / bandwidth)

``efficiency`` is a constant per number type and kind of kernel, fitted to published measurements; small layers are
slower because output channels come in register tiles and because every output pays for ``reduction_overhead`` products
of loading and storing its sum on top of its own.

A device file that was calibrated states prices of work instead, and hwsim/priced.py adds them up.
"""

import numpy as np

from hwsim import priced
from hwsim.design import Design
from hwsim.device import Device
from hwsim.errors import InputError
from hwsim.estimate import Estimate
from hwsim.network import Network
from hwsim.processor import Execution, Traffic, assemble, execution, fixed_us, kind_rate, traffic
from hwsim.roofline import Times, roofline
from hwsim.workload import KINDS, Workload, workload

GB_S = 1e3  # bytes per us


def estimate(network: Network, device: Device, batch: int = 1, design: Design | None = None) -> Estimate:
    """Latency, energy and memory traffic of a network on a CPU, all cores working on one batch.

    Raises:
        InputError: a design was given; only FPGAs take one.
    """
    if design is not None:
        raise InputError(f"cpu:{device.name}: got a design; expected none; designs are for fpga targets")
    work = workload(network)
    run = execution(device, work)
    moved = traffic(device, work, run, batch)
    times = kernel_times(device, work, run, moved, batch)
    return assemble(network, device, batch, work, run, times, moved, call_us(device, work, run, batch))


def call_us(device: Device, work: Workload, run: Execution, batch: int) -> float:
    """What the runtime takes once per batch, in us."""
    return (priced.fixed_us if device.is_priced else fixed_us)(device, work, run, batch)


def kernel_times(device: Device, work: Workload, run: Execution, moved: Traffic, batch: int) -> Times:
    """Where the time of every kernel of a batch goes, in us."""
    if device.is_priced:
        return priced.kernel_times(device, work, run, moved, batch)
    return _rated_times(device, work, run, moved, batch)


def _rated_times(device: Device, work: Workload, run: Execution, moved: Traffic, batch: int) -> Times:
    reduction = work.column("channels") * work.column("taps")
    # Depthwise kernels have one channel per output and an efficiency of their own.
    gathers = work.kind_index <= KINDS.index("pointwise")
    rate = np.where(gathers, run.rate / (1 + device["reduction_overhead"] / reduction), run.rate)
    # A convolution over a single channel may run as either kind; so pruning down to one channel never costs time.
    single = gathers & (work.column("channels") == 1)
    rate = np.where(single, np.maximum(rate, kind_rate(device, run, "depthwise")), rate)
    return roofline(
        work.column("padded_macs") * batch, rate,
        [(moved.cache, device["bandwidth_gb_s.cache"] * GB_S), (moved.dram, device["bandwidth_gb_s.dram"] * GB_S)],
        device["overhead_us.op"],
    )  # fmt: skip
