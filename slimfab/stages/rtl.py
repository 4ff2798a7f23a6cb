# SPDX-License-Identifier: Apache-2.0
"""The golden network as SystemVerilog beside the hls4ml project, where the recipe has an rtl section."""

from pathlib import Path
from typing import Any

from hwsim import serial
from hwsim.network import Network, Weights
from slimfab.flow import Run, Summary
from slimfab.rtl import simulate
from slimfab.stages.compress import golden
from slimfab.stages.hardware import test_images

RESULT_FILE = "rtl.json"
TRACE_FILE = "timeline.json"  # for Perfetto's or Chrome's trace viewer
_SHOWN_IMAGES = 6  # of the waterfall in the report


def rtl_stage(run: Run) -> Summary:
    """Write the design, simulate test images, and keep the integers' verdict, the cycles and their estimate.

    Beside them stands when each layer works on which image, as images come at the design's pace.

    Raises:
        SlimfabError: see :func:`slimfab.rtl.simulate`.
    """
    section, hardware = run.recipe.rtl, run.recipe.hardware
    if section is None:
        return {"skipped": "the recipe has no rtl section"}
    network, weights = golden(run)
    design = run.folder("rtl") / "design"
    found = simulate(
        network,
        weights,
        test_images(run, network, section.images),
        design,
        hardware.board,
        hardware.clock_mhz,
        hardware.goal,
        cache=run.root / "cache",  # outside the stage's folder: it outlives changes of the recipe
        listen=run.listener.advanced,
    )
    result = {"source": "rtl", "design": str(design.relative_to(run.root)), **serial.to_json(found)}
    result["timeline"] = _timeline(network, weights, design, run.folder("rtl") / TRACE_FILE)
    serial.write_json(run.folder("rtl") / RESULT_FILE, result)
    return {name: result[name] for name in ("images", "mismatches", "cycles", "ii", "clock_mhz")}


def _timeline(network: Network, weights: Weights, design: Path, trace: Path) -> list[dict[str, Any]]:
    """When each layer works on the first images, in cycles; the trace file has it all, with what every FIFO holds."""
    from hls.emit import load_manifest
    from hls.layers import build
    from hls.tokens import pipeline
    from hwsim.fpga.tokens import steady
    from hwsim.fpga.tokens.timeline import spans, write_chrome_trace

    plan = load_manifest(design).design
    stages = pipeline(build(network, weights, plan))
    flow = steady(stages).flow
    write_chrome_trace(trace, stages, flow, plan.clock_mhz)
    found: list[dict[str, Any]] = serial.to_json([one for one in spans(stages, flow) if one.image < _SHOWN_IMAGES])
    return found
