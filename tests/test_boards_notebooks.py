# SPDX-License-Identifier: Apache-2.0
"""Notebooks for board users: well formed, and they run with a driver that answers as the golden vectors say."""

import json
import sys
import types
from pathlib import Path

import board_bundles as bundles
import numpy as np
import pytest

from boards.deploy import NOTEBOOKS as FOLDER
from boards.driver.accelerator import Accelerator

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


class Double:
    """A driver of the same methods as the real one, for the network that doubles its inputs."""

    clock_mhz = 100.0

    def __init__(self, folder: str) -> None:
        self.manifest = bundles.manifest(latency_cycles=10, interval_cycles=5)

    def run(self, x: np.ndarray) -> np.ndarray:
        return 2 * x

    def counters(self) -> dict[str, int]:
        return {"latency": 10, "interval": 5}

    def close(self) -> None:
        pass


def cells(path: Path) -> list[str]:
    data = json.loads(path.read_text(encoding="utf-8"))
    assert (data["nbformat"], data["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in data["cells"]}) == len(data["cells"])
    code = [cell for cell in data["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    return ["".join(cell["source"]) for cell in code]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    bundles.make(tmp_path / "doubler.zip").unpack(tmp_path / "board")
    monkeypatch.chdir(tmp_path / "board")
    driver = types.ModuleType("driver")
    driver.Accelerator = Double
    monkeypatch.setitem(sys.modules, "driver", driver)
    names: dict = {}
    for source in cells(path):
        exec(compile(source, path.name, "exec"), names)
    assert names["latency_us"] == 0.1
    np.testing.assert_array_equal(names["outputs"], names["expected"])


def test_the_double_has_only_what_the_driver_has():
    made = {name for name in vars(Double) if not name.startswith("_")} | {"manifest"}
    source = Path(sys.modules[Accelerator.__module__].__file__).read_text()
    assert NOTEBOOKS
    assert all(hasattr(Accelerator, name) or f"self.{name}" in source for name in made)
