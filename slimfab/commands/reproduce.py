# SPDX-License-Identifier: Apache-2.0
"""``slimfab reproduce``: the experiment of a paper, with its controls."""

from pathlib import Path
from typing import Annotated

import typer

from hwsim import serial
from slimfab import console


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
