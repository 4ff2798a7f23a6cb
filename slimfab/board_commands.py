# SPDX-License-Identifier: Apache-2.0
"""``slimfab board``: the boards that are known, and what a board's file says."""

from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from boards import board as boards
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
        built = "yes" if board.has_bitstream else "no"
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
