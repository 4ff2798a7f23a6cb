# SPDX-License-Identifier: Apache-2.0
"""Search the widths of a recipe's network: methods side by side, on the same trained network and scores."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import InputError
from hwsim.serial import atomic_write
from slimfab.flow import Listener, Run, Silent
from slimfab.pipeline import run_recipe
from slimfab.recipe import PruneSection, Recipe
from slimfab.stages.compress import deployed_bits
from slimfab.stages.train import dataset, float_module

if TYPE_CHECKING:
    from prune.search import Environment, Found, Problem

FOLDER = "search"
GENERATED = "metapruning"  # evolution on weights that a trained network generates
GENERATOR_EPOCHS = 2  # per epoch of the recipe's training: every batch trains other widths


@dataclass(frozen=True)
class Searched:
    """What methods found on one network. ``test`` holds the test accuracy of each, cut and repaired, not trained.

    ``folder`` has a choice with weights per method; ``page`` is the report.
    """

    network: str
    base: float
    found: "tuple[Found, ...]"
    test: tuple[float, ...]
    folder: Path
    page: Path


def parse_budget(text: str) -> dict[str, str]:
    """Limits written as ``fpga:pynq-z2.latency_us<=500,dsp<=220`` or ``macs<=50%``.

    A field without a target belongs to the target before it. Numbers are amounts, those with a % shares of the
    unpruned network.

    Raises:
        InputError: a part is no field with a limit, or there is none.
    """
    limits: dict[str, str] = {}
    target = ""
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, sign, amount = (one.strip() for one in part.partition("<="))
        if not name or not sign or not amount:
            raise InputError(f"budget: got '{part}'; expected FIELD<=AMOUNT such as macs<=50% or {name or 'dsp'}<=100")
        if ":" in name:
            target = name.rpartition(".")[0]
        elif target:
            name = f"{target}.{name}"
        limits[name] = amount if amount.endswith("%") else f"={amount}"
    if not limits:
        raise InputError("budget: got none; expected at least one limit such as macs<=50%")
    return limits


def parse_granularity(text: str) -> tuple[str, int, int]:
    """A granularity and its block: ``element``, ``kernel``, ``unrolled:4x2`` (filters x channels: PE x SIMD).

    Raises:
        InputError: the block is no two numbers.
        UnknownNameError: no such granularity.
    """
    from prune.granularity import GRANULARITIES

    name, _, block = text.partition(":")
    GRANULARITIES[name]
    try:
        rows, columns = (int(part) for part in (block or "1x1").split("x"))
    except ValueError:
        raise InputError(f"zeros: got '{text}'; expected a granularity such as element, or unrolled:4x2") from None
    return name, rows, columns


def search_recipe(
    recipe: Recipe,
    folder: Path,
    methods: Sequence[str],
    budget: dict[str, str],
    evaluations: int,
    val_images: int,
    workers: int = 1,
    listener: Listener | None = None,
    zeros: str = "",
) -> Searched:
    """Train the recipe's network (or take it from an earlier run) and search its widths, or its densities.

    Every method's result is written to ``search/METHOD`` as a choice with weights, which ``prune.store.rebuild`` reads,
    and all of them to ``search.html`` (with ``zeros``, of ``search-ZEROS``). Scores are kept, so that an interrupted
    search goes on and methods share them.

    Args:
        zeros: instead of removing channels, zero units of this granularity (:func:`parse_granularity`).

    ``metapruning`` trains its generator of weights first; what it leaves has generated weights, to be trained anew.

    Raises:
        UnknownNameError: no such method or cost field.
        BudgetError: no widths meet the budget.
        InputError: metapruning together with ``zeros``.
    """
    from prune.search import METHODS
    from prune.store import save
    from quant.train import evaluate

    for method in methods:
        METHODS["evolution" if method == GENERATED else method]
    if zeros and GENERATED in methods:
        raise InputError(f"search: {GENERATED} generates weights of fewer channels; expected another method with zeros")
    listener = listener or Silent()
    run = run_recipe(recipe, folder, listener, until="train")
    posed = _posed_fine(run, recipe, budget, val_images, zeros) if zeros else _posed(run, recipe, budget, val_images)
    out = folder / (f"{FOLDER}-{zeros.replace(':', '-')}" if zeros else FOLDER)
    x, y = dataset(run).as_float("test")
    results, test = [], []
    for number, method in enumerate(methods):
        listener.started(number, len(methods), f"search: {method}")
        start = time.monotonic()
        generated = method == GENERATED
        problem, scores = (_generated(posed, run, listener), out / method) if generated else (posed, out)
        env = problem.environment(evaluations, scores, workers, lambda one: listener.advanced(*_progress(one)))
        found = replace(problem.run("evolution" if generated else method, env, recipe.seed), method=method)
        module = problem.module(found)
        found.save(out / method / "found.json")
        save(out / method, module, found.choice)
        results.append(found)
        test.append(evaluate(module, x, y))
        facts = {"evaluations": env.spent, "val_accuracy": found.best.score, "test_accuracy": test[-1]}
        listener.finished(f"search: {method}", facts, round(time.monotonic() - start, 3), cached=False)
    base = evaluate(float_module(run), x, y)
    searched = Searched(recipe.name, base, tuple(results), tuple(test), out, folder / f"{out.name}.html")
    from slimfab.report.search import render_search

    atomic_write(searched.page, render_search(searched))
    return searched


def _generated(posed: "Problem", run: Run, listener: Listener) -> "Problem":
    from prune.search.generate import train_generator

    section = run.recipe.train
    epochs = GENERATOR_EPOCHS * section.epochs
    return train_generator(
        posed,
        dataset(run).as_float("train"),
        epochs=epochs,
        batch=section.batch_size,
        seed=run.recipe.seed,
        progress=lambda epoch, loss: listener.advanced(0.0, f"generator, epoch {epoch}/{epochs}, loss {loss:.3f}"),
    )


def _progress(env: "Environment") -> tuple[float, str]:
    known = [one.score for one in env.history if one.within and one.score == one.score]
    best = f"best {max(known):.3f}" if known else "none within the budget yet"
    return env.spent / env.evaluations, f"{env.spent}/{env.evaluations}, {best}"


def _posed_fine(run: Run, recipe: Recipe, budget: dict[str, str], val_images: int, zeros: str) -> "Problem":
    from prune.search import pose_fine

    section, data = recipe.prune or PruneSection(), dataset(run)
    granularity, rows, columns = parse_granularity(zeros)
    x, y = data.as_float("val")
    return pose_fine(
        float_module(run),
        data.shape,
        budget,
        (x[:val_images], y[:val_images]),
        data.as_float("train")[0][: section.calibration_images],
        granularity=granularity,
        rows=rows,
        columns=columns,
        skip=section.skip,
    )


def _posed(run: Run, recipe: Recipe, budget: dict[str, str], val_images: int) -> "Problem":
    from prune.budget import Bounds
    from prune.methods import METHODS
    from prune.search import pose

    section = recipe.prune or PruneSection()
    data = dataset(run)
    plan = METHODS[section.method]
    floor, cap = (
        one if given is None else given for one, given in ((plan.floor, section.floor), (plan.cap, section.cap))
    )
    x, y = data.as_float("val")
    calibration, _ = data.as_float("train")
    return pose(
        float_module(run),
        data.shape,
        budget,
        (x[:val_images], y[:val_images]),
        calibration[: section.calibration_images],
        method=plan,
        bounds=Bounds(floor, cap, section.align),
        bits=deployed_bits(recipe.quantise),
        skip=section.skip,
        seed=recipe.seed,
    )
