# SPDX-License-Identifier: Apache-2.0
"""Network Slimming: what removal costs after training with L1 on γ, and what the whole is worth at equal MACs."""

from dataclasses import replace

import numpy as np
from torch import nn

from prune import METHODS, Method, prune
from prune.regularise import REGULARISERS, sparsity_strength, start_gammas
from prune.view import look
from quant.schedules import SCHEDULES
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.lab import Lab

GAMMA = 0.5  # first value (Liu et al., ICCV 2017)
SMALL = 0.05  # γ below it are counted; a trained γ is of the order of one


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """One threshold on |γ| for ``keep`` of the channels, with and without sparsity training; controls at equal MACs."""
    dense = _trained(lab, 0.0)
    sparse = _trained(lab, lab.scale.pressure)
    rows = []
    for name, update in (
        ("slimming", "removal"),
        ("slimming, constants kept", "constant"),
        ("slimming + refit", "refit"),
    ):
        plan = replace(_threshold(), update=update)
        slim = prune(sparse, lab.data.shape, method=plan, budget={"channels": lab.scale.keep}, samples=lab.samples)
        rows.append(_row(lab, name, sparse, slim.module))
    share = slim.change("macs")
    # The same threshold without sparsity training; "MACs matched" rows have the MACs that slimming left.
    plain = prune(dense, lab.data.shape, method=_threshold(), budget={"channels": lab.scale.keep})
    rows.append(_row(lab, "γ threshold, no sparsity training", dense, plain.module, control=True))
    for name, method in (("uniform L1", "magnitude"), ("random", "random")):
        plan = replace(METHODS[method], allocator="uniform")
        small = prune(dense, lab.data.shape, method=plan, budget={"macs": share.after / share.before}, seed=lab.seed)
        rows.append(_row(lab, f"{name}, MACs matched", dense, small.module, control=True))
    name, drawn = lab.random_search(dense, share.after / share.before)
    rows.append(_row(lab, name, dense, drawn, control=True))
    rows.append(lab.from_scratch(slim.module, lab.scale.train.epochs + lab.scale.finetune.epochs))
    return tuple(rows), _bars(lab, {row.name: row for row in rows})


def _threshold() -> Method:
    """The cut of the method alone; its training has happened."""
    return replace(METHODS["slimming"], regulariser="")


def _trained(lab: Lab, pressure: float) -> nn.Module:
    section = lab.scale.train
    model = start_gammas(lab.new_model(), GAMMA)
    steps = section.epochs * (len(lab.data.train) // section.batch_size)
    mean_factor = float(np.mean([SCHEDULES[section.schedule](step / max(1, steps - 1)) for step in range(steps)]))
    strength = sparsity_strength(pressure, steps, section.lr, mean_factor, section.momentum, GAMMA)
    hooks = [REGULARISERS["l1_gamma"](look(model, lab.data.shape), strength)] if pressure else []
    return lab.train(model, section, f"train with pressure {pressure:g} on γ", hooks)


def _row(lab: Lab, name: str, model: nn.Module, small: nn.Module, *, control: bool = False) -> Row:
    gammas = np.concatenate([g for g in look(model, lab.data.shape).context.gammas.values()])
    figures = {"share of small γ": float((np.abs(gammas) < SMALL).mean())}
    row = replace(lab.row(name, small, control), base=lab.accuracy(model), figures=figures)
    return lab.finished(row, small)


def _bars(lab: Lab, rows: dict[str, Row]) -> tuple[Bar, ...]:
    plain, bound = rows["γ threshold, no sparsity training"], lab.scale.bars
    lost = {name: (row.base or 0) - (row.recalibrated or 0) for name, row in rows.items()}
    return (
        Bar("slimming as published: lost by removal, recalibrated", lost["slimming"], "<=", bound["loss"]),
        Bar("slimming + refit: lost by removal, recalibrated", lost["slimming + refit"], "<=", bound["loss"]),
        Bar(
            "without sparsity training: lost by removal",
            (plain.base or 0) - (plain.cut or 0),
            ">=",
            bound["plain_loss"],
        ),
    )
