# SPDX-License-Identifier: Apache-2.0
"""What headless chromium makes of a page of ours: errors, requests, buttons, and texts that cover each other."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

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
  '.modebar, .bartext, .cbaxis text, .cbtitle text';
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
  const marks = plot.querySelectorAll('.point path, path.point, .js-line, .hm image').length;
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


def drawn(page: str, folder: Path) -> dict[str, Any]:
    """The page as chromium draws it, in every state of its menus; ``folder`` takes the browser's files."""
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
