# SPDX-License-Identifier: Apache-2.0
"""``slimfab rtl``: quantised files and saved networks as SystemVerilog with their integers, or why not."""

import re
from pathlib import Path

import numpy as np
import pytest
from command_line import refused, succeeds
from exact_graphs import QUANT, Graph
from hls_networks import Builder
from onnx_graphs import write

from hls.emit import load_manifest
from hls.rtl_sim import RtlExecutor
from hwsim import reference
from hwsim.errors import ToolMissing
from hwsim.fixed import FixedPoint
from hwsim.importers.onnx import import_exact
from hwsim.network import save
from slimfab.rtl import load_integers, read_inputs, sample_inputs

needs_tools = pytest.mark.needs("verilator", "g++")
pytestmark = pytest.mark.needs("onnx")

EIGHT = FixedPoint(8, 4)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rtl_cache: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(rtl_cache))


def scaled_file() -> str:
    """Quantisers of scales that are no powers of two, in front and between two dense layers, and a scale at the end."""
    graph = Graph(3)
    x = graph.dense(graph.quant("x", 0.17, 4), 8, 6, 3, 0.07)
    x = graph.dense(graph.quant(x, 0.3, 2), 6, 5, 3, 0.07)
    graph.add("Mul", x, graph.constant(np.float32(0.37)))
    return write(Path(), graph.nodes, graph.constants, (1, 8), outputs=graph.nodes[-1].output[:1], domains=[QUANT]).name


def folder() -> str:
    draft = Builder((2, 4, 4), EIGHT)
    x = draft.conv("x", 3, (3, 3), EIGHT, EIGHT)
    save(*draft.build(draft.add("relu", x, EIGHT)), "golden")
    return "golden"


def cycles(text: str) -> dict[str, tuple[int, int]]:
    """Label → (counted, estimated) from the printed table."""
    rows = re.findall(r"^  (\w[\w ]+?) +([\d,]+) +[\d.]+ .?s +([\d,]+) +[\d.]+ .?s", text, re.MULTILINE)
    return {label: (int(counted.replace(",", "")), int(other.replace(",", ""))) for label, counted, other in rows}


# Files and folders


@needs_tools
def test_a_file_of_any_scales_is_simulated_and_its_cycles_are_counted() -> None:
    text = succeeds("rtl", scaled_file(), "--input-format", "ap_fixed<8,4>", "--images", 30, "--output", "out")
    manifest, exact = load_manifest("out"), import_exact("model.onnx", input_format=EIGHT)
    assert manifest.network_hash == exact.network.hash
    assert manifest.design.clock_mhz == 100
    assert "\nmodel on pynq-z2, 100 MHz" in text
    found = cycles(text)
    assert found["from image to image"] == (manifest.interval, manifest.interval)
    assert found["first input to last output"][0] > manifest.interval
    assert "\n150 integers of 30 images equal the golden executor's\n" in text
    assert [note for note in exact.notes if note not in text.splitlines()] == []
    said = r"\nfpga:pynq-z2/folded occupies  lut \d+% .*\nfolding: interval_us 0.01, proven to be the smallest\n"
    assert re.search(said + r"design  out\n$", text)
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


@needs_tools
def test_a_saved_network_at_another_clock_and_board() -> None:
    source = folder()
    text = succeeds("rtl", source, "--images", 4, "--output", "out", "--clock", 50, "-b", "ultra96")
    assert load_manifest("out").design.clock_mhz == 50
    assert "\nnet on ultra96, 50 MHz" in text
    counted, _ = cycles(text)["from image to image"]
    assert re.search(rf"from image to image +{counted} +{20 * counted} ns ", text)
    succeeds("rtl", source, "--images", 4, "--output", "out")  # in place of the first
    assert load_manifest("out").design.device == "pynq-z2"


@needs_tools
def test_data_are_integers_or_reals_that_pass_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = load_integers(scaled_file())  # the host quantises
    reals = np.random.default_rng(0).normal(0, 0.5, (20, 8)).astype(np.float32)
    integers = read_inputs(exact, save_data(reals))
    assert len(np.unique(integers)) > 10
    np.testing.assert_array_equal(integers, np.clip(np.rint(reals / np.float32(0.17)), -8, 7))
    np.testing.assert_array_equal(read_inputs(exact, save_data(integers.astype(np.int8))), integers)
    seen = []
    predict = RtlExecutor.predict
    monkeypatch.setattr(RtlExecutor, "predict", lambda self, x: (seen.append(x), predict(self, x))[1])
    save_data(reals)
    assert "100 integers of 20 images equal" in succeeds("rtl", "model.onnx", "--data", "data.npy", "--output", "out")
    np.testing.assert_array_equal(seen[0], integers)


def save_data(data: np.ndarray) -> Path:
    np.save("data.npy", data)
    return Path("data.npy")


def test_the_ends_of_the_format_are_always_among_the_inputs() -> None:
    network = load_integers(folder()).network
    images = sample_inputs(network, 50)
    assert [set(image.ravel()) for image in images[:4]] == [{-128}, {127}, {0}, {-128, 127}]
    assert len(np.unique(images[4:])) > 200
    np.testing.assert_array_equal(sample_inputs(network, 3), images[:3])
    assert reference.execute(network, load_integers("golden").weights, images).shape == (50, 3, 2, 2)


# What is refused


@needs_tools
@pytest.mark.parametrize(("arguments", "message"), [
    (("nowhere",), r"nowhere: got no quantised network; expected a QONNX file or a folder with network\.json; .*"),
    (("nowhere.onnx",), r"nowhere\.onnx: cannot be read \(No such .*\); expected an ONNX file"),
    (("golden", "--images", "1"), r"images: got 1; expected at least 2, to count what lies between them"),
    (("golden", "--images", "-3"), r"images: got -3; expected at least 2, to count what lies between them"),
    (("golden", "--clock", "0"), r"design: got clock_mhz=0\.0; expected a number > 0; give the clock in MHz"),
    (("golden", "--clock", "inf"), r"design: got clock_mhz=inf; expected a number > 0; give the clock in MHz"),
    (("golden", "--budget", "lut=5001"), r"pynq-z2: no folding fits; the nearest exceeds lut by [\d.]+ and has lut=.*"),
    (("golden", "--budget", "dsp=-1"), r"budget: got dsp=-1; expected a number >= 0; leave it out for no limit"),
    (("golden", "--budget", "dsp"), r"budget: got 'dsp'; expected NAME=NUMBER such as dsp=100"),
    (("golden", "--board", "pynq-z3"), r"unknown target 'fpga:pynq-z3'; did you mean 'fpga:pynq-z2'\?"),
    (("golden", "--input-format", "ap_fixed<8,4>"),
     r"golden: got input format ap_fixed<8,4>; expected none, the folder says it; leave it out"),
    (("model.onnx", "--input-format", "int9"), r".*int9.*"),
    (("golden", "--data", "nothing.npy"), r"nothing\.npy: cannot read \(No such file or directory\); check the path"),
    (("golden", "--data", "text.npy"), r"text\.npy: is no \.npy file of plain numbers; write it with numpy\.save"),
    (("golden", "--data", "objects.npy"), r"objects\.npy: is no \.npy file of plain numbers; .*"),
    (("golden", "--data", "flat.npy"), r"x: got int64 data of shape \(3, 32\); expected integers \(N, 2, 4, 4\) of .*"),
    (("golden", "--data", "large.npy"), r"x: data 0\.\.128 leave ap_fixed<8,4>; clip or quantise them"),
    (("golden", "--data", "nan.npy"), r"ap_fixed<8,4>: got a value that is not finite; expected finite numbers"),
], ids=lambda one: " ".join(one) if isinstance(one, tuple) else "")  # fmt: skip
def test_bad_input_is_one_line_and_writes_nothing(arguments: tuple[str, ...], message: str) -> None:
    folder(), scaled_file()
    Path("text.npy").write_text("1 2 3")
    np.save("objects.npy", np.array([{}]), allow_pickle=True)
    np.save("flat.npy", np.zeros((3, 32), dtype=np.int64))
    np.save("large.npy", np.arange(129)[:128].reshape(4, 2, 4, 4) + (np.arange(128) == 127).reshape(4, 2, 4, 4))
    np.save("nan.npy", np.full((2, 2, 4, 4), np.nan))
    before = set(Path().iterdir())
    assert re.fullmatch(message, refused("rtl", *arguments, "--output", "out"))
    assert set(Path().iterdir()) == before


def test_what_is_not_quantised_or_has_no_template_is_refused_by_name() -> None:
    draft = Builder((4,), EIGHT)
    save(*draft.build(draft.add("softmax", "x", EIGHT)), "soft")
    assert refused("rtl", "soft", "--output", "out").startswith("softmax1: got softmax; expected one of input, ")
    network, weights = draft.build("x")
    save(network.with_formats(dict.fromkeys(network.tensors)), weights, "float")
    assert refused("rtl", "float", "--output", "out") == (
        "float: is not quantised; expected a format on every tensor; quantise it first"
    )
    graph = Graph()
    graph.dense("x", 8, 6, 3, 0.07)
    write(Path(), graph.nodes, graph.constants, (1, 8), outputs=graph.nodes[-1].output[:1], domains=[QUANT])
    assert refused("rtl", "model.onnx", "--output", "out").endswith("give the input a format (input_format)")
    assert not Path("out").exists()


@needs_tools
def test_files_of_others_are_left_alone() -> None:
    source = folder()
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("years of work")
    assert refused("rtl", source, "--output", "mine") == (
        "mine: holds files that are no emitted design; choose an empty or new folder"
    )
    assert refused("rtl", source, "--output", "mine/thesis.tex") == (
        "mine/thesis.tex: is a file; choose an empty or new folder"
    )
    assert [path.read_text() for path in Path("mine").iterdir()] == ["years of work"]


def test_a_missing_verilator_is_said_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ToolMissing("verilator is not installed; RTL simulation needs it; pip install 'slimfab[rtl]'")

    monkeypatch.setattr("hls.rtl_compile.find_verilator", missing)
    assert refused("rtl", folder(), "--output", "out").startswith("verilator is not installed")
    assert not Path("out").exists()


@needs_tools
def test_an_integer_that_differs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    predict = RtlExecutor.predict
    monkeypatch.setattr(RtlExecutor, "predict", lambda self, x: predict(self, x) ^ 1)
    message = refused("rtl", folder(), "--images", 4, "--output", "out")
    assert re.match(r"net: rtl: 48 of 48 integers differ by up to 1, first in image 0; .*report the network", message)
    load_manifest("out")  # what is there is whole
