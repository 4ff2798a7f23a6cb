# SPDX-License-Identifier: Apache-2.0
"""Comparisons: the call, the tables of the command line, and the page in a browser."""

import json
import re
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
from command_line import refused, slimfab, succeeds
from cost_networks import resnet8
from rich.console import Console

from hwsim import targets
from hwsim.errors import InputError, ToolMissing
from hwsim.network import Network
from hwsim.verdict import QUESTIONS
from slimfab import profile
from slimfab.compare import compare, parse_options
from slimfab.comparison_tables import card_rows, card_tables, layer_tables
from slimfab.report.comparison import render_comparison

NAMES = ("cpu:cortex-a72", "gpu:jetson-orin", "npu:eyeriss", "npu:gemmini/os", "fpga:pynq-z2")


def text_of(tables: list[Any]) -> str:
    console = Console(width=150)
    with console.capture() as capture:
        for table in tables:
            console.print(table)
    return capture.get()


def test_one_call_answers_for_all_targets() -> None:
    found = compare(resnet8(), NAMES, batch=2, accuracy=0.87, dataset="CIFAR-10")
    assert [one.target for one in found.estimates] == [one.target for one in found.cards] == list(NAMES)
    assert list(found.estimates) == targets.compare(resnet8(), NAMES, 2)
    assert [one.field for one in found.verdicts] == list(QUESTIONS)
    assert {one.accuracy for one in found.cards} == {0.87}


@pytest.mark.parametrize(
    ("names", "accuracy", "message"),
    [
        ((), None, "targets: got none; expected names such as cpu:cortex-a72"),
        (
            ("cpu:cortex-a72", "cpu:cortex-a72"),
            None,
            "targets: got cpu:cortex-a72 twice; expected each once",
        ),
        (("cpu:cortex-a72",), 87.0, "accuracy: got 87; expected a share, 0 to 1"),
        (("cpu:cortex-72",), None, "unknown target 'cpu:cortex-72'; did you mean 'cpu:cortex-a72'"),
    ],
)
def test_what_is_refused(names: tuple[str, ...], accuracy: float | None, message: str) -> None:
    with pytest.raises(InputError) as error:
        compare(resnet8(), names, accuracy=accuracy)
    assert message in str(error.value)


def test_cards_stand_side_by_side_and_unknowns_are_dashes() -> None:
    found = compare(resnet8(), NAMES)
    text = text_of(card_tables(found.cards))
    for one in found.cards:
        assert one.target in text
        rows = card_rows(one)
        assert rows["accuracy"] == "–"
        assert (rows["occupied"] == "–") == (not one.target.startswith("fpga:"))
        assert all(rows.values())
    assert "87.00% on CIFAR-10" in text_of(card_tables(compare(resnet8(), NAMES[:1], 1, 0.87, "CIFAR-10").cards))


def test_layers_stand_side_by_side() -> None:
    text = text_of(layer_tables(compare(resnet8(), NAMES).estimates))
    network = resnet8()
    for layer in network.layers:
        if layer.op == "conv2d":
            assert text.count(f" {layer.name} ") == 2  # four targets beside each other, then the fifth
    assert "memory" in text
    assert "stream" in text


def test_the_command_shows_cards_layers_and_verdicts() -> None:
    text = succeeds("compare", "jet_mlp", "-t", "cpu:cortex-a9,npu:gemmini", "--card", "--layers", "--accuracy", "0.76",
                    "--dataset", "jets")  # fmt: skip
    parts = ("latency: ", "throughput: ", "energy per inference: ", "metric card", "76.00% on jets", "layer by layer")
    for part in (*parts, "any network; only"):
        assert part in text


def test_the_command_builds_variants() -> None:
    full, half = (succeeds("compare", "mobilenet_tiny", "-t", "cpu:cortex-a9", *more)
                  for more in ((), ("--set", "width=0.5")))  # fmt: skip
    assert full.split()[1] != half.split()[1]
    assert parse_options(" width=0.5, activation=relu ,flag=true") == {
        "width": 0.5, "activation": "relu", "flag": True,
    }  # fmt: skip
    assert parse_options("") == {}


@pytest.mark.parametrize("text", ["width", "=3", "a b=3", "width=", "width={a: 1}", "width=[", "a=b=[1]"])
def test_options_that_are_none(text: str) -> None:
    if text == "a=b=[1]":
        assert parse_options(text) == {"a": "b=[1]"}
        return
    assert refused("compare", "mobilenet_tiny", "--set", text) == (
        f"--set: got '{text}'; expected name=value, such as width=0.5"
    )


# The page


@pytest.fixture(scope="module")
def network() -> Network:
    return resnet8()


@pytest.mark.needs("plotly", "jinja2")
def test_the_page_holds_verdicts_cards_and_notes(network: Network) -> None:
    found = compare(network, NAMES)
    page = render_comparison(found)
    for one in found.verdicts:
        assert one.text() in page
    for card in found.cards:
        for text in card_rows(card).values():
            assert text.replace("<", "&lt;") in page
    assert "src=" not in page.split("</script>")[-1]


@pytest.mark.needs("plotly", "jinja2", "chromium")
def test_a_browser_draws_the_page_without_an_error_or_an_overlap(network: Network, tmp_path: Path) -> None:
    drawn = browser.drawn(render_comparison(compare(network, NAMES)), tmp_path)
    assert (drawn["problems"], drawn["loaded"]) == ([], [])
    assert len(drawn["plots"]) == 5
    assert [one["state"] for one in drawn["plots"][-1]] == ["loaded", *NAMES[:4]]  # pipelines have no common roof
    for states in drawn["plots"]:
        for one in states:
            assert one["marks"] > 0, one
            assert one["faults"] == [], one


@pytest.mark.needs("plotly", "jinja2")
def test_the_command_writes_the_page(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    succeeds("compare", "jet_mlp", "-t", "cpu:cortex-a9,fpga:kv260", "--html", str(path), "--json", str(tmp_path / "o"))
    assert "Where the energy goes" in path.read_text()
    assert len(json.loads((tmp_path / "o").read_text())) == 2


def test_without_its_packages_the_page_says_what_to_install(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ToolMissing, match=r"jinja2 is not installed; pip install 'slimfab\[report\]'"):
        render_comparison(compare(network, NAMES[:1]))


def test_options_and_data_sets_that_mean_nothing_are_refused() -> None:
    assert refused("compare", "model.onnx", "--set", "width=2") == (
        "--set: got 'width=2' for model.onnx, which is a file; expected a network that Python builds"
    )
    assert refused("compare", "jet_mlp", "--dataset", "jets") == (
        "dataset: got 'jets' without an accuracy; expected both or none; add the accuracy"
    )
    assert refused("compare", "mobilenet_tiny", "--set", "with=2").startswith(
        "mobilenet_tiny: unknown option 'with'; did you mean 'width'"
    )


def test_a_pattern_that_cannot_pay_is_said_unasked() -> None:
    text = succeeds("compare", "jet_mlp", "-t", "cpu:cortex-a9,npu:gemmini", "--sparsity", "2:4")
    assert "cpu:cortex-a9: sparsity 2:4 saves nothing: dense runtimes multiply every weight; use " in text
    assert "npu:gemmini: sparsity 2:4 saves nothing: the array has no multiplexers for n in m\n" in text
    assert refused("compare", "jet_mlp", "--sparsity", "some").startswith("sparsity: got 'some'; expected 2:4, ")


MIXED = """\
from torch import nn


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.last(self.up(self.first(x)))
"""


@pytest.mark.parametrize("source", ["mixed.py:Mixed", "mixed.onnx"])
def test_operators_that_no_model_knows_are_listed_and_mark_every_figure(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mixed.py").write_text(MIXED)
    if source.endswith(".onnx"):
        export_mixed(Path(source))
    shape = [] if source.endswith(".onnx") else ["--input", "1x8x8"]
    text = succeeds("compare", source, *shape, "-t", "cpu:cortex-a72,npu:eyeriss,fpga:pynq-z2", "--card", "--html", "a")
    # 64 x 9 x 4, 64 x 4 x 4 x 4 and 256 x 2 x 4 products; 4 x 64, 4 x 256 and 2 x 256 values
    assert "(1 layer): 48.5% of the MACs, 57.1% of the values written" in text
    assert text.count(", incomplete") == 3
    assert re.search(r"cpu:cortex-a72 +≥ \S+ µs .* ≥ \S+ .* ≤ ", text)
    assert "52% of the MACs; not covered:" in text
    assert text.count("; of the layers that are covered") == 3
    assert "not covered and not counted: " in Path("a").read_text()
    outcome = slimfab("check", source, *shape)
    assert outcome.code == 1
    assert re.search(r"up +\w+ +4×16×16 .*refused", outcome.out)


def export_mixed(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = {"first.weight": (4, 1, 3, 3), "up.weight": (4, 4, 2, 2), "last.weight": (2, 4, 1, 1)}
    nodes = [
        helper.make_node("Conv", ["x", "first.weight"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["a", "up.weight"], ["b"], "up", strides=[2, 2]),
        helper.make_node("Conv", ["b", "last.weight"], ["y"], "last"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
            (("x", (1, 1, 8, 8)), ("y", None))]  # fmt: skip
    fixed = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()]
    graph = helper.make_graph(nodes, "mixed", ends[:1], ends[1:], fixed)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_a_profile_lists_them_too_and_hardware_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    export_mixed(Path("mixed.onnx"))
    found = profile("mixed.onnx", None, targets=["cpu:cortex-a72"])
    assert [one.operator for one in found["cpu:cortex-a72"].uncovered] == ["ConvTranspose"]
    message = refused("rtl", "mixed.onnx", "--output", "rtl")
    assert message.startswith("up: operator 'ConvTranspose' is not supported; use nearest upsampling")
    assert "incomplete: not covered and not counted: ConvTranspose (1 layer): 48.5% of the MACs" in str(found)
