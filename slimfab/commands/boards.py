# SPDX-License-Identifier: Apache-2.0
"""``slimfab board``: the boards that are known, and what a board's file says."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from boards import board as boards
from boards.joulescope import RAIL
from slimfab import console

app = typer.Typer(help="Boards that can be built for: list them, or check a file of your own.", no_args_is_help=True)


@app.command("list")
def list_boards() -> None:
    """List the boards with part, processor, sensors and the pynq versions of their images."""
    table = Table("board", "part", "processor", "LUT", "DSP", "bitstream", "power", "pynq", box=box.SIMPLE_HEAD)
    for name in boards.names():
        board = boards.load(name)
        power = ", ".join(sensor.driver for sensor in board.sensors) or "not measurable"
        versions = ", ".join(image.pynq for image in board.images) or "none"
        counts = [console.count_text(round(board.device[key])) for key in ("lut", "dsp")]
        built = ".bit" if board.has_bitstream else ".xclbin" if board.platform else "no"
        table.add_row(name, board.part, board.processor, *counts, built, power, versions)
    console.out.print(table)


@app.command("check")
def check_board(
    name: Annotated[str, typer.Argument(help="a board's name, or the path of a .yaml file of your own")],
) -> None:
    """Read a board's file, check every number in it, and show what it says and where that comes from."""
    board = boards.load(name)
    console.say(f"{board.title}: {board.part}\n{board.shell}: {boards.SHELLS[board.shell]}")
    if board.board_part:
        console.say(f"Vivado's board part {board.board_part}, {board.board_files or 'comes with Vivado'}")
    if board.platform:
        console.say(
            f"platform {board.platform.name}, with releases since {board.platform.since}, {board.platform.source}"
        )
    table = Table("number", "value", "source", box=box.SIMPLE_HEAD)
    quantities = {**{f"device.{key}": one for key, one in board.device.quantities.items()}, **board.quantities}
    for key, quantity in quantities.items():
        table.add_row(key, f"{quantity.value:g}", escape(quantity.source))
    for sensor in board.sensors:
        table.add_row(f"sensor {sensor.name}", sensor.driver, escape(sensor.source))
    for image in board.images:
        table.add_row(f"image with pynq {image.pynq}", f"Python {image.python}", escape(image.source))
    console.out.print(table)
    console.say(f"{board.name}: {len(board.sources)} facts, each with its source")


@app.command("power")
def add_power(
    results: Annotated[Path, typer.Argument(help="folder of 'slimfab deploy --measure --meter'")],
    idle: Annotated[Path, typer.Option(help="recording at rest: CSV of a Joulescope or another meter")],
    busy: Annotated[Path, typer.Option(help="recording at work")],
    rail: Annotated[str, typer.Option(help="what was metered")] = RAIL,
) -> None:
    """Add what a meter recorded at a board's supply to a measurement, and compare with the estimate again."""
    from slimfab import metered
    from slimfab.measurement_tables import show

    show(*metered.add_power(results, idle, busy, rail))


def build(
    model: Annotated[str, typer.Argument(help="QONNX file, or folder with network.json")],
    output: Annotated[Path, typer.Option(help="folder of the build; run again, it goes on where it stopped")],
    board: Annotated[str, typer.Option("--board", "-b", help="see 'slimfab board list'")] = "pynq-z2",
    flow: Annotated[str, typer.Option(help="rtl (emitted SystemVerilog) or hls4ml (through AMD's HLS)")] = "rtl",
    clock: Annotated[float | None, typer.Option(help="clock in MHz; default the board's")] = None,
    tools: Annotated[str, typer.Option(help="release such as 2022.2; default the one that is installed here")] = "",
    host: Annotated[str, typer.Option(help="machine to build on, as ssh has it")] = "",
    settings: Annotated[str, typer.Option(help="path of AMD's settings64.sh on that machine")] = "",
    board_files: Annotated[str, typer.Option(help="folder of board files on that machine")] = "",
    jobs: Annotated[int, typer.Option(help="processes at once")] = 4,
    input_format: Annotated[str | None, typer.Option(help="of inputs that have none, e.g. ap_ufixed<8,0>")] = None,
    budget: Annotated[str, typer.Option(help="limits of the folding such as dsp=100,lut=20000")] = "",
) -> None:
    """Build a quantised network for a board with AMD's Vivado: bitstream, reports and a verified bundle."""
    from boards.vivado.run import Machine
    from hwsim.fixed import FixedPoint
    from hwsim.fpga.folding import Goal, parse_budgets
    from slimfab.build import Request
    from slimfab.build import build as run_build
    from slimfab.rtl import load_integers

    machine = Machine(host, settings, board_files, jobs)
    goal = Goal("interval_us", parse_budgets(budget))
    request = Request(board, flow, clock, tools, goal, machine)
    request.release(), boards.load(board)  # before the network is read
    exact = load_integers(model, None if input_format is None else FixedPoint.parse(input_format))
    with console.ProgressBars() as bars:
        bars.started(0, 1, "build")
        built = run_build(exact.network, exact.weights, request, output, listen=bars.advanced)
    found = built.results
    console.say(f"{found.plan.board} occupies  {console.occupation(built.estimate)}\n{built.folding}")
    if found.plan.has_bitstream or not found.files:
        console.say(f"timing is met at {found.clock_mhz:g} MHz with {found.timing.wns_ns:g} ns to spare")
    else:
        console.say(f"v++ linked the kernel for {found.clock_mhz:g} MHz")
    console.say(f"power of the chip {found.power.total_w:g} W, as {found.tools['vivado']} estimates it", style="dim")
    console.say(f"bundle  {built.bundle.path}" if built.bundle else f"reports  {output / 'build' / 'reports'}")
