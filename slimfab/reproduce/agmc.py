# SPDX-License-Identifier: Apache-2.0
"""AGMC: does a learned state find good widths sooner than AMC's numbers, a random encoder, or chance?"""

from collections.abc import Iterable
from dataclasses import replace

from prune.search.agmc import GraphState, agmc
from slimfab.models import build_module
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.lab import Lab
from slimfab.reproduce.searches import AREA, CONTROLS, area, problem, settings, solved


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """Learning curves at one budget; then the encoder trained there, frozen, on a deeper network."""
    search = settings(lab)
    share = search.budgets[0]
    model = lab.train(lab.new_model(), lab.scale.train, "train")
    base, posed = lab.accuracy(model), problem(lab, model, share)
    rows, areas, best = [], {}, None
    for row, found in solved(lab, posed, search.methods, share):
        rows.append(replace(row, base=base))
        areas[found.method] = row.figures[AREA]
        if found.method not in CONTROLS and (best is None or found.best.score > best.best.score):
            best = found
    assert best is not None
    rows.append(lab.from_scratch(posed.module(best), lab.scale.train.epochs))
    encoder = agmc(posed.environment(search.evaluations), posed.layers, lab.seed).encoder
    assert isinstance(encoder, GraphState)
    rows += _moved(lab, encoder, share)
    bars = (
        Bar("AGMC over AMC, mean of the best score so far", areas["agmc"] - areas["amc"], ">=", lab.scale.bars["amc"]),
        Bar("AGMC over its encoder untrained", areas["agmc"] - areas["agmc_frozen"], ">=", lab.scale.bars["frozen"]),
        Bar("AGMC over random search", areas["agmc"] - areas["random"], ">=", lab.scale.bars["random"]),
    )
    return tuple(rows), bars


def _moved(lab: Lab, encoder: GraphState, share: float) -> Iterable[Row]:
    """The encoder on a deeper network, where only actor and critic learn, beside a random encoder."""
    search = settings(lab)
    if search.deeper is None:
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
        module = posed.module(found)
        row = replace(lab.row(name, module, moved is None), base=base, recalibrated=lab.accuracy(module))
        yield replace(row, figures={"on validation": found.best.score, AREA: area(lab, found)})
