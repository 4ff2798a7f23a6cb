# SPDX-License-Identifier: Apache-2.0
"""What the command line shows: progress bars, tables, and numbers with units a person can read."""

import sys
from collections.abc import Sequence
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from hwsim.estimate import Estimate, Figure
from slimfab.flow import Summary

if TYPE_CHECKING:
    from hwsim.meters import Reading
    from slimfab.rtl import Simulated

# A pipe or a file has no width of its own; 120 columns keep the tables whole.
out = Console(width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, soft_wrap=True)


def say(text: str, style: str | None = None) -> None:
    """Print text as it is: never broken into lines, and brackets in a path are no markup."""
    out.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


class ProgressBars:
    """A listener that draws one bar per stage; use it as a context manager.

    A pipe or a file gets plain lines instead: the seconds so far, the stage, and what is being done, for every tenth of
    the stage and for every new text of stages that do not say how far they are.
    """

    def __init__(self, console: Console = out) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._console = console
        self._task: TaskID | None = None
        self._title, self._start, self._tenth, self._text = "", 0.0, 0, ""

    def __enter__(self) -> "ProgressBars":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def started(self, index: int, total: int, title: str) -> None:
        """Open the bar of a stage."""
        self._task = self._bars.add_task(f"{index + 1}/{total} {title}", total=1.0, text="")
        self._title, self._start, self._tenth, self._text = title, monotonic(), 0, ""

    def advanced(self, fraction: float, text: str) -> None:
        """Move the bar."""
        if self._task is None:
            return
        self._bars.update(self._task, completed=min(fraction, 1.0), text=text)
        if not self._console.is_terminal:
            self._plain(fraction, text)

    def _plain(self, fraction: float, text: str) -> None:
        tenth = int(10 * min(fraction, 1.0))
        if tenth > self._tenth or (fraction <= 0 and text != self._text):
            seconds = f"{monotonic() - self._start:.1f} s"
            line = f"  {self._title:<32} {seconds:>9}  {text}".rstrip()
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._tenth, self._text = tenth, text

    def finished(self, title: str, summary: Summary, seconds: float, cached: bool) -> None:
        """Replace the bar by one line."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        when = f"[dim]{'cached':>9}[/dim]" if cached else f"{f'{seconds:.1f} s':>9}"
        self._console.print(
            f"[green]✓[/green] {title:<32} {when}  {escape(facts_text(summary))}", highlight=False, soft_wrap=True
        )


def facts_text(summary: Summary) -> str:
    """The plain values of a stage's summary in one line; lists and mappings are left out."""
    plain = {key: value for key, value in summary.items() if not isinstance(value, dict | list)}
    return "  ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in plain.items())


def time_text(microseconds: float) -> str:
    """A duration with a fitting unit: ``850 ns``, ``12.3 µs``, ``4.56 ms``, ``7.89 s``."""
    return _with_prefix(microseconds, ((1e6, " s"), (1e3, " ms"), (1.0, " µs"), (1e-3, " ns")))


def energy_text(microjoules: float) -> str:
    """An energy with a fitting unit: ``0.5 nJ`` to ``3 J``."""
    return _with_prefix(microjoules, ((1e6, " J"), (1e3, " mJ"), (1.0, " µJ"), (1e-3, " nJ")))


def reading_text(reading: "Reading") -> str:
    """What an energy meter counted, in one line."""
    energy, power = energy_text(reading.energy_uj), f"{reading.power_w:.3g} W"
    return f"measured by {reading.meter}: {energy} per inference, {power} ({reading.what}; {reading.runs} inferences)"


def count_text(number: float) -> str:
    """A count with a decimal prefix: ``569M``, ``4.26k``, ``12``."""
    return _with_prefix(number, ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")))


def _with_prefix(value: float, units: Sequence[tuple[float, str]]) -> str:
    """Three digits in the largest unit of which there is at least one after rounding, else in the last one."""
    scale, unit = next((one for one in units if value >= 0.9995 * one[0]), units[-1])
    scaled = value / scale
    return f"{scaled:.3g}{unit}" if scaled < 999.5 else f"{scaled:,.0f}{unit}"


def bar_text(figure: Figure) -> str:
    """The error bar as a factor or percentage: ``±12 %``, ``÷×2.5``, ``exact``."""
    if figure.low == figure.high:
        return "exact"
    low = figure.value / figure.low if figure.low > 0 else float("inf")
    spread = max(figure.high / figure.value, low) if figure.value > 0 else float("inf")
    if spread == float("inf"):
        return "unbounded"
    return f"±{(spread - 1) * 100:.0f} %" if spread < 1.5 else f"÷×{spread:.2g}"


def estimates_table(title: str, estimates: Sequence[Estimate]) -> Table:
    """Targets side by side: latency of the batch, energy per inference, power, inferences per second, and limits."""
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("target", "latency", "energy", "power", "per second", "limited by"):
        table.add_column(name, justify="left" if name in ("target", "limited by") else "right")
    for one in estimates:
        least, most = ("", "") if one.is_complete else ("≥ ", "≤ ")  # what is not covered takes time and energy too
        table.add_row(
            one.target,
            f"{least}{time_text(one.latency_us.value)} {bar_text(one.latency_us)}",
            f"{least}{energy_text(one.energy_uj.value)} {bar_text(one.energy_uj)}",
            f"{one.power_w.value:.3g} W",
            most + count_text(1e6 / one.interval_us.value) if one.interval_us.value else "–",  # nothing is covered
            escape(limits(one)),
        )
    return table


def cycles_table(title: str, found: "Simulated") -> Table:
    """What a simulation counted beside the estimate of the same design."""
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("cycles", "counted", "time", "estimated", "time"):
        table.add_column(name, justify="left" if name == "cycles" else "right")
    predicted = found.estimate
    rows = (
        ("first input to last output", found.cycles, found.latency_us, predicted.cycles, predicted.latency_us),
        ("from image to image", found.ii, found.interval_us, predicted.ii, predicted.interval_us),
    )
    for label, cycles, time, guessed, guessed_time in rows:
        number = "" if guessed is None else f"{guessed.value:,.0f}"
        guess = f"{time_text(guessed_time.value)} {bar_text(guessed_time)}"
        table.add_row(label, f"{cycles:,}", time_text(time), number, guess)
    return table


def layers_table(estimate: Estimate) -> Table:
    """Every layer of an estimate: work, time, memory traffic and what limits it."""
    table = Table(title=estimate.target, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("layer", "operator", "MACs", "time", "off-chip bytes", "limited by"):
        table.add_column(name, justify="left" if name in ("layer", "operator", "limited by") else "right")
    for row in estimate.layers:
        table.add_row(
            escape(row.name),
            row.op,
            count_text(row.macs),
            time_text(row.latency_us),
            count_text(row.bytes_moved),
            row.bottleneck,
        )
    return table


def limits(estimate: Estimate) -> str:
    """Which bottleneck takes the largest share of the time, and on which layer it is worst; or that it does not fit."""
    if not estimate.fits():
        return "does not fit"
    incomplete = "" if estimate.is_complete else ", incomplete"
    if not estimate.layers:
        return ""
    shares: dict[str, float] = {}
    for layer in estimate.layers:
        shares[layer.bottleneck] = shares.get(layer.bottleneck, 0.0) + layer.latency_us
    worst = max(estimate.layers, key=lambda layer: layer.latency_us)
    return f"{max(shares, key=lambda name: shares[name])} ({worst.name}){incomplete}"


def occupation(estimate: Estimate) -> str:
    """Share of each FPGA resource, with a warning where the design does not fit; empty for other targets."""
    text = "  ".join(f"{name} {share:.0%}" for name, share in estimate.utilisation().items())
    return text if estimate.fits() else f"does not fit: {text}"
