# SPDX-License-Identifier: Apache-2.0
"""One cut: choose the units that stay, give the next layers their new weights, and remove the rest."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hwsim.errors import InputError
from hwsim.registry import Registry
from prune import updates
from prune.allocate import Scores, best_units
from prune.budget import Counts
from prune.choice import Choice
from prune.cluster import representatives
from prune.contributions import contributions, joint, receptive_fields, unit_activations
from prune.groups import ChannelGroup, Member
from prune.methods import Method
from prune.samples import Samples, activation_statistics
from prune.selectors import select
from prune.soft import Pick, cluster, merge
from prune.view import View

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What units are chosen by and weights fitted to.

    Attributes:
        uncut: the network before the cut.
        samples: training inputs, where there are any.
        fields: what consumers of the uncut network see, by tensor, kept for the next cut of it.
    """

    uncut: nn.Module
    samples: Samples | None
    fields: dict[str, list[Array]] = field(default_factory=dict)


Update = Callable[[nn.Module, ChannelGroup, Pick, Evidence], Mapping[str, Array]]
UPDATES: Registry[Update] = Registry("weight update")  # new weights of consumers, by tensor name


def take(
    view: View,
    counts: Counts,
    method: Method,
    scores: Scores,
    evidence: Evidence,
    seed: int,
    picks: Mapping[str, Pick] | None = None,
) -> tuple[View, Choice]:
    """The view with every group cut to its count, in one go.

    Args:
        picks: decisions already made, by group, as by a soft training.

    Raises:
        InputError: the method's selector or update needs samples and there are none.
    """
    model, kept = copy.deepcopy(view.model), {}
    for group in view.groups:
        if counts[group.name] == group.width:
            continue
        made = (picks or {}).get(group.name)
        pick = made or choose(model, group, counts[group.name], method, scores, evidence.samples, seed)
        if made is None and pick.labels is not None:
            merge(model, group, pick.labels)
        write(model, UPDATES[method.update](model, group, pick, evidence))
        kept[group.name] = pick.kept
    return view.cut(kept, model)


def choose(
    model: nn.Module,
    group: ChannelGroup,
    count: int,
    method: Method,
    scores: Scores,
    samples: Samples | None,
    seed: int,
) -> Pick:
    """The units of one group that stay, by score, by cluster or by a selector."""
    if not method.selector:
        return Pick(best_units(scores[group.name], count))
    if method.selector == "cluster":
        labels = cluster(model, group, count, seed)
        return Pick(representatives(labels), labels)
    gram = joint(contributions(model, group, _needed(samples, group, method.selector), seed=seed))
    return Pick(select(method.selector, gram, count))


@UPDATES.register("removal")
def removal(model: nn.Module, group: ChannelGroup, pick: Pick, evidence: Evidence) -> Mapping[str, Array]:
    """The next layers keep their weights for what stays."""
    return {}


@UPDATES.register("constant")
def constant(model: nn.Module, group: ChannelGroup, pick: Pick, evidence: Evidence) -> Mapping[str, Array]:
    """Every removed unit's mean goes into the next layers' biases: exact for units that say the same for all inputs.

    So are those whose γ reached zero, but for zero padding at the edges. Layers without a bias stay as they are; the
    batch norm behind them takes the mean when its statistics are taken anew.
    """
    statistics = activation_statistics(model, [group], _needed(evidence.samples, group, "constant"))
    found = {}
    for member in group.consumers:
        layer = model.get_submodule(member.tensor.rpartition(".")[0])
        if layer.bias is None:
            continue
        weight = _weight(model, member)
        gone = (np.asarray(member.index) >= 0) & ~np.isin(member.index, pick.kept)
        means = statistics[member.tensor].mean.reshape(-1, len(gone)) * gone  # a row per part of a grouped convolution
        kernels = weight.reshape(*weight.shape[:2], -1).sum(axis=2).reshape(len(means), -1, len(gone))
        shift = np.einsum("gop,gp->go", kernels, means).ravel()
        name = member.tensor.removesuffix("weight") + "bias"
        found[name] = (layer.bias.detach().cpu().numpy() + shift).astype(weight.dtype)
    return found


@UPDATES.register("scale")
def scale(model: nn.Module, group: ChannelGroup, pick: Pick, evidence: Evidence) -> Mapping[str, Array]:
    """One least-squares factor per kept unit and next layer (ThiNet)."""
    grams = contributions(model, group, _needed(evidence.samples, group, "scale"))
    return _mixed(model, group, pick, {tensor: updates.scale(gram, pick.kept) for tensor, gram in grams.items()})


@UPDATES.register("interpolate")
def interpolate(model: nn.Module, group: ChannelGroup, pick: Pick, evidence: Evidence) -> Mapping[str, Array]:
    """Every removed unit as the linear combination of kept ones that is nearest to its activations."""
    grams = unit_activations(model, group, _needed(evidence.samples, group, "interpolate"))
    return _mixed(model, group, pick, {t: updates.least_squares(gram, pick.kept) for t, gram in grams.items()})


@UPDATES.register("merge")
def merge_add(model: nn.Module, group: ChannelGroup, pick: Pick, evidence: Evidence) -> Mapping[str, Array]:
    """Weights of a cluster's members are added; without clusters this is removal."""
    if pick.labels is None:
        raise InputError(f"{group.name}: update merge needs clusters; choose selector cluster, or another update")
    matrix = updates.merge(pick.labels, pick.kept)
    return _mixed(model, group, pick, {member.tensor: matrix for member in group.consumers})


@UPDATES.register("refit")
def refit(model: nn.Module, group: ChannelGroup, pick: Pick, evidence: Evidence) -> Mapping[str, Array]:
    """All weights of the next layers anew by least squares (Channel Pruning, ICCV 2017; AMC, ECCV 2018)."""
    found = {}
    for member in group.consumers:
        grams = receptive_fields(model, member, _needed(evidence.samples, group, "refit"))
        found[member.tensor] = _refit(_weight(model, member), member, pick, grams)
    return found


@UPDATES.register("reconstruct")
def reconstruct(model: nn.Module, group: ChannelGroup, pick: Pick, evidence: Evidence) -> Mapping[str, Array]:
    """As refit, but to what the layers saw before the cut, looked at once however often the network is cut.

    Source: AMC's published code (He et al., ECCV 2018), which scores candidates so.
    """
    found = {}
    for member in group.consumers:
        if member.tensor not in evidence.fields:
            samples = _needed(evidence.samples, group, "reconstruct")
            evidence.fields[member.tensor] = receptive_fields(evidence.uncut, member, samples)
        found[member.tensor] = _refit(_weight(model, member), member, pick, evidence.fields[member.tensor])
    return found


def _refit(weight: Array, member: Member, pick: Pick, grams: Sequence[Array]) -> Array:
    """W' = W A over receptive fields, part by part; positions of other groups keep their weights."""
    positions = int(np.prod(weight.shape[2:], dtype=np.int64))
    index = np.repeat(member.index, positions)
    own = np.flatnonzero(index >= 0)
    stays = np.flatnonzero(np.isin(index[own], pick.kept))
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    for part, gram in zip(np.split(np.arange(len(weight)), len(grams)), grams, strict=True):
        matrix = updates.least_squares(gram[np.ix_(own, own)], stays)
        fitted = np.zeros((len(part), len(own)))
        fitted[:, stays] = rows[np.ix_(part, own)] @ matrix
        rows[np.ix_(part, own)] = fitted
    return rows.reshape(weight.shape).astype(weight.dtype)


def _mixed(model: nn.Module, group: ChannelGroup, pick: Pick, matrices: Mapping[str, Array]) -> Mapping[str, Array]:
    members = {member.tensor: member for member in group.consumers}
    return {
        tensor: updates.apply(_weight(model, members[tensor]), members[tensor], matrix, pick.kept)
        for tensor, matrix in matrices.items()
    }


def _weight(model: nn.Module, member: Member) -> Array:
    return model.get_parameter(member.tensor).detach().cpu().numpy()


@torch.no_grad()
def write(model: nn.Module, values: Mapping[str, Array]) -> None:
    """Put new values into parameters, in place."""
    for tensor, value in values.items():
        model.get_parameter(tensor).copy_(torch.from_numpy(value))


def _needed(samples: Samples | None, group: ChannelGroup, word: str) -> Samples:
    if samples is None:
        raise InputError(f"{group.name}: '{word}' needs activations; pass samples=Samples(x) with training inputs")
    return samples
