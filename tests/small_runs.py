# SPDX-License-Identifier: Apache-2.0
"""The smallest complete run: one convolution and one dense layer on the digits, and what tests do with runs."""

import functools
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from slimfab.flow import Listener, Run, Silent, Summary
from slimfab.pipeline import run_recipe
from slimfab.recipe import Recipe, load_recipe

NET = """\
from collections import OrderedDict

from torch import nn


def build(channels=4):
    return nn.Sequential(OrderedDict(
        conv=nn.Conv2d(1, channels, 3, stride=2, padding=1), relu=nn.ReLU(), flatten=nn.Flatten(),
        head=nn.Linear(16 * channels, 10)))
"""
_SHORT = {"epochs": 1, "batch_size": 32, "lr": 0.02}
RECIPE: Mapping[str, Any] = {
    "name": "small",
    "threads": 1,
    "model": {"source": "net.py:build"},
    "dataset": {"name": "digits"},
    "train": {"epochs": 3, "batch_size": 32, "lr": 0.1},
    "prune": {"budget": {"macs": 0.6}, "finetune": _SHORT},
    "quantise": {"weight_width": 6, "activation_width": 6, "calibration_images": 200, "finetune": _SHORT},
    "verify": {"images": 50},
    "compare": {"targets": ["cpu:cortex-a9", "gpu:jetson-orin", "fpga:ultra96"]},
}
FILE = "recipe.yaml"


def write_recipe(folder: Path, changes: Mapping[str, Any] | None = None, net: str = NET) -> Path:
    """A folder with the network's code and the recipe, some of whose sections are merged with ``changes``.

    A section that is None is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(net)
    recipe = dict(RECIPE)
    for section, change in (changes or {}).items():
        old = recipe.pop(section, {})
        if change is not None:
            recipe[section] = {**old, **change} if isinstance(old, dict) and isinstance(change, dict) else change
    path = folder / FILE
    path.write_text(yaml.safe_dump(recipe))
    return path


def small_recipe(folder: Path, changes: Mapping[str, Any] | None = None, net: str = NET) -> Recipe:
    """The recipe that :func:`write_recipe` wrote."""
    return load_recipe(write_recipe(folder, changes, net))


class Ears(Silent):
    """A listener that remembers, and calls ``at`` with every event: a title, or a title and a text."""

    def __init__(self, at: Callable[[str], None] = lambda event: None) -> None:
        self.events: list[str] = []
        self.executed: list[str] = []
        self.cached: list[str] = []
        self._at, self._title = at, ""

    def started(self, index: int, total: int, title: str) -> None:
        self._title = title
        self._hear(title)

    def advanced(self, fraction: float, text: str) -> None:
        assert 0 <= fraction <= 1
        self._hear(f"{self._title}: {text}")

    def finished(self, title: str, summary: Summary, seconds: float, cached: bool) -> None:
        (self.cached if cached else self.executed).append(title)

    def _hear(self, event: str) -> None:
        self.events.append(event)
        self._at(event)


def go(recipe: Recipe, root: Path, listener: Listener | None = None, until: str | None = None) -> Run:
    """Run a recipe."""
    return run_recipe(recipe, root, listener, until)


def result_of(root: Path) -> dict[str, Any]:
    """``result.json`` without what may differ between two equal runs: times."""
    result: dict[str, Any] = json.loads((root / "result.json").read_text())
    for stage in result["stages"]:
        del stage["seconds"]
    return result


_folders: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


@functools.cache
def finished_run() -> Path:
    """The folder of one finished small run (``run``, beside the recipe's files), shared by all tests that only look."""
    _folders.append(tempfile.TemporaryDirectory(prefix="slimfab-tests-"))
    folder = Path(_folders[-1].name)
    go(small_recipe(folder), folder / "run")
    return folder / "run"
