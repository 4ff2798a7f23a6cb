# SPDX-License-Identifier: Apache-2.0
"""Which channels must be removed together.

Every channel that a convolution or dense layer makes is a node. Operators carry nodes along: point-wise layers and
pools keep them, concat strings them together, flatten repeats each for its pixels, and a residual add makes the nodes
of its branches one. Nodes that ended up equal form a *unit*, the smallest thing that can be removed. Units made by the
same layers form a :class:`ChannelGroup`: its width says all there is to say about cost, whichever units they are.
Concat does not merge groups: it only moves positions, which the members' index maps record.

A grouped convolution needs equally many channels in each of its G parts, so that the channels at the same offset of
all parts are one unit, on its input and on its output. A depthwise convolution merely follows its input.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.errors import InputError, UnsupportedError
from hwsim.network import Layer, Network
from hwsim.ops import is_depthwise
from hwsim.registry import suggest

OTHER_GROUP = -1


@dataclass(frozen=True, slots=True)
class Member:
    """One axis of one parameter (or, with ``role`` "", of one layer's output) and the unit at each position.

    ``index[p]`` is the unit of the group that position ``p`` of ``axis`` belongs to, or -1 where the position belongs
    to another group (behind a concat) or to none.
    """

    layer: str
    role: str
    tensor: str
    axis: int
    index: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """``width`` units that are alike: made by the same layers, each removable with everything that touches it.

    ``producers`` make the channels (output axis of convolutions and dense layers), ``followers`` treat each channel
    alone (batch norm, depthwise convolutions, and layers without parameters), ``consumers`` mix them (input axis).
    ``multiplicity`` is, per producing layer, how many of its output channels one unit stands for; all 1 except beside
    grouped convolutions. ``frozen`` says why no unit may be removed; "" where they may.
    """

    name: str
    width: int
    producers: tuple[Member, ...]
    followers: tuple[Member, ...]
    consumers: tuple[Member, ...]
    multiplicity: Mapping[str, int]
    frozen: str = ""

    @property
    def members(self) -> tuple[Member, ...]:
        """Producers, followers and consumers in this order."""
        return self.producers + self.followers + self.consumers

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that make the channels."""
        return tuple(self.multiplicity)


def channel_groups(network: Network) -> tuple[ChannelGroup, ...]:
    """The groups whose channels may be removed, in the order of their first layer.

    Network inputs and outputs, and channels that an operator mixes without weights (softmax), are left out;
    :func:`all_groups` has them too, with the reason.

    Raises:
        UnsupportedError: an operator has no channel rule.
    """
    return tuple(group for group in all_groups(network) if not group.frozen)


def all_groups(network: Network) -> tuple[ChannelGroup, ...]:
    """Every group, frozen ones included; together their producers cover each output channel exactly once."""
    walk = _Walk(network)
    for layer in network.layers:
        rule = RULES.get(layer.op)
        if rule is None:
            raise UnsupportedError(
                f"{layer.name}: operator '{layer.op}' has no channel rule; add one to prune/groups.py or prune a "
                f"network without it ({suggest(layer.op, RULES)})"
            )
        rule(walk, layer)
    for tensor in network.outputs:
        walk.freeze(walk.channels[tensor], "network output")
    return walk.groups()


def find_group(groups: Sequence[ChannelGroup], name: str) -> ChannelGroup:
    """The group of that name, or the one to which the layer of that name gives its channels.

    Raises:
        InputError: no group has that name or contains that layer.
    """
    for group in groups:
        if name == group.name:
            return group
    for group in groups:
        if name in group.layers:
            return group
    known = [layer for group in groups for layer in group.layers]
    raise InputError(f"unknown channel group or layer '{name}'; {suggest(name, known)}")


class _Walk:
    """Carries the nodes through the network and remembers who touched them."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.channels: dict[str, list[int]] = {}  # activation tensor -> node at each channel
        self._parent: list[int] = []  # union-find over nodes
        self._frozen: dict[int, str] = {}  # node -> reason
        self._members: list[tuple[str, Layer, str, int, list[int]]] = []  # kind, layer, role, axis, nodes

    # What the rules use

    def source(self, layer: Layer) -> list[int]:
        """Nodes of the layer's first input."""
        return self.channels[layer.inputs[0]]

    def fresh(self, count: int) -> list[int]:
        """New nodes, equal to no other."""
        start = len(self._parent)
        self._parent.extend(range(start, start + count))
        return list(range(start, start + count))

    def touch(self, kind: str, layer: Layer, role: str, axis: int, nodes: list[int]) -> None:
        """Record a member; layers lacking the parameter are passed over."""
        if role == "" or role in layer.params:
            self._members.append((kind, layer, role, axis, nodes))

    def equal(self, a: Sequence[int], b: Sequence[int]) -> None:
        """Make channels of two axes the same, position by position."""
        for left, right in zip(a, b, strict=True):
            low, high = sorted((self._find(left), self._find(right)))
            self._parent[high] = low

    def freeze(self, nodes: Sequence[int], reason: str) -> None:
        """Forbid the removal of these channels."""
        for node in nodes:
            self._frozen.setdefault(node, reason)

    # What comes out

    def groups(self) -> tuple[ChannelGroup, ...]:
        """Units with the same producers, numbered in the order in which their first channel was made."""
        group_of, unit_of, keys = self._partition()
        members: list[dict[str, list[Member]]] = [{"producer": [], "follower": [], "consumer": []} for _ in keys]
        for kind, layer, role, axis, nodes in self._members:
            where = np.array([group_of[self._find(node)] for node in nodes])
            units = np.array([unit_of[self._find(node)] for node in nodes])
            tensor = layer.params[role] if role else layer.output
            for group in np.unique(where).tolist():
                index = tuple(np.where(where == group, units, OTHER_GROUP).tolist())
                members[group][kind].append(Member(layer.name, role, tensor, axis, index))
        widths = Counter(group_of.values())
        names: Counter[str] = Counter()
        groups = []
        for number, (makers, frozen) in enumerate(keys):
            if not makers:  # the network's own inputs
                continue
            first = makers[0][0]
            names[first] += 1
            name = first if names[first] == 1 else f"{first}#{names[first]}"
            producers, followers, consumers = (tuple(found) for found in members[number].values())
            groups.append(ChannelGroup(name, widths[number], producers, followers, consumers, dict(makers), frozen))
        return tuple(groups)

    def _partition(self) -> tuple[dict[int, int], dict[int, int], list["_Key"]]:
        """Per root node its group and its unit number in it; per group what its units have in common."""
        frozen: dict[int, str] = {}
        for node, reason in self._frozen.items():
            frozen.setdefault(self._find(node), reason)
        makers: dict[int, Counter[str]] = {self._find(node): Counter() for node in range(len(self._parent))}
        for kind, layer, role, _, nodes in self._members:
            if kind == "producer" and role == "weight":
                for node in nodes:
                    makers[self._find(node)][layer.name] += 1
        numbers: dict[_Key, int] = {}
        widths: Counter[int] = Counter()
        group_of, unit_of = {}, {}
        for root, made_by in makers.items():
            group = numbers.setdefault((tuple(made_by.items()), frozen.get(root, "")), len(numbers))
            group_of[root], unit_of[root] = group, widths[group]
            widths[group] += 1
        return group_of, unit_of, list(numbers)

    def _find(self, node: int) -> int:
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node


_Key = tuple[tuple[tuple[str, int], ...], str]


# One rule per operator: read the nodes of the inputs, record members, set the nodes of the output.


def _input(walk: _Walk, layer: Layer) -> None:
    for tensor in layer.outputs:
        walk.channels[tensor] = walk.fresh(walk.network.tensors[tensor].shape[0])
        walk.freeze(walk.channels[tensor], "network input")


def _produce(walk: _Walk, layer: Layer, nodes: list[int]) -> None:
    walk.touch("producer", layer, "weight", 0, nodes)
    walk.touch("producer", layer, "bias", 0, nodes)
    walk.channels[layer.output] = nodes


def _dense(walk: _Walk, layer: Layer) -> None:
    weight = walk.network.tensors[layer.params["weight"]].shape
    if len(walk.network.tensors[layer.inputs[0]].shape) > 1:
        _dense_on_rows(walk, layer)
        return
    walk.touch("consumer", layer, "weight", 1, walk.source(layer))
    _produce(walk, layer, walk.fresh(weight[0]))


def _dense_on_rows(walk: _Walk, layer: Layer) -> None:
    # The layer mixes the last axis, while channels are counted along the first: neither can lose anything here.
    walk.freeze(walk.source(layer), f"{layer.name} mixes another axis")
    _produce(walk, layer, walk.fresh(walk.network.tensors[layer.params["weight"]].shape[0]))
    walk.freeze(walk.channels[layer.output], f"{layer.name} mixes another axis")
    walk.channels[layer.output] = walk.source(layer)


def _conv2d(walk: _Walk, layer: Layer) -> None:
    weight = walk.network.tensors[layer.params["weight"]].shape
    source, parts = walk.source(layer), layer.attrs["groups"]
    if is_depthwise(layer, weight):
        nodes = [node for node in source for _ in range(weight[0] // parts)]
        walk.touch("follower", layer, "weight", 0, nodes)
        walk.touch("follower", layer, "bias", 0, nodes)
        walk.channels[layer.output] = nodes
        return
    for part in range(1, parts):
        walk.equal(source[: weight[1]], source[part * weight[1] : (part + 1) * weight[1]])
    walk.touch("consumer", layer, "weight", 1, source[: weight[1]])
    _produce(walk, layer, walk.fresh(weight[0] // parts) * parts)


def _channelwise(walk: _Walk, layer: Layer) -> None:
    source = walk.source(layer)
    for role in layer.params or ("",):
        walk.touch("follower", layer, role, 0, source)
    walk.channels[layer.output] = source


def _softmax(walk: _Walk, layer: Layer) -> None:
    walk.freeze(walk.source(layer), f"{layer.name} normalises over the channels")
    walk.channels[layer.output] = walk.source(layer)


def _lookup(walk: _Walk, layer: Layer) -> None:
    walk.touch("follower", layer, "", 0, walk.source(layer))  # one table for all channels
    walk.channels[layer.output] = walk.source(layer)


def _argmax(walk: _Walk, layer: Layer) -> None:
    walk.freeze(walk.source(layer), f"{layer.name} numbers the channels")
    walk.channels[layer.output] = walk.fresh(1)


def _output(walk: _Walk, layer: Layer) -> None:
    walk.freeze(walk.source(layer), "network output")
    for tensor in layer.outputs:
        walk.channels[tensor] = walk.source(layer)


def _add(walk: _Walk, layer: Layer) -> None:
    for tensor in layer.inputs[1:]:
        walk.equal(walk.source(layer), walk.channels[tensor])
    walk.channels[layer.output] = walk.source(layer)


def _concat(walk: _Walk, layer: Layer) -> None:
    walk.channels[layer.output] = [node for tensor in layer.inputs for node in walk.channels[tensor]]


def _flatten(walk: _Walk, layer: Layer) -> None:
    shape = walk.network.tensors[layer.inputs[0]].shape
    pixels = int(np.prod(shape[1:], dtype=np.int64))
    walk.channels[layer.output] = [node for node in walk.source(layer) for _ in range(pixels)]


_CHANNELWISE = (
    *(
        "batch_norm",
        "threshold",
        "relu",
        "clip",
        "requantise",
        "max_pool2d",
        "avg_pool2d",
        "global_avg_pool",
        "global_max_pool",
    ),
    *("upsample2d", "pad2d", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "hard_sigmoid", "hard_swish"),
)

RULES: dict[str, Callable[[_Walk, Layer], None]] = {
    **dict.fromkeys(_CHANNELWISE, _channelwise),
    "input": _input,
    "dense": _dense,
    "conv2d": _conv2d,
    "softmax": _softmax,
    "lookup": _lookup,
    "argmax": _argmax,
    "output": _output,
    "add": _add,
    "concat": _concat,
    "flatten": _flatten,
}
