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
        rows.append(replace(_trained_on(lab, name, _one_shot(lab, model, method), section), base=base))
    assert small is not None
    macs = small.change("macs")
    rows.append(replace(_trained_on(lab, *lab.random_search(model, macs.after / macs.before), section), base=base))
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


def _one_shot(lab: Lab, model: nn.Module, method: str) -> nn.Module:
    plan = replace(METHODS[method], allocator="uniform", criterion="l2" if method == "magnitude" else "random")
    return prune(model, lab.data.shape, method=plan, budget={"channels": lab.scale.keep}, seed=lab.seed).module


def _trained_on(lab: Lab, name: str, cut: nn.Module, section: TrainSection) -> Row:
    """A control that was cut at once and then trained for as long as the soft methods."""
    row = replace(lab.row(f"{name}, same training", cut, True), cut=lab.accuracy(cut))
    row = replace(row, recalibrated=lab.accuracy(lab.recalibrated(cut)))
    tuned = lab.train(copy.deepcopy(cut), section, f"{name}, first part")
    lab.train(tuned, lab.scale.finetune, f"{name}, second part")
    return replace(row, epochs=section.epochs + lab.scale.finetune.epochs, final=lab.accuracy(tuned))


@torch.no_grad()
def _largest_change(lab: Lab, before: nn.Module, after: nn.Module) -> float:
    """On held-out images, computed in float64.

    The merge adds weights up, which changes nothing but the order of summation; in float32 that order alone moves
    logits of ten by 1e-5.
    """
    device = next(before.parameters()).device
    x = lab.held_out.x.to(device).double()
    first, second = (copy.deepcopy(module).to(device).double().eval() for module in (before, after))
    return float((first(x) - second(x)).abs().max())


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
