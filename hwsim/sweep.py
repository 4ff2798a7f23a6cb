# SPDX-License-Identifier: Apache-2.0
"""Latency and energy of many variants of a network on many targets, as arrays: what a search asks for.

The models are those of :func:`hwsim.targets.estimate`, called once per target with the kernels of all variants; the
figures are the same. Error bars, layers and notes are left to the estimate of the variant that is chosen in the end.
FPGA targets are refused: the folding of each network is searched for, which takes milliseconds a network.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwsim import cpu, gpu, npu, targets
from hwsim.columns import Column
from hwsim.device import Device
from hwsim.errors import InputError
from hwsim.processor import execution, fixed_us, traffic
from hwsim.variants import Variants
from hwsim.workload import workload


@dataclass(frozen=True, eq=False)
class Sweep:
    """Figures of every variant on every target, (variants, targets) each: latency of a batch, energy per inference."""

    targets: tuple[str, ...]
    latency_us: Column
    energy_uj: Column


def sweep(many: Variants, names: Sequence[str], batch: int = 1) -> Sweep:
    """Cost variants on targets.

    Args:
        names: CPU, GPU and NPU targets, see `hwsim/targets.py`.

    Raises:
        InputError: an FPGA target, or a batch below 1.
        UnknownNameError: no such target.
    """
    if batch < 1:
        raise InputError(f"batch: got {batch}; expected a whole number >= 1; use 1 for single inferences")
    found = [targets.parse(name) for name in names]
    for one in found:
        if one.device.kind == "fpga" or one.name.endswith("/eager"):
            raise InputError(f"sweep: got {one.name}; expected no fpga or eager target; estimate those one by one")
    costs = [_array(many, one, batch) if one.device.kind == "npu" else _processor(many, one.device, batch)
             for one in found]  # fmt: skip
    latency, energy = (np.stack(column, axis=1) for column in zip(*costs, strict=True))
    return Sweep(tuple(names), latency, energy)


def _processor(many: Variants, device: Device, batch: int) -> tuple[Column, Column]:
    model = cpu if device.kind == "cpu" else gpu
    call_us = cpu.call_us if device.kind == "cpu" else fixed_us
    run = execution(device, many.work)
    times = model.kernel_times(device, many.work, run, traffic(device, many.work, run, batch), batch)
    base = workload(many.base)  # the input, and with it what a call takes, is that of all variants
    fixed = call_us(device, base, execution(device, base), batch)
    latency = many.per_variant(times.total).sum(axis=1) + fixed
    return latency, latency / batch * device["power_w"]


def _array(many: Variants, target: targets.Target, batch: int) -> tuple[Column, Column]:
    device, flow = target.device, target.name.partition("/")[2]
    cost = npu.cost(many.array, device, flow or device.text["dataflow"], batch, np.ones(len(many.array.kernels)))
    latency = many.per_variant(cost.total_us).sum(axis=1) + device.get("overhead_us.inference", 0.0)
    levels = many.per_variant(cost.levels_uj().sum(axis=0)).sum(axis=1)
    return latency, (levels + device.get("power_static_w", 0.0) * latency) / batch
