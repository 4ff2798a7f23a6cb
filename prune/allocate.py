# SPDX-License-Identifier: Apache-2.0
"""In which order the units of all groups go.

An allocator is a function ``(groups, scores, ratios) -> {group name: priorities (width,)}`` under :data:`ALLOCATORS`:
entry j of a group says how long the group holds on to its (j+1)-th unit, and never rises with j. Units go in the order
of rising priority until the budget is met (:mod:`prune.budget`), so that every allocator meets every budget and never
knows which. Which units of a group are its first j is decided by the criterion's scores alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.registry import Registry
from prune.groups import ChannelGroup, find_group

Array = npt.NDArray[Any]
Scores = Mapping[str, Array]
Ratios = Mapping[str, float]
Allocator = Callable[[Sequence[ChannelGroup], Scores, Ratios], dict[str, Array]]
ALLOCATORS: Registry[Allocator] = Registry("pruning allocator")


@ALLOCATORS.register("uniform")
def uniform(groups: Sequence[ChannelGroup], scores: Scores, ratios: Ratios) -> dict[str, Array]:
    """Every group keeps the same share of its units."""
    _refuse_ratios("uniform", ratios)
    return {group.name: 1 - np.arange(group.width) / group.width for group in groups}


@ALLOCATORS.register("per_layer")
def per_layer(groups: Sequence[ChannelGroup], scores: Scores, ratios: Ratios) -> dict[str, Array]:
    """Every group keeps the share given for it, by the name of the group or of one of its layers.

    ``ratios`` are kept shares in (0, 1]; a group without one stays whole. Under a budget the removed shares
    ``1 - ratio`` are scaled by one common factor until it is met.
    """
    shares = group_ratios(groups, ratios)
    priorities = {}
    for group in groups:
        # The (j+1)-th unit goes when the removed share reaches (width - j) / width.
        removed = 1 - np.arange(group.width) / group.width
        lost = 1 - shares.get(group.name, 1.0)
        priorities[group.name] = removed / lost if lost else np.full(group.width, np.inf)
    return priorities


@ALLOCATORS.register("global")
def global_normalised(groups: Sequence[ChannelGroup], scores: Scores, ratios: Ratios) -> dict[str, Array]:
    """All units compete; the scores of each group are divided by their mean first, so that layers are comparable."""
    _refuse_ratios("global", ratios)
    means = {name: float(np.mean(np.abs(values))) or 1.0 for name, values in scores.items()}
    return {group.name: np.sort(scores[group.name] / means[group.name])[::-1] for group in groups}


@ALLOCATORS.register("global_raw")
def global_raw(groups: Sequence[ChannelGroup], scores: Scores, ratios: Ratios) -> dict[str, Array]:
    """All units compete by their scores as they are: one threshold for the network (Network Slimming, §3)."""
    _refuse_ratios("global_raw", ratios)
    return {group.name: np.sort(scores[group.name])[::-1] for group in groups}


@ALLOCATORS.register("isomorphic")
def isomorphic(groups: Sequence[ChannelGroup], scores: Scores, ratios: Ratios) -> dict[str, Array]:
    """Units compete within layers of one structure; every structure loses the same share (Fang et al., ECCV 2024).

    Groups are of one structure where the same kinds of parameters make, follow and consume their channels: scores of
    depthwise filters, of residual streams and of plain convolutions are never set against one another.
    """
    _refuse_ratios("isomorphic", ratios)
    kinds: dict[object, list[ChannelGroup]] = {}
    for group in groups:
        shape = tuple(tuple(m.role for m in part) for part in (group.producers, group.followers, group.consumers))
        kinds.setdefault(shape, []).append(group)
    priorities = {}
    for alike in kinds.values():
        sorted_scores = global_normalised(alike, {g.name: scores[g.name] for g in alike}, {})
        everyone = np.sort(np.concatenate(list(sorted_scores.values())))
        for name, values in sorted_scores.items():
            # The share of its own kind that goes before the unit and with it.
            priorities[name] = np.searchsorted(everyone, values, side="right") / len(everyone)
    return {group.name: priorities[group.name] for group in groups}


def group_ratios(groups: Sequence[ChannelGroup], ratios: Ratios) -> dict[str, float]:
    """Kept shares by group name, from shares given by group or layer name.

    Raises:
        InputError: an unknown name, a share outside (0, 1], or two shares for one group.
    """
    if not ratios:
        raise InputError("per_layer: got no ratios; expected the share to keep per layer, such as {'conv1': 0.5}")
    shares: dict[str, float] = {}
    for name, ratio in ratios.items():
        group = find_group(groups, name).name
        if not 0 < ratio <= 1:
            raise InputError(f"{name}: ratio={ratio}; expected the share to keep, above 0 and at most 1")
        if shares.setdefault(group, ratio) != ratio:
            raise InputError(f"{name}: ratio={ratio} and {shares[group]} for one group '{group}'; give one of them")
    return shares


def _refuse_ratios(allocator: str, ratios: Ratios) -> None:
    if ratios:
        raise InputError(f"{allocator}: got ratios for {', '.join(ratios)}; expected none; choose allocator per_layer")


def best_units(scores: Array, count: int) -> tuple[int, ...]:
    """The ``count`` units with the highest scores, ascending; the earlier unit wins a tie."""
    order = np.argsort(-scores, kind="stable")
    return tuple(sorted(order[:count].tolist()))
