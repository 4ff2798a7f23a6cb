# SPDX-License-Identifier: Apache-2.0
"""``model.build()``: cycles counted in RTL simulation and resources counted by yosys, in hls4ml's report dictionary.

Keys and spellings are those of ``hls4ml.report.parse_vivado_report``: numbers as text, periods in nanoseconds.
"""

from pathlib import Path

import numpy as np

from hls.backend.project import Project
from hwsim import device as devices
from hwsim import reference
from hwsim.errors import InputError

Section = dict[str, str]

IMAGES = 16  # simulated for cycles and compared with the golden executor
_SEED = 0
_RESOURCES = {"BRAM_18K": "bram18", "DSP": "dsp", "FF": "ff", "LUT": "lut", "URAM": "uram"}
_FAMILIES = {"7series": "xc7", "usplus": "xcup"}


def device_of(part: str) -> devices.Device | None:
    """The shipped FPGA board that carries a part, or that is called so."""
    known = (devices.load(name) for name in devices.names() if name != "host")
    boards = [board for board in known if board.kind == "fpga" and part in (board.name, board.text["part"])]
    return boards[0] if boards else None


def build(
    project: Project, part: str, clock_ns: float, synth: bool, cosim: bool, family: str | None, timing: bool
) -> dict[str, Section]:
    """The report of a written design; arguments and errors are those of ``SlimfabBackend.build``."""
    board = device_of(part)
    family = family or (_FAMILIES[board.text["family"]] if board is not None else None)
    if synth and family is None:
        raise InputError(
            f"{part}: is the part of no board in hwsim/devices; expected one of theirs, or a family; "
            "call build(family='xc7'), 'xcup' or 'ecp5'"
        )
    cycles, status = _simulate(project)
    report = {}
    if synth:
        assert family is not None
        report["CSynthesisReport"] = {
            "TargetClockPeriod": f"{clock_ns:g}",
            **_clock(project.executor.folder, family, timing),
            "BestLatency": cycles["LatencyMin"],
            "WorstLatency": cycles["LatencyMax"],
            "IntervalMin": cycles["IntervalMin"],
            "IntervalMax": cycles["IntervalMax"],
            **_resources(project.executor.folder, family, board),
        }
    if cosim:
        report["CosimReport"] = {"RTL": "Verilog", "Status": status, **cycles}
    return report


def _simulate(project: Project) -> tuple[Section, str]:
    """Exact cycles, and whether random images give the golden integers."""
    network, executor = project.imported.network, project.executor
    tensor = network.tensors[network.inputs[0]]
    assert tensor.format is not None  # the network is quantised
    low, high = tensor.format.min_int, tensor.format.max_int
    images = np.random.default_rng(_SEED).integers(low, high + 1, (IMAGES, *tensor.shape))
    golden = reference.execute(network, project.imported.weights, images)
    same = np.array_equal(executor.predict(images), golden)
    run = executor.last_run
    assert run is not None
    assert run.interval is not None  # several images were simulated
    cycles = {"LatencyMin": run.latency, "LatencyMax": run.latency}
    cycles |= {"IntervalMin": run.interval, "IntervalMax": run.interval}
    return {key: str(value) for key, value in cycles.items()}, "Pass" if same else "Fail"


def _resources(folder: Path, family: str, board: devices.Device | None) -> Section:
    """Counts, what the part's board has of each where it is known, and who counted."""
    from hls.synthesis import synthesise

    synthesis = synthesise(folder, family)
    found = {key: str(getattr(synthesis.total, name)) for key, name in _RESOURCES.items()}
    if board is not None:
        found |= {f"Available{key}": f"{board[name]:.0f}" for key, name in _RESOURCES.items()}
    return {**found, "Tool": synthesis.label}


def _clock(folder: Path, family: str, timing: bool) -> Section:
    """The period that place and route reached, or the delay of cells on the longest path, and what that is."""
    if timing and family == "ecp5":
        from hls.synthesis import place_and_route_ecp5

        placement = place_and_route_ecp5(folder)
        return {"EstimatedClockPeriod": f"{1000 / placement.median_mhz:.3f}", "ClockTool": placement.label}
    if timing and family == "xc7":
        from hls.synthesis import cell_timing

        cells = cell_timing(folder)
        return {"EstimatedClockPeriod": "N/A", "CellDelay": f"{cells.critical_ns:.3f}", "ClockTool": cells.label}
    return {"EstimatedClockPeriod": "N/A"}
