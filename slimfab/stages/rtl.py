# SPDX-License-Identifier: Apache-2.0
"""The golden network as SystemVerilog beside the hls4ml project, where the recipe has an rtl section."""

from hwsim import serial
from slimfab.flow import Run, Summary
from slimfab.rtl import simulate
from slimfab.stages.compress import golden
from slimfab.stages.hardware import test_images

RESULT_FILE = "rtl.json"


def rtl_stage(run: Run) -> Summary:
    """Write the design, simulate test images, and keep the integers' verdict, the cycles and their estimate.

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
    serial.write_json(run.folder("rtl") / RESULT_FILE, result)
    return {name: result[name] for name in ("images", "mismatches", "cycles", "ii", "clock_mhz")}
