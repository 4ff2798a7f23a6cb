# SPDX-License-Identifier: Apache-2.0
"""The main job end to end on real digits: torch, Brevitas, qonnx, hls4ml and g++, and nothing replaced."""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_runs import FILE, NET, Ears, finished_run, go, result_of, small_recipe

from hwsim.errors import InputError
from slimfab.pipeline import STAGES, rewrite_report
from slimfab.recipe import load_recipe

pytestmark = pytest.mark.needs("torch", "brevitas", "qonnx", "hls4ml", "g++", "sklearn")

TITLES = [stage.title for stage in STAGES]
FIGURES = ("latency_us", "energy_uj")


@pytest.fixture(scope="module")
def root() -> Path:
    return finished_run()


@pytest.fixture(scope="module")
def result(root: Path) -> dict[str, Any]:
    return result_of(root)


def copy_of(root: Path, tmp_path: Path) -> Path:
    """A finished run that a test may change; its recipe stays where it was."""
    shutil.copytree(root, tmp_path / "run")
    return tmp_path / "run"


def recipe_of(root: Path) -> Any:
    return load_recipe(root.parent / FILE)


def test_every_executor_computed_the_same_integers(result: dict[str, Any]) -> None:
    assert set(result["verify"]) == {"qonnx", "golden", "csim", "imported"}
    for name, one in result["verify"].items():
        assert (one["images"], one["integers"], one["mismatches"]) == (50, 500, 0), name


def test_accuracies_are_those_of_trained_networks(result: dict[str, Any]) -> None:
    assert set(result["accuracy"]) == {"float", "pruned", "quantised"}
    # One in ten is chance. Three epochs reach 81 to 84 % on these 360 images, whose writers are new.
    assert all(0.7 < share < 1 for share in result["accuracy"].values())


def test_the_budget_holds_and_the_weights_are_narrow(result: dict[str, Any]) -> None:
    before, after = result["network"]["float"], result["network"]["quantised"]
    assert after["macs"] <= 0.6 * before["macs"]
    assert after["macs"] == result["network"]["pruned"]["macs"]
    assert after["weight_bits"] < 0.6 * before["weight_bits"] * 16 / 32  # 6-bit weights, 16-bit biases


def test_estimates_have_error_bars_and_sources(result: dict[str, Any]) -> None:
    found = {(one["variant"], one["target"]) for one in result["estimates"]}
    targets = ("cpu:cortex-a9", "gpu:jetson-orin", "fpga:ultra96", "fpga:pynq-z2")  # the last one is the board
    assert found == {(variant, target) for variant in ("float", "pruned", "quantised") for target in targets}
    for one in result["estimates"]:
        assert one["source"] == "analytic"
        for name in FIGURES:
            assert 0 < one[f"{name}_low"] <= one[name] <= one[f"{name}_high"]


def test_the_result_repeats_the_recipe_with_its_defaults(result: dict[str, Any], root: Path) -> None:
    assert result["recipe"] == recipe_of(root).model_dump(mode="json")
    assert result["recipe"]["hardware"]["board"] == result["hardware"]["board"] == "pynq-z2"


def test_the_hls4ml_project_is_there(result: dict[str, Any], root: Path) -> None:
    project = root / result["hardware"]["project"]
    assert (project / "firmware").is_dir()
    assert list(project.glob("*.tcl"))


def test_nothing_temporary_is_left(root: Path) -> None:
    hidden = {path.name for path in root.rglob(".*")}
    assert hidden == {".lock"}


def test_a_rerun_runs_no_stage(root: Path) -> None:
    before = (root / "result.json").read_bytes()
    ears = Ears()
    go(recipe_of(root), root, ears)
    assert ears.executed == []
    assert ears.cached == TITLES
    assert (root / "result.json").read_bytes() == before


def test_another_board_keeps_the_network_and_redoes_the_hardware(root: Path, tmp_path: Path) -> None:
    run = copy_of(root, tmp_path)
    recipe = recipe_of(root)
    other = recipe.model_copy(update={"hardware": recipe.hardware.model_copy(update={"board": "zcu104"})})
    ears = Ears()
    go(other, run, ears, until="hardware")
    assert ears.cached == TITLES[:6]
    assert ears.executed == ["build hls4ml project"]
    assert json.loads((run / "07-hardware/design.json").read_text())["device"] == "zcu104"
    keys = [json.loads((folder / "done.json").read_text())["key"] for folder in sorted(run.glob("*-*"))]
    before = [json.loads((folder / "done.json").read_text())["key"] for folder in sorted(root.glob("*-*"))]
    assert [key != old for key, old in zip(keys, before, strict=True)].index(True) == 6


def test_other_targets_redo_only_the_comparison_and_the_report(root: Path, tmp_path: Path) -> None:
    run = copy_of(root, tmp_path)
    recipe = recipe_of(root)
    ears = Ears()
    go(recipe.model_copy(update={"compare": recipe.compare.model_copy(update={"targets": ["gpu:h100"]})}), run, ears)
    assert ears.executed == ["compare targets", "write report"]
    result = result_of(run)
    assert {one["target"] for one in result["estimates"]} == {"gpu:h100", "fpga:pynq-z2"}
    assert result["verify"] == result_of(root)["verify"]


def test_removed_reports_are_written_again(root: Path, tmp_path: Path) -> None:
    run = copy_of(root, tmp_path)
    (run / "result.json").unlink()
    (run / "report.html").unlink()
    go(recipe_of(root), run)
    assert (run / "result.json").read_bytes() == (root / "result.json").read_bytes()
    assert (run / "report.html").exists()


def test_rewriting_the_report_gives_the_same_result(root: Path, tmp_path: Path) -> None:
    run = copy_of(root, tmp_path)
    (run / "result.json").write_text("{}")
    rewrite_report(run)
    assert (run / "result.json").read_bytes() == (root / "result.json").read_bytes()


def test_no_report_of_an_unfinished_run(root: Path, tmp_path: Path) -> None:
    run = copy_of(root, tmp_path)
    (run / "08-verify/done.json").unlink()
    with pytest.raises(InputError, match=r"run: stage 'verify' is not finished; run 'slimfab run' into it again"):
        rewrite_report(run)
    with pytest.raises(InputError, match=r"holds no run \(no recipe\.yaml\); name the --output folder"):
        rewrite_report(tmp_path)


def test_until_stops_and_an_unknown_stage_is_refused(root: Path, tmp_path: Path) -> None:
    ears = Ears()
    go(recipe_of(root), tmp_path / "run", ears, until="check")
    assert ears.executed == TITLES[:2]
    assert not (tmp_path / "run/result.json").exists()
    with pytest.raises(InputError, match=r"--until: unknown stage 'trian'; did you mean 'train'\?"):
        go(recipe_of(root), tmp_path / "other", until="trian")
    assert not (tmp_path / "other").exists()


def test_killed_at_every_event_and_rerun_it_gives_the_same_result(root: Path, tmp_path: Path) -> None:
    """Ctrl-C once at every kind of event: the start of each stage, each epoch, each executor of the verification."""
    recipe, run = recipe_of(root), tmp_path / "run"
    for name in ("08-verify/cache", "08-verify/started.json"):  # g++ takes as long as all the rest
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        copy(root / name, run / name)
    survived: set[str] = set()

    def kill(event: str) -> None:
        if event not in survived:
            survived.add(event)
            raise KeyboardInterrupt

    while True:
        ears = Ears(kill)
        try:
            go(recipe, run, ears)
            break
        except KeyboardInterrupt:
            assert not (run / "result.json").exists()
    assert set(TITLES) < survived
    assert {f"train float network: epoch {n}/3" for n in (1, 2, 3)} < survived
    assert "verify bit for bit: csim: 50 images" in survived
    assert result_of(run) == result_of(root)
    for name in ("train", "prune", "quantise"):
        (mine,) = run.glob(f"*-{name}/weights.safetensors")
        assert mine.read_bytes() == (root / mine.relative_to(run)).read_bytes()


def test_killed_in_mid_training_it_goes_on_from_its_checkpoint(root: Path, tmp_path: Path) -> None:
    def kill(event: str) -> None:
        if event.endswith("epoch 3/3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(recipe_of(root), tmp_path / "run", Ears(kill), until="train")
    ears = Ears()
    go(recipe_of(root), tmp_path / "run", ears, until="train")
    assert {event for event in ears.events if "epoch" in event} == {"train float network: epoch 3/3"}
    weights = "03-train/weights.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (root / weights).read_bytes()


def test_changed_code_of_the_network_is_noticed(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, {"train": {"epochs": 0}})
    go(recipe, tmp_path / "run", until="train")
    (tmp_path / "net.py").write_text(NET.replace("channels=4", "channels=5"))
    ears = Ears()
    go(recipe, tmp_path / "run", ears, until="train")
    assert ears.executed == TITLES[1:3]


def test_given_weights_are_taken_instead_of_training(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "03-train/weights.safetensors", tmp_path / "mine.safetensors")
    recipe = small_recipe(tmp_path, {"model": {"weights": "mine.safetensors"}})
    run = go(recipe, tmp_path / "run", until="train")
    assert "epochs" not in run.summary("train")
    assert (
        run.summary("train")["val_accuracy"]
        == json.loads((root / "03-train/done.json").read_text())["summary"]["val_accuracy"]
    )


def test_without_a_prune_section_every_channel_stays(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, {"prune": None, "train": {"epochs": 1}})
    go(recipe, tmp_path / "run")
    result = result_of(tmp_path / "run")
    assert result["network"]["pruned"] == result["network"]["float"]
    assert result["accuracy"]["pruned"] == result["accuracy"]["float"]
    assert {one["mismatches"] for one in result["verify"].values()} == {0}
    assert "net.py:build on digits, quantised" in (tmp_path / "run/report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("changes", [
    {"hardware": {"io_type": "io_parallel", "backend": "Vivado"}},
    {"hardware": {"io_type": "io_parallel"}, "quantise": {"weight_width": 3, "activation_width": 4}},
    {"hardware": {"backend": "Vivado", "board": "pynq-z1", "clock_mhz": 50}},
    {"prune": {"allocator": "per_layer", "ratios": {"conv": 0.5}, "budget": {"params": 0.8}}},
    {"prune": {"budget": {"fpga:pynq-z2.lut": "97%"}, "criterion": "l2", "schedule": "iterative", "steps": 2}},
], ids=str)  # fmt: skip
def test_other_recipes_run_through_and_stay_exact(changes: dict[str, Any], tmp_path: Path) -> None:
    go(small_recipe(tmp_path, changes), tmp_path / "run")
    result = result_of(tmp_path / "run")
    assert {(one["images"], one["mismatches"]) for one in result["verify"].values()} == {(50, 0)}


@pytest.mark.slow
def test_the_shipped_recipe_survives_sigkill(tmp_path: Path) -> None:
    """Killed for real, without a chance to clean up, in the middle of each stage that takes time; then finished."""
    recipe = yaml.safe_load((files("slimfab") / "recipes/digits_vgg_tiny.yaml").read_text())
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, "threads": 1}))
    command = [sys.executable, "-m", "slimfab.cli", "run", str(path), "--output"]
    calm = tmp_path / "calm"
    subprocess.run([*command, str(calm)], check=True, capture_output=True)
    root = tmp_path / "run"
    marks = [
        "03-train/checkpoint.safetensors", "04-prune/step-1/checkpoint.safetensors",
        "05-quantise/checkpoint.safetensors", "06-export/model.onnx", "07-hardware/project", "08-verify/csim",
        "08-verify/cache", "08-verify/csim.json", "11-compare/started.json", "12-report/started.json",
    ]  # fmt: skip
    killed = [mark for mark in marks if _killed_once_there_is(root / mark, [*command, str(root)])]
    assert len(killed) >= 7  # a stage may end before it is hit
    subprocess.run([*command, str(root)], check=True, capture_output=True)
    assert result_of(root) == result_of(calm)


def _killed_once_there_is(mark: Path, command: list[str]) -> bool:
    """Start a run and SIGKILL it when a file appears; False if the run ended first."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if mark.exists():
            os.kill(process.pid, signal.SIGKILL)
            return process.wait() == -signal.SIGKILL
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    return False
