# SPDX-License-Identifier: Apache-2.0
"""The commands: what they print, write and refuse. Bad input has a file of its own."""

import io
import json
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest
from command_line import refused, slimfab, succeeds
from rich.console import Console
from small_runs import FILE, NET, finished_run, result_of, write_recipe

from hwsim import serial
from hwsim.estimate import Estimate, Figure
from hwsim.targets import names
from slimfab import console, pipeline
from slimfab.commands.options import parse_shape
from slimfab.pipeline import STAGES
from slimfab.recipe import load_recipe
from slimfab.zoo import ZOO

needs_run = pytest.mark.needs("torch", "brevitas", "qonnx", "hls4ml", "g++", "sklearn")
COMMANDS = ("run", "check", "rtl", "compare", "targets", "zoo", "doctor", "report", "init")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Help


def test_without_a_command_the_help_lists_all_of_them() -> None:
    text = slimfab().out
    assert [name for name in COMMANDS if not re.search(rf"│ {name} +\w", text)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does_and_what_its_options_mean(command: str) -> None:
    text = succeeds(command, "--help")
    assert f"Usage: slimfab {command} " in text
    described = re.findall(r"^│ +(?:\* +)?(?:--)?([\w-]+) +(?:-\w +)?<\w+> +(\w+[- ]\w+)", text, re.MULTILINE)
    named = re.findall(r"^│ +(?:\* +)?((?:--)?[\w-]+) .*<\w+>", text, re.MULTILINE)
    assert [name for name, _ in described] == [name.removeprefix("--") for name in named]
    assert "--help" in named


def test_it_says_its_version() -> None:
    assert succeeds("--version") == f"slimfab {version('slimfab')}\n"


def test_an_unknown_command_and_option_are_usage_errors() -> None:
    for arguments in (("rum",), ("compare", "jet_mlp", "--batches", "3")):
        outcome = slimfab(*arguments)
        assert outcome.code == 2
        assert outcome.err.startswith("Usage: slimfab ")


def test_the_console_script_and_the_module_are_the_same(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "slimfab"
    if not script.exists():
        pytest.skip("needs the installed slimfab command")
    first, second = (
        subprocess.run([*command, "targets"], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
        for command in ([str(script)], [sys.executable, "-m", "slimfab.cli"])
    )
    assert first == second != ""


# Lists


def test_targets_are_all_that_can_be_named() -> None:
    assert succeeds("targets").split() == names()


def test_the_zoo_is_listed_with_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ZOO, "names", lambda: ["jet_mlp", "vgg_small"])  # all of them take ten seconds
    text = succeeds("zoo")
    assert re.search(r"jet_mlp +16 +4\.26k +4\.39k", text)
    assert re.search(r"vgg_small +1x28x28 +7\.34M +72\.4k +\w+", text)


@pytest.mark.slow
def test_the_whole_zoo_is_listed() -> None:
    text = succeeds("zoo")
    assert [name for name in ZOO.names() if f" {name} " not in text] == []
    assert re.search(r"mobilenet_v1 +3x224x224 +569M +4\.\d+M", text)


# init


def test_init_writes_a_recipe_that_is_valid_and_never_replaces_one() -> None:
    assert succeeds("init") == "recipe.yaml\n"
    assert load_recipe("recipe.yaml").name == "digits-vgg-tiny"
    assert (files("slimfab") / "recipes/digits_vgg_tiny.yaml").read_text() == Path("recipe.yaml").read_text()
    Path("recipe.yaml").write_text("mine")
    assert refused("init") == "recipe.yaml: exists already; choose another name"
    assert Path("recipe.yaml").read_text() == "mine"
    assert succeeds("init", "other/[my] recipe.yaml") == "other/[my] recipe.yaml\n"
    assert Path("other/[my] recipe.yaml").exists()


# compare


def test_compare_shows_every_target_once() -> None:
    text = succeeds("compare", "jet_mlp", "-t", "cpu:cortex-a72, gpu:h100,fpga:pynq-z2,fpga:pynq-z2/folded")
    assert text.startswith("jet_mlp: 4.26k MACs, 4.39k parameters, batch 1")
    for target in ("cpu:cortex-a72", "gpu:h100", "fpga:pynq-z2", "fpga:pynq-z2/folded"):
        bar = r"(±\d+ %|÷×[\d.]+)"
        row = rf"^ +{re.escape(target)} +[\d.]+ (ns|µs|ms) {bar} +[\d.]+ (nJ|µJ|mJ) {bar} +[\d.]+ W"
        assert len(re.findall(row, text, re.MULTILINE)) == 1, target
    assert len(re.findall(r"^fpga:\S+ occupies  lut \d+%  ff \d+%  dsp \d+%  bram18 \d+%$", text, re.MULTILINE)) == 2
    assert text.endswith("--notes says where each figure and its error bar come from\n")


def test_compare_with_layers_and_notes() -> None:
    text = succeeds("compare", "jet_mlp", "-t", "cpu:cortex-a9", "--layers", "--notes")
    assert re.search(r"layer +operator +MACs +time +off-chip bytes +limited by", text)
    assert re.search(r"dense +1\.02k +[\d.]+ µs", text)
    assert "cpu:cortex-a9: error bar: " in text
    assert "--notes" not in text


def test_compare_writes_records_that_can_be_read_back() -> None:
    succeeds("compare", "jet_mlp", "-t", "cpu:cortex-a9,fpga:kv260", "--batch", "8", "--json", "new/out.json")
    found = [serial.from_json(Estimate, one) for one in json.loads(Path("new/out.json").read_text())]
    assert [one.target for one in found] == ["cpu:cortex-a9", "fpga:kv260"]
    assert {one.batch for one in found} == {8}


def test_fewer_bits_cost_no_more() -> None:
    latency = {}
    for width in (4, 8, 16):
        succeeds("compare", "vgg_tiny", "-t", "fpga:pynq-z2", "--width", width, "--json", "out.json")
        latency[width] = json.loads(Path("out.json").read_text())[0]["latency_us"]["value"]
    assert latency[4] <= latency[8] <= latency[16]


@needs_run
def test_compare_takes_all_kinds_of_models() -> None:
    run = finished_run()
    Path("net.py").write_text(NET)
    expected = {"net.py:build": "1.22k", "net:build": "1.22k", "golden": "608", "model.onnx": "608"}
    shutil.copytree(next(run.glob("*-export/golden")), "golden")
    shutil.copy(next(run.glob("*-export/model.onnx")), "model.onnx")
    for source, macs in expected.items():
        text = succeeds("compare", source, "-t", "cpu:cortex-a9", "--input", "1x8x8")
        assert re.match(rf"\S+: {macs} MACs", text), source


def test_code_beside_the_users_file_is_found_and_dataclasses_work() -> None:
    Path("mine").mkdir()
    Path("mine/beside.py").write_text("channels = 3\n")
    Path("mine/net.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n"
        "import beside\nfrom torch import nn\n\n"
        "@dataclass\nclass Settings:\n    width: int = beside.channels\n\n"
        "def build():\n    return nn.Conv2d(1, Settings().width, 3)\n"
    )
    assert "243 MACs" in succeeds("compare", "mine/net.py:build", "--input", "1x5x5", "-t", "cpu:cortex-a9")


def test_a_module_needs_a_shape_and_a_zoo_network_takes_another() -> None:
    Path("net.py").write_text(NET)
    assert refused("compare", "net.py:build") == (
        "net.py:build: the input shape is not known; give it, for example --input 1x28x28"
    )
    assert "7.34M MACs" in succeeds("compare", "vgg_small", "-t", "cpu:cortex-a9")
    assert "7.34M MACs" not in succeeds("compare", "vgg_small", "--input", "3x28x28", "-t", "cpu:cortex-a9")


@pytest.mark.parametrize(("arguments", "message"), [
    (("-t", ","), "--targets: got no target; expected names joined by commas; see 'slimfab targets'"),
    (("-t", "cpu:a9"), r"unknown target 'cpu:a9'; .*"),
    (("-t", "cortex-a9"), r"target: got 'cortex-a9'; expected kind:name .*did you mean 'cpu:cortex-a9'.*"),
    (("-t", "gpu:cortex-a9"), "target: got 'gpu:cortex-a9', but cortex-a9 is a cpu; use cpu:cortex-a9"),
    (("--batch", "0"), "batch: got 0; expected a whole number >= 1; use 1 for single inferences"),
    (("--input", "16x"), "--input: got '16x'; expected positive sizes joined by x, such as 1x28x28"),
    (("--input", "4x4x4"), r"jet_mlp: in_shape=\(4, 4, 4\); expected \(F,\) of positive sizes, e\.g\. \(16,\)"),
], ids=str)  # fmt: skip
def test_what_compare_refuses(arguments: tuple[str, ...], message: str) -> None:
    assert re.fullmatch(message, refused("compare", "jet_mlp", *arguments))


def test_shapes() -> None:
    assert parse_shape(None) is None
    assert parse_shape("16") == (16,)
    assert parse_shape("3x32x32") == parse_shape("3,32,32") == (3, 32, 32)


@pytest.mark.parametrize("text", ["", "x", "0x3", "-1", "1x2.5", "1x²", "3 x 4", "axb"])
def test_texts_that_are_no_shape(text: str) -> None:
    assert f"--input: got '{text}'; expected positive sizes" in refused("compare", "jet_mlp", f"--input={text}")


# run and report


@needs_run
def test_run_shows_a_line_per_stage_and_where_the_results_are() -> None:
    root = finished_run()
    text = succeeds("run", root.parent / FILE, "--output", root)
    lines = text.splitlines()
    assert [re.match(r"✓ (.*?) +cached ", line)[1] for line in lines[: len(STAGES)]] == [one.title for one in STAGES]  # type: ignore[index]
    assert lines[len(STAGES) :] == [f"report  {root / 'report.html'}", f"result  {root / 'result.json'}"]


@needs_run
def test_run_writes_to_build_and_stops_where_it_is_told() -> None:
    text = succeeds("run", write_recipe(Path(), {"train": {"epochs": 0}}), "--until", "data")
    assert text.splitlines()[0].startswith("✓ load data")
    assert "report" not in text
    assert Path("build/small/01-data/done.json").exists()
    assert re.match(r"--until: unknown stage 'daat'; did you mean 'data'\?", refused("run", FILE, "--until", "daat"))


@needs_run
def test_report_writes_both_files_again() -> None:
    shutil.copytree(finished_run(), "run")
    before = Path("run/result.json").read_bytes()
    Path("run/result.json").unlink()
    Path("run/report.html").write_text("old")
    assert succeeds("report", "run") == "run/report.html\n"
    assert Path("run/result.json").read_bytes() == before
    assert Path("run/report.html").read_text().startswith("<!doctype html>")
    assert result_of(Path("run")) == result_of(finished_run())


def test_report_needs_a_run() -> None:
    assert refused("report", "nowhere") == (
        "nowhere: holds no run (no recipe.yaml); name the --output folder of 'slimfab run'"
    )


@needs_run
def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "execute", interrupt)
    outcome = slimfab("run", write_recipe(Path()))
    assert (outcome.code, outcome.err) == (130, "interrupted; run the same command again to go on from here\n")


@needs_run
@pytest.mark.slow
def test_a_real_interrupt_ends_a_real_run() -> None:
    path = write_recipe(Path(), {"train": {"epochs": 500}})
    command = [sys.executable, "-m", "slimfab.cli", "run", str(path), "--output", "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not Path("run/03-train/checkpoint.safetensors").exists():
            time.sleep(0.1)
        process.send_signal(2)
        _, err = process.communicate()
    assert (process.returncode, err) == (130, "interrupted; run the same command again to go on from here\n")


# Numbers a person can read


@pytest.mark.parametrize(("microseconds", "text"), [
    (0, "0 ns"), (0.0004, "0.4 ns"), (0.999, "999 ns"), (0.9996, "1 µs"), (1, "1 µs"), (12.345, "12.3 µs"),
    (999.4, "999 µs"), (999.6, "1 ms"), (1000, "1 ms"), (999_600, "1 s"), (7.89e6, "7.89 s"), (3.6e9, "3,600 s"),
])  # fmt: skip
def test_times(microseconds: float, text: str) -> None:
    assert console.time_text(microseconds) == text


@pytest.mark.parametrize(("microjoules", "text"), [
    (0.0005, "0.5 nJ"), (0.9996, "1 µJ"), (999.4, "999 µJ"), (999.6, "1 mJ"), (2.5e3, "2.5 mJ"), (3e6, "3 J"),
])  # fmt: skip
def test_energies(microjoules: float, text: str) -> None:
    assert console.energy_text(microjoules) == text


@pytest.mark.parametrize(("number", "text"), [
    (0, "0"), (0.25, "0.25"), (12, "12"), (999, "999"), (1000, "1k"), (4256, "4.26k"), (999_499, "999k"),
    (999_500, "1M"), (568_740_352, "569M"), (1.1e9, "1.1G"), (2.5e12, "2,500G"),
])  # fmt: skip
def test_counts(number: float, text: str) -> None:
    assert console.count_text(number) == text


@pytest.mark.parametrize(("figure", "text"), [
    (Figure(2, 2, 2), "exact"), (Figure(100, 90, 110), "±11 %"), (Figure(100, 88, 112), "±14 %"),
    (Figure(100, 50, 149), "÷×2"), (Figure(100, 67, 149), "±49 %"), (Figure(100, 100, 150), "÷×1.5"),
    (Figure(100, 0, 110), "unbounded"), (Figure(0, 0, 1), "unbounded"), (Figure(0, 0, 0), "exact"),
])  # fmt: skip
def test_error_bars(figure: Figure, text: str) -> None:
    assert console.bar_text(figure) == text


def test_facts_leave_lists_out() -> None:
    assert console.facts_text({"a": 0.123456, "b": 3, "c": "x", "d": [1], "e": {}}) == "a=0.1235  b=3  c=x"


def test_bars_on_a_terminal_move_and_give_way_to_one_line() -> None:
    screen = Console(force_terminal=True, color_system=None, width=100, file=io.StringIO())
    with console.ProgressBars(screen) as bars:
        bars.advanced(0.5, "nobody listens")
        bars.started(0, 2, "first")
        bars.advanced(0.25, "epoch 1/4")
        bars.advanced(1.5, "epoch 4/4")
        bars.finished("first", {"accuracy": 0.98765, "name": "[bold]x"}, 61.0, cached=False)
        bars.started(1, 2, "second")
        bars.finished("second", {}, 61.0, cached=True)
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", screen.file.getvalue())  # type: ignore[attr-defined]
    assert re.findall(r"✓.*", shown) == [
        f"✓ {'first':<32}    61.0 s  accuracy=0.9877  name=[bold]x",
        f"✓ {'second':<32}    cached  ",
    ]
    assert "2/2 second" in shown
