# SPDX-License-Identifier: Apache-2.0
"""The last stage: everything a run found out, as ``result.json`` for machines and ``report.html`` for people."""

from typing import Any

import slimfab
from hwsim import serial
from hwsim.estimate import Estimate, Figure
from slimfab.flow import Run, Summary
from slimfab.stages.compress import golden
from slimfab.stages.rtl import RESULT_FILE

REPORT_FILES = ("result.json", "report.html")  # in the run's folder


def report_stage(run: Run) -> Summary:
    """Collect the results of all stages and write both files into the run's folder."""
    from slimfab.report import render

    result = collect(run)
    serial.write_json(run.root / "result.json", result)
    serial.atomic_write(run.root / "report.html", render(result, estimates(run), golden(run)[0]))
    return {"report": "report.html", "result": "result.json"}


def estimates(run: Run) -> dict[str, list[Estimate]]:
    """The estimates of the compare stage, by variant of the network: float, pruned, quantised."""
    data = serial.read_json(run.folder("compare") / "estimates.json")
    return {
        variant: [serial.from_json(Estimate, one, f"estimates.{variant}[{i}]") for i, one in enumerate(found)]
        for variant, found in data.items()
    }


def collect(run: Run) -> dict[str, Any]:
    """The content of ``result.json``.

    ``accuracy`` is the share of right answers on the test split. ``verify.<executor>`` counts the integers that differ
    from the golden executor. Every estimate gives ``latency_us`` and ``energy_uj`` with ``_low`` and ``_high``, the
    ends of its error bar. ``rtl`` holds the cycles that the simulation of the SystemVerilog counted, with the estimate
    of the same design; null where the recipe has no rtl section.
    """
    rtl = _simulated(run)
    verified = serial.read_json(run.folder("verify") / "verify.json")
    if rtl is not None:
        verified["rtl"] = {name: rtl.pop(name) for name in ("images", "integers", "mismatches")} | {"against": "golden"}
    summaries = {stage.name: _done(run, stage.name) for stage in run.stages if stage.name != "report"}
    return {
        "slimfab": slimfab.__version__,
        "name": run.recipe.name,
        "seed": run.recipe.seed,
        "dataset": summaries["data"]["summary"],
        "accuracy": serial.read_json(run.folder("evaluate") / "accuracy.json"),
        "network": serial.read_json(run.folder("compare") / "networks.json"),
        "verify": verified,
        "hardware": {**summaries["hardware"]["summary"], "project": f"{run.folder('hardware').name}/project"},
        "rtl": rtl,
        "estimates": [{"variant": variant, **_flat(one)} for variant, found in estimates(run).items() for one in found],
        "stages": [
            {"name": name, "seconds": done["seconds"], "summary": done["summary"]} for name, done in summaries.items()
        ],
        "recipe": run.recipe.model_dump(mode="json"),
    }


def _simulated(run: Run) -> dict[str, Any] | None:
    """What the rtl stage wrote, with times beside the cycles; None where it was left out."""
    if run.recipe.rtl is None:
        return None
    found = dict(serial.read_json(run.folder("rtl") / RESULT_FILE))
    times = {"latency_us": found["cycles"] / found["clock_mhz"], "interval_us": found["ii"] / found["clock_mhz"]}
    return {**found, **times, "estimate": _flat(serial.from_json(Estimate, found["estimate"], RESULT_FILE))}


def _done(run: Run, stage: str) -> dict[str, Any]:
    return dict(serial.read_json(run.folder(stage) / "done.json"))


def _flat(one: Estimate) -> dict[str, Any]:
    flat: dict[str, Any] = {
        "target": one.target,
        "source": one.latency_us.source,
        "batch": one.batch,
        "clock_mhz": one.clock_mhz,
        "fits": one.fits(),
        "notes": list(one.notes),
    }
    figures: dict[str, Figure | None] = {
        name: getattr(one, name)
        for name in ("latency_us", "interval_us", "energy_uj", "power_w", "bytes_moved", "cycles", "ii")
    }
    if one.resources is not None:
        figures |= dict(one.resources.items())
    for name, figure in figures.items():
        if figure is not None:
            flat |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return flat
