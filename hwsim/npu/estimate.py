# SPDX-License-Identifier: Apache-2.0
"""Accelerators with an array of processing elements: latency, traffic and energy by level of the memory hierarchy.

    t = max(cycles of the array / clock, bytes / bandwidth of DRAM) + first operands

per kernel: buffers hold two tiles, so that all but the first operands arrive while others are computed on. Kernels that
multiply nothing pass through the array's columns, an element each per cycle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from hwsim.columns import Column
from hwsim.coverage import remarks as uncovered_remarks
from hwsim.coverage import uncovered
from hwsim.design import Design
from hwsim.device import Device
from hwsim.errors import InputError
from hwsim.estimate import EnergyParts, Estimate, Figure, LayerEstimate
from hwsim.network import Network
from hwsim.npu import row_stationary, stationary
from hwsim.npu.accesses import Plan
from hwsim.npu.memory import traffic
from hwsim.npu.power import prices
from hwsim.npu.problem import Problem, problem
from hwsim.npu.skipping import kept_share
from hwsim.roofline import LIMITS
from hwsim.sparsity import Pattern

GB_S = 1e3  # bytes per us
DATAFLOWS = {"ws": "weight", "os": "output", "is": "input", "rs": "row"}


@dataclass(frozen=True, eq=False)
class Cost:
    """What a network costs, every kernel for a whole batch: (kernels,) arrays, energy in uJ by level."""

    compute_us: Column
    memory_us: Column
    start_us: Column
    bytes_moved: Column
    mac_uj: Column
    register_uj: Column
    noc_uj: Column
    buffer_uj: Column
    dram_uj: Column

    @property
    def total_us(self) -> Column:
        """Arithmetic and transfers overlap; the first operands do not."""
        return np.maximum(self.compute_us, self.memory_us) + self.start_us

    def levels_uj(self) -> Column:
        """Energy by level, (5, kernels): products, registers, network, buffer, DRAM."""
        return np.stack([self.mac_uj, self.register_uj, self.noc_uj, self.buffer_uj, self.dram_uj])


def cost(work: Problem, device: Device, dataflow: str, batch: int, kept: Column) -> Cost:
    """Time, traffic and energy of every kernel of a batch; ``kept`` is the share of the products computed."""
    planned = _plan(work, device, dataflow, batch, kept)
    element_bytes = device["operand_bits"] / 8
    moved = traffic(work, device["buffer_kib"] * 1024 / element_bytes, batch, kept)
    bandwidth = device["bandwidth_gb_s.dram"] * GB_S
    array = device["rows"] * device["columns"]
    passing = np.where(work.multiplies, 0.0, np.maximum(work.inputs, work.outputs) * batch / device["columns"])
    first = np.minimum(moved.elements.sum(axis=0), array) * element_bytes
    price, bits = prices(device), _bits(device)
    chip = planned.accesses
    moves = np.where(work.multiplies, 0.0, (work.inputs + work.outputs) * batch * device["operand_bits"])
    return Cost(
        compute_us=(planned.cycles + passing) / device["clock_mhz"],
        memory_us=moved.bytes(element_bytes) / bandwidth,
        start_us=first / bandwidth,
        bytes_moved=moved.bytes(element_bytes),
        mac_uj=work.macs * batch * kept * price.mac_pj * 1e-6,
        register_uj=(chip.register * bits).sum(axis=0) * price.register_pj * 1e-6,
        noc_uj=(chip.noc * bits).sum(axis=0) * price.noc_pj * 1e-6,
        buffer_uj=((chip.buffer * bits).sum(axis=0) + moves) * price.buffer_pj * 1e-6,
        dram_uj=moved.elements.sum(axis=0) * device["operand_bits"] * price.dram_pj * 1e-6,
    )


def _plan(work: Problem, device: Device, dataflow: str, batch: int, kept: Column) -> Plan:
    rows, columns = int(device["rows"]), int(device["columns"])
    if dataflow != "rs":
        return stationary.plan(work, rows, columns, dataflow, batch, kept)
    sizes = (int(device.get(f"register_words.{name}", 1)) for name in ("inputs", "weights", "sums"))
    return row_stationary.plan(work, rows, columns, row_stationary.Registers(*sizes), batch, kept)


def _bits(device: Device) -> Column:
    operand = device["operand_bits"]
    return np.array([[operand], [operand], [device["sum_bits"]]])


def estimate(
    network: Network, device: Device, batch: int = 1, design: Design | None = None, dataflow: str | None = None,
    sparsity: Mapping[str, Pattern] | None = None,
) -> Estimate:  # fmt: skip
    """Latency, energy by level and memory traffic of a network on an accelerator.

    Args:
        dataflow: "ws", "os", "is" or "rs"; the device's own by default.
        sparsity: the pattern of zeros of some layers' weights.

    Raises:
        InputError: a design was given; only FPGAs take one.
        UnknownNameError: a sparse layer does not exist.
    """
    if design is not None:
        raise InputError(f"npu:{device.name}: got a design; expected none; designs are for fpga targets")
    flow = dataflow or device.text["dataflow"]
    work = problem(network)
    kept, remarks = kept_share(network, work, device, flow, sparsity or {})
    found = cost(work, device, flow, batch, kept)
    call_us = device.get("overhead_us.inference", 0.0)
    latency_us = max(float(found.total_us.sum()) + call_us, 1 / device["clock_mhz"])  # a call takes a cycle at least
    parts = _parts(
        (found.levels_uj().sum(axis=1) / batch).tolist(), device.get("power_static_w", 0.0) * latency_us / batch
    )
    latency = Figure.within(latency_us, device["error.latency"])
    energy = _energy(parts, device)
    power = energy.scaled(batch / latency_us)
    moved = float(found.bytes_moved.sum()) / batch
    return Estimate(
        target=f"npu:{device.name}" + (f"/{dataflow}" if dataflow else ""), network_hash=network.hash, batch=batch,
        clock_mhz=device["clock_mhz"], latency_us=latency, interval_us=latency.scaled(1 / batch),
        cycles=latency.scaled(device["clock_mhz"]), ii=None, energy_uj=energy, power_w=power,
        bytes_moved=Figure.within(moved, device["error.traffic"]), layers=_layers(work, found, device, batch),
        notes=(*uncovered_remarks(uncovered(network)), *_notes(network, device, flow), *_beside(work), *remarks),
        energy_parts=parts, uncovered=uncovered(network),
    )  # fmt: skip


def _energy(parts: EnergyParts, device: Device) -> Figure:
    """What is on chip within the device's error, DRAM within that of the traffic and of its energy per bit."""
    on_chip, error = parts.total_uj - parts.dram_uj, device["error.energy"]
    price, traffic_error = device.quantity("dram_pj_per_bit"), device["error.traffic"]
    low = on_chip / error + parts.dram_uj * price.low / price.value / traffic_error
    high = on_chip * error + parts.dram_uj * price.high / price.value * traffic_error
    return Figure(parts.total_uj, min(low, parts.total_uj), max(high, parts.total_uj))  # sums round


def _parts(levels: Iterable[float], static_uj: float) -> EnergyParts:
    mac, register, noc, buffer, dram = levels
    return EnergyParts(mac, register, noc, buffer, dram, static_uj)


def _layers(work: Problem, found: Cost, device: Device, batch: int) -> tuple[LayerEstimate, ...]:
    times = np.stack([found.compute_us, found.memory_us, found.start_us])
    limits = np.where(work.multiplies | (times.argmax(axis=0) != 0), times.argmax(axis=0), len(LIMITS)).tolist()
    names = (*LIMITS, "stream")
    total = (found.total_us / batch).tolist()
    moved = (found.bytes_moved / batch).tolist()
    static_w = device.get("power_static_w", 0.0)
    levels = (found.levels_uj() / batch).T.tolist()
    layers = []
    for index, kernel in enumerate(work.kernels):
        parts = _parts(levels[index], total[index] * static_w)
        layers.append(LayerEstimate(
            kernel.name, kernel.op, kernel.macs, total[index], total[index] * device["clock_mhz"], parts.total_uj,
            moved[index], names[limits[index]], None, kernel.fused, parts,
        ))  # fmt: skip
    return tuple(layers)


def _beside(work: Problem) -> list[str]:
    """A line that names the operators that no array computes, and how they are costed."""
    streamed = sorted({kernel.op for kernel in work.kernels if not kernel.macs})
    fused = sorted({op for kernel in work.kernels for op in kernel.epilogue} - {"requantise"})
    return [
        f"{', '.join(found)}: 0 % of the MACs, not computed by the array; {how}"
        for found, how in ((streamed, "costed as data moved"), (fused, "costed as nothing beside the layer before"))
        if found
    ]


def _notes(network: Network, device: Device, flow: str) -> list[str]:
    bits = int(device["operand_bits"])
    notes = [
        f"{DATAFLOWS[flow]} stationary, {device['rows']:g} x {device['columns']:g} elements of {bits} bits, "
        f"double buffered; energy from operation and access tables scaled to {device['node_nm']:g} nm, "
        f"{device['supply_v']:g} V"
    ]
    if not network.is_quantised:
        notes.append(f"the network is not quantised: costed as {bits}-bit integers")
    elif any(tensor.bits != bits for tensor in network.tensors.values()):
        notes.append(f"numbers of other widths are stored and computed as {bits} bits: the array has no other")
    notes.append(f"error bars: latency {device.quantity('error.latency').source}; "
                 f"energy on chip {device.quantity('error.energy').source}; "
                 f"energy of DRAM {device.quantity('dram_pj_per_bit').source}")  # fmt: skip
    return notes
