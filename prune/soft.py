# SPDX-License-Identifier: Apache-2.0
"""Soft pruning: after every epoch the units that are to go are silenced or merged, and train on all the same.

At the end of the training the decision stands, and surgery removes what no longer says anything of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from hwsim.errors import InputError
from prune.allocate import best_units
from prune.budget import Counts
from prune.cluster import kmeans, representatives
from prune.criteria import Context, score
from prune.groups import OTHER_GROUP, ChannelGroup, Member
from prune.schedule import SCHEDULES
from prune.surgery import NORMS
from prune.updates import apply
from quant.hooks import Hook, TrainState


@dataclass(frozen=True, slots=True)
class Pick:
    """The units of a group that stay, and the cluster of every unit where they were chosen as one of each cluster."""

    kept: tuple[int, ...]
    labels: np.ndarray | None = None


class Soft(Hook):
    """Silences or merges after every epoch; ``picks`` holds the last decision per group.

    Args:
        kind: ``silence`` zeroes filters, biases, γ and β of the units with the lowest scores: zeroed filters alone
            keep a variance of nothing in their batch norm, which then multiplies their gradient by up to 1/√ε.
            ``merge`` gives all members of a cluster their mean, batch norm's statistics included.
        counts: units per group that stay in the end.
        schedule: by name, the share of the way there after each epoch; ``constant`` is all of it from the first.
    """

    def __init__(
        self, groups: Sequence[ChannelGroup], counts: Counts, kind: str, criterion: str, schedule: str, seed: int
    ) -> None:
        if kind not in ("silence", "merge"):
            raise InputError(f"soft: got '{kind}'; expected 'silence' or 'merge'")
        self.groups = tuple(group for group in groups if counts[group.name] < group.width)
        self.counts, self.kind, self.criterion, self.schedule, self.seed = counts, kind, criterion, schedule, seed
        self.picks: dict[str, Pick] = {}

    def on_epoch_end(self, state: TrainState) -> None:
        """Decide anew and carry it out."""
        progress = SCHEDULES[self.schedule](state.epochs)[state.epoch]
        with torch.no_grad():
            self.decide(state.model, progress)

    def decide(self, model: nn.Module, progress: float) -> None:
        """Silence or merge the share ``progress`` of what is to go in the end."""
        for group in self.groups:
            count = group.width - round(progress * (group.width - self.counts[group.name]))
            if self.kind == "merge":
                labels = cluster(model, group, count, self.seed)
                self.picks[group.name] = Pick(representatives(labels), labels)
                merge(model, group, labels)
            else:
                scores = score([group], self.criterion, replace(weights_of(model, group), seed=self.seed))
                self.picks[group.name] = Pick(best_units(scores[group.name], count))
                silence(model, group, self.picks[group.name].kept)

    def tensors(self) -> dict[str, torch.Tensor]:
        found = {f"{name}.kept": torch.tensor(pick.kept) for name, pick in self.picks.items()}
        labels = {n: p.labels for n, p in self.picks.items() if p.labels is not None}
        return found | {f"{name}.labels": torch.from_numpy(value) for name, value in labels.items()}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        for name in (name.removesuffix(".kept") for name in tensors if name.endswith(".kept")):
            labels = tensors.get(f"{name}.labels")
            kept = tuple(tensors[f"{name}.kept"].tolist())
            self.picks[name] = Pick(kept, None if labels is None else labels.numpy())


def cluster(model: nn.Module, group: ChannelGroup, count: int, seed: int = 0) -> np.ndarray:
    """k-means over everything that makes a unit: its filters in all layers of the group, its γ and its β.

    Two filters can stand in for one another only if their batch norms agree too; all count in their own units, which
    are those of one activation after batch norm. Returns the cluster of every unit.
    """
    features = [
        _units_first(tensor.detach().cpu().double().numpy(), member, group.width)
        for tensor, member in own_rows(model, group, trained=True)
    ]
    return kmeans(np.concatenate(features, axis=1), count, seed)


@torch.no_grad()
def merge(model: nn.Module, group: ChannelGroup, labels: np.ndarray) -> None:
    """Give every unit of a cluster the mean of its members, in place; exact copies from then on."""
    average = (labels[:, None] == labels[None]) / np.bincount(labels)[labels][:, None]
    for tensor, member in own_rows(model, group):
        moved = apply(tensor.cpu().numpy(), member, average.T, range(group.width))
        tensor.copy_(torch.from_numpy(moved))


@torch.no_grad()
def silence(model: nn.Module, group: ChannelGroup, kept: Sequence[int]) -> None:
    """Zero the filters, biases, γ and β of all other units, in place."""
    gone = np.setdiff1d(np.arange(group.width), kept)
    for tensor, member in own_rows(model, group, trained=True):
        rows = np.flatnonzero(np.isin(member.index, gone))
        tensor.index_fill_(member.axis, torch.from_numpy(rows).to(tensor.device), 0.0)


def own_rows(model: nn.Module, group: ChannelGroup, *, trained: bool = False) -> list[tuple[torch.Tensor, Member]]:
    """Every tensor that has a row per unit: parameters of producers and followers, and batch norms' statistics.

    ``trained`` leaves the statistics out.
    """
    found = []
    for member in group.producers + group.followers:
        path, _, leaf = member.tensor.rpartition(".")
        module = model.get_submodule(path) if member.role else None
        if isinstance(module, NORMS):
            if member.role == "scale":
                names = ("weight", "bias") + (() if trained else ("running_mean", "running_var"))
                found += [(getattr(module, name), member) for name in names if getattr(module, name) is not None]
        elif module is not None:
            found.append((getattr(module, leaf), member))
    return found


def weights_of(model: nn.Module, group: ChannelGroup) -> Context:
    """The present weights of a group, as criteria see them."""
    state = {name: p.detach().cpu().float().numpy() for name, p in model.named_parameters()}
    members = group.producers + group.followers + group.consumers
    gammas = {m.tensor: state[m.tensor] for m in group.followers if m.role == "scale" and m.tensor in state}
    return Context({m.tensor: state[m.tensor] for m in members if m.role in ("weight", "bias")}, gammas)


def _units_first(value: np.ndarray, member: Member, width: int) -> np.ndarray:
    rows = np.moveaxis(value, member.axis, 0).reshape(value.shape[member.axis], -1)
    index = np.asarray(member.index)
    own = np.flatnonzero(index != OTHER_GROUP)
    return rows[own[np.argsort(index[own], kind="stable")]].reshape(width, -1)
