# SPDX-License-Identifier: Apache-2.0
"""The main job: which stages a recipe goes through, and what of the recipe each depends on."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from hwsim import device as devices
from hwsim.errors import DeviceError, InputError, ModelFileError
from hwsim.registry import suggest
from hwsim.serial import atomic_write
from slimfab.flow import Listener, Run, Silent, Stage, execute, file_hash
from slimfab.models import code_file, find_builder
from slimfab.recipe import Recipe, Section, TrainSection, load_recipe
from slimfab.stages.check import check_stage
from slimfab.stages.compress import deployed_bits, export_stage, prune_stage, quantise_stage
from slimfab.stages.hardware import compare_stage, evaluate_stage, hardware_stage, verify_stage
from slimfab.stages.report import REPORT_FILES, report_stage
from slimfab.stages.rtl import rtl_stage
from slimfab.stages.train import data_stage, train_stage

RECIPE_FILE = "recipe.yaml"
FILLED_IN = "The recipe of this run with all defaults filled in."


def _plain(section: Section | None) -> Any:
    return None if section is None else section.model_dump(mode="json")


def _data_config(recipe: Recipe) -> Any:
    name = recipe.dataset.name
    own = Path(recipe.dataset.folder or ".", name) if name.endswith(".npz") else None
    return [_plain(recipe.dataset), recipe.seed, file_hash(own)]


def _check_config(recipe: Recipe) -> Any:
    code = file_hash(code_file(recipe.model.source))
    parts = (recipe.model, recipe.prune, recipe.quantise)
    rtl = None if recipe.rtl is None else _board_config(recipe)
    return [*map(_plain, parts), recipe.hardware.io_type, rtl, recipe.seed, code]


def _train_config(recipe: Recipe) -> Any:
    code = file_hash(code_file(recipe.model.source))
    return [_plain(recipe.model), _plain(recipe.train), recipe.seed, code, file_hash(recipe.model.weights)]


def _prune_config(recipe: Recipe) -> Any:
    budget = recipe.prune.budget if recipe.prune else {}
    return [_plain(recipe.prune), deployed_bits(recipe.quantise), _device_hashes(budget)]


def _device_hashes(names: Iterable[str]) -> list[str | None]:
    """Hashes of the device files of the user's that boards, targets or cost fields name."""
    files = [found[0] for name in names if (found := re.search(r"[^:]+\.ya?ml", name))]
    return [file_hash(Path(file)) for file in files]


def _hardware_config(recipe: Recipe) -> Any:
    return [_plain(recipe.hardware), _device_hashes([recipe.hardware.board])]


def _rtl_config(recipe: Recipe) -> Any:
    return None if recipe.rtl is None else [_plain(recipe.rtl), _board_config(recipe)]


def _board_config(recipe: Recipe) -> Any:
    section = recipe.hardware
    goal = [section.objective, sorted(section.budget.items())]
    return [section.board, section.clock_mhz, goal, _device_hashes([section.board])]


def _compare_config(recipe: Recipe) -> Any:
    return [_plain(recipe.compare), _device_hashes(recipe.compare.targets)]


STAGES = (
    Stage("data", "load data", data_stage, _data_config),
    Stage("check", "check network and recipe", check_stage, _check_config, ("data",)),
    Stage("train", "train float network", train_stage, _train_config, ("data",)),
    Stage("prune", "prune and fine-tune", prune_stage, _prune_config, ("train",)),
    Stage("quantise", "quantise and train", quantise_stage, lambda r: _plain(r.quantise), ("prune",)),
    Stage("export", "export golden network, QONNX", export_stage, lambda r: r.name, ("quantise",)),
    Stage("hardware", "build hls4ml project", hardware_stage, _hardware_config, ("export",)),
    Stage("verify", "verify bit for bit", verify_stage, lambda r: _plain(r.verify), ("hardware",)),
    Stage("rtl", "simulate SystemVerilog", rtl_stage, _rtl_config, ("export",)),
    Stage("evaluate", "test accuracy", evaluate_stage, lambda r: None, ("export",)),
    Stage("compare", "compare targets", compare_stage, _compare_config, ("hardware",)),
    Stage("report", "write report", report_stage, lambda r: None, ("verify", "rtl", "evaluate", "compare")),
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
    execute(run, until, before=lambda: write_recipe(recipe, run.root / RECIPE_FILE, FILLED_IN))
    if until in (None, STAGES[-1].name) and not all((run.root / name).is_file() for name in REPORT_FILES):
        report_stage(run)  # removed by the user since; they lie outside the stage's folder
    return run


def _check_names(recipe: Recipe) -> None:
    """Look every name of the recipe up before anything is written."""
    find_builder(recipe.model.source)
    from hwsim.fpga.folding import expect_available
    from hwsim.targets import parse
    from prune.allocate import ALLOCATORS
    from prune.criteria import CRITERIA
    from prune.methods import METHODS
    from prune.schedule import SCHEDULES as PRUNING_SCHEDULES
    from quant.schedules import SCHEDULES
    from slimfab.datasets import DATASETS

    if not recipe.dataset.name.endswith(".npz"):
        DATASETS[recipe.dataset.name]
    if recipe.model.weights is not None and not recipe.model.weights.is_file():
        raise ModelFileError(f"{recipe.model.weights}: no such file; correct model.weights, or leave it out to train")
    trainings: list[TrainSection] = [recipe.train, recipe.quantise.finetune]
    if recipe.prune is not None:
        method = METHODS[recipe.prune.method]
        CRITERIA[recipe.prune.criterion or method.criterion]
        ALLOCATORS[recipe.prune.allocator or method.allocator]
        PRUNING_SCHEDULES[recipe.prune.schedule or method.schedule]
        trainings += [recipe.prune.finetune, recipe.prune.training]
    for section in trainings:
        SCHEDULES[section.schedule]
    _check_board(recipe.hardware.board)
    expect_available(devices.load(recipe.hardware.board), recipe.hardware.goal)
    for target in recipe.compare.targets:
        parse(target)


def _check_board(name: str) -> None:
    board = devices.load(name)
    if board.kind != "fpga":
        boards = [one for one in devices.names() if devices.load(one).kind == "fpga"]
        raise DeviceError(f"hardware.board: {name} is a {board.kind}; expected an FPGA board; {suggest('', boards)}")


def use_threads(count: int | None) -> None:
    """Set torch's threads: all cores by default, never more than there are."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(min(count or cores, cores))


def write_recipe(recipe: Recipe, path: Path, remark: str) -> None:
    """Write a whole recipe, defaults included, under a line that says what it is."""
    text = yaml.safe_dump(_plain(recipe), sort_keys=False)
    atomic_write(path, f"# {remark}\n{text}")


def rewrite_report(folder: Path) -> None:
    """Write the report of a finished run again from its results.

    Raises:
        InputError: the folder holds no finished run.
    """
    copy = folder / RECIPE_FILE
    if not copy.is_file():
        raise InputError(f"{folder}: holds no run (no {RECIPE_FILE}); name the --output folder of 'slimfab run'")
    run = Run(load_recipe(copy), folder, Silent(), STAGES)
    for stage in STAGES[:-1]:
        if not (run.folder(stage.name) / "done.json").is_file():
            raise InputError(f"{folder}: stage '{stage.name}' is not finished; run 'slimfab run' into it again")
    report_stage(run)
