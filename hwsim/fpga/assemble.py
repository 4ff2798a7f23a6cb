# SPDX-License-Identifier: Apache-2.0
"""From a pipeline and a design to an Estimate: time, resources with the board's shell, energy, error bars, notes."""

from dataclasses import dataclass, replace

import numpy as np

from hwsim.coverage import remarks, uncovered
from hwsim.design import MEMORIES, Design, Folding
from hwsim.device import Device
from hwsim.errors import InputError
from hwsim.estimate import RESOURCE_NAMES, Estimate, Figure, LayerEstimate, Resources
from hwsim.fpga import pipeline as first_order
from hwsim.fpga.counted import Counted, count
from hwsim.fpga.folded import COUNTED, extrapolated, legal_pe, legal_simd
from hwsim.fpga.folding import Choice, choose, cost_of, points_of
from hwsim.fpga.folding.joints import Joints, joints_of_design
from hwsim.fpga.hls4ml import Constants, Cost, legal_reuse_factors
from hwsim.fpga.hls_report import note
from hwsim.fpga.power import dynamic_uj
from hwsim.fpga.resources import SHELL
from hwsim.fpga.stages import Pipeline, Stage, pipeline
from hwsim.fpga.system import BATCH_ERROR, DMA_START_CYCLES, DMA_STOP_CYCLES, LATENCY_ERROR
from hwsim.fpga.units.constants import SOURCE
from hwsim.fpga.weights import constants_of
from hwsim.network import Network, Weights
from hwsim.registry import suggest

# Error bars as factors.  LUT and FF: the three networks with counts after synthesis (hls4ml-tutorial part 6, hls4ml's
# Pynq-Z2 camera demo) are within 1.5 and 1.8; widened because they are only three.  BRAM: 84 % of 703 weight memories
# are exact.  Time: three networks measured on the Pynq-Z2 (RN06, RN07, AD08; MLPerf Tiny v0.5 and v0.7) within 1.14.
ERROR = {"lut": 2.0, "ff": 2.0, "bram18": 1.3, "interval": 1.25, "latency": 1.3, "energy": 3.0}
# Of those networks: streamed, and bits of weights and inputs. Beyond them, notes say that the bars were not measured.
MEASURED_BITS = (6, 16)
# Latencies of PE x SIMD stages to first order over counted ones: 54 foldings of six networks of the zoo are all within
# 1.49 (benchmarks/design_points.py).
FIRST_ORDER_ERROR = 1.5


@dataclass(frozen=True, eq=False)
class Mapping:
    """A way to build the stages: its name in targets, and the columns of the folding it reads."""

    name: str
    suffix: str
    label: str


HLS4ML = Mapping("hls4ml", "", "hls4ml stages")
FOLDED = Mapping("folded", "/folded", "PE x SIMD stages")


def estimate_hls4ml(
    network: Network, device: Device, batch: int = 1, design: Design | None = None, weights: Weights | None = None
) -> Estimate:  # fmt: skip
    """Estimate of a network mapped by hls4ml; without a design the folding is chosen to fit the board.

    With weights, integers by tensor, layers whose weights are constants have no products by zero.
    """
    return _estimate(network, device, batch, design, HLS4ML, weights)


def estimate_folded(
    network: Network, device: Device, batch: int = 1, design: Design | None = None, weights: Weights | None = None
) -> Estimate:  # fmt: skip
    """Estimate of a network mapped to PE x SIMD stages; without a design the folding is chosen to fit the board.

    With weights, integers by tensor, cycles are those of hardware that leaves out blocks of zeros; resources are not.
    """
    return _estimate(network, device, batch, design, FOLDED, weights)


def _estimate(
    network: Network, device: Device, batch: int, design: Design | None, mapping: Mapping,
    weights: Weights | None = None,
) -> Estimate:  # fmt: skip
    stages = pipeline(network)
    if design is not None:
        _check_design(stages, design, device)
    choice = choose(network, device, mapping.name) if design is None else None
    chosen = design if choice is None else choice.design
    assert chosen is not None
    foldings = tuple(_folding(stage, chosen, mapping) for stage in stages.stages)
    known = constants_of(network, stages, weights) if mapping is HLS4ML and weights is not None else None
    every = np.arange(len(foldings))
    cost = cost_of(stages, every, foldings, mapping.name, chosen.io_type, chosen.fifo_depths, known)
    clock = chosen.clock_mhz
    counted = count(network, chosen, batch, weights) if mapping is FOLDED else ""
    bus = _bus(stages, chosen, device)
    if isinstance(counted, Counted):
        times = _counted_times(counted, bus)
    else:
        error = ERROR["latency"] if mapping is HLS4ML else FIRST_ORDER_ERROR
        times = _first_order_times(stages, cost, chosen.io_type, bus, batch, error)
    latency_us = _with_driver(times.whole.scaled(1 / clock), device)
    beside = joints_of_design(network, stages, foldings) if mapping is FOLDED else Joints()
    resources = _resources(cost, beside)
    energy, power, power_note = _energy(network, device, latency_us, batch)
    capacity = {name: device[name] for name in RESOURCE_NAMES}
    moved = (stages.input_bits + stages.output_bits) / 8
    return Estimate(
        target=f"fpga:{device.name}{mapping.suffix}", network_hash=network.hash, batch=batch, clock_mhz=clock,
        latency_us=latency_us, interval_us=times.spacing.scaled(1 / clock), cycles=times.pipeline, ii=times.interval,
        energy_uj=energy, power_w=power, bytes_moved=Figure.exact(moved),
        resources=resources, capacity=capacity,
        layers=_layers(stages, cost, clock, energy),
        uncovered=uncovered(network),
        notes=(
            *remarks(uncovered(network)),
            *_notes(stages, chosen, choice, mapping, resources, capacity),
            *_timing_notes(mapping, counted, weights is not None),
            *_weight_notes(stages, foldings, known),
            *_beyond(stages, mapping, chosen),
            *(
                _reported(stages, foldings, chosen)
                if mapping is HLS4ML
                else _calibrated(stages, foldings, chosen)
            ),
            power_note,
        ),
    )  # fmt: skip


def _folding(stage: Stage, design: Design, mapping: Mapping) -> Folding:
    """The design's folding of a stage, checked; a stage it does not name gets the smallest hardware."""
    has_matrix = stage.kind in ("matrix", "depthwise")
    folding = design.folding.get(stage.name)
    if folding is None:
        if mapping is HLS4ML and has_matrix:
            return Folding(reuse_factor=legal_reuse_factors(stage, design.io_type)[-1])
        return Folding(strategy="resource" if has_matrix else "latency")
    rows, columns = stage.mh * stage.groups, stage.mw * stage.groups
    if mapping is FOLDED:
        if folding.memory == "ultra":
            known = ", ".join(word for word in MEMORIES if word != "ultra")
            raise InputError(
                f"{stage.name}: got memory 'ultra'; expected {known}; UltraRAM cannot start with a content (UG573)"
            )
        _check(stage, "pe", folding.pe, legal_pe(stage), f"divide {legal_pe(stage)[-1]} output channels")
        _check(stage, "simd", folding.simd, legal_simd(stage), f"divide {legal_simd(stage)[-1]} inputs per position")
    elif has_matrix and folding.strategy == "resource":
        # Only the resource strategy restricts the reuse factor (hls4ml, VivadoBackend.init_dense).
        rule = f"divide {columns} inputs, or be {columns} times a divisor of {rows} outputs"
        _check(stage, "reuse_factor", folding.reuse_factor, legal_reuse_factors(stage, design.io_type), rule)
    return folding


def _check(stage: Stage, name: str, value: int, legal: tuple[int, ...], rule: str) -> None:
    if value not in legal:
        below = [number for number in legal if number < value][-1:]
        above = [number for number in legal if number > value][:1]
        nearest = ", ".join(str(number) for number in below + above)
        raise InputError(f"{stage.name}: {name}={value} must {rule}; nearest: {nearest}")


def _check_design(stages: Pipeline, design: Design, device: Device) -> None:
    if design.device != device.name:
        raise InputError(f"design: made for {design.device}, got {device.name}; choose a design again")
    known = [stage.name for stage in stages.stages]
    for name in design.folding:
        if name not in known:
            raise InputError(f"design: folding of unknown layer '{name}'; {suggest(name, known)}")


@dataclass(frozen=True)
class Bus:
    """Cycles of the pipeline's clock in which an image's input and its result pass the memory interface."""

    reads: float
    writes: float


@dataclass(frozen=True)
class Times:
    """Cycles: of the pipeline for the batch and between images, and of both with the DMA and the bus around it."""

    pipeline: Figure
    interval: Figure
    whole: Figure
    spacing: Figure


def _bus(stages: Pipeline, design: Design, device: Device) -> Bus:
    bytes_per_cycle = min(device["axi_bits"] / 8, device["bandwidth_gb_s.dram"] * 1e3 / design.clock_mhz)
    return Bus(stages.input_bits / 8 / bytes_per_cycle, stages.output_bits / 8 / bytes_per_cycle)


def _counted_times(counted: Counted, bus: Bus) -> Times:
    """Cycles of our hardware; the DMA delays an image by as much as it is slower than the pipeline at its input."""
    late = max(0.0, bus.reads - counted.taken)
    whole = DMA_START_CYCLES + late + counted.total + bus.writes + DMA_STOP_CYCLES
    spacing = max(counted.interval, bus.reads, bus.writes)
    return Times(
        Figure.exact(counted.total, "simulated"),
        Figure(counted.interval, counted.fastest, counted.interval, "simulated"),
        Figure.within(whole, LATENCY_ERROR, "simulated"), Figure.within(spacing, BATCH_ERROR, "simulated"),
    )  # fmt: skip


def _first_order_times(
    stages: Pipeline, cost: Cost, io_type: str, bus: Bus, batch: int, error: float
) -> Times:  # fmt: skip
    times = first_order.Timing(cost.busy, cost.depth)
    interval = max(float(first_order.interval(times)), bus.reads, bus.writes)
    if io_type == "io_parallel":
        latency = bus.reads + float((cost.busy + cost.depth).sum())
    else:
        latency = float(first_order.latency(stages, times, bus.reads))
    total = latency + (batch - 1) * interval
    whole = DMA_START_CYCLES + total + bus.writes + DMA_STOP_CYCLES
    pipeline, spacing = Figure.within(max(total, interval), error), Figure.within(interval, ERROR["interval"])
    return Times(pipeline, spacing, Figure.within(whole, error), spacing)


def _with_driver(latency_us: Figure, device: Device) -> Figure:
    """What the processor needs to start an inference and to see that it is done, where it was measured."""
    if not device.get("overhead_us.inference", 0.0):
        return latency_us
    driver = device.quantity("overhead_us.inference")
    return replace(
        latency_us, value=latency_us.value + driver.value, low=latency_us.low + driver.low,
        high=latency_us.high + driver.high,
    )  # fmt: skip


def _timing_notes(mapping: Mapping, counted: Counted | str, has_weights: bool) -> list[str]:
    if mapping is HLS4ML:
        return []
    if isinstance(counted, str):
        return [f"cycles: first order, {counted}"]
    blocks = "" if has_weights else ", if no block of its weights is zero"
    return [f"cycles: those of the SystemVerilog{blocks}; without the DMA around it"]


def _weight_notes(stages: Pipeline, foldings: tuple[Folding, ...], known: Constants | None) -> list[str]:
    """Which layers of hls4ml's are without their zero weights."""
    if known is None:
        return []
    kept = [
        f"{stage.name} {nonzero / (stage.groups * stage.mh * stage.mw):.0%}"
        for stage, folding, nonzero in zip(stages.stages, foldings, known.nonzero.tolist(), strict=True)
        if nonzero and folding.strategy != "resource" and folding.reuse_factor == 1
    ]
    named = f"those of unrolled layers that are not zero count: {', '.join(kept)}" if kept else "no layer is unrolled"
    return [f"weights: {named}; the folding was chosen for all"]


def _beyond(stages: Pipeline, mapping: Mapping, design: Design) -> list[str]:
    """What lies outside of the networks on which the bars of LUT and FF of hls4ml's stages were measured."""
    if mapping is FOLDED:
        return []
    low, high = MEASURED_BITS
    named = [
        stage.name for stage in stages.stages
        if stage.weight_bits and not (low <= stage.weight_bits <= high and low <= stage.input_bits <= high)
    ]  # fmt: skip
    found = [f"{', '.join(named)} (not {low} to {high} bits)"] if named else []
    found += ["io_parallel"] if design.io_type == "io_parallel" else []
    return [f"outside of the designs on which bars of LUT and FF were measured: {'; '.join(found)}"] if found else []


def _resources(cost: Cost, beside: Joints) -> Resources:
    """All stages together, with what is between and around them, DMA and interconnect included.

    Of our units the bars are those of their formulas; the shell, which was taken from one report, widens them by half
    of itself.
    """
    sums = {name: float(getattr(cost, name).sum()) + SHELL[name] for name in SHELL}
    if cost.errors is not None:
        every = np.arange(len(cost.busy))
        cells, errors = (dict(zip(COUNTED, one(every).tolist(), strict=True)) for one in (beside.cells, beside.errors))
        figures = {}
        for name, stages in sums.items():
            value, width = stages + cells[name], float(cost.errors[name].sum()) + errors[name] + SHELL[name] / 2
            figures[name] = Figure(value, max(value - width, 0.0), value + width).rounded()
        return Resources(**figures, uram=Figure.exact(0.0))
    dsp_high = max(float(cost.dsp_high.sum()), sums["dsp"])
    return Resources(
        lut=Figure.within(sums["lut"], ERROR["lut"]).rounded(), ff=Figure.within(sums["ff"], ERROR["ff"]).rounded(),
        dsp=Figure(sums["dsp"], 0.0 if dsp_high > sums["dsp"] else sums["dsp"], dsp_high).rounded(),
        bram18=Figure.within(sums["bram18"], ERROR["bram18"]).rounded(), uram=Figure.exact(0.0),
    )  # fmt: skip


def _energy(
    network: Network, device: Device, latency_us: Figure, batch: int
) -> tuple[Figure, Figure, str]:  # fmt: skip
    """Energy per inference, mean power, and how they were found."""
    per_inference = latency_us.scaled(1 / batch)
    if "power_w" in device:
        power = device.quantity("power_w")
        energy = Figure(per_inference.value * power.value, per_inference.low * power.low,
                        per_inference.high * power.high)  # fmt: skip
        return energy, Figure(power.value, power.low, power.high), f"energy: board power x time; {power.source}"
    static = device.quantity("power_static_w")
    dynamic = Figure.within(dynamic_uj(network), ERROR["energy"])
    energy = Figure(
        per_inference.value * static.value + dynamic.value,
        per_inference.low * static.low + dynamic.low,
        per_inference.high * static.high + dynamic.high,
    )
    mean_power = Figure(
        energy.value / per_inference.value,
        min(energy.low / per_inference.high, energy.value / per_inference.value),
        max(energy.high / per_inference.low, energy.value / per_inference.value),
    )
    note = f"energy: operation table (45 nm) plus static power x time; no measured power: {static.source}"
    return energy, mean_power, note


def _layers(
    stages: Pipeline, cost: Cost, clock: float, energy: Figure
) -> tuple[LayerEstimate, ...]:  # fmt: skip
    busy_share = cost.busy / max(float(cost.busy.sum()), 1.0)
    layers = []
    for index, stage in enumerate(stages.stages):
        figures = {name: _layer_figure(cost, name, index) for name in SHELL}
        busy = float(cost.busy[index])
        limit = "compute" if stage.kind in ("matrix", "depthwise") else "stream"
        layers.append(LayerEstimate(
            stage.name, stage.op, stage.macs, busy / clock, busy, energy.value * float(busy_share[index]), 0.0, limit,
            Resources(**figures, uram=None),
        ))  # fmt: skip
    return tuple(layers)


def _layer_figure(cost: Cost, name: str, index: int) -> Figure:
    value = float(getattr(cost, name)[index])
    if cost.errors is None:
        return Figure.within(value, ERROR.get(name, 1.0))
    width = float(cost.errors[name][index])
    return Figure(value, max(value - width, 0.0), value + width)


def _reported(stages: Pipeline, foldings: tuple[Folding, ...], design: Design) -> list[str]:
    found = note(stages.stages, foldings, design.io_type)
    return [] if found is None else [found]


def _calibrated(stages: Pipeline, foldings: tuple[Folding, ...], design: Design) -> list[str]:
    """Whose counts the resources are modelled on, and which layers lie beyond them."""
    if not foldings:
        return []
    points = points_of(stages, np.arange(len(foldings)), foldings, design.fifo_depths)
    beyond = [stage.name for stage, out in zip(stages.stages, extrapolated(points).tolist(), strict=True) if out]
    found = [f"resources of stages, of converters between and registers around them: fitted to {SOURCE}; LUTs before "
             "packing, where small ones come to share one"]  # fmt: skip
    if beyond:
        found.append(f"resources are extrapolated for units larger or smaller than those: {', '.join(beyond)}")
    return found


def _notes(
    stages: Pipeline, design: Design, choice: Choice | None, mapping: Mapping, resources: Resources,
    capacity: dict[str, float],
) -> list[str]:  # fmt: skip
    notes = [
        f"{mapping.label}, {design.io_type}, {design.clock_mhz:g} MHz; resources are after synthesis, DMA and "
        "interconnect included; an HLS report shows 2 to 11 times the LUTs"
    ]
    missing = [f"{name.upper()} {100 * figure.value / capacity[name]:.0f} %" for name, figure in resources.items()
               if figure.value > capacity[name]]  # fmt: skip
    if missing:
        notes.append(f"does not fit: {', '.join(missing)}")
    if choice is not None:
        rule = "as near as any comes to fitting" if missing else "the shortest interval within the board's resources"
        notes.append(f"folding chosen: {rule}; {choice.text()}")
    if stages.has_float:
        notes.append("the network is not quantised: costed as 16-bit fixed point, hls4ml's default")
    unsure = resources.dsp is not None and resources.dsp.high > resources.dsp.value
    if unsure:
        notes.append("products of these widths may go to LUTs or DSP blocks; the tool decides, the DSP bar covers both")
    return notes
