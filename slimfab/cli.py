# SPDX-License-Identifier: Apache-2.0
"""The ``slimfab`` command. Every command is a thin layer over a function that Python users can call too."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from hwsim import serial
from hwsim.errors import FormatError, InputError, SlimfabError
from hwsim.fixed import FixedPoint
from slimfab import board_commands, console, deploy_command

app = typer.Typer(
    help="Prune and quantise neural networks and put them on FPGA fabric, with numbers that are never silently wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(board_commands.app, name="board")
app.command()(board_commands.build)
app.command()(deploy_command.deploy)

INTERRUPTED = 130  # 128 + SIGINT, as shells say it

ModelArgument = Annotated[
    str, typer.Argument(help="zoo name, module:function, file.py:function, .onnx file, or folder with network.json")
]
ObjectiveOption = Annotated[
    str,
    typer.Option(help="what the folding makes smallest: interval_us, latency_us, energy_uj, lut, ff, dsp or bram18"),
]
BudgetOption = Annotated[
    str, typer.Option(help="limits such as dsp=100,latency_us=500; also lut, ff, bram18, interval_us, power_w")
]
InputOption = Annotated[str | None, typer.Option("--input", help="input shape without batch, e.g. 1x28x28")]


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="recipe file (see 'slimfab init')")],
    output: Annotated[Path | None, typer.Option(help="folder of results; default build/<recipe name>")] = None,
    until: Annotated[str | None, typer.Option(help="stop after this stage")] = None,
) -> None:
    """Run a recipe: train, prune, quantise, build with hls4ml, verify, compare, report. Resumes where it stopped."""
    from slimfab.pipeline import run_recipe
    from slimfab.recipe import load_recipe

    parsed = load_recipe(recipe)
    folder = output or Path("build") / parsed.name
    with console.ProgressBars() as bars:
        run_recipe(parsed, folder, listener=bars, until=until)
    if (folder / "report.html").exists() and until is None:
        console.say(f"report  {folder / 'report.html'}\nresult  {folder / 'result.json'}")


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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
        str | None, typer.Option(help="zeros in all weights: 2:4, blocks such as 16x8@0.5, or a share kept such as 0.1")
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
    """Estimate latency, energy and occupation of a network on CPUs, GPUs, NPUs and FPGAs, and say which is best."""
    from hwsim.sparsity import everywhere, parse_pattern
    from hwsim.targets import parse
    from slimfab.compare import compare as compare_targets
    from slimfab.compare import parse_options
    from slimfab.comparison_tables import show
    from slimfab.models import is_torch, load_model

    names = [target.strip() for target in targets.split(",") if target.strip()]
    if not names:
        raise InputError("--targets: got no target; expected names joined by commas; see 'slimfab targets'")
    if width is not None and not 2 <= width <= 16:
        raise FormatError(f"--width: got {width}; expected 2 to 16 bits")
    for name in names:
        parse(name)  # before the network is built
    if options and not is_torch(model):
        raise InputError(f"--set: got '{options}' for {model}, which is a file; expected a network that Python builds")
    loaded = load_model(model, parse_shape(input_shape), parse_options(options))
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


@app.command()
def targets() -> None:
    """List the targets that can be named."""
    from hwsim.targets import names

    for name in names():
        console.say(name)


@app.command()
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


@app.command()
def doctor() -> None:
    """Show which tools and packages are here, in which version, and what each of them enables."""
    from slimfab.doctor import examine

    table = Table("", "tool", "version", "enables", "remark", box=box.SIMPLE_HEAD)
    for finding in examine():
        mark = "[green]✓[/green]" if finding.found else "[yellow]–[/yellow]"
        table.add_row(mark, finding.name, finding.version, finding.enables, escape(finding.remark))
    console.out.print(table)


@app.command()
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


@app.command()
def search(
    recipe: Annotated[Path, typer.Argument(help="recipe file; its model, data, training and prune section are used")],
    method: Annotated[str, typer.Option(help="amc, agmc, evolution, knapsack, random, …; several with commas")] = "amc",
    budget: Annotated[
        str, typer.Option(help="e.g. 'macs<=50%' or 'fpga:pynq-z2.latency_us<=500,dsp<=220'")
    ] = "macs<=50%",
    evaluations: Annotated[int, typer.Option(min=1, help="candidates that each method may score")] = 100,
    val_images: Annotated[int, typer.Option(min=1, help="validation images that a candidate is scored on")] = 1000,
    workers: Annotated[int, typer.Option(min=1, help="candidates scored at a time")] = 1,
    output: Annotated[Path | None, typer.Option(help="folder of results; default build/<recipe name>")] = None,
) -> None:
    """Search how much of every layer to keep under a budget; resumes, and writes search.html with curves and fronts."""
    from slimfab.models import require_torch

    require_torch()
    from slimfab.recipe import load_recipe
    from slimfab.search import PAGE, parse_budget, search_recipe

    parsed, limits = load_recipe(recipe), parse_budget(budget)
    folder = output or Path("build") / parsed.name
    methods = [one.strip() for one in method.split(",") if one.strip()]
    with console.ProgressBars() as bars:
        search_recipe(parsed, folder, methods, limits, evaluations, val_images, workers, bars)
    console.say(f"report  {folder / PAGE}\nchoices {folder / 'search'}")


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="experiment: a name from experiments/, or a .yaml file")],
    scale: Annotated[str, typer.Option(help="small, or full where a GPU is at hand")] = "small",
    seeds: Annotated[int, typer.Option(min=1, help="number of seeds")] = 3,
    first_seed: Annotated[int, typer.Option(min=0, help="the first of them")] = 0,
    cards: Annotated[Path, typer.Option(help="folder of the cards, one per seed")] = Path("build/cards"),
    page: Annotated[Path | None, typer.Option(help="also write the page of all cards there, as Markdown")] = None,
) -> None:
    """Run the experiment of a paper again with its controls; exit code 1 where a claim fails on any seed."""
    from slimfab.models import require_torch

    require_torch()
    from slimfab.reproduce import load_cards, load_experiment, render, run_seed, save_card

    experiment, found = load_experiment(name), []
    for seed in range(first_seed, first_seed + seeds):
        with console.ProgressBars() as bars:
            bars.started(seed - first_seed, seeds, f"{experiment.name}, seed {seed}")
            found.append(run_seed(experiment, scale, seed, lambda text, bars=bars: bars.advanced(0.0, text)))
        console.say(f"card  {save_card(cards, found[-1])}")
    if page is not None:
        serial.atomic_write(page, render(load_cards(cards)))
    for card in found:
        for bar in card.bars:
            mark = "holds" if bar.passed else "FAILS"
            console.say(f"seed {card.seed}: {mark}: {bar.claim}: {bar.value:.3g} {bar.relation} {bar.bound:g}")
    if not all(card.passed for card in found):
        raise typer.Exit(1)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="folder of a finished run")]) -> None:
    """Write report.html and result.json of a run again."""
    from slimfab.pipeline import rewrite_report

    rewrite_report(folder)
    console.say(str(folder / "report.html"))


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="recipe file to write")] = Path("recipe.yaml"),
) -> None:
    """Write a commented recipe to start from."""
    from importlib.resources import files

    if path.exists():
        raise InputError(f"{path}: exists already; choose another name")
    serial.atomic_write(path, (files("slimfab") / "recipes" / "digits_vgg_tiny.yaml").read_text())
    console.say(str(path))


def parse_shape(text: str | None) -> tuple[int, ...] | None:
    """``1x28x28`` as (1, 28, 28); None stays None.

    Raises:
        InputError: it is not positive numbers joined by x.
    """
    if text is None:
        return None
    parts = text.replace(",", "x").split("x")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--input: got '{text}'; expected positive sizes joined by x, such as 1x28x28")
    return tuple(int(part) for part in parts)


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
