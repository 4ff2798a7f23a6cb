# SPDX-License-Identifier: Apache-2.0
"""AGMC: does a learned state find good widths sooner than AMC's numbers, a random encoder, or chance?"""

from collections.abc import Iterable
from dataclasses import replace

from prune.search import METHODS
from prune.search.agmc import GraphState, agmc
from prune.search.ddpg import Agent
from slimfab.models import build_module
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.lab import Lab
from slimfab.reproduce.searches import AREA, CONTROLS, measured, problem, settings


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """Learning curves at one budget; then the encoder trained there, frozen, on a deeper network."""
    search = settings(lab)
    share = search.budgets[0]
    model = lab.train(lab.new_model(), lab.scale.train, "train")
    base, posed = lab.accuracy(model), problem(lab, model, share)
    rows, areas, winners, encoder = [], {}, [], None
    for method in search.methods:
        lab.say(f"{method} at {share:.0%}")
        env = posed.environment(search.evaluations)
        agent = METHODS[method](env, posed.layers, lab.seed)
        found = posed.result(method, env, lab.seed)
        row = measured(lab, posed, found, f"{method}, {share:.0%}", method in CONTROLS)
        rows.append(replace(row, base=base))
        areas[method] = row.figures[AREA]
        if method not in CONTROLS:
            winners.append(found)
        if method == "agmc" and isinstance(agent, Agent) and isinstance(agent.encoder, GraphState):
            encoder = agent.encoder
    best = max(winners, key=lambda found: found.best.score)
    rows.append(lab.from_scratch(posed.module(best), lab.scale.train.epochs))
    rows += _moved(lab, encoder, share)
    bars = (
        Bar("AGMC over AMC, mean of the best score so far", areas["agmc"] - areas["amc"], ">=", lab.scale.bars["amc"]),
        Bar("AGMC over its encoder untrained", areas["agmc"] - areas["agmc_frozen"], ">=", lab.scale.bars["frozen"]),
        Bar("AGMC over random search", areas["agmc"] - areas["random"], ">=", lab.scale.bars["random"]),
    )
    return tuple(rows), bars


def _moved(lab: Lab, encoder: GraphState | None, share: float) -> Iterable[Row]:
    """The encoder on a deeper network, where only actor and critic learn, beside a random encoder."""
    search = settings(lab)
    if search.deeper is None or encoder is None:
        return
    source, options = search.deeper.source, search.deeper.options
    model = build_module(source, lab.data.shape, options, lab.data.classes, lab.seed)[0]
    lab.train(model, lab.scale.train, "train the deeper network")
    base, posed = lab.accuracy(model), problem(lab, model, share)
    for name, moved in (("encoder moved to a deeper network", encoder), ("random encoder there", None)):
        lab.say(name)
        env = posed.environment(search.evaluations)
        agmc(env, posed.layers, lab.seed, frozen=True, encoder=moved)
        found = posed.result("agmc", env, lab.seed)
        yield replace(measured(lab, posed, found, name, moved is None), base=base)
