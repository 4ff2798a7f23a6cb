# SPDX-License-Identifier: Apache-2.0
"""Latency and energy of many variants of a network, as arrays: what a search asks for.

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

ALONE = ("/eager", "/sparse")  # mappings that are estimated one network at a time


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
        if one.device.kind == "fpga" or one.name.endswith(ALONE):
            raise InputError(f"sweep: got {one.name}; expected no fpga, eager or sparse one; estimate those one by one")
    costs = [_array(many, one, batch) if one.device.kind == "npu" else _processor(many, one.device, batch)
             for one in found]  # fmt: skip
    latency, energy = (np.stack(column, axis=1) for column in zip(*costs, strict=True))
    return Sweep(tuple(names), latency, energy)


@dataclass(frozen=True, eq=False)
class ByKernel:
    """What a figure is made of, kernel by kernel, (variants, kernels) each.

    A variant's figure is ``fixed`` plus the sum of ``cached`` where the sum of its ``weight_bytes`` is at most
    ``cache_bytes``, and of ``streamed``, which is nowhere less, where its weights come from main memory every time.
    """

    names: tuple[str, ...]
    cached: Column
    streamed: Column
    weight_bytes: Column
    cache_bytes: float
    fixed: float


def by_kernel(many: Variants, name: str, figure: str) -> ByKernel:
    """A figure of one inference of every variant, by kernel; with few widths of each layer all others can be added up.

    Args:
        name: a CPU, GPU or NPU target, see `hwsim/targets.py`.
        figure: "latency_us" or "energy_uj".

    Raises:
        InputError: an FPGA target or an eager one, or another figure.
        UnknownNameError: no such target.
    """
    target = targets.parse(name)
    if target.device.kind == "fpga" or name.endswith(ALONE) or figure not in ("latency_us", "energy_uj"):
        raise InputError(
            f"by_kernel: got {name}.{figure}; expected latency_us or energy_uj of a cpu, gpu or npu target; estimate "
            "networks one by one"
        )
    parts = _array_kernels if target.device.kind == "npu" else _processor_kernels
    return parts(many, target, figure == "energy_uj")


def _processor_kernels(many: Variants, target: targets.Target, energy: bool) -> ByKernel:
    device, work = target.device, many.work
    model = cpu if device.kind == "cpu" else gpu
    run = execution(device, work)
    scale = device["power_w"] if energy else 1.0
    cached, streamed = (
        scale * model.kernel_times(device, work, run, traffic(device, work, run, 1, resident=inside), 1).total
        for inside in (True, False)
    )
    return ByKernel(
        tuple(kernel.name for kernel in workload(many.base).kernels),
        many.per_variant(cached),
        many.per_variant(streamed),
        many.per_variant(work.column("weights") * run.bytes_per_element),
        device["cache_kib"] * 1024,
        scale * _call_us(many, device, 1),
    )


def _array_kernels(many: Variants, target: targets.Target, energy: bool) -> ByKernel:
    device, flow = target.device, target.name.partition("/")[2]
    cost = npu.cost(many.array, device, flow or device.text["dataflow"], 1, np.ones(len(many.array.kernels)))
    overhead, static = device.get("overhead_us.inference", 0.0), device.get("power_static_w", 0.0)
    spent = cost.levels_uj().sum(axis=0) + static * cost.total_us if energy else cost.total_us
    parts, names = many.per_variant(spent), tuple(kernel.name for kernel in workload(many.base).kernels)
    fixed = static * overhead if energy else overhead
    return ByKernel(names, parts, parts, np.zeros_like(parts), np.inf, fixed)


def _call_us(many: Variants, device: Device, batch: int) -> float:
    """What a call takes beside its kernels; the input is that of all variants."""
    base = workload(many.base)
    model = cpu.call_us if device.kind == "cpu" else fixed_us
    return model(device, base, execution(device, base), batch)


def _processor(many: Variants, device: Device, batch: int) -> tuple[Column, Column]:
    model = cpu if device.kind == "cpu" else gpu
    run = execution(device, many.work)
    times = model.kernel_times(device, many.work, run, traffic(device, many.work, run, batch), batch)
    latency = many.per_variant(times.total).sum(axis=1) + _call_us(many, device, batch)
    return latency, latency / batch * device["power_w"]


def _array(many: Variants, target: targets.Target, batch: int) -> tuple[Column, Column]:
    device, flow = target.device, target.name.partition("/")[2]
    cost = npu.cost(many.array, device, flow or device.text["dataflow"], batch, np.ones(len(many.array.kernels)))
    latency = many.per_variant(cost.total_us).sum(axis=1) + device.get("overhead_us.inference", 0.0)
    levels = many.per_variant(cost.levels_uj().sum(axis=0)).sum(axis=1)
    return latency, (levels + device.get("power_static_w", 0.0) * latency) / batch
