# SPDX-License-Identifier: Apache-2.0
"""What CPU and GPU models share: which number type a kernel runs in, its data traffic, and the final record.

Processors have no 5-bit arithmetic.  A kernel runs in the narrowest type the device has that holds its weights and
inputs: up to 8 bits in int8, up to 16 bits in fp16 where the device has it, everything else in fp32.  Fewer bits
than the type's width therefore save nothing on these targets; the notes of the estimate say so.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.columns import Column
from hwsim.coverage import remarks, uncovered
from hwsim.device import DTYPES, MAC_KINDS, Device, Quantity
from hwsim.estimate import Estimate, Figure, LayerEstimate
from hwsim.network import Network
from hwsim.roofline import Times
from hwsim.workload import Workload

BITS = {"int8": 8, "fp16": 16, "fp32": 32}


@dataclass(frozen=True, eq=False)
class Execution:
    """How a workload runs on a device: type, MAC/us and bytes per element of every kernel.

    The rate is what the device sustains; on one that states prices (hwsim/priced.py), its peak in any type.
    """

    dtypes: tuple[str, ...]
    dtype_index: npt.NDArray[np.intp]
    rate: Column
    bytes_per_element: Column


def execution(device: Device, work: Workload) -> Execution:
    """Choose the type of every kernel and look up what the device sustains in it (all cores together)."""
    dtypes = tuple(dtype for dtype in DTYPES if f"macs_per_cycle.{dtype}" in device)
    widths = np.array([BITS[dtype] for dtype in dtypes])
    index = np.minimum(np.searchsorted(widths, work.execution_bits), len(dtypes) - 1)
    peak = device["cores"] * device["clock_mhz"]
    if device.is_priced:
        highest = peak * max(device[f"macs_per_cycle.{dtype}"] for dtype in dtypes)
        return Execution(dtypes, index, np.full(len(work.kernels), highest), widths[index] / 8)
    table = np.array([
        [peak * device[f"macs_per_cycle.{dtype}"] * device[f"efficiency.{dtype}.{kind}"] for kind in MAC_KINDS] + [peak]
        for dtype in dtypes
    ])  # fmt: skip
    return Execution(dtypes, index, table[index, work.kind_index], widths[index] / 8)


def kind_rate(device: Device, run: Execution, kind: str) -> Column:
    """What the device would sustain on every kernel if it were of that kind, in MAC/us."""
    peak = device["cores"] * device["clock_mhz"]
    rates = [device[f"macs_per_cycle.{dtype}"] * device[f"efficiency.{dtype}.{kind}"] for dtype in run.dtypes]
    return peak * np.array(rates)[run.dtype_index]


@dataclass(frozen=True, eq=False)
class Traffic:
    """Bytes of every kernel for a whole batch: through the cache, and through main memory."""

    cache: Column
    dram: Column


def traffic(device: Device, work: Workload, run: Execution, batch: int, resident: bool | None = None) -> Traffic:
    """Every operand crosses the cache once; what does not fit in it crosses main memory too.

    Weights come from main memory in every inference when all of them together exceed the last-level cache, a
    kernel's activations when its inputs and outputs together do.

    Args:
        resident: take the weights to be in the cache, or not, whatever their size.
    """
    capacity = device["cache_kib"] * 1024
    weights = work.column("weights") * run.bytes_per_element
    activations = (work.column("inputs") + work.column("outputs")) * run.bytes_per_element * batch
    spilled = np.where(activations > capacity, activations, 0.0)
    inside = work.totals(weights) <= capacity if resident is None else resident
    return Traffic(activations + weights, spilled + np.where(inside, 0.0, weights))


def assemble(
    network: Network,
    device: Device,
    batch: int,
    work: Workload,
    run: Execution,
    times: Times,
    moved: Traffic,
    fixed_us: float,
) -> Estimate:
    """The estimate of a processor: kernels one after another, energy as measured power times time."""
    per_kernel = times.total
    latency_us = float(per_kernel.sum()) + fixed_us
    error, power = error_factor(device, run).value, device.quantity("power_w")
    latency = Figure.within(latency_us, error)
    per_inference = latency.scaled(1 / batch)
    dram = moved.dram / batch
    outside = (work.input_bits + work.output_bits) / 8
    layers = tuple(
        LayerEstimate(kernel.name, kernel.op, kernel.macs, us, None, us * power.value, data, limit, None, kernel.fused)
        for kernel, us, data, limit in zip(
            work.kernels, (per_kernel / batch).tolist(), dram.tolist(), times.bottlenecks(), strict=True
        )
    )
    return Estimate(
        target=f"{device.kind}:{device.name}", network_hash=network.hash, batch=batch, clock_mhz=device["clock_mhz"],
        latency_us=latency, interval_us=per_inference, cycles=None, ii=None,
        energy_uj=Figure(per_inference.value * power.value, per_inference.low * power.low,
                         per_inference.high * power.high),
        power_w=Figure(power.value, power.low, power.high),
        bytes_moved=Figure.within(float(dram.sum()) + outside, error),
        layers=layers, notes=(*remarks(uncovered(network)), *_notes(network, device, work, run)),
        uncovered=uncovered(network),
    )  # fmt: skip


def error_factor(device: Device, run: Execution) -> Quantity:
    """How far off a latency may be: that of int8 where every kernel runs in int8, else that of wider types."""
    return device.quantity("error.int8" if np.all(run.dtype_index == 0) else "error.fp32")


def fixed_us(device: Device, work: Workload, run: Execution, batch: int) -> float:
    """Once per call, and once per input element: runtimes convert and copy what they are given."""
    dtype = "int8" if len(run.dtype_index) and run.dtype_index[0] == 0 else "fp32"
    elements = work.kernels[0].inputs if work.kernels else 0
    per_element_us = device.get(f"overhead_ns_per_input.{dtype}", 0.0) / 1e3
    return device["overhead_us.inference"] + batch * elements * per_element_us


def _notes(network: Network, device: Device, work: Workload, run: Execution) -> tuple[str, ...]:
    used = sorted({run.dtypes[index] for index in run.dtype_index.tolist()}, key=BITS.__getitem__)
    widest = int(work.execution_bits.max()) if work.kernels else 32
    wide_name = device.text.get("fp32_means", "fp32")
    spelled = " and ".join(wide_name if dtype == "fp32" else dtype for dtype in used)
    notes = [f"runs in {spelled} ({device.text['runtime']})"]
    if network.is_quantised and widest not in BITS.values():
        notes.append(
            f"numbers of up to {widest} bits are computed and stored as {spelled}: the device has no narrower "
            "arithmetic"
        )
    notes.append(f"energy: power x time; power {device.quantity('power_w').source}")
    notes.append(f"error bar: {error_factor(device, run).source}")
    return tuple(notes)
