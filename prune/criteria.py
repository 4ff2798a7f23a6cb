# SPDX-License-Identifier: Apache-2.0
"""How much each unit of a group matters: one number per unit, higher means keep.

A criterion is a function ``(group, context) -> scores (width,)`` under :data:`CRITERIA`. Adding one is adding a
function; what it needs to see (gradients, activations) is a field of :class:`Context`.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
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
    ``activations`` holds, by the weight of the layer that reads them, statistics of activations; ``taylor`` (rows,)
    and ``fisher`` (the parameter's shape) those of gradients (:func:`prune.samples.gradient_statistics`).
    """

    weights: Mapping[str, Array]
    gammas: Mapping[str, Array] = field(default_factory=dict)
    seed: int = 0
    activations: Mapping[str, "ChannelStatistics"] = field(default_factory=dict)
    taylor: Mapping[str, Array] = field(default_factory=dict)
    fisher: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """Per input channel of a layer, each (channels,): mean absolute value, share of zeros, root mean square, mean."""

    magnitude: Array
    zeros: Array
    rms: Array
    mean: Array


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
    members = [m for m in group.producers + group.followers if m.role == "scale"]
    if not members:
        raise InputError(
            f"{group.name}: criterion bn_gamma found no batch norm on these {group.width} channels; "
            "choose l1 or l2, or exclude the layer"
        )
    missing = [m.layer for m in members if m.tensor not in context.gammas]
    if missing:
        raise InputError(f"{missing[0]}: batch norm has no trained scale (affine=False); choose l1 or l2")
    return _mean([_per_unit(m, np.abs(context.gammas[m.tensor]), group.width) for m in members])


@CRITERIA.register("fpgm")
def fpgm(group: ChannelGroup, context: Context) -> Array:
    """Sum of the distances to the layer's other filters: those nearest to all of them go first.

    Source: He et al., Filter Pruning via Geometric Median, CVPR 2019.
    """
    return _mean_of_normalised(
        [_distances(_unit_rows(m, context.weights[m.tensor], group.width)) for m in _filters(group)]
    )


@CRITERIA.register("apoz")
def apoz(group: ChannelGroup, context: Context) -> Array:
    """Share of activations other than zero: 1 - APoZ (Hu et al., Network Trimming, arXiv:1607.03250)."""
    return _mean([_per_unit(m, 1 - s.zeros, group.width) for m, s in _read(group, context, "apoz")])


@CRITERIA.register("activation")
def activation(group: ChannelGroup, context: Context) -> Array:
    """Mean absolute value of what the next layers read, each divided by its mean over the channels."""
    return _mean_of_normalised([_per_unit(m, s.magnitude, group.width) for m, s in _read(group, context, "activation")])


@CRITERIA.register("wanda")
def wanda(group: ChannelGroup, context: Context) -> Array:
    """|weight| of the next layer times the L2 norm of its input (Sun et al., Wanda, ICLR 2024), summed per channel."""
    scores = []
    for member, statistics in _read(group, context, "wanda"):
        weight = np.moveaxis(np.abs(context.weights[member.tensor]).astype(np.float64), member.axis, 0)
        sums = weight.reshape(len(weight), -1).sum(axis=1)
        scores.append(_per_unit(member, sums * statistics.rms, group.width))
    return _mean_of_normalised(scores)


@CRITERIA.register("taylor")
def taylor(group: ChannelGroup, context: Context) -> Array:
    """Squared first-order change of the loss when a filter goes (Molchanov et al., CVPR 2019).

    The product of gradient and weight is summed over the filter, squared per batch, and summed over the group.
    """
    found = [m for m in group.producers + group.followers if m.tensor in context.taylor]
    if not found:
        raise InputError(_lacks(group, "taylor", "labelled samples; pass samples=Samples(x, y)"))
    return np.asarray(np.sum([_per_unit(m, context.taylor[m.tensor], group.width) for m in found], axis=0))


@CRITERIA.register("obd")
def obd(group: ChannelGroup, context: Context) -> Array:
    """½ h w² summed over the filters, h the diagonal of the empirical Fisher matrix in place of the Hessian.

    Source: LeCun et al., Optimal Brain Damage, NIPS 1989; the Fisher matrix as in Theis et al., arXiv:1801.05787.
    """
    found = [m for m in _filters(group) if m.tensor in context.fisher]
    if not found:
        raise InputError(_lacks(group, "obd", "labelled samples; pass samples=Samples(x, y)"))
    losses = [context.fisher[m.tensor] * context.weights[m.tensor].astype(np.float64) ** 2 / 2 for m in found]
    sums = [loss.reshape(len(loss), -1).sum(axis=1) for loss in losses]
    return np.asarray(np.sum([_per_unit(m, s, group.width) for m, s in zip(found, sums, strict=True)], axis=0))


@CRITERIA.register("random")
def random(group: ChannelGroup, context: Context) -> Array:
    """Uniform random scores: the control that every other criterion has to beat."""
    # A stream of its own per group: the scores of one do not depend on which other groups exist.
    return np.random.default_rng([context.seed, zlib.crc32(group.name.encode())]).random(group.width)


def _filters(group: ChannelGroup) -> list[Member]:
    return [m for m in group.producers + group.followers if m.role == "weight"]


def _read(group: ChannelGroup, context: Context, criterion: str) -> list[tuple[Member, ChannelStatistics]]:
    """What the consumers of the group read, per position of their weights."""
    found = [(m, context.activations[m.tensor]) for m in group.consumers if m.tensor in context.activations]
    if not found:
        raise InputError(_lacks(group, criterion, "activations; pass samples=Samples(x)"))
    return [(m, _per_position(statistics, len(m.index))) for m, statistics in found]


def _per_position(statistics: ChannelStatistics, positions: int) -> ChannelStatistics:
    """A grouped convolution reads more channels than its weights have positions: the mean over its parts."""
    found = (values.reshape(-1, positions).mean(axis=0) for values in astuple(statistics))
    return ChannelStatistics(*found)


def _lacks(group: ChannelGroup, criterion: str, what: str) -> str:
    return f"{group.name}: criterion {criterion} needs {what}, or choose l1, l2 or fpgm"


def _unit_rows(member: Member, weight: Array, width: int) -> Array:
    """All weights of every unit in one row. Shape (width, …)."""
    rows = np.moveaxis(weight, member.axis, 0).reshape(weight.shape[member.axis], -1).astype(np.float64)
    index = np.asarray(member.index)
    own = np.flatnonzero(index != OTHER_GROUP)
    return rows[own[np.argsort(index[own], kind="stable")]].reshape(width, -1)


def _distances(rows: Array) -> Array:
    return np.asarray([np.sqrt(((rows - row) ** 2).sum(axis=1)).sum() for row in rows])


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
