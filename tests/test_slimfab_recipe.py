# SPDX-License-Identifier: Apache-2.0
"""Recipes are checked key by key before anything runs."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from hwsim.errors import RecipeError
from slimfab.recipe import load_recipe, parse_recipe

MINIMAL: dict[str, Any] = {"name": "r", "model": {"source": "vgg_tiny"}, "dataset": {"name": "digits"}}


@pytest.mark.parametrize("name", ["fashion_resnet8.yaml", "digits_vgg_tiny.yaml"])
def test_shipped_recipes_are_valid(name: str) -> None:
    assert load_recipe(Path(str(files("slimfab") / "recipes" / name))).model.source


def test_left_out_sections_take_their_defaults() -> None:
    recipe = parse_recipe(MINIMAL)
    assert recipe.prune is None
    assert recipe.quantise.weight_width == 8
    assert recipe.hardware.board == "pynq-z2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trian": {}}, r"r\.yaml: unknown key 'trian'; did you mean 'train'\?"),
        ({"prune": {"critreion": "l1"}}, r"unknown key 'prune\.critreion'; did you mean 'criterion'\?"),
        ({"prune": {"finetune": {"epoch": 1}}}, r"unknown key 'prune\.finetune\.epoch'; did you mean 'epochs'\?"),
        (
            {"quantise": {"overrides": {"conv1": {"weight_widht": 4}}}},
            r"'quantise\.overrides\.conv1\.weight_widht'; "
            r"did you mean 'weight_width'\?",
        ),
        (
            {"quantise": {"weight_width": 0}},
            r"quantise\.weight_width: got 0; input should be greater than or equal to 2",
        ),
        (
            {"quantise": {"weight_width": 65}},
            r"quantise\.weight_width: got 65; input should be less than or equal to 16",
        ),
        ({"train": {"epochs": "many"}}, r"train\.epochs: got 'many'; input should be a valid integer"),
        ({"hardware": {"io_type": "io_serial"}}, r"hardware\.io_type: got 'io_serial'; input should be 'io_stream' or"),
        ({"hardware": {"objective": "speed"}}, r"hardware: objective: unknown 'speed'; available: bram18, dsp,"),
        ({"hardware": {"budget": {"dps": 3}}}, r"hardware: budget: unknown 'dps'; did you mean 'dsp'\?"),
        ({"hardware": {"budget": {"dsp": -3}}}, r"hardware: budget: got dsp=-3; expected a number >= 0"),
        ({"model": {}}, r"key 'model\.source' is missing; add it"),
        ({"name": " "}, "expected a word"),
    ],
)
def test_a_wrong_key_or_value_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        parse_recipe({**MINIMAL, **change}, "r.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", r"not valid YAML"),
        ("- a\n- b\n", r"got list; expected a mapping"),
        ("", r"got NoneType; expected a mapping"),
        ("!!python/object/apply:os.getcwd []", r"not valid YAML"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nothing\.yaml: cannot read \(No such file or directory\); check the path"):
        load_recipe(tmp_path / "nothing.yaml")


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: r\nmodel: {source: 'net.py:build', weights: w.safetensors}\ndataset: {name: own.npz, folder: data}\n"
    )
    recipe = load_recipe(path)
    assert recipe.model.source == f"{tmp_path}/net.py:build"
    assert recipe.model.weights == tmp_path / "w.safetensors"
    assert recipe.dataset.folder == tmp_path / "data"


def test_device_files_are_relative_to_the_recipe_wherever_they_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: r\nmodel: {source: vgg_tiny}\ndataset: {name: digits}\n"
        "prune: {budget: {'fpga:mine.yaml.dsp': 60, macs: 0.5}}\nhardware: {board: mine.yaml}\n"
        "compare: {targets: ['fpga:mine.yaml/folded', 'cpu:/elsewhere/cpu.yml', 'cpu:cortex-a9']}\n"
    )
    recipe = load_recipe(path)
    assert recipe.prune is not None
    assert recipe.prune.budget == {f"fpga:{tmp_path}/mine.yaml.dsp": 60, "macs": 0.5}
    assert recipe.hardware.board == f"{tmp_path}/mine.yaml"
    assert recipe.compare.targets == [f"fpga:{tmp_path}/mine.yaml/folded", "cpu:/elsewhere/cpu.yml", "cpu:cortex-a9"]
