# SPDX-License-Identifier: Apache-2.0
"""Commands about a network as it is, before any training: whether it maps, what it costs, and where."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from hwsim import serial
from hwsim.errors import FormatError, InputError
from slimfab import console
from slimfab.commands.options import BudgetOption, InputOption, ModelArgument, ObjectiveOption, parse_shape


def check(
    model: ModelArgument,
    board: Annotated[str, typer.Option("--board", "-b", help="FPGA board; see 'slimfab targets'")] = "pynq-z2",
    input_shape: InputOption = None,
    objective: ObjectiveOption = "interval_us",
    budget: BudgetOption = "",
) -> None:
    """Say layer by layer, before any training, what maps exactly, what is rewritten or refused, and whether it fits."""
    from hwsim.fpga.folding import Goal, parse_budgets
    from slimfab.check import check_model

    result = check_model(model, board, parse_shape(input_shape), Goal(objective, parse_budgets(budget)))
    table = Table(title=f"{result.name} on {board}", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("layer", "operator", "output", "MACs", "status", "remark"):
        table.add_column(column, justify="right" if column == "MACs" else "left", overflow="fold")
    colours = {"exact": "green", "rewritten": "yellow", "refused": "red"}
    for row in result.rows:
        status = f"[{colours[row.status]}]{row.status}[/]"
        shape = "×".join(map(str, row.shape))
        macs = "" if row.macs is None else console.count_text(row.macs)
        table.add_row(escape(row.layer), row.operator, shape, macs, status, escape(row.remark))
    console.out.print(table)
    for line in result.verdict:
        console.say(line)
    if not result.ok:
        raise typer.Exit(1)


def compare(
    model: ModelArgument,
    targets: Annotated[
        str, typer.Option("--targets", "-t", help="comma-separated; see 'slimfab targets'")
    ] = "cpu:cortex-a9,cpu:cortex-a53,cpu:cortex-a72,gpu:jetson-orin,fpga:pynq-z2",
    input_shape: InputOption = None,
    batch: Annotated[int, typer.Option(help="inputs per inference")] = 1,
    width: Annotated[int | None, typer.Option(help="cost it with so many bits per value, 2 to 16")] = None,
    options: Annotated[str, typer.Option("--set", help="options of the builder, e.g. width=0.5")] = "",
    sparsity: Annotated[
        str | None,
        typer.Option(help="zeros in weights: 2:4, 4/9 of every kernel, blocks such as 16x8@0.5, or a share kept"),
    ] = None,
    card: Annotated[bool, typer.Option("--card", help="also show the metric card of every target")] = False,
    layers: Annotated[bool, typer.Option("--layers", help="also show every layer")] = False,
    notes: Annotated[bool, typer.Option("--notes", help="also say where each figure comes from")] = False,
    accuracy: Annotated[float | None, typer.Option(help="share of right answers, for the card")] = None,
    dataset: Annotated[str | None, typer.Option(help="what the accuracy was measured on")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="also measure the energy on this machine")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the estimates to this file")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="write a page with plots to this file")] = None,
) -> None:
    """Estimate latency, energy and occupation of a network on CPUs, GPUs, NPUs and FPGAs, and say which is best.

    Operators that no model knows are listed with their share of the MACs; figures are then those of the other layers.
    """
    from hwsim.sparsity import everywhere, parse_pattern
    from hwsim.targets import parse
    from slimfab.compare import compare as compare_targets
    from slimfab.compare import parse_options
    from slimfab.comparison_tables import show
    from slimfab.models import is_torch, load_for_estimates

    names = [target.strip() for target in targets.split(",") if target.strip()]
    if not names:
        raise InputError("--targets: got no target; expected names joined by commas; see 'slimfab targets'")
    if width is not None and not 2 <= width <= 16:
        raise FormatError(f"--width: got {width}; expected 2 to 16 bits")
    for name in names:
        parse(name)  # before the network is built
    if options and not is_torch(model):
        raise InputError(f"--set: got '{options}' for {model}, which is a file; expected a network that Python builds")
    loaded = load_for_estimates(model, parse_shape(input_shape), parse_options(options))
    network = loaded.network if width is None else loaded.network.with_bits(width)
    zeros = {} if sparsity is None else everywhere(network, parse_pattern(sparsity))
    found = compare_targets(network, names, batch, accuracy, dataset, zeros)
    asked = {"card": card, "layers": layers, "notes": notes}
    show(found, loaded.name, {name for name, wanted in asked.items() if wanted})
    if measure:
        from slimfab.measured import measure_model

        readings, missing = measure_model(loaded, batch)
        for line in (*map(console.reading_text, readings), *missing):
            console.say(line)
    if json_file is not None:
        serial.write_json(json_file, [serial.to_json(one) for one in found.estimates])
    if html_file is not None:
        from slimfab.report.comparison import render_comparison

        serial.atomic_write(html_file, render_comparison(found))


def targets() -> None:
    """List the targets that can be named."""
    from hwsim.targets import names

    for name in names():
        console.say(name)


def zoo() -> None:
    """List the networks of the zoo with their size at the default input."""
    from slimfab.models import load_model, require_torch

    require_torch()
    from slimfab.zoo import ZOO

    table = Table("network", "input", "MACs", "parameters", "what it is", box=box.SIMPLE_HEAD)
    for name in ZOO.names():
        network = load_model(name).network
        entry = ZOO[name]
        table.add_row(
            name,
            "x".join(map(str, entry.in_shape)),
            console.count_text(network.macs()),
            console.count_text(network.parameters()),
            entry.summary,
        )
    console.out.print(table)
