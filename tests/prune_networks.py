# SPDX-License-Identifier: Apache-2.0
"""Small random networks for the pruning tests: every kind of coupling, in any order."""

import numpy as np
from hypothesis import strategies as st

from hwsim import ops
from hwsim.network import Layer, Network, Tensor, Weights


class Draft:
    """Grows a network layer by layer; every method returns the name of the tensor it made."""

    def __init__(self, *shape: int) -> None:
        self.layers = [Layer("x", "input", (), ("x",))]
        self.tensors = {"x": Tensor(shape)}
        self.last = "x"

    def shape(self, tensor: str | None = None) -> tuple[int, ...]:
        return self.tensors[tensor or self.last].shape

    def layer(self, op, *inputs, attrs=None, **params):
        name = f"{op}{len(self.layers)}"
        roles = {role: f"{name}.{role}" for role in params}
        for role, shape in params.items():
            self.tensors[roles[role]] = Tensor(shape)
        layer = Layer(name, op, inputs or (self.last,), (name,), attrs or {}, roles)
        layer = Layer(name, op, layer.inputs, (name,), ops.complete_attrs(layer), roles)
        (shape,) = ops.output_shapes(layer, [self.tensors[t].shape for t in layer.inputs], params)
        self.tensors[name] = Tensor(shape)
        self.layers.append(layer)
        self.last = name
        return name

    def conv(self, width, source=None, kernel=3, groups=1, bias=True):
        source = source or self.last
        pad = kernel // 2
        attrs = {"kernel": (kernel, kernel), "padding": (pad, pad, pad, pad), "groups": groups}
        params = {"weight": (width, self.shape(source)[0] // groups, kernel, kernel)}
        return self.layer("conv2d", source, attrs=attrs, **params, **({"bias": (width,)} if bias else {}))

    def depthwise(self, multiplier=1, source=None):
        channels = self.shape(source)[0]
        return self.conv(channels * multiplier, source, groups=channels)

    def norm(self, source=None):
        channels = self.shape(source)[0]
        return self.layer("batch_norm", source or self.last, scale=(channels,), shift=(channels,))

    def relu(self, source=None):
        return self.layer("relu", source or self.last)

    def pool(self, source=None):
        return self.layer("max_pool2d", source or self.last, attrs={"kernel": (2, 2), "stride": (2, 2)})

    def dense(self, width, source=None):
        features = self.shape(source)[0]
        return self.layer("dense", source or self.last, weight=(width, features), bias=(width,))

    def head(self, classes=3, flatten=True):
        if not flatten:
            self.layer("global_avg_pool")
        self.layer("flatten")
        return self.dense(classes)

    def network(self) -> Network:
        return Network("draft", tuple(self.layers), self.tensors, ("x",), (self.last,))


def random_weights(network: Network, seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)
    return {t: rng.normal(size=network.tensors[t].shape) for t in network.parameter_names}


def residual(draft: Draft, width: int) -> None:
    source = draft.last
    if draft.shape()[0] != width:
        source = draft.conv(width, source, kernel=1)
    inner = draft.relu(draft.norm(draft.conv(width + 1, draft.last, bias=False)))
    draft.layer("add", draft.norm(draft.conv(width, inner, bias=False)), source)
    draft.relu()


def dense_block(draft: Draft, width: int) -> None:
    source = draft.last
    grown = draft.relu(draft.norm(draft.conv(width, source)))
    draft.layer("concat", source, grown)
    draft.norm()


def inception(draft: Draft, width: int) -> None:
    source = draft.last
    parts = draft.conv(width, source, kernel=1), draft.depthwise(1, draft.conv(2, source))
    joined = draft.layer("concat", *parts)
    # A branch as wide as the two together, added to them: units made by one pair of layers or by the other.
    draft.layer("add", joined, draft.conv(width + 2, source, kernel=1))


def separable(draft: Draft, width: int) -> None:
    draft.relu(draft.norm(draft.depthwise()))
    draft.relu(draft.norm(draft.conv(width, kernel=1)))


def multiplied(draft: Draft, width: int) -> None:
    draft.depthwise(2)
    draft.norm()


def grouped(draft: Draft, width: int) -> None:
    draft.conv(4, kernel=1)
    draft.relu(draft.conv(2 * width, groups=2))


def plain(draft: Draft, width: int) -> None:
    draft.relu(draft.norm(draft.conv(width)))


BLOCKS = (plain, residual, dense_block, inception, separable, multiplied, grouped)


@st.composite
def networks(draw) -> Network:
    draft = Draft(draw(st.integers(1, 3)), 4, 4)
    for block in draw(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=4)):
        block(draft, draw(st.integers(2, 5)))
    if draw(st.booleans()):
        draft.pool()
    draft.head(flatten=draw(st.booleans()))
    return draft.network()


@st.composite
def kept_units(draw, groups):
    """For some of the groups a non-empty set of units."""
    kept = {}
    for group in groups:
        if draw(st.booleans()):
            units = draw(st.sets(st.integers(0, group.width - 1), min_size=1))
            kept[group.name] = tuple(sorted(units))
    return kept
