# SPDX-License-Identifier: Apache-2.0
"""Commands that work on a recipe: write one, run it, report it again, search how much to prune."""

from pathlib import Path
from typing import Annotated

import typer

from hwsim import serial
from hwsim.errors import InputError
from slimfab import console


def init(
    path: Annotated[Path, typer.Argument(help="recipe file to write")] = Path("recipe.yaml"),
) -> None:
    """Write a commented recipe to start from."""
    from importlib.resources import files

    if path.exists():
        raise InputError(f"{path}: exists already; choose another name")
    serial.atomic_write(path, (files("slimfab") / "recipes" / "digits_vgg_tiny.yaml").read_text())
    console.say(str(path))


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


def report(folder: Annotated[Path, typer.Argument(help="folder of a finished run")]) -> None:
    """Write report.html and result.json of a run again."""
    from slimfab.pipeline import rewrite_report

    rewrite_report(folder)
    console.say(str(folder / "report.html"))


def search(
    recipe: Annotated[Path, typer.Argument(help="recipe file; its model, data, training and prune section are used")],
    method: Annotated[
        str, typer.Option(help="amc, agmc, metapruning, evolution, knapsack, …; several with commas")
    ] = "amc",
    budget: Annotated[
        str, typer.Option(help="e.g. 'macs<=50%' or 'fpga:pynq-z2.latency_us<=500,dsp<=220'")
    ] = "macs<=50%",
    evaluations: Annotated[int, typer.Option(min=1, help="candidates that each method may score")] = 100,
    val_images: Annotated[int, typer.Option(min=1, help="validation images that a candidate is scored on")] = 1000,
    bits: Annotated[
        str, typer.Option(help="bits of weights and activations, e.g. 4,6,8, searched too, with the folding")
    ] = "",
    widths: Annotated[int | None, typer.Option(min=2, help="widths per layer at most; all, or 4 with bits")] = None,
    workers: Annotated[int, typer.Option(min=1, help="candidates scored at a time")] = 1,
    zeros: Annotated[
        str,
        typer.Option(help="zero weights instead of removing channels: element, kernel, unrolled:4x2 (PE x SIMD), …"),
    ] = "",
    output: Annotated[Path | None, typer.Option(help="folder of results; default build/<recipe name>")] = None,
) -> None:
    """Search how much of every layer to keep, and its bits and folding, under a budget. Resumes where it stopped.

    Writes search.html with curves and fronts, and per method a recipe that 'slimfab run' takes on. Limits of one FPGA
    hold for one and the same design.
    """
    from slimfab.models import require_torch

    require_torch()
    from slimfab.recipe import load_recipe
    from slimfab.search import parse_bits, parse_budget, search_recipe

    parsed, limits, options = load_recipe(recipe), parse_budget(budget), parse_bits(bits)
    folder = output or Path("build") / parsed.name
    methods = [one.strip() for one in method.split(",") if one.strip()]
    with console.ProgressBars() as bars:
        found = search_recipe(
            parsed, folder, methods, limits, evaluations, val_images, workers, bars, zeros, bits=options, options=widths
        )
    for one in found.found:
        if one.remark:
            console.say(f"{one.method}: {one.remark}")
    console.say(f"report  {found.page}\nchoices {found.folder}")
    best = found.folder / max(found.found, key=lambda one: one.best.score).method / "recipe.yaml"
    if best.is_file():
        console.say(f"next    slimfab run {best} --output {folder}")
