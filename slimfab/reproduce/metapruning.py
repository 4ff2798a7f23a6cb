# SPDX-License-Identifier: Apache-2.0
"""MetaPruning: do generated weights rank widths as training from scratch does, and does their winner beat uniform?"""

from dataclasses import replace

import numpy as np

from hwsim.errors import RecipeError
from prune.ladder import restart
from prune.search import Problem
from prune.search.generate import train_generator
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.lab import Lab
from slimfab.reproduce.searches import CONTROLS, problem, settings

SPACING = 1000  # between the seeds of one network's first weights, so that no two experiments share them


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """Random configurations, the winner of the evolution, the best random one and uniform widths, all from scratch."""
    search = settings(lab)
    if search.generator is None:
        raise RecipeError("experiment: no section 'search.generator'; expected epochs and lr; add it")
    section = search.generator
    lab.say(f"generator of weights: {section.epochs} epochs")
    posed = train_generator(
        problem(lab, lab.new_model(), search.budgets[0]),
        lab.train_data,
        epochs=section.epochs,
        batch=section.batch_size,
        lr=section.lr,
        seed=lab.seed,
    )
    rows, correlation = _ranked(lab, posed)
    bars = [Bar("rank correlation of generated and trained accuracy", correlation, ">=", lab.scale.bars["rank"])]
    for share in search.budgets:
        limited = _at(lab, posed, share)
        final = {}
        for method in search.methods:
            found = limited.run(method, limited.environment(search.evaluations), lab.seed)
            name = f"from scratch, {method}, {share:.0%}"
            control = method in CONTROLS
            rows.append(_trained(lab, name, limited, found.best.values, control, times=search.trainings))
            final[method] = rows[-1].final or 0.0
        gap = final["evolution"] - final["uniform"]
        bars.append(Bar(f"winner over uniform at {share:.0%}", gap, ">=", lab.scale.bars["over_uniform"]))
    return tuple(rows), tuple(bars)


def _at(lab: Lab, posed: Problem, share: float) -> Problem:
    """The same weights under another budget."""
    other = problem(lab, posed.evaluator.view.model, share)
    return replace(posed, limits=other.limits)


def _ranked(lab: Lab, posed: Problem) -> tuple[list[Row], float]:
    """Spearman's correlation over random configurations, and their rows."""
    from scipy.stats import spearmanr

    env = posed.environment(settings(lab).drawn)
    posed.run("random", env, lab.seed)
    rows = [
        _trained(lab, f"random configuration {number + 1}", posed, one.values, True, one.score)
        for number, one in enumerate(env.history)
    ]
    generated = [one.score for one in env.history]
    rank = spearmanr(generated, [row.final for row in rows]).statistic
    return rows, float(np.nan_to_num(rank))


def _trained(
    lab: Lab,
    name: str,
    posed: Problem,
    values: dict[str, int],
    control: bool,
    score: float | None = None,
    times: int = 1,
) -> Row:
    """The shape with new weights, trained as the section ``finetune`` says; the mean of so many first weights."""
    section, found = lab.scale.finetune, []
    for number in range(times):
        module = restart(posed.evaluator.cut(values)[0], lab.seed + SPACING * number)
        lab.train(module, section, f"{name}, training {number + 1}" if times > 1 else name)
        found.append(lab.accuracy(module))
    figures = {"generated, on validation": score if score is not None else posed.evaluator(values)}
    row = lab.row(name, module, control)
    return replace(row, epochs=section.epochs, final=float(np.mean(found)), figures=figures)
