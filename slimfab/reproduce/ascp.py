# SPDX-License-Identifier: Apache-2.0
"""ASCP: soft clusters that merge without a trace, beside soft zeroing and plain cuts with the same training."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from prune import METHODS, Pruned, prune
from quant.hooks import Hook
from slimfab.recipe import TrainSection
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.lab import Lab

SOFT = (("ASCP", "ascp", False), ("SFP", "sfp", True), ("ASFP", "asfp", True))


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """``keep`` of all channels by each soft method; one-shot cuts and a narrow network with the same training."""
    model = lab.train(lab.new_model(), lab.scale.train, "train")
    base, section = lab.accuracy(model), _soft(lab)
    rows, small = [], None
    for name, method, control in SOFT:
        row, small = _soft_row(lab, model, name, method, control, section)
        rows.append(replace(row, base=base))
    after = section.epochs + lab.scale.finetune.epochs
    for name, method in (("one-shot L2", "magnitude"), ("one-shot clusters", "cluster"), ("one-shot random", "random")):
        rows.append(replace(_one_shot(lab, model, f"{name}, same training", method, section), base=base))
    assert small is not None
    rows.append(lab.from_scratch(small.module, lab.scale.train.epochs + after))
    return tuple(rows), _bars(lab, {row.name: row for row in rows})


def _soft(lab: Lab) -> TrainSection:
    return lab.scale.soft or lab.scale.finetune


def _soft_row(
    lab: Lab, model: nn.Module, name: str, method: str, control: bool, section: TrainSection
) -> tuple[Row, Pruned]:
    trained: list[nn.Module] = []

    def train(module: nn.Module, hooks: Sequence[Hook]) -> None:
        lab.train(module, section, f"{name}, soft", hooks)
        trained.append(copy.deepcopy(module))

    small = prune(model, lab.data.shape, method=method, budget={"channels": lab.scale.keep}, train=train, seed=lab.seed)
    figures = {"largest change of a logit": _largest_change(lab, trained[0], small.module)}
    row = replace(lab.row(name, small.module, control), soft=lab.accuracy(trained[0]), figures=figures)
    return lab.finished(row, small.module, section.epochs), small


def _one_shot(lab: Lab, model: nn.Module, name: str, method: str, section: TrainSection) -> Row:
    plan = replace(METHODS[method], allocator="uniform", criterion="l2" if method == "magnitude" else "random")
    small = prune(model, lab.data.shape, method=plan, budget={"channels": lab.scale.keep}, seed=lab.seed)
    row = replace(lab.row(name, small.module, True), cut=lab.accuracy(small.module))
    row = replace(row, recalibrated=lab.accuracy(lab.recalibrated(small.module)))
    tuned = lab.train(copy.deepcopy(small.module), section, f"{name}, first part")
    lab.train(tuned, lab.scale.finetune, f"{name}, second part")
    return replace(row, epochs=section.epochs + lab.scale.finetune.epochs, final=lab.accuracy(tuned))


@torch.no_grad()
def _largest_change(lab: Lab, before: nn.Module, after: nn.Module) -> float:
    device = next(before.parameters()).device
    x = lab.held_out.x.to(device)
    return float((before.eval()(x) - after.to(device).eval()(x)).abs().max())


def _bars(lab: Lab, rows: dict[str, Row]) -> tuple[Bar, ...]:
    bound = lab.scale.bars
    ascp, norm = rows["ASCP"], rows["one-shot L2, same training"]
    return (
        Bar(
            "ASCP: largest change of a logit by removal",
            ascp.figures["largest change of a logit"],
            "<=",
            bound["logit"],
        ),
        Bar("ASCP: lost by removal", (ascp.soft or 0) - (ascp.cut or 0), "<=", bound["loss"]),
        Bar("one-shot L2: lost by removal", (norm.base or 0) - (norm.cut or 0), ">=", bound["norm_loss"]),
    )
