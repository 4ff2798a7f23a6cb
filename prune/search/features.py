# SPDX-License-Identifier: Apache-2.0
"""What a learned policy sees of a layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.network import Layer, Network
from prune.groups import ChannelGroup

Array = npt.NDArray[np.float64]
STATE = ("t", "n", "c", "h", "w", "stride", "k", "cost", "reduced", "rest", "previous")


@dataclass(frozen=True)
class Layers:
    """Numbers of every variable's layers, (variables, 8), each column scaled to 0 ... 1: the first eight of STATE.

    A group that several layers make is described by the first of them; its cost is what all of them and their readers
    take together. ``edges`` (pairs, 2) joins variables whose groups meet in a layer.
    """

    static: Array
    costs: Array
    edges: npt.NDArray[np.int64]

    def state(self, variable: int, shares: Sequence[float]) -> Array:
        """The eleven numbers of AMC (He et al., ECCV 2018, §3.1) before ``variable`` is chosen.

        Args:
            shares: chosen so far, one per variable before this one.
        """
        total = self.costs.sum()
        reduced = float(np.sum(self.costs[:variable] * (1 - np.asarray(shares[:variable])))) / total
        rest = float(self.costs[variable + 1 :].sum()) / total
        previous = shares[variable - 1] if variable else 1.0
        return np.concatenate([self.static[variable], [reduced, rest, previous]])


def describe(network: Network, groups: Sequence[ChannelGroup]) -> Layers:
    """What :class:`Layers` holds, of the variables of ``channel_space(groups, …)``.

    Args:
        network: the unpruned one that the groups belong to.
    """
    layers = {layer.name: layer for layer in network.layers}
    rows, costs = [], []
    touching: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        touched = dict.fromkeys(member.layer for member in group.members)
        cost = float(sum(ops.macs(network, layers[name]) for name in touched))
        for name in touched:
            touching.setdefault(name, []).append(number)
        rows.append([number, group.width, *_shape(network, layers[group.layers[0]]), cost])
        costs.append(cost)
    pairs = {(min(a, b), max(a, b)) for found in touching.values() for a in found for b in found if a != b}
    return Layers(_scaled(np.array(rows, dtype=np.float64)), np.array(costs), np.array(sorted(pairs)).reshape(-1, 2))


def describe_layers(network: Network, names: Sequence[str]) -> Layers:
    """What :class:`Layers` holds, of variables that are layers with weights, in this order; neighbours are joined."""
    layers = [network.layer(name) for name in names]
    costs = np.array([float(ops.macs(network, layer)) for layer in layers])
    outs = [network.tensors[layer.params["weight"]].shape[0] for layer in layers]
    rows = [[i, outs[i], *_shape(network, layer), costs[i]] for i, layer in enumerate(layers)]
    pairs = [(number, number + 1) for number in range(len(names) - 1)]
    return Layers(_scaled(np.array(rows, dtype=np.float64)), costs, np.array(pairs, dtype=np.int64).reshape(-1, 2))


def _shape(network: Network, layer: Layer) -> tuple[int, ...]:
    """Input channels, height and width, stride and kernel of a layer with weights."""
    shape = network.tensors[layer.inputs[0]].shape
    height, width = shape[1:] if len(shape) == 3 else (1, 1)
    kernel = network.tensors[layer.params["weight"]].shape[2:] or (1,)
    return shape[0], height, width, layer.attrs.get("stride", (1, 1))[0], kernel[0]


def _scaled(table: Array) -> Array:
    low, high = table.min(axis=0), table.max(axis=0)
    return np.asarray((table - low) / np.where(high > low, high - low, 1.0))
