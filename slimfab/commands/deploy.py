# SPDX-License-Identifier: Apache-2.0
"""``slimfab deploy``: a bundle on a board, or a network on the emulated one."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from boards.deploy import Effort
from boards.measurement import NOT_MEASURABLE, Comparison, Measurement
from boards.transports import BOARD_PYTHON
from hwsim.errors import InputError
from slimfab import console
from slimfab.deploy import RESULT, Deployed, deploy_bundle, emulate, place


def deploy(
    source: Annotated[
        str, typer.Argument(help="bundle (.zip); with --emulate a QONNX file or folder with network.json")
    ],
    output: Annotated[Path, typer.Option(help="folder for the unpacked bundle and what is measured")],
    emulated: Annotated[
        bool, typer.Option("--emulate", help="without a board: the emulated one, through pynq")
    ] = False,
    host: Annotated[
        str, typer.Option(help="the board as ssh has it, such as xilinx@192.168.2.99; default this one")
    ] = "",
    python: Annotated[str, typer.Option(help="Python of that board")] = BOARD_PYTHON,
    remote: Annotated[str, typer.Option(help="the board's address, if PYNQ.remote serves it")] = "",
    measure: Annotated[bool, typer.Option("--measure", help="latency, throughput and power, with raw samples")] = False,
    runs: Annotated[int, typer.Option(help="measured runs of one image")] = 1000,
    board: Annotated[str, typer.Option("--board", "-b", help="emulated board; see 'slimfab board list'")] = "pynq-z2",
    images: Annotated[int, typer.Option(help="inputs for the emulated board: the format's ends, then random")] = 100,
    pynq: Annotated[str, typer.Option(help="pynq of the emulated board: 4.0.0 or 3.1.2")] = "4.0.0",
    budget: Annotated[str, typer.Option(help="limits of the folding such as dsp=100,lut=20000")] = "",
) -> None:
    """Run a bundle on a board, or a network on the emulated board; compare every integer, and measure."""
    # Every run takes the same cycles on the emulated board: a few are as good as many.
    effort = (Effort(2, runs, 1, 0.0) if emulated else Effort(runs=runs)) if measure else None
    if emulated:
        found = _emulate(source, output, board, images, pynq, budget, effort)
    elif source.endswith(".zip"):
        found = deploy_bundle(Path(source), output, place(host, python, remote), effort)
    else:
        raise InputError(f"{source}: is no bundle; expected a .zip; make one with 'slimfab build', or add --emulate")
    where = f"{found.board}{' (emulated)' if emulated else ''}, pynq {found.pynq}, {found.clock_mhz:g} MHz"
    console.say(f"{where}: {found.integers} integers of {found.images} images equal the golden executor's")
    console.say(_cycles(found, emulated))
    if found.measurement is not None:
        _show(found.measurement, found.comparison)
        console.say(f"samples  {output / RESULT}")


def _emulate(
    source: str, output: Path, board: str, images: int, pynq: str, budget: str, effort: Effort | None
) -> Deployed:
    from hwsim.fpga.folding import Goal, parse_budgets
    from slimfab.rtl import load_integers, sample_inputs

    goal = Goal("interval_us", parse_budgets(budget))
    exact = load_integers(source)
    inputs = sample_inputs(exact.network, images)
    with console.ProgressBars() as bars:
        bars.started(0, 1, "emulate")
        return emulate(
            exact.network, exact.weights, inputs, output, board, None, goal, effort, pynq=pynq, listen=bars.advanced
        )


def _cycles(found: Deployed, emulated: bool) -> str:
    counters = found.counters
    same = ", as the simulation counts them" if emulated else ""
    return (
        f"its counters say {counters['latency_max']} cycles at most per image, {counters['interval']} between two{same}"
    )


def _show(measurement: Measurement, comparison: tuple[Comparison, ...]) -> None:
    percentiles = ", ".join(f"p{percent:g} {measurement.percentile_us(percent):.1f}" for percent in (50, 95, 99))
    a, b = measurement.fit_us
    console.say(f"latency of {len(measurement.latency_s)} single images in µs: {percentiles}")
    console.say(f"stages in µs: {', '.join(f'{name} {value:.1f}' for name, value in measurement.stages_us.items())}")
    console.say(f"N images in one transfer take {a:.1f} + {b:.2f} N µs")
    for rail in measurement.power:
        console.say(
            f"{rail.rail}: idle {rail.idle.mean_w:.3f} W, busy {rail.busy.mean_w:.3f} W, {rail.gross_j:.3g} J each"
        )
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
