# SPDX-License-Identifier: Apache-2.0
"""ThiNet: one layer at a time without fine-tuning, then the whole network with it."""

from dataclasses import replace

import numpy as np
from torch import nn

from prune import METHODS, Method, channel_groups, prune
from prune.contributions import contributions, joint
from prune.groups import ChannelGroup
from prune.selectors import fit_scales, relative_error
from slimfab.reproduce.card import Bar, Row
from slimfab.reproduce.lab import Lab

#: Rows of the sweep: name, method, whether it is a control.
SWEEP: tuple[tuple[str, Method, bool], ...] = (
    ("random", METHODS["random"], True),
    ("L1", METHODS["magnitude"], True),
    ("BN γ", Method(criterion="bn_gamma"), True),
    ("APoZ", Method(criterion="apoz"), True),
    ("ThiNet", replace(METHODS["thinet"], update="removal"), False),
    ("ThiNet + LS", METHODS["thinet"], False),
    ("OMP + LS", METHODS["thinet_omp"], False),
    ("backward + LS", METHODS["backward"], False),
    ("backward + refit", replace(METHODS["backward"], update="refit"), False),
)
WHOLE = ("random", "L1", "ThiNet + LS", "backward + LS")  # also at the whole network's budget, fine-tuned


def run(lab: Lab) -> tuple[tuple[Row, ...], tuple[Bar, ...]]:
    """Sweep over single layers at ``keep`` of their channels, then all layers to ``keep`` of the MACs."""
    model = lab.train(lab.new_model(), lab.scale.train, "train")
    base = lab.accuracy(model)
    groups = [g for g in _groups(model, lab) if len(g.layers) == 1]
    rows = [_sweep(lab, model, base, groups, *entry) for entry in SWEEP]
    methods = {name: (method, control) for name, method, control in SWEEP}
    for name in WHOLE:
        method, control = methods[name]
        plan = replace(method, allocator="uniform")
        small = prune(model, lab.data.shape, method=plan, budget={"macs": lab.scale.keep}, samples=lab.samples)
        row = replace(lab.row(f"{name}, all layers", small.module, control), base=base)
        rows.append(lab.finished(row, small.module))
    name, drawn = lab.random_search(model, lab.scale.keep)
    rows.append(lab.finished(replace(lab.row(f"{name}, all layers", drawn, control=True), base=base), drawn))
    epochs = lab.scale.train.epochs + lab.scale.finetune.epochs
    rows.append(lab.from_scratch(small.module, epochs))
    return tuple(rows), _bars(lab, {row.name: row for row in rows})


def _groups(model: nn.Module, lab: Lab) -> tuple[ChannelGroup, ...]:
    from hwsim.importers.torch import import_torch

    return channel_groups(import_torch(model, lab.data.shape, fold=False)[0])


def _sweep(
    lab: Lab, model: nn.Module, base: float, groups: list[ChannelGroup], name: str, method: Method, control: bool
) -> Row:
    """Means over the layers, each cut alone."""
    lab.say(f"sweep: {name}")
    cut, recalibrated, errors = [], [], []
    for group in groups:
        plan, ratios = replace(method, allocator="per_layer"), {group.name: lab.scale.keep}
        small = prune(model, lab.data.shape, method=plan, ratios=ratios, samples=lab.samples, seed=lab.seed)
        cut.append(lab.accuracy(small.module))
        recalibrated.append(lab.accuracy(lab.recalibrated(small.module)))
        if method.update != "refit":
            kept = small.choice.kept[group.name]
            errors.append(_held_out_error(lab, model, group, kept, scaled=method.update == "scale"))
    figures = {"held-out error": float(np.mean(errors))} if errors else {}
    return Row(
        name,
        control,
        base=base,
        cut=float(np.mean(cut)),
        recalibrated=float(np.mean(recalibrated)),
        figures=figures,
    )


def _held_out_error(lab: Lab, model: nn.Module, group: ChannelGroup, kept: tuple[int, ...], *, scaled: bool) -> float:
    """|y - ŷ|² / |y|² of the next layer on validation images; factors are fitted on training images."""
    scales = fit_scales(joint(contributions(model, group, lab.samples)), kept) if scaled else None
    return relative_error(joint(contributions(model, group, lab.held_out, seed=1)), kept, scales)


def _bars(lab: Lab, rows: dict[str, Row]) -> tuple[Bar, ...]:
    bound = lab.scale.bars
    cut = {name: row.cut or 0.0 for name, row in rows.items()}
    error = {name: row.figures["held-out error"] for name, row in rows.items() if "held-out error" in row.figures}
    simple = ("random", "L1", "BN γ")
    best = max(cut[name] for name in simple)
    least = min(error[name] for name in simple)
    return (
        Bar("ThiNet + LS over L1, one layer", cut["ThiNet + LS"] - cut["L1"], ">=", bound["over_l1"]),
        Bar("backward + LS over ThiNet + LS, one layer", cut["backward + LS"] - cut["ThiNet + LS"], ">=", 0.0),
        Bar("ThiNet over the best of random, L1, BN γ", cut["ThiNet"] - best, ">=", 0.0),
        Bar("ThiNet + LS over ThiNet", cut["ThiNet + LS"] - cut["ThiNet"], ">=", 0.0),
        Bar("held-out error of ThiNet beside the least of them", error["ThiNet"] / least, "<=", 1.0),
        Bar("held-out error of ThiNet + LS beside ThiNet", error["ThiNet + LS"] / error["ThiNet"], "<=", 1.0),
        Bar(
            "held-out error of backward + LS beside ThiNet + LS",
            error["backward + LS"] / error["ThiNet + LS"],
            "<=",
            1.0,
        ),
    )
