# SPDX-License-Identifier: Apache-2.0
"""What a finished build says: reports as an estimate, and bitstream, handoff and golden vectors as a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from boards import bitfile, handoff, xclbin
from boards import board as boards
from boards.bundle import Bundle, IntArray, pack
from boards.manifest import Manifest
from boards.vivado import scripts
from boards.vivado.block_design import ACCELERATOR, DMA, LENGTH_BITS, PROCESSORS
from boards.vivado.plan import Plan, is_done
from hls import reports
from hls.reports import HlsReport, Power, Timing, Utilisation
from hwsim.errors import BudgetError, BundleError, ToolFailed
from hwsim.estimate import RESOURCE_NAMES, Estimate, Figure, Resources
from hwsim.registry import suggest

SOURCE = "synthesis"
CLOCK_TOLERANCE = 1e-3  # reports round periods to picoseconds: 0.6 parts in a thousand at 600 MHz


@dataclass(frozen=True, eq=False)
class Results:
    """A finished build. ``clock_mhz`` is the clock that timing was met for; ``files`` are what a bundle is made of.

    Where v++ linked a kernel, ``timing``, ``utilisation`` and ``power`` are of the accelerator by itself, and the clock
    is the one that v++ settled on.
    """

    plan: Plan
    clock_mhz: float
    utilisation: Utilisation
    timing: Timing
    power: Power
    hls: HlsReport | None
    files: Mapping[str, bytes]
    tools: Mapping[str, str]


def collect(folder: Path | str, plan: Plan) -> Results:
    """Read what a build left behind, and check that it is of this plan.

    Raises:
        ToolFailed: a step is not done, or its result is missing.
        InputError: a report is damaged.
        BudgetError: timing is not met.
        BundleError: the bitstream or the handoff is stale, damaged, or for another part.
    """
    target = Path(folder)
    for step in plan.steps:
        if not is_done(target, step):
            raise ToolFailed(f"{target}: step {step.name} is not done; run {target / 'build.sh'}")
    used = reports.parse_utilisation(target / scripts.UTILISATION)
    if not bitfile.same_part(used.device, plan.part):
        raise ToolFailed(
            f"{target}: reports are of part {used.device}; expected {plan.part}; remove done/, build again"
        )
    timing = reports.parse_timing(target / scripts.TIMING)
    if not timing.is_met or timing.wns_ns is None:
        raise BudgetError(
            f"timing: got a slack of {timing.wns_ns} ns at {plan.clock_mhz:g} MHz; expected 0 or more; "
            "build for a slower clock (--clock)"
        )
    power = reports.parse_power(target / scripts.POWER)
    hls_report = target / scripts.HLS_REPORT
    hls = reports.parse_csynth(hls_report) if any(step.name.endswith("_hls") for step in plan.steps) else None
    tools = {"vivado": used.version or plan.tools} | ({} if hls is None else {"hls": hls.version})
    files = {name: _read(target / name) for name in plan.result_files}
    clock_mhz = plan.clock_mhz
    if plan.has_bitstream:
        clock_mhz = _check(plan, files)
        _check_clock(plan, clock_mhz, reports.parse_clocks(target / scripts.TIMING))
    elif files:
        clock_mhz = _check_container(plan, files[f"{plan.name}.xclbin"])
    return Results(plan, clock_mhz, used, timing, power, hls, files, tools)


def _check(plan: Plan, files: Mapping[str, bytes]) -> float:
    """Bitstream and handoff against the plan; the clock that the processor really gives."""
    header = bitfile.read(files[f"{plan.name}.bit"], f"{plan.name}.bit")
    if header.user_id != int(plan.build_id, 16):
        raise BundleError(
            f"{plan.name}.bit is stale: got build {header.user_id:08x}; expected {plan.build_id}; build again"
        )
    name = f"{plan.name}.hwh"
    found = handoff.read(files[name], name)
    length = found.cell(DMA, name).number("c_sg_length_width", name)
    if length != LENGTH_BITS:
        raise BundleError(f"{name}: {DMA}.c_sg_length_width: got {length}; expected {LENGTH_BITS}; build again")
    clock_mhz = found.clock_mhz()
    if clock_mhz is None:
        raise BundleError(f"{name}: names no clock of the fabric; expected the processor's; build again")
    return clock_mhz


def _check_container(plan: Plan, data: bytes) -> float:
    """What v++ linked against the plan; the clock that the kernel runs at."""
    found = xclbin.check(data, _platform(plan), plan.part, plan.build_id, f"{plan.name}.xclbin")
    if found.clock_mhz > plan.clock_mhz:
        raise BudgetError(
            f"{plan.name}.xclbin: got {found.clock_mhz} MHz; expected at most {plan.clock_mhz:g}; link it again"
        )
    return float(found.clock_mhz)


def _platform(plan: Plan) -> str:
    """What the build's kernel is linked to; "" where nothing is."""
    platform = boards.load(plan.board).platform
    return platform.name if platform is not None and plan.result_files else ""


def _check_clock(plan: Plan, clock_mhz: float, timed_mhz: Mapping[str, float]) -> None:
    """Whether timing was met for the clock that the processor gives, or for a faster one."""
    name = PROCESSORS[boards.load(plan.board).shell].timed_as
    if name not in timed_mhz:
        raise BudgetError(f"timing: has no clock {name}; {suggest(name, timed_mhz)}; build again")
    if clock_mhz > timed_mhz[name] * (1 + CLOCK_TOLERANCE):
        raise BudgetError(
            f"timing: was met for {timed_mhz[name]:g} MHz, and the processor gives {clock_mhz:g}; expected no more; "
            "build for a slower clock (--clock)"
        )


def estimate(base: Estimate, results: Results) -> Estimate:
    """An estimate with what the tools report in place of what a model expects.

    Cycles stay the model's, at the clock that timing was met for. Power is Vivado's, whose toggle rates are assumed
    (AMD UG907, "Vectorless"): the bar goes from static power to twice the dynamic power.

    Args:
        base: of the same network on the same board.
    """
    used, power = results.utilisation.resources, results.power
    scale = base.clock_mhz / results.clock_mhz
    static_w = power.static_w or 0.0
    watts = Figure(power.total_w, static_w, power.total_w + (power.dynamic_w or 0.0), SOURCE)
    interval = base.interval_us.scaled(scale)
    energy = Figure(
        watts.value * interval.value, watts.low * interval.low, watts.high * interval.high, SOURCE
    )  # W times us is uJ
    counted = {name: Figure.exact(used[name], SOURCE) for name in RESOURCE_NAMES if name in used}
    tool, power_note = results.tools["vivado"], "power: of the chip, not of the board; vectorless"
    if results.plan.has_bitstream:
        notes = [f"resources, clock and power: {tool}, placed and routed, with the DMA and what joins it"]
    else:
        notes = [f"resources and power: {tool}, placed and routed for {results.plan.clock_mhz:g} MHz, by itself"]
    if results.plan.result_files and not results.plan.has_bitstream:
        notes.append("clock: the one that v++ linked the kernel for")
    return replace(
        base, clock_mhz=results.clock_mhz, latency_us=base.latency_us.scaled(scale), interval_us=interval,
        energy_uj=energy, power_w=watts, resources=Resources(**counted), layers=(), notes=(*notes, power_note),
    )  # fmt: skip


def bundle(
    results: Results, files: Mapping[str, bytes], inputs: IntArray, outputs: IntArray, path: Path | str,
    latency_cycles: int | None = None, interval_cycles: int | None = None,
) -> Bundle:  # fmt: skip
    """Pack a build with a bitstream for its board, or with a linked kernel for its card.

    Args:
        files: what else the board shall have, a driver among it.
        inputs, outputs: (N, *shape) golden integers.
        latency_cycles, interval_cycles: what the design is expected to take.

    Raises:
        BundleError: something contradicts something else.
    """
    plan = results.plan
    manifest = Manifest(
        plan.name, boards.load(plan.board).name, plan.part, plan.flow, plan.network_hash, plan.build_id,
        results.clock_mhz, results.timing.wns_ns if plan.has_bitstream else None, plan.input, plan.output,
        results.tools, latency_cycles, interval_cycles, DMA, ACCELERATOR, _platform(plan),
    )  # fmt: skip
    return pack(manifest, {**files, **results.files}, inputs, outputs, path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolFailed(f"{path}: cannot read ({error.strerror}); expected the build's result; build again") from error
