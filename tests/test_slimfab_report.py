# SPDX-License-Identifier: Apache-2.0
"""The report: complete, self-contained, and drawn without an error or an overlap in a real browser."""

import html
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import browser
import pytest
from small_runs import finished_run

from hwsim import serial
from hwsim.errors import ToolMissing
from hwsim.estimate import Estimate
from hwsim.network import Network, load
from slimfab.console import energy_text, time_text
from slimfab.report import render

pytestmark = pytest.mark.needs("torch", "brevitas", "qonnx", "hls4ml", "g++", "sklearn", "plotly", "jinja2")

PLOTS = (
    "Accuracy per stage", "Latency on every target", "Energy on every target", "Where the energy goes",
    "Layer by layer, and what limits it", "Layers by target", "Roofline", "Resources against the boards",
)  # fmt: skip
TABLES = ("Same integers everywhere", "Targets in numbers", "Metric cards", "The golden network", "Stages and recipe")


class Outline(HTMLParser):
    """Headings, table cells, and whatever a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.cells: list[str] = []
        self.loaded: list[str] = []
        self._in: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("h1", "h2", "td", "style"):
            self._in = tag
        self.loaded += [f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._in:
            self._in = None

    def handle_data(self, data: str) -> None:
        if self._in in ("h1", "h2"):
            self.headings.append(data)
        elif self._in == "td":
            self.cells[-1] += data
        elif self._in == "style":
            self.loaded += re.findall(r"@import|url\([^)]*\)", data)


@pytest.fixture(scope="module")
def root() -> Path:
    return finished_run()


@pytest.fixture(scope="module")
def outline(root: Path) -> Outline:
    return Outline((root / "report.html").read_text())


@pytest.fixture(scope="module")
def parts(root: Path) -> tuple[dict[str, Any], Mapping[str, list[Estimate]], Network]:
    """What the report is rendered from."""
    estimates = json.loads(next(root.glob("*-compare/estimates.json")).read_text())
    return (
        json.loads((root / "result.json").read_text()),
        {variant: [serial.from_json(Estimate, one) for one in found] for variant, found in estimates.items()},
        load(next(root.glob("*-export/golden")))[0],
    )


def test_it_loads_nothing(outline: Outline) -> None:
    assert outline.loaded == []


def test_it_has_every_plot_and_table_under_its_heading(outline: Outline) -> None:
    assert outline.headings[0] == "small"
    assert set(outline.headings[1:]) == {*PLOTS, *TABLES}


def test_the_tables_hold_the_results(outline: Outline, parts: Any) -> None:
    result, estimates, network = parts
    cells = [cell.strip() for cell in outline.cells]
    assert cells.count("equal bit for bit") == len(result["verify"]) == 4
    assert {stage["name"] for stage in result["stages"]} <= set(cells)
    assert {layer.name for layer in network.layers} <= set(cells)
    for found in estimates.values():
        for one in found:
            assert {one.target, time_text(one.latency_us.value), energy_text(one.energy_uj.value)} <= set(cells)
    assert cells.count(f"{result['accuracy']['quantised']:.2%} on {result['dataset']['dataset']}") == len(found)


def test_the_cards_hold_the_summary(root: Path, parts: Any) -> None:
    result, _, _ = parts
    text = (root / "report.html").read_text()
    cards = re.findall(r'<div class="card"><b>(.*?)</b>(.*?)<br>', text)
    assert len(cards) == 6
    assert cards[0] == (f"{100 * result['accuracy']['quantised']:.2f} %", "test accuracy")
    assert cards[1] == ("0", "integers differ")


def test_a_difference_is_shown_in_red(parts: Any) -> None:
    result, estimates, network = parts
    verify = {**result["verify"], "csim": {**result["verify"]["csim"], "mismatches": 3}}
    text = render({**result, "verify": verify}, estimates, network)
    assert '<span class="bad">differs</span>' in text
    assert '<div class="card"><b>3</b>integers differ' in text


def test_names_cannot_break_the_page(parts: Any) -> None:
    result, estimates, network = parts
    nasty = "</script><b>&"
    recipe = {**result["recipe"], "model": {**result["recipe"]["model"], "source": nasty}}
    summaries = [{**stage, "summary": {"note": nasty}} for stage in result["stages"]]
    text = render({**result, "name": nasty, "recipe": recipe, "stages": summaries}, estimates, network)
    assert nasty not in text
    assert text.count(html.escape(nasty)) == 2 + 1 + len(summaries)  # title, heading, lead, stages


def test_without_its_packages_it_says_which_extra_to_install(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ToolMissing, match=r"jinja2 is not installed; pip install 'slimfab\[report\]'"):
        render(*parts)


# In a browser


@pytest.fixture(scope="module")
def drawn(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What headless chromium makes of the report."""
    return browser.drawn((root / "report.html").read_text(), tmp_path_factory.mktemp("browser"))


@pytest.mark.needs("chromium")
def test_a_browser_draws_every_plot_without_an_error(drawn: dict[str, Any]) -> None:
    assert drawn["problems"] == []
    assert drawn["loaded"] == []
    assert len(drawn["plots"]) == len(PLOTS)
    for states in drawn["plots"]:
        for one in states:
            assert one["marks"] > 0, one
            assert one["texts"] > 3, one


@pytest.mark.needs("chromium")
def test_no_button_sends_the_plot_anywhere(drawn: dict[str, Any]) -> None:
    assert set(drawn["buttons"]) == {"Zoom", "Pan", "Reset axes", "Download plot as a PNG"}


@pytest.mark.needs("chromium")
def test_menus_offer_every_target(drawn: dict[str, Any]) -> None:
    states = {title: [one["state"] for one in found] for title, found in zip(PLOTS, drawn["plots"], strict=True)}
    processors, boards = ["cpu:cortex-a9", "gpu:jetson-orin"], ["fpga:ultra96", "fpga:pynq-z2"]
    assert states["Layer by layer, and what limits it"] == ["loaded", *processors, *boards]
    assert states["Roofline"] == ["loaded", *processors]


@pytest.mark.needs("chromium")
def test_no_text_is_covered_or_cut_off(drawn: dict[str, Any]) -> None:
    assert [one["faults"] for states in drawn["plots"] for one in states if one["faults"]] == []
