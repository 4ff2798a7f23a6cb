# SPDX-License-Identifier: Apache-2.0
"""Small random networks for the pruning tests: every kind of coupling, in any order."""

import numpy as np
import torch
from hypothesis import strategies as st
from torch import nn

from hwsim import ops
from hwsim.network import Layer, Network, Tensor, Weights

TORCH_NAME = {"scale": "weight", "shift": "bias"}


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
        roles = {role: f"{name}.{TORCH_NAME.get(role, role)}" for role in params}
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


class AsModule(nn.Module):
    """A network of :class:`Draft` as torch modules: parameter ``conv2d1.weight`` is that of module ``conv2d1``."""

    def __init__(self, network: Network, seed: int = 0) -> None:
        super().__init__()
        self.network = lambda: network  # a function is copied as it is
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for layer in network.layers:
                module = _module(network, layer)
                if module is not None:
                    self.add_module(layer.name, module)
            randomise(self)
        self.eval()

    def forward(self, x):
        values = {"x": x}
        for layer in self.network().layers[1:]:
            inputs = [values[t] for t in layer.inputs]
            if layer.op == "add":
                values[layer.output] = inputs[0] + inputs[1]
            elif layer.op == "concat":
                values[layer.output] = torch.cat(inputs, dim=1)
            else:
                values[layer.output] = getattr(self, layer.name)(*inputs)
        return values[self.network().outputs[0]]


def randomise(model: nn.Module, seed: int | None = None) -> None:
    """Batch norms as training leaves them: no number at its default; without a seed from torch's own state."""
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        _randomise(model)


def _randomise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)


def _module(network: Network, layer: Layer) -> nn.Module | None:
    channels = network.tensors[layer.output].shape[0]
    if layer.op == "conv2d":
        source = network.tensors[layer.inputs[0]].shape[0]
        kernel, padding = layer.attrs["kernel"], layer.attrs["padding"][:2]
        bias = "bias" in layer.params
        return nn.Conv2d(source, channels, kernel, padding=padding, groups=layer.attrs["groups"], bias=bias)
    if layer.op == "dense":
        return nn.Linear(network.tensors[layer.inputs[0]].shape[0], channels)
    if layer.op == "batch_norm":
        return nn.BatchNorm2d(channels)
    simple = {"relu": nn.ReLU(), "max_pool2d": nn.MaxPool2d(2), "global_avg_pool": nn.AdaptiveAvgPool2d(1)}
    return {**simple, "flatten": nn.Flatten()}.get(layer.op)


def residual(draft: Draft, width: int) -> None:
    source = draft.last
    if draft.shape()[0] != width:
        source = draft.conv(width, source, kernel=1)
    inner = draft.relu(draft.norm(draft.conv(width + 1, draft.last, bias=False)))
    draft.layer("add", draft.norm(draft.conv(width, inner, bias=False)), source)
    draft.relu()


def preactivation(draft: Draft, width: int) -> None:
    source = draft.last
    inner = draft.conv(width, draft.relu(draft.norm(source)))
    inner = draft.conv(draft.shape(source)[0], draft.relu(draft.norm(inner)))
    draft.layer("add", source, inner)


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


BLOCKS = (plain, residual, preactivation, dense_block, inception, separable, multiplied, grouped)


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
