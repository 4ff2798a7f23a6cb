# SPDX-License-Identifier: Apache-2.0
"""The way without vendor tools: the golden network as SystemVerilog, simulated image by image and cycle by cycle."""

from typing import Any

from hwsim import device as devices
from hwsim import serial
from hwsim.errors import InputError
from slimfab.flow import Run, Summary
from slimfab.stages.compress import golden
from slimfab.stages.hardware import test_images

RESULT_FILE = "rtl.json"


def rtl_stage(run: Run) -> Summary:
    """Emit the folding that makes the most of the board, simulate it, compare integers and count cycles.

    Raises:
        UnsupportedError: a layer has no template; names it.
        ToolMissing, ToolFailed: Verilator or g++ is missing or failed.
        InputError: there are too few test images.
        VerifyError: an integer differs from the golden executor's; names the first layer.
    """
    from hls.rtl_compile import QUICK, compile_design
    from hls.rtl_sim import RtlExecutor
    from hls.verify import verify
    from hwsim.fpga.folding import choose_design
    from hwsim.targets import estimate

    section, hardware = run.recipe.rtl, run.recipe.hardware
    if section is None:
        return {"skipped": "the recipe has no rtl section"}
    folder, cache = run.folder("rtl"), run.root / "cache"
    network, weights = golden(run)
    images = test_images(run, network, section.images)
    if len(images) < 2:
        raise InputError(
            f"{run.recipe.dataset.name}: got {len(images)} test image; expected 2, to count what lies between"
        )
    design = choose_design(network, devices.load(hardware.board), "folded", hardware.clock_mhz)
    # Few images are sooner through a library that is compiled in little time than through one that is fast.
    executor = RtlExecutor(network, weights, design, folder / "design", cache=cache, optimise=QUICK)
    run.listener.advanced(0.0, f"{len(executor.manifest.units)} units: Verilator and g++")
    compile_design(executor.folder, executor.manifest, cache, QUICK)
    run.listener.advanced(0.5, f"{len(images)} images")
    report = verify(network, weights, images, {"rtl": executor})
    serial.write_json(folder / "verify.json", report)
    (found,) = report.require().comparisons
    simulated = executor.last_run
    assert simulated is not None  # verify has run it
    target = f"fpga:{hardware.board}/folded"
    result: dict[str, Any] = {
        "target": target,
        "design": str((folder / "design").relative_to(run.root)),
        "source": "rtl",
        "clock_mhz": design.clock_mhz,
        "cycles": simulated.latency,
        "ii": simulated.interval,
        "images": found.images,
        "integers": found.outputs,
        "mismatches": found.mismatches,
        "estimate": serial.to_json(estimate(network, target, 1, design)),
    }
    serial.write_json(folder / RESULT_FILE, result)
    return {name: result[name] for name in ("images", "mismatches", "cycles", "ii", "clock_mhz")}
