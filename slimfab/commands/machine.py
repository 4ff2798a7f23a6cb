# SPDX-License-Identifier: Apache-2.0
"""Commands about the machine slimfab runs on: what is installed, and how fast it is."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from slimfab import console


def doctor() -> None:
    """Show which tools and packages are here, in which version, and what each of them enables."""
    from slimfab.doctor import examine

    table = Table("", "tool", "version", "enables", "remark", box=box.SIMPLE_HEAD)
    for finding in examine():
        mark = "[green]✓[/green]" if finding.found else "[yellow]–[/yellow]"
        table.add_row(mark, finding.name, finding.version, finding.enables, escape(finding.remark))
    console.out.print(table)


def calibrate(
    output: Annotated[Path, typer.Option(help="device file to write, e.g. host.yaml; give it to compare")],
    target: Annotated[str, typer.Option(help="cpu: this machine; cuda: its GPU")] = "cpu",
    runtime: Annotated[str, typer.Option(help="onnxruntime or torch, for cpu; eager or graph, for cuda")] = "",
    threads: Annotated[int, typer.Option(help="of the runtime; 0: one per core; fewest disturbances with 1")] = 0,
    networks: Annotated[int, typer.Option(help="random networks to measure")] = 200,
    like: Annotated[str, typer.Option(help="cuda: shipped device whose data sheet numbers apply")] = "",
    seed: Annotated[int, typer.Option(help="of the networks")] = 0,
) -> None:
    """Measure random networks on this machine and write a device file that estimates any other network on it."""
    from slimfab.measure.command import calibrate_to

    with console.ProgressBars() as bars:
        bars.started(0, 1, f"measure {target}")
        lines = calibrate_to(output, target, runtime, threads, networks, like, seed, bars.advanced)
    for line in lines:
        console.say(line)
