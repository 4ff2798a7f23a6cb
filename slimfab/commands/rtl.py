# SPDX-License-Identifier: Apache-2.0
"""Commands about SystemVerilog: write it, simulate it, synthesise it, all without vendor tools."""

from pathlib import Path
from typing import Annotated

import typer

from hwsim.fixed import FixedPoint
from slimfab import console
from slimfab.commands.options import BudgetOption, ObjectiveOption


def rtl(
    model: Annotated[str, typer.Argument(help="QONNX file, or folder with network.json")],
    output: Annotated[Path, typer.Option(help="folder for the SystemVerilog; replaced if it holds some")],
    board: Annotated[str, typer.Option("--board", "-b", help="FPGA board; see 'slimfab targets'")] = "pynq-z2",
    images: Annotated[int, typer.Option(help="inputs to simulate: the format's ends, then random ones")] = 100,
    data: Annotated[Path | None, typer.Option(help="inputs to simulate instead: a .npy file")] = None,
    input_format: Annotated[str | None, typer.Option(help="of inputs that have none, e.g. ap_ufixed<8,0>")] = None,
    clock: Annotated[float | None, typer.Option(help="clock in MHz; default the board's")] = None,
    objective: ObjectiveOption = "interval_us",
    budget: BudgetOption = "",
) -> None:
    """Write a quantised network as SystemVerilog, simulate it, compare its integers and count its cycles."""
    from hwsim.fpga.folding import Goal, parse_budgets
    from hwsim.targets import parse
    from slimfab.rtl import load_integers, read_inputs, sample_inputs, simulate

    goal = Goal(objective, parse_budgets(budget))
    parse(f"fpga:{board}")  # before the network is read
    exact = load_integers(model, None if input_format is None else FixedPoint.parse(input_format))
    inputs = sample_inputs(exact.network, images) if data is None else read_inputs(exact, data)
    with console.ProgressBars() as bars:
        bars.started(0, 1, "simulate SystemVerilog")
        found = simulate(exact.network, exact.weights, inputs, output, board, clock, goal, listen=bars.advanced)
    for note in exact.notes:
        console.say(note, style="dim")
    console.out.print(console.cycles_table(f"{exact.network.name} on {board}, {found.clock_mhz:g} MHz", found))
    console.say("the estimate includes the DMA and the driver", style="dim")
    console.say(f"{found.integers} integers of {found.images} images equal the golden executor's")
    console.say(f"{found.target} occupies  {console.occupation(found.estimate)}\n{found.folding}\ndesign  {output}")


def synth(
    folder: Annotated[Path, typer.Argument(help="folder of emitted SystemVerilog")],
    family: Annotated[str, typer.Option(help="xc7 (7 series), xcup (UltraScale+) or ecp5")] = "xc7",
    timing: Annotated[bool, typer.Option("--timing", help="also time it: xc7's cells, or ecp5's clock")] = False,
) -> None:
    """Synthesise emitted SystemVerilog with yosys: cells by layer, each number with its tool and what it is not."""
    from slimfab.synth import resources_table, synthesise_design

    with console.ProgressBars() as bars:
        bars.started(0, 1, "synthesise")
        found = synthesise_design(folder, family, timing, listen=bars.advanced)
    console.out.print(resources_table(found.counts))
    for line in (found.counts.label, *found.timing):
        console.say(line)
