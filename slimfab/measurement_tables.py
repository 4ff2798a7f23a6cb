# SPDX-License-Identifier: Apache-2.0
"""Measurements of boards on the command line: one in full, or several boards side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from boards.fleet import Verdict
from boards.measurement import NOT_MEASURABLE, Comparison, Measurement
from slimfab import console

if TYPE_CHECKING:
    from slimfab.deploy import Deployed


def verdicts_table(verdicts: "Sequence[Verdict[Deployed]]") -> Table:
    """A row per board: its integers, and what was measured."""
    table = Table("board", "integers", "", "one image, µs", "per image of many, µs", "W", box=box.SIMPLE_HEAD)
    for verdict in verdicts:
        found = verdict.result
        measured = None if found is None else found.measurement
        row = ["–"] * 3
        if measured is not None:
            watts = f"{sum(one.busy_w for one in measured.power):.3f}" if measured.power else "–"
            row = [f"{measured.percentile_us(50):.1f}", f"{measured.fit_us[1]:.2f}", watts]
        count = ("–", "failed") if found is None else (str(found.integers), "all right")
        table.add_row(verdict.where, *count, *row)
    return table


def show(measurement: Measurement, comparison: tuple[Comparison, ...]) -> None:
    """Say what was measured: samples as figures, the board's own processor, the estimate."""
    percentiles = ", ".join(f"p{percent:g} {measurement.percentile_us(percent):.1f}" for percent in (50, 95, 99))
    a, b = measurement.fit_us
    console.say(f"latency of {len(measurement.latency_s)} single images in µs: {percentiles}")
    console.say(f"stages in µs: {', '.join(f'{name} {value:.1f}' for name, value in measurement.stages_us.items())}")
    console.say(f"N images in one transfer take {a:.1f} + {b:.2f} N µs")
    for rail in measurement.power:
        each = f"{1e3 * rail.gross_j:.4g} mJ each, {1e3 * rail.net_j:.4g} mJ above rest"
        console.say(f"{rail.rail}: at rest {rail.idle_w:.3f} W, at work {rail.busy_w:.3f} W, {each}")
    if not measurement.power:
        console.say(f"power: {NOT_MEASURABLE}")
    _show_processors(measurement)
    if comparison:
        table = Table("metric", "estimated", "from", "to", "measured", "measured/estimated", box=box.SIMPLE_HEAD)
        for row in comparison:
            bar = ["–"] * 3 if row.estimated is None else [f"{x:.4g}" for x in _bar(row)]
            measured = "–" if row.measured is None else f"{row.measured.value:.4g}"
            table.add_row(row.metric, *bar, measured, "–" if row.ratio is None else f"{row.ratio:.3f}")
        console.out.print(table)
    for remark in sorted({row.remark for row in comparison if row.remark and row.measured is not None}):
        console.say(remark, style="dim")
    for note in measurement.notes:
        console.say(note, style="dim")


def _show_processors(measurement: Measurement) -> None:
    """The accelerator beside the same network on the board's own processor."""
    columns = ("runs on", "one image, µs", "per image of many, µs", "accelerator is faster")
    table = Table(*columns, box=box.SIMPLE_HEAD)
    own = (measurement.percentile_us(50), measurement.fit_us[1])
    table.add_row(f"{measurement.board}, {measurement.clock_mhz:g} MHz", *(f"{one:.1f}" for one in own), "")
    for one in measurement.processors:
        if one.missing:
            console.say(f"{one.runtime} on {one.name}: not measured: {one.missing}")
            continue
        ratios = measurement.speed_up(one)
        faster = "–" if ratios is None else f"{ratios[0]:.2f} times, {ratios[1]:.2f} times"
        name = f"{one.runtime} on {one.name}, 1 and {one.threads} threads"
        table.add_row(name, f"{one.latency_us:.1f}", f"{one.interval_us:.1f}", faster)
        if one.same_class is not None:
            count = f"the largest output is the accelerator's for {one.same_class} of {measurement.images} images"
            console.say(f"{one.runtime}: {count}; {one.version}", style="dim")
        if one.mismatches is not None:
            console.say(
                f"{one.runtime}: {one.mismatches} of {one.integers} integers differ; {one.version}", style="dim"
            )
    console.out.print(table)
    if not measurement.on_board and measurement.processors:
        console.say("the processor is this machine's, not the board's: no speed-up is stated", style="dim")


def _bar(row: Comparison) -> tuple[float, float, float]:
    assert row.estimated is not None
    return row.estimated.value, row.estimated.low, row.estimated.high
