# SPDX-License-Identifier: Apache-2.0
"""A search for cycles beside the same search for MACs: which needs fewer cycles at equal accuracy?

The template is AMC's pair of rows "50 % FLOPs" and "50 % time" (He et al., ECCV 2018, table 4). A search under a budget
of MACs has to hope that what it leaves runs fast; on an array that computes tiles of fixed size it often does not.
Every method searches under several shares of both costs. Uniform widths are a control, and, where tiles are small
beside the layers, a budget of MACs over widths that fill tiles, for which no model of the hardware is needed.

Designs are compared as rate and distortion are in video coding (Bjøntegaard, ITU-T VCEG-M33, 2001), see
:func:`cycles_beside`.
"""

import copy
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from torch import nn

from hwsim import targets
from hwsim.errors import RecipeError
from hwsim.importers.torch import import_torch
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.experiment import AgainstSection, SearchSection
from slimfab.reproduce.lab import Lab
from slimfab.reproduce.searches import measured, problem, settings

CYCLES = "cycles"
UNIFORM, RANDOM = "uniform", "random"
SAMPLES = 201  # of the common range of accuracies

Point = tuple[float, float]  # cycles, accuracy


@dataclass(frozen=True, slots=True)
class Wanted:
    """One kind of budget: what rows call it, what it limits and to which shares, the alignment of widths, and who
    searches under it."""

    name: str
    field: str
    shares: tuple[float, ...]
    align: int
    methods: tuple[str, ...]
    control: bool = False


def cycles_beside(ours: Sequence[Point], others: Sequence[Point]) -> float:
    """Cycles of our designs at equal accuracy, as a factor of the others'.

    Of each side's designs (cycles, accuracy) those count that no design with fewer cycles equals. Between them the
    logarithm of cycles is taken to be linear in accuracy, and the factor is the geometric mean over the range of
    accuracies that both sides reach. Where there is none, the ends nearest to each other are compared, which is kind to
    the less accurate side.
    """
    mine, theirs = _front(ours), _front(others)
    low, high = max(mine[0][1], theirs[0][1]), min(mine[-1][1], theirs[-1][1])
    at = np.linspace(low, high, SAMPLES)
    ratio = [np.interp(at, [a for _, a in front], [np.log(c) for c, _ in front]) for front in (mine, theirs)]
    return float(np.exp(np.mean(ratio[0] - ratio[1])))


def _front(points: Sequence[Point]) -> list[Point]:
    """Points by cycles, ascending in accuracy too."""
    found: list[Point] = []
    for cycles, accuracy in sorted(points, key=lambda one: (one[0], -one[1])):
        if not found or accuracy > found[-1][1]:
            found.append((cycles, accuracy))
    return found


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """Every method under every share of MACs and of cycles, each result fine-tuned; and the controls."""
    search = settings(lab)
    budgets = _budgets(search)
    model = lab.train(lab.new_model(), lab.scale.train, "train")
    base = lab.accuracy(model)
    unpruned = replace(lab.row("unpruned", model, True), figures={CYCLES: _cycles(lab, model)})
    found: dict[tuple[str, str], list[Row]] = {}
    winner = model
    with tempfile.TemporaryDirectory() as folder:  # for scores of points that are looked at under several budgets
        for wanted in budgets:
            for share, method in product(wanted.shares, wanted.methods):
                row, module = _searched(lab, model, method, share, wanted, Path(folder, f"of-{wanted.align}"))
                found.setdefault((method, wanted.name), []).append(row)
                if wanted.name == CYCLES and share == wanted.shares[0]:
                    winner = module  # of the last method
    chance, _ = _searched(lab, model, RANDOM, budgets[1].shares[0], replace(budgets[1], control=True))
    scratch = lab.from_scratch(winner, lab.scale.train.epochs + lab.scale.finetune.epochs)
    rows = [unpruned, *(row for several in found.values() for row in several), chance, scratch]
    return tuple(replace(row, base=base) for row in rows), tuple(_bars(lab, budgets, found))


def _budgets(search: SearchSection) -> tuple[Wanted, ...]:
    """MACs, cycles, and MACs over aligned widths where the experiment asks for them."""
    methods, shares, other = tuple(search.methods), tuple(search.budgets), _against(search)
    budgets = (
        Wanted("MACs", search.field, shares, 1, (UNIFORM, *methods)),
        Wanted(CYCLES, other.field, tuple(other.budgets), 1, methods),
    )
    if other.align is None:
        return budgets
    return (*budgets, Wanted(f"MACs, widths of {other.align}", search.field, shares, other.align, methods, True))


def _against(search: SearchSection) -> AgainstSection:
    if search.against is None:
        raise RecipeError("experiment: no section 'search.against'; expected field and budgets of a cost; add it")
    return search.against


def _searched(
    lab: Lab, model: nn.Module, method: str, share: float, wanted: Wanted, scores: Path | None = None
) -> tuple[Row, nn.Module]:
    """What a method found, as it is and fine-tuned, and the network before that."""
    name = f"{method}, {share:.0%} of {wanted.name}"
    lab.say(name)
    posed = problem(lab, model, share, wanted.field, wanted.align)
    found = posed.run(method, posed.environment(settings(lab).evaluations, scores), lab.seed)
    row = measured(lab, posed, found, name, wanted.control or method == UNIFORM)
    module = posed.module(found)
    tuned = lab.train(copy.deepcopy(module), lab.scale.finetune, f"fine-tune {name}")
    figures = {CYCLES: _cycles(lab, module), **row.figures}
    return replace(row, epochs=lab.scale.finetune.epochs, final=lab.accuracy(tuned), figures=figures), module


def _cycles(lab: Lab, module: nn.Module) -> float:
    """Cycles of one inference of the network as it would be deployed."""
    search = settings(lab)
    network = import_torch(module, lab.data.shape)[0]
    target, _, _ = _against(search).field.rpartition(".")
    return targets.cost(network if search.bits is None else network.with_bits(search.bits), f"{target}.{CYCLES}")


def _bars(lab: Lab, budgets: Sequence[Wanted], found: dict[tuple[str, str], list[Row]]) -> Iterator[Bar]:
    """Per method: cycles of the search for them, beside the searches for MACs and uniform widths."""
    macs, hardware, *aligned = (wanted.name for wanted in budgets)
    for stage, label in (("recalibrated", ""), ("final", ", fine-tuned")):
        for method in settings(lab).methods:
            ours = _points(found[method, hardware], stage)
            rivals = [
                ("macs", method, macs),
                *(("aligned", method, name) for name in aligned),
                ("uniform", UNIFORM, macs),
            ]
            for claim, rival, under in rivals:
                factor = cycles_beside(ours, _points(found[rival, under], stage))
                what = f"{method} for cycles beside {rival} for {under}{label}: cycles at equal accuracy"
                yield Bar(what, factor, "<=", lab.scale.bars[claim])


def _points(rows: Sequence[Row], stage: str) -> list[Point]:
    return [(row.figures[CYCLES], getattr(row, stage)) for row in rows]
