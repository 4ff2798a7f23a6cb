# SPDX-License-Identifier: Apache-2.0
"""The main job: which stages a recipe goes through, and what of the recipe each depends on."""

import os
from pathlib import Path
from typing import Any

import yaml

from hwsim.errors import InputError
from hwsim.registry import suggest
from hwsim.serial import atomic_write
from slimfab.flow import Listener, Run, Silent, Stage, execute, file_hash
from slimfab.models import code_file, require_torch
from slimfab.recipe import Recipe, Section, load_recipe
from slimfab.stages.compress import export_stage, prune_stage, quantise_stage
from slimfab.stages.hardware import compare_stage, evaluate_stage, hardware_stage, verify_stage
from slimfab.stages.report import report_stage
from slimfab.stages.train import data_stage, train_stage

RECIPE_FILE = "recipe.yaml"


def _plain(section: Section | None) -> Any:
    return None if section is None else section.model_dump(mode="json")


def _data_config(recipe: Recipe) -> Any:
    name = recipe.dataset.name
    own = Path(recipe.dataset.folder or ".", name) if name.endswith(".npz") else None
    return [_plain(recipe.dataset), recipe.seed, file_hash(own)]


def _train_config(recipe: Recipe) -> Any:
    code = file_hash(code_file(recipe.model.source))
    return [_plain(recipe.model), _plain(recipe.train), recipe.seed, code, file_hash(recipe.model.weights)]


def _prune_config(recipe: Recipe) -> Any:
    return [_plain(recipe.prune), recipe.quantise.weight_width]  # budgets are met at the width that is deployed


STAGES = (
    Stage("data", "load data", data_stage, _data_config),
    Stage("train", "train float network", train_stage, _train_config, ("data",)),
    Stage("prune", "prune and fine-tune", prune_stage, _prune_config, ("train",)),
    Stage("quantise", "quantise and train", quantise_stage, lambda r: _plain(r.quantise), ("prune",)),
    Stage("export", "export golden network, QONNX", export_stage, lambda r: r.name, ("quantise",)),
    Stage("hardware", "build hls4ml project", hardware_stage, lambda r: _plain(r.hardware), ("export",)),
    Stage("verify", "verify bit for bit", verify_stage, lambda r: _plain(r.verify), ("hardware",)),
    Stage("evaluate", "test accuracy", evaluate_stage, lambda r: None, ("export",)),
    Stage("compare", "compare targets", compare_stage, lambda r: _plain(r.compare), ("hardware",)),
    Stage("report", "write report", report_stage, lambda r: None, ("verify", "evaluate", "compare")),
)


def run_recipe(recipe: Recipe, folder: Path | str, listener: Listener | None = None, until: str | None = None) -> Run:
    """Run a recipe into a folder, resuming what is there.

    Args:
        until: name of the last stage to run; all by default.

    Raises:
        SlimfabError: with one line that says what to do; results of finished stages stay.
    """
    names = [stage.name for stage in STAGES]
    if until is not None and until not in names:
        raise InputError(f"--until: unknown stage '{until}'; {suggest(until, names)}")
    _check_names(recipe)
    use_threads(recipe.threads)
    run = Run(recipe, Path(folder), listener or Silent(), STAGES)
    execute(run, until, before=lambda: _write_recipe(run))
    return run


def _check_names(recipe: Recipe) -> None:
    """Look every name of the recipe up before the first minute of training."""
    require_torch()
    from hwsim import device
    from hwsim.targets import parse
    from prune.allocate import ALLOCATORS
    from prune.criteria import CRITERIA
    from quant.schedules import SCHEDULES

    if recipe.prune is not None:
        CRITERIA[recipe.prune.criterion]
        ALLOCATORS[recipe.prune.allocator]
        SCHEDULES[recipe.prune.finetune.schedule]
    SCHEDULES[recipe.train.schedule]
    SCHEDULES[recipe.quantise.finetune.schedule]
    device.load(recipe.hardware.board)
    for target in recipe.compare.targets:
        parse(target)


def use_threads(count: int | None) -> None:
    """Set torch's threads: all cores by default, never more than there are."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(min(count or cores, cores))


def _write_recipe(run: Run) -> None:
    """Keep the whole recipe, defaults included, with the results."""
    text = yaml.safe_dump(_plain(run.recipe), sort_keys=False)
    atomic_write(run.root / RECIPE_FILE, f"# The recipe of this run with all defaults filled in.\n{text}")


def rewrite_report(folder: Path) -> None:
    """Write the report of a finished run again from its results.

    Raises:
        InputError: the folder holds no finished run.
    """
    copy = folder / RECIPE_FILE
    if not copy.is_file():
        raise InputError(f"{folder}: holds no run (no {RECIPE_FILE}); name the --output folder of 'slimfab run'")
    run = Run(load_recipe(copy), folder, Silent(), STAGES)
    report_stage(run)
