# SPDX-License-Identifier: Apache-2.0
"""CPUs: a two-level roofline per fused kernel, with what the runtime spends around it.

    t = overhead + max(macs / (cores * clock * macs_per_cycle * efficiency), bytes / bandwidth)

``efficiency`` is a constant per number type and kind of kernel, fitted to published measurements; small layers are
slower because output channels come in register tiles and because every output pays for ``reduction_overhead`` products
of loading and storing its sum on top of its own.

A device file that was calibrated states prices of work instead, and hwsim/priced.py adds them up. One of this machine
also has efficiency surfaces of a runtime's nodes (hwsim/surfaces.py); prices then hold for what was not measured.
"""

import numpy as np

from hwsim import priced
from hwsim.design import Design
from hwsim.device import Device
from hwsim.errors import InputError
from hwsim.estimate import Estimate
from hwsim.network import Network
from hwsim.processor import Execution, Traffic, assemble, execution, fixed_us, kind_rate, traffic
from hwsim.roofline import SerialTimes, Times, roofline
from hwsim.surfaces import Surfaces
from hwsim.surfaces import kernel_times as surface_times
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
    if device.surfaces is not None and work.kernels:
        return device.surfaces.call_us[_measured_type(device.surfaces, run.dtypes[int(run.dtype_index[0])])]
    return (priced.fixed_us if device.is_priced else fixed_us)(device, work, run, batch)


def kernel_times(device: Device, work: Workload, run: Execution, moved: Traffic, batch: int) -> Times:
    """Where the time of every kernel of a batch goes, in us."""
    if device.surfaces is not None:
        return _measured_times(device, device.surfaces, work, run, moved, batch)
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


def _measured_times(
    device: Device, surfaces: Surfaces, work: Workload, run: Execution, moved: Traffic, batch: int
) -> Times:  # fmt: skip
    """Times by the surfaces of each kernel's type, and by prices where a kernel needs a form that was not measured."""
    rest = priced.kernel_times(device, work, run, moved, batch)
    parts = [rest.compute.copy(), rest.memory.copy(), rest.overhead.copy()]
    for index in np.unique(run.dtype_index):
        found = surface_times(surfaces, work, _measured_type(surfaces, run.dtypes[int(index)]), batch)
        known = (run.dtype_index == index) & np.isfinite(found.total)
        for part, column in zip(parts, (found.compute, found.memory, found.overhead), strict=True):
            part[known] = column[known]
    return SerialTimes(*parts)


def _measured_type(surfaces: Surfaces, dtype: str) -> str:
    """The type itself, or fp32, in which runtimes compute what they have no other type for."""
    return dtype if dtype in surfaces.forms else "fp32"
