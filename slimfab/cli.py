# SPDX-License-Identifier: Apache-2.0
"""The ``slimfab`` command: the list of its commands, in the order of the work, and how errors leave."""

import logging
import os
import sys
from typing import Annotated

import typer
from rich.markup import escape

from hwsim.errors import SlimfabError
from slimfab import __version__, console
from slimfab.commands import boards, deploy, machine, networks, recipes, reproduce, rtl

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
INTERRUPTED = 130  # 128 + SIGINT, as shells say it
PANELS = {
    "Before training": (networks.check, networks.compare, networks.targets, networks.zoo),
    "From a recipe": (recipes.init, recipes.run, recipes.search, recipes.report),
    "On the fabric": (rtl.rtl, rtl.synth, boards.build, deploy.deploy),
    "Research": (reproduce.reproduce,),
    "This machine": (machine.doctor, machine.calibrate),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(boards.app, name="board", rich_help_panel="On the fabric")


def _show_version(asked: bool) -> None:
    if asked:
        console.say(f"slimfab {__version__}")
        raise typer.Exit


@app.callback()
def slimfab(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version and leave")
    ] = False,
) -> None:
    """Prune and quantise neural networks and put them on FPGA fabric, with numbers that are never silently wrong."""


def main() -> None:
    """Entry point: errors of ours become one line on stderr and exit code 2."""
    # Threads that wait by spinning make two threads slower than one where cores are shared; set before torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app(prog_name="slimfab")  # also as `python -m slimfab.cli`
    except SlimfabError as error:
        console.err.print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
        sys.exit(2)
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:  # typer turns Ctrl-C into this code and says nothing
            console.err.print("interrupted; run the same command again to go on from here")
        raise


if __name__ == "__main__":
    main()
