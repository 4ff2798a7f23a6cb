# SPDX-License-Identifier: Apache-2.0
"""Search the widths of a recipe's network, and its bits and folding: methods side by side, on the same scores."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim import serial
from hwsim.errors import InputError
from hwsim.serial import atomic_write
from quant.spec import MAX_WIDTH, MIN_WIDTH
from slimfab.flow import Listener, Run, Silent
from slimfab.pipeline import RECIPE_FILE, run_recipe, write_recipe
from slimfab.posing import Posing
from slimfab.recipe import Recipe
from slimfab.stages.train import dataset, float_module
from slimfab.winner import winner

if TYPE_CHECKING:
    from torch import nn

    from prune.search import Environment, Found, Problem

FOLDER = "search"
GENERATED = "metapruning"  # evolution on weights that a trained network generates
GENERATOR_EPOCHS = 2  # per epoch of the recipe's training: every batch trains other widths


@dataclass(frozen=True)
class Searched:
    """What methods found on one network.

    ``test`` holds the test accuracy of each as it was scored: cut and repaired, where bits were searched quantised by
    calibration, not trained.
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


def parse_bits(text: str) -> tuple[int, ...]:
    """Numbers of bits written as ``4,6,8``.

    Raises:
        InputError: one is no whole number from 2 to 16.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not part.isdecimal() or not MIN_WIDTH <= int(part) <= MAX_WIDTH:
            raise InputError(f"bits: got '{part}'; expected whole numbers {MIN_WIDTH} to {MAX_WIDTH} such as 4,6,8")
    return tuple(sorted({int(part) for part in parts}))


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
    *,
    bits: Sequence[int] = (),
    options: int | None = None,
) -> Searched:
    """Train the recipe's network (or take it from an earlier run) and search its widths, densities, or bits too.

    Every method's result is written to ``search/METHOD`` as a choice with weights, which ``prune.store.rebuild`` reads,
    where the budget names an FPGA with the design that keeps it (``design-BOARD.json``), and, but for zeros, as a
    recipe for 'slimfab run', and all of them to ``search.html`` (with ``zeros`` of
    ``search-ZEROS``, with bits of ``search-joint``). Scores are kept, so that an interrupted search goes on and methods
    share them.

    Args:
        zeros: instead of removing channels, zero units of this granularity (:func:`slimfab.posing.parse_granularity`).
        bits: that weights and activations may have; they are searched too, with the folding of the budget's FPGA.
            Without any, widths alone are searched, in the recipe's own bits.
        options: widths per layer at most, evenly spread.

    ``metapruning`` trains its generator of weights first; what it leaves has generated weights, to be trained anew.

    Raises:
        UnknownNameError: no such method or cost field.
        BudgetError: no widths meet the budget; says what comes nearest.
        InputError: ``zeros`` together with ``bits`` or ``options``, or metapruning with ``zeros`` or ``bits``.
    """
    from prune.search import METHODS
    from prune.store import save
    from quant.train import evaluate

    for method in methods:
        METHODS["evolution" if method == GENERATED else method]
    _expect_together(methods, zeros, bits, options)
    listener = listener or Silent()
    run = run_recipe(recipe, folder, listener, until="train")
    posed = _posed(Posing(run, budget, val_images), zeros, bits, options)
    out = folder / _folder_name(posed, zeros)
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
        for target, design in problem.designs(found).items():
            serial.write_json(out / method / f"design-{target.partition(':')[2].replace('/', '-')}.json", design)
        if not zeros:
            write_recipe(winner(recipe, problem, found), out / method / RECIPE_FILE, f"What {method} found.")
        results.append(found)
        test.append(evaluate(_scored(problem, found), x, y))
        facts = {"evaluations": env.spent, "val_accuracy": found.best.score, "test_accuracy": test[-1]}
        listener.finished(f"search: {method}", facts, round(time.monotonic() - start, 3), cached=False)
    base = evaluate(float_module(run), x, y)
    searched = Searched(recipe.name, base, tuple(results), tuple(test), out, folder / f"{out.name}.html")
    from slimfab.report.search import render_search

    atomic_write(searched.page, render_search(searched))
    return searched


def _expect_together(methods: Sequence[str], zeros: str, bits: Sequence[int], options: int | None) -> None:
    """Before anything is trained: whether what is asked for goes together."""
    if zeros and (bits or options):
        other = "bits" if bits else "widths"
        raise InputError(f"search: got zeros={zeros} and {other}; expected one of them; leave out one")
    if GENERATED in methods and (zeros or bits):
        what = "zeros" if zeros else "bits"
        raise InputError(
            f"search: {GENERATED} generates weights of fewer channels; expected another method with {what}"
        )


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


def _posed(posing: Posing, zeros: str, bits: Sequence[int], options: int | None) -> "Problem":
    if zeros:
        return posing.zeros(zeros)
    return posing.joint(bits, options) if bits else posing.widths(options)


def _folder_name(posed: "Problem", zeros: str) -> str:
    """Searches of other choices have other scores."""
    from prune.search.joint import QuantisedEvaluator

    if zeros:
        return f"{FOLDER}-{zeros.replace(':', '-')}"
    return f"{FOLDER}-joint" if isinstance(posed.evaluator, QuantisedEvaluator) else FOLDER


def _scored(posed: "Problem", found: "Found") -> "nn.Module":
    """The module as it was scored."""
    from prune.search.joint import QuantisedEvaluator

    scorer = posed.evaluator
    return scorer.quantised(found.best.values) if isinstance(scorer, QuantisedEvaluator) else posed.module(found)
