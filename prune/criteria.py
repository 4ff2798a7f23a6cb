# SPDX-License-Identifier: Apache-2.0
"""How much each unit of a group matters: one number per unit, higher means keep.

A criterion is a function ``(group, context) -> scores (width,)`` under :data:`CRITERIA`. Adding one is adding a
function; what it needs to see (gradients, activations) is a field of :class:`Context`.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError, WeightsError
from hwsim.registry import Registry
from prune.groups import OTHER_GROUP, ChannelGroup, Member

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What a criterion may look at.

    ``weights`` holds convolution and dense parameters by tensor name. ``gammas`` holds the trained scale of each
    batch norm by the tensor name of its ``scale`` (the network's own scale has the running variance folded in).
    """

    weights: Mapping[str, Array]
    gammas: Mapping[str, Array] = field(default_factory=dict)
    seed: int = 0


Criterion = Callable[[ChannelGroup, Context], Array]
CRITERIA: Registry[Criterion] = Registry("pruning criterion")


def score(groups: Sequence[ChannelGroup], criterion: str, context: Context) -> dict[str, Array]:
    """Scores (width,) of every group, by group name.

    Raises:
        UnknownNameError: no such criterion.
        InputError: a group lacks what the criterion looks at.
        WeightsError: a score is not finite.
    """
    function = CRITERIA[criterion]
    scores = {}
    for group in groups:
        found = np.asarray(function(group, context), dtype=np.float64)
        bad = int(np.sum(~np.isfinite(found)))
        if bad:
            raise WeightsError(
                f"{group.name}: criterion {criterion} is NaN or infinite for {bad} of {group.width} channels; "
                "expected finite scores; retrain or restore finite weights"
            )
        scores[group.name] = found
    return scores


@CRITERIA.register("l1")
def l1(group: ChannelGroup, context: Context) -> Array:
    """L1 norm of the filters (Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017, §3.1).

    A unit of a residual group has one filter in every layer of the group, and its depthwise filters too; each
    layer's norms are divided by their mean, so that no layer outvotes another, and then averaged.
    """
    return _mean_of_normalised([_filter_norms(m, context.weights[m.tensor], group.width, 1) for m in _filters(group)])


@CRITERIA.register("l2")
def l2(group: ChannelGroup, context: Context) -> Array:
    """L2 norm of the filters, combined over the layers of a group as in :func:`l1`."""
    return _mean_of_normalised([_filter_norms(m, context.weights[m.tensor], group.width, 2) for m in _filters(group)])


@CRITERIA.register("bn_gamma")
def bn_gamma(group: ChannelGroup, context: Context) -> Array:
    """|γ| of batch norm (Liu et al., Network Slimming, ICCV 2017, §3), averaged over the batch norms of the group.

    Not normalised: γ is in units of the normalised activation and comparable between layers.
    """
    members = [m for m in group.followers if m.role == "scale"]
    if not members:
        raise InputError(
            f"{group.name}: criterion bn_gamma found no batch norm on these {group.width} channels; "
            "choose l1 or l2, or exclude the layer"
        )
    missing = [m.layer for m in members if m.tensor not in context.gammas]
    if missing:
        raise InputError(f"{missing[0]}: batch norm has no trained scale (affine=False); choose l1 or l2")
    return _mean([_per_unit(m, np.abs(context.gammas[m.tensor]), group.width) for m in members])


@CRITERIA.register("random")
def random(group: ChannelGroup, context: Context) -> Array:
    """Uniform random scores: the control that every other criterion has to beat."""
    # A stream of its own per group: the scores of one do not depend on which other groups exist.
    return np.random.default_rng([context.seed, zlib.crc32(group.name.encode())]).random(group.width)


def _filters(group: ChannelGroup) -> list[Member]:
    return [m for m in group.producers + group.followers if m.role == "weight"]


def _filter_norms(member: Member, weight: Array, width: int, order: int) -> Array:
    rows = np.moveaxis(weight, member.axis, 0).reshape(weight.shape[member.axis], -1).astype(np.float64)
    return _per_unit(member, np.linalg.norm(rows, ord=order, axis=1), width)


def _per_unit(member: Member, values: Array, width: int) -> Array:
    """Mean of the values at the positions of each unit."""
    index = np.asarray(member.index)
    own = index != OTHER_GROUP
    count = np.bincount(index[own], minlength=width)
    return np.bincount(index[own], weights=values[own], minlength=width) / count


def _mean_of_normalised(contributions: Sequence[Array]) -> Array:
    return _mean([values / (values.mean() or 1.0) for values in contributions])


def _mean(contributions: Sequence[Array]) -> Array:
    return np.asarray(np.stack(contributions).mean(axis=0))
