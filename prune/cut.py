# SPDX-License-Identifier: Apache-2.0
"""Removal of channels from a :class:`Network` and its weights, without any framework.

Three index spaces meet here and nowhere else: units of groups (a choice), positions along an axis of a parameter
(an index map), and widths of layers (a network).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.network import Network, Weights
from prune.choice import Choice, check_choice, widths
from prune.groups import OTHER_GROUP, ChannelGroup, Member, channel_groups

Axis = tuple[str, int]  # parameter tensor, axis


def removed_positions(groups: Sequence[ChannelGroup], choice: Choice) -> dict[Axis, npt.NDArray[np.bool_]]:
    """Along every parameter axis that the choice touches: whether each position goes.

    Behind a concat an axis is touched by several groups; each drops its own positions.
    """
    return _marks(groups, choice, [member for group in groups for member in group.members])


def silenced_positions(groups: Sequence[ChannelGroup], choice: Choice) -> dict[Axis, npt.NDArray[np.bool_]]:
    """The same for producers and followers only: what must be zero for a removed channel to be silent."""
    return _marks(groups, choice, [member for group in groups for member in group.producers + group.followers])


def _marks(
    groups: Sequence[ChannelGroup], choice: Choice, members: Sequence[Member]
) -> dict[Axis, npt.NDArray[np.bool_]]:
    check_choice(groups, choice)
    owner = {id(member): group for group in groups for member in group.members}
    marks: dict[Axis, npt.NDArray[np.bool_]] = {}
    for member in members:
        group = owner[id(member)]
        if member.role and group.name in choice.kept:
            goes = np.ones(group.width + 1, dtype=bool)
            goes[list(choice.kept[group.name])] = False
            goes[OTHER_GROUP] = False  # the last entry answers for positions of other groups
            mark = marks.setdefault((member.tensor, member.axis), np.zeros(len(member.index), dtype=bool))
            mark |= goes[list(member.index)]
    return marks


def shrink_network(network: Network, choice: Choice) -> Network:
    """The network with the chosen widths."""
    groups = channel_groups(network)
    check_choice(groups, choice)
    return network.with_widths(widths(groups, {name: len(kept) for name, kept in choice.kept.items()}))


def shrink_weights(network: Network, weights: Mapping[str, npt.NDArray[Any]], choice: Choice) -> Weights:
    """The weights of :func:`shrink_network`: every removed position is cut out."""
    small = dict(weights)
    for (tensor, axis), goes in removed_positions(channel_groups(network), choice).items():
        small[tensor] = np.compress(~goes, small[tensor], axis=axis)
    return small


def mask_weights(network: Network, weights: Mapping[str, npt.NDArray[Any]], choice: Choice) -> Weights:
    """Weights of the full size in which removed channels are silent; computes what the shrunk network computes.

    Producers and followers are zeroed, batch norm's scale and shift included: behind a zero filter alone, batch norm
    still lets its shift through.

    Raises:
        InputError: a removed channel passes an operator that does not keep zero (see :func:`check_maskable`).
    """
    check_maskable(network, choice)
    masked = dict(weights)
    for (tensor, axis), goes in silenced_positions(channel_groups(network), choice).items():
        shape = [1] * masked[tensor].ndim
        shape[axis] = len(goes)
        masked[tensor] = np.where(goes.reshape(shape), 0, masked[tensor]).astype(masked[tensor].dtype)
    return masked


def check_maskable(network: Network, choice: Choice) -> None:
    """Refuse choices that removal carries out exactly but that zeroing cannot show.

    Raises:
        InputError: naming the layer, where a removed channel passes an operator with f(0) != 0.
    """
    for group in channel_groups(network):
        for member in group.followers if group.name in choice.kept else ():
            layer = network.layer(member.layer)
            shifted = layer.op == "clip" and not layer.attrs["low"] <= 0 <= layer.attrs["high"]
            if shifted or layer.op in ("sigmoid", "hard_sigmoid"):
                raise InputError(
                    f"{layer.name}: {layer.op} turns a masked zero into another number; expected operators "
                    "with f(0) = 0; shrink instead of masking"
                )
