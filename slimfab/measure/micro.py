# SPDX-License-Identifier: Apache-2.0
"""Random networks in the forms that networks in use have, to calibrate a processor with.

Each is a pyramid of stages – plain, separable, inverted, residual – or a perceptron, from a few thousand to some
hundred million products. In half of them all widths are multiples of eight, in the others they are any number, as
pruning leaves them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwsim import ops
from hwsim.network import Layer, Network, Tensor

LARGEST_MACS = 4e8  # a tenth of a second on a slow core


class Builder:
    """A float network while it grows."""

    def __init__(self, *shape: int) -> None:
        self.layers = [Layer("x", "input", (), ("x",))]
        self.tensors = {"x": Tensor(shape)}
        self.last = "x"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the last layer's output."""
        return self.tensors[self.last].shape

    def layer(self, op: str, *inputs: str, attrs: dict[str, object] | None = None, **params: tuple[int, ...]) -> str:
        """Append a layer that reads `inputs` or the last one; `params` are shapes by role."""
        name = f"{op}_{len(self.layers)}"
        roles = {role: f"{name}.{role}" for role in params}
        self.tensors |= {roles[role]: Tensor(shape) for role, shape in params.items()}
        layer = Layer(name, op, inputs or (self.last,), (name,), attrs or {}, roles)
        layer = Layer(name, op, layer.inputs, (name,), ops.complete_attrs(layer), roles)
        shapes = [self.tensors[tensor].shape for tensor in layer.inputs]
        (shape,) = ops.output_shapes(layer, shapes, params)
        self.tensors[name] = Tensor(shape)
        self.layers.append(layer)
        self.last = name
        return name

    def conv(self, width: int, kernel: int | tuple[int, int] = 3, stride: int = 1, groups: int = 1) -> str:
        """A convolution with bias that keeps the size but for its stride."""
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        attrs = {
            "kernel": (high, wide),
            "stride": (stride, stride),
            "padding": ((high - 1) // 2, (wide - 1) // 2, high // 2, wide // 2),
            "groups": groups,
        }
        return self.layer("conv2d", attrs=attrs, weight=(width, self.shape[0] // groups, high, wide), bias=(width,))

    def dense(self, width: int) -> str:
        """A dense layer with bias."""
        return self.layer("dense", weight=(width, self.shape[-1]), bias=(width,))

    def network(self, name: str) -> Network:
        """What has grown, ending in the last layer."""
        layers = (*self.layers, Layer("y", "output", (self.last,), ("y",)))
        tensors = {**self.tensors, "y": Tensor(self.shape)}
        return Network(name, layers, tensors, ("x",), ("y",))


@dataclass
class Draw:
    """A stream of random sizes; `align` is what widths are multiples of."""

    generator: np.random.Generator
    align: int

    def log_uniform(self, low: float, high: float) -> float:
        """A size whose logarithm is uniform."""
        return math.exp(self.generator.uniform(math.log(low), math.log(high)))

    def width(self, near: float) -> int:
        """A width near another one."""
        return max(1, round(near * self.log_uniform(0.75, 1.33) / self.align)) * self.align

    def choice(self, *options: int) -> int:
        """One of the options; repeat one to make it likelier."""
        return int(self.generator.choice(options))


Block = Callable[[Builder, Draw, int, int], None]  # grows by one block of an output width and a stride


def _plain(grown: Builder, draw: Draw, width: int, stride: int) -> None:
    grown.conv(width, draw.choice(3, 3, 3, 5), stride)
    grown.layer("relu")


def _separable(grown: Builder, draw: Draw, width: int, stride: int) -> None:
    grown.conv(grown.shape[0], draw.choice(3, 3, 3, 5), stride, grown.shape[0])
    grown.layer("relu")
    grown.conv(width, 1)
    grown.layer("relu")


def _inverted(grown: Builder, draw: Draw, width: int, stride: int) -> None:
    before, inputs = grown.last, grown.shape[0]
    grown.conv(draw.width(inputs * draw.choice(3, 6, 6)), 1)
    grown.layer("clip", attrs={"low": 0.0, "high": 6.0})
    grown.conv(grown.shape[0], 3, stride, grown.shape[0])
    grown.layer("clip", attrs={"low": 0.0, "high": 6.0})
    grown.conv(width, 1)
    if stride == 1 and width == inputs:
        grown.layer("add", before, grown.last)


def _residual(grown: Builder, draw: Draw, width: int, stride: int) -> None:
    before, inputs = grown.last, grown.shape[0]
    grown.conv(draw.width(width), 3, stride)
    grown.layer("relu")
    main = grown.conv(width, 3)
    if stride != 1 or width != inputs:
        grown.last = before
        before = grown.conv(width, 1, stride)
    grown.layer("add", main, before)
    grown.layer("relu")


def _pyramid(draw: Draw, block: Block, name: str) -> Network:
    size, channels = round(draw.log_uniform(10, 160)), draw.choice(1, 3, 3)
    if draw.choice(0, 1):  # as most images are, whose lines fill vectors down to the last stages
        size = max(1, round(size / 16)) * 16
    # Spectrograms are narrow images, and are looked at through windows that are not square.
    narrow = draw.choice(0, 0, 0, 1)
    grown = Builder(channels, size, max(8, size // draw.choice(2, 4, 5)) if narrow else size)
    width = draw.width(draw.log_uniform(4, 64))
    window = (draw.choice(5, 8, 10), draw.choice(3, 4)) if narrow else draw.choice(3, 3, 3, 5, 7)
    grown.conv(width, window, draw.choice(1, 2) if size < 64 else 2)
    grown.layer("relu")
    for stage in range(draw.choice(1, 2, 3, 3, 4)):
        stride = 1 if stage == 0 or min(grown.shape[1:]) < 6 else 2
        if stride == 2 and draw.choice(0, 0, 1):
            grown.layer("max_pool2d", attrs={"kernel": (2, 2), "stride": (2, 2)})
            stride = 1
        width = draw.width(width * (1 if stage == 0 else draw.choice(1, 2, 2)))
        for repeat in range(draw.choice(1, 2, 2, 3)):
            block(grown, draw, width, stride if repeat == 0 else 1)
    if draw.choice(0, 0, 0, 1):
        grown.conv(draw.width(draw.log_uniform(256, 2048)), 1)
        grown.layer("relu")
    grown.layer("global_avg_pool")
    grown.layer("flatten")
    grown.dense(draw.choice(2, 10, 10, 100, 1000))
    return grown.network(name)


def _perceptron(draw: Draw, name: str) -> Network:
    grown = Builder(draw.width(draw.log_uniform(16, 2048)))
    width = draw.log_uniform(16, 1024)
    for _ in range(draw.choice(1, 2, 3, 4, 6, 8)):
        grown.dense(draw.width(width))
        grown.layer("relu")
    grown.dense(draw.choice(2, 10, 10, 100, 1000))
    return grown.network(name)


BLOCKS: dict[str, Block] = {"plain": _plain, "separable": _separable, "inverted": _inverted, "residual": _residual}


def networks(count: int, seed: int = 0) -> list[Network]:
    """`count` networks of all forms in turn, none of more than LARGEST_MACS."""
    generator = np.random.default_rng(seed)
    forms = (*BLOCKS, "perceptron")
    found: list[Network] = []
    while len(found) < count:
        form = forms[len(found) % len(forms)]
        draw = Draw(generator, 1 if generator.random() < 0.5 else 8)
        name = f"{form}-{len(found)}"
        network = _perceptron(draw, name) if form == "perceptron" else _pyramid(draw, BLOCKS[form], name)
        if network.macs() <= LARGEST_MACS:
            found.append(network)
    return found
