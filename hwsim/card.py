# SPDX-License-Identifier: Apache-2.0
"""The metric card: what Sze et al. ask to be reported of a network on a target, with nothing left out.

Sze, Chen, Yang, Emer, "Efficient processing of deep neural networks: a tutorial and survey", Proc. IEEE 105(12), 2017,
section VII: accuracy and data set; throughput and latency with the batch; energy and power, off-chip memory included;
hardware cost; utilisation; off-chip traffic; flexibility. What is not known is None and shown as such.
"""

from dataclasses import dataclass

import numpy as np

from hwsim.coverage import Uncovered, covered_values
from hwsim.device import DTYPES, Device
from hwsim.energy import DRAM_PJ_PER_BIT, FLOAT_BITS, breakdown
from hwsim.estimate import EnergyParts, Estimate, Figure
from hwsim.fpga.power import dynamic_parts_uj
from hwsim.network import Network

BITS = {"int8": 8, "fp16": 16, "fp32": 32}
FLEXIBILITY = {
    "cpu": "any network",
    "gpu": "any network",
    "npu": "any network; only dense layers and convolutions use the array",
    "fpga": "this network; another one needs another bitstream",
}
SCOPE = {
    "cpu": "whole board or package, off-chip memory included",
    "gpu": "whole board or package, off-chip memory included",
    "npu": "chip and off-chip memory, from tables",
    "fpga": "whole board, off-chip memory included",
}


@dataclass(frozen=True)
class MetricCard:
    """One network on one target.

    Args:
        accuracy: share of right answers, 0 to 1, on ``dataset``; None where it was not measured.
        per_second: inferences per second at full throughput.
        energy_scope: what the energy is of.
        hardware: what the target is made of, in words; ``occupied`` has the shares of an FPGA.
        utilisation: share of the multipliers' cycles that do products of the network.
        covered: share of the network's MACs that the estimate counts; of the values written in a network without MACs.
        uncovered: the operators that it does not count.
        bound_by: the bottleneck with the largest share of the time, and that share.
    """

    network: str
    target: str
    title: str
    accuracy: float | None
    dataset: str | None
    batch: int
    latency_us: Figure
    per_second: Figure
    energy_uj: Figure
    energy_parts: EnergyParts
    energy_scope: str
    power_w: Figure
    hardware: str
    occupied: dict[str, float]
    fits: bool
    utilisation: float
    bytes_moved: Figure
    flexibility: str
    covered: float
    uncovered: tuple[Uncovered, ...]
    bound_by: str
    bound_share: float


def card(
    network: Network, device: Device, estimate: Estimate, accuracy: float | None = None, dataset: str | None = None
) -> MetricCard:
    """The card of an estimate that was made of ``network`` on ``device``."""
    bound_by, bound_share = bound(estimate)
    return MetricCard(
        network=network.name, target=estimate.target, title=device.title, accuracy=accuracy, dataset=dataset,
        batch=estimate.batch, latency_us=estimate.latency_us,
        per_second=_per_second(estimate.interval_us),
        energy_uj=estimate.energy_uj, energy_parts=energy_parts(network, device, estimate),
        energy_scope=SCOPE[device.kind], power_w=estimate.power_w, hardware=_hardware(device, estimate),
        occupied=estimate.utilisation(), fits=estimate.fits(), utilisation=_utilisation(network, device, estimate),
        bytes_moved=estimate.bytes_moved, flexibility=FLEXIBILITY[device.kind],
        covered=_covered(network, estimate), uncovered=estimate.uncovered,
        bound_by=bound_by, bound_share=bound_share,
    )  # fmt: skip


def _covered(network: Network, estimate: Estimate) -> float:
    macs = network.macs()
    return sum(layer.macs for layer in estimate.layers) / macs if macs else covered_values(network)


def bound(estimate: Estimate) -> tuple[str, float]:
    """What takes the largest share of the layers' time, and that share; ("", 0) for a network without layers."""
    shares: dict[str, float] = {}
    for layer in estimate.layers:
        shares[layer.bottleneck] = shares.get(layer.bottleneck, 0.0) + layer.latency_us
    total = sum(shares.values())
    if total <= 0:
        return "", 0.0
    name = max(shares, key=lambda key: shares[key])
    return name, shares[name] / total


def energy_parts(network: Network, device: Device, estimate: Estimate) -> EnergyParts:
    """Where the energy of one inference goes; the parts sum to the estimate's energy.

    Arrays give it themselves. Of processors and FPGAs the whole is power times time; operations and accesses take what
    `hwsim/energy.py` says, with the last-level cache or a block RAM as the memory on chip, and the rest is other:
    control, clocks, leakage, idle parts of the board. Where tables of 45 nm say more than was measured, they are scaled
    down to it.
    """
    if estimate.energy_parts is not None:
        return estimate.energy_parts
    if device.kind == "fpga":
        mac, on_chip = dynamic_parts_uj(network)
        dram = estimate.bytes_moved.value * 8 * DRAM_PJ_PER_BIT * 1e-6
    else:
        found = breakdown(network, device["cache_kib"] * 8192, estimate.batch, FLOAT_BITS)
        mac, on_chip, dram = (float(np.sum(part)) for part in (found.mac_uj, found.on_chip_uj, found.dram_uj))
    whole, counted = estimate.energy_uj.value, mac + on_chip + dram
    scale = min(1.0, whole / counted) if counted > 0 else 0.0
    rest = max(whole - scale * counted, 0.0)
    return EnergyParts(scale * mac, 0.0, 0.0, scale * on_chip, scale * dram, rest)


def _per_second(interval_us: Figure) -> Figure:
    """Inferences per second; 0 for a network that takes no time, of which the rate means nothing."""
    if interval_us.low <= 0:
        return Figure.exact(0.0)
    return Figure(1e6 / interval_us.value, 1e6 / interval_us.high, 1e6 / interval_us.low, interval_us.source)


def _hardware(device: Device, estimate: Estimate) -> str:
    clock = f"{estimate.clock_mhz:g} MHz"
    if device.kind == "fpga":
        return f"{device.text['part']}, {clock}"
    if device.kind == "npu":
        array = f"{device['rows']:g} x {device['columns']:g} elements of {device['operand_bits']:g} bits"
        return f"{array}, {_memory(device['buffer_kib'])}, {device['node_nm']:g} nm, {clock}"
    return f"{device['cores']:g} cores, {_memory(device['cache_kib'])} cache, {clock}"


def _memory(kib: float) -> str:
    return f"{kib / 1024:g} MiB" if kib >= 1024 else f"{kib:g} KiB"


def _utilisation(network: Network, device: Device, estimate: Estimate) -> float:
    """MACs against what the multipliers could do in the time of an inference."""
    if device.kind == "fpga":
        # A stage has as many multipliers as it does products per busy cycle.
        busy = [(layer.macs, layer.latency_us) for layer in estimate.layers if layer.macs and layer.latency_us]
        possible = sum(macs / time for macs, time in busy) * estimate.interval_us.value
        return min(1.0, sum(macs for macs, _ in busy) / possible) if possible else 0.0
    if device.kind == "npu":
        elements = device["rows"] * device["columns"]
        ideal_us = sum(layer.macs for layer in estimate.layers) / (elements * device["clock_mhz"])
    else:
        peak = device["cores"] * device["clock_mhz"]
        ideal_us = sum(
            layer.macs / (peak * device[f"macs_per_cycle.{_dtype(network, device, layer.name)}"])
            for layer in estimate.layers
            if layer.macs
        )
    return ideal_us / estimate.interval_us.value if ideal_us else 0.0


def _dtype(network: Network, device: Device, name: str) -> str:
    """The narrowest type of a processor that holds a layer's weights and inputs."""
    layer = network.layer(name)
    widest = max(network.tensors[tensor].bits for tensor in (*layer.inputs, layer.params["weight"]))
    able = [dtype for dtype in DTYPES if f"macs_per_cycle.{dtype}" in device]
    return next((dtype for dtype in able if BITS[dtype] >= widest), able[-1])
