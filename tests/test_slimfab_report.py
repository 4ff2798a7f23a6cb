# SPDX-License-Identifier: Apache-2.0
"""The report: complete, self-contained, and drawn without an error or an overlap in a real browser."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

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
    "Accuracy per stage", "Latency on every target", "Energy on every target", "Layer by layer, and what limits it",
    "Roofline", "Resources against the boards",
)  # fmt: skip
TABLES = ("Same integers everywhere", "Targets in numbers", "The golden network", "Stages and recipe")


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

COLLECT = """
window.problems = [];
window.addEventListener('error', event => problems.push('error ' + event.message));
window.addEventListener('unhandledrejection', event => problems.push('rejected ' + event.reason));
for (const level of ['error', 'warn']) { console[level] = (...words) => problems.push(level + ' ' + words.join(' ')); }
"""
# Every plot after loading and after each entry of its menu: what is drawn, which texts overlap or are cut off.
INSPECT = """
const shown = element => { const box = element.getBoundingClientRect(); return box.width > 0 && box.height > 0; };
const texts = '.xtick text, .ytick text, .legendtext, .xtitle, .ytitle, .annotation-text, .updatemenu-header, ' +
  '.modebar, .bartext';
function look(plot, state) {
  const boxes = [...plot.querySelectorAll(texts)].filter(shown).map(
    element => [element.textContent || element.getAttribute('class'), element.getBoundingClientRect()]);
  const frame = plot.getBoundingClientRect(), faults = [];
  boxes.forEach(([name, a], i) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
      faults.push(name + ' is cut off');
    boxes.slice(i + 1).forEach(([other, b]) => {
      const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (width > 2 && height > 2) faults.push(name + ' covers ' + other);
    });
  });
  const marks = plot.querySelectorAll('.point path, path.point, .js-line').length;
  return {state: state, marks: marks, texts: boxes.length, faults: faults};
}
window.addEventListener('load', async () => {
  const found = [];
  for (const plot of document.querySelectorAll('.plotly-graph-div')) {
    const states = [look(plot, 'loaded')];
    for (const button of (plot.layout.updatemenus || [{buttons: []}])[0].buttons) {
      await Plotly.update(plot, ...button.args);
      states.push(look(plot, button.label));
    }
    found.push(states);
  }
  const buttons = [...document.querySelectorAll('.modebar-btn')].map(button => button.dataset.title);
  const loaded = performance.getEntriesByType('resource').map(entry => entry.name);
  const out = document.createElement('pre');
  out.id = 'outcome';
  out.textContent = JSON.stringify({plots: found, problems: problems, loaded: loaded, buttons: buttons});
  document.body.appendChild(out);
});
"""


@pytest.fixture(scope="module")
def drawn(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What headless chromium makes of the report."""
    folder = tmp_path_factory.mktemp("browser")
    page = (root / "report.html").read_text()
    page = page.replace("<head>", f"<head><script>{COLLECT}</script>", 1)
    (folder / "page.html").write_text(page.replace("</body>", f"<script>{INSPECT}</script></body>"))
    browser = shutil.which("chromium")
    assert browser
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000",
        "--window-size=1000,900", "--dump-dom", (folder / "page.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    (outcome,) = re.findall(r'<pre id="outcome">(.*?)</pre>', done.stdout, re.DOTALL)
    return dict(json.loads(html.unescape(outcome)))


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
