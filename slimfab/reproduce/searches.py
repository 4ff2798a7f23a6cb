# SPDX-License-Identifier: Apache-2.0
"""Searches of widths under budgets, side by side: the same points, evaluator, budget and number of evaluations."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from hwsim.errors import RecipeError
from prune.budget import Bounds
from prune.search import METHODS, Found, Problem, learning_curve, pose
from quant.train import evaluate
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.experiment import SearchSection
from slimfab.reproduce.lab import Lab

CONTROLS = ("uniform", "deep_heavy", "shallow_heavy", "random", "agmc_frozen")
LEARNED = ("amc", "agmc")
AREA = "mean of the best score so far"


@dataclass(frozen=True, slots=True)
class Scores:
    """Accuracy of what a method found: on the validation images it was chosen by, and on the test images."""

    val: float
    test: float


def settings(lab: Lab) -> SearchSection:
    """What is searched.

    Raises:
        RecipeError: the experiment's file does not say.
    """
    if lab.scale.search is None:
        raise RecipeError("experiment: no section 'search'; expected methods, budgets and evaluations; add it")
    for method in lab.scale.search.methods:
        METHODS[method]
    return lab.scale.search


def problem(lab: Lab, model: nn.Module, share: float, field: str | None = None, align: int = 1) -> Problem:
    """The widths of a trained network, at most ``share`` of a cost; candidates are scored on validation images.

    Args:
        align: what widths of layers that lose channels are multiples of.
    """
    search = settings(lab)
    x, y = lab.data.as_float("val")
    return pose(
        model,
        lab.data.shape,
        {field or search.field: share},
        (x[: search.val_images], y[: search.val_images]),
        lab.samples.x.numpy(),
        method=search.method,
        bounds=Bounds(cap=search.cap, align=align),
        bits=search.bits,
        seed=lab.seed,
    )


def solved(lab: Lab, posed: Problem, methods: Sequence[str], share: float) -> Iterable[tuple[Row, Found]]:
    """A row per method: test accuracy of the best point on validation, repaired and not trained."""
    for method in methods:
        lab.say(f"{method} at {share:.0%}")
        found = confirmed(lab, posed, posed.run(method, posed.environment(settings(lab).evaluations), lab.seed))
        yield measured(lab, posed, found, f"{method}, {share:.0%}", method in CONTROLS), found


def confirmed(lab: Lab, posed: Problem, found: Found) -> Found:
    """The one of a search's best points that is best on all validation images, with its score on them.

    The best score of hundreds is a lucky one: of points that differ by less than the noise of ``val_images`` it says
    little.
    """
    if settings(lab).confirmed == 1:
        return found
    valid = [one for one in found.history if one.within and np.isfinite(one.score)]
    images = lab.data.as_float("val")
    again = [
        replace(one, score=evaluate(posed.evaluator.cut(one.values)[0], *images))
        for one in sorted(valid, key=lambda one: -one.score)[: settings(lab).confirmed]
    ]
    best = max(again, key=lambda one: one.score)
    return replace(found, best=best, choice=posed.evaluator.cut(best.values)[1])


def measured(lab: Lab, posed: Problem, found: Found, name: str, control: bool) -> Row:
    """The row of what a search found: repaired, not trained."""
    module = posed.module(found)
    row = replace(lab.row(name, module, control), recalibrated=lab.accuracy(module))
    return replace(row, figures={"on validation": found.best.score, AREA: area(lab, found)})


def area(lab: Lab, found: Found) -> float:
    """The best score so far, averaged over the allowed evaluations; a method that ends early keeps its last one."""
    curve = learning_curve(found.history)
    rest = settings(lab).evaluations - len(curve)
    return float(np.mean(np.concatenate([np.maximum(curve, 0.0), np.full(max(rest, 0), max(curve[-1], 0.0))])))


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """All methods at all budgets; the first budget's winner is fine-tuned and trained from scratch."""
    search = settings(lab)
    model = lab.train(lab.new_model(), lab.scale.train, "train")
    base, rows, bars = lab.accuracy(model), [], []
    for number, share in enumerate(search.budgets):
        posed, scores = problem(lab, model, share), dict[str, Scores]()
        best: tuple[float, nn.Module] | None = None
        for row, found in solved(lab, posed, search.methods, share):
            method, module = found.method, posed.module(found)
            if number == 0:
                tuned = lab.train(copy.deepcopy(module), lab.scale.finetune, f"fine-tune {row.name}")
                row = replace(row, epochs=lab.scale.finetune.epochs, final=lab.accuracy(tuned))
            rows.append(replace(row, base=base))
            scores[method] = Scores(found.best.score, row.recalibrated or 0.0)
            if best is None or found.best.score > best[0]:
                best = (found.best.score, module)
        if number == 0 and best is not None:
            rows.append(lab.from_scratch(best[1], lab.scale.train.epochs + lab.scale.finetune.epochs))
        bars += _bars(lab, share, scores)
    return tuple(rows), tuple(bars)


def _bars(lab: Lab, share: float, scores: dict[str, Scores]) -> Iterable[Bar]:
    """The claims that the experiment states bounds for."""
    for claim, bound in lab.scale.bars.items():
        if claim.startswith("over_uniform:"):
            method = claim.partition(":")[2]
            gap = scores[method].test - scores["uniform"].test
            yield Bar(f"{method} over uniform at {share:.0%}", gap, ">=", bound)
        elif claim == "ours_over_amc_and_random":
            ours = max(
                (one for name, one in scores.items() if name not in (*LEARNED, *CONTROLS)), key=lambda one: one.val
            )
            gap = ours.test - max(scores["amc"].test, scores["random"].test)
            yield Bar(f"the best allocator over AMC and random at {share:.0%}", gap, ">=", bound)
        else:
            raise RecipeError(
                f"bars: unknown claim '{claim}'; expected over_uniform:METHOD or ours_over_amc_and_random"
            )
