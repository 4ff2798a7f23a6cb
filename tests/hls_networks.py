# SPDX-License-Identifier: Apache-2.0
"""Small quantised networks for the tests of hls, written down tensor by tensor."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwsim import ops
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor, Weights


class Builder:
    """Appends layers to a network; every method returns the name of the tensor it made.

    Weights are random over the whole range of their format, with both ends always among them.
    """

    def __init__(self, shape: Sequence[int], fmt: FixedPoint, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.layers = [Layer("input", "input", (), ("x",))]
        self.tensors = {"x": Tensor(tuple(shape), fmt)}
        self.weights: Weights = {}

    def parameter(self, name: str, shape: Sequence[int], fmt: FixedPoint) -> str:
        self.tensors[name] = Tensor(tuple(shape), fmt)
        values = self.rng.integers(fmt.min_int, fmt.max_int + 1, shape)
        values.flat[0], values.flat[-1] = fmt.min_int, fmt.max_int
        self.weights[name] = values
        return name

    def add(
        self, op: str, inputs: str | Sequence[str], fmt: FixedPoint, params: dict[str, str] | None = None, **attrs: Any
    ) -> str:
        inputs = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        name = f"{op}{len(self.layers)}"
        layer = Layer(name, op, inputs, (f"{name}.out",), attrs, params or {})
        complete = Layer(name, op, inputs, layer.outputs, ops.complete_attrs(layer), layer.params)
        shapes = {role: self.tensors[t].shape for role, t in layer.params.items()}
        (shape,) = ops.output_shapes(complete, [self.tensors[t].shape for t in inputs], shapes)
        self.tensors[layer.output] = Tensor(shape, fmt)
        self.layers.append(layer)
        return layer.output

    def conv(
        self, x: str, filters: int, kernel: tuple[int, int], out: FixedPoint, weight: FixedPoint,
        bias: FixedPoint | None = None, **attrs: Any,
    ) -> str:  # fmt: skip
        channels = self.tensors[x].shape[0] // attrs.get("groups", 1)
        number = len(self.layers)
        params = {"weight": self.parameter(f"w{number}", (filters, channels, *kernel), weight)}
        if bias is not None:
            params["bias"] = self.parameter(f"b{number}", (filters,), bias)
        return self.add("conv2d", x, out, params, kernel=kernel, **attrs)

    def dense(self, x: str, features: int, out: FixedPoint, weight: FixedPoint, bias: FixedPoint | None = None) -> str:
        number = len(self.layers)
        params = {"weight": self.parameter(f"w{number}", (features, self.tensors[x].shape[0]), weight)}
        if bias is not None:
            params["bias"] = self.parameter(f"b{number}", (features,), bias)
        return self.add("dense", x, out, params)

    def build(self, output: str, name: str = "net") -> tuple[Network, Weights]:
        return Network(name, tuple(self.layers), self.tensors, ("x",), (output,)), self.weights


def corner_images(network: Network, count: int = 40, seed: int = 0) -> np.ndarray:
    """Inputs all at the smallest value, all at the largest, 0, −1 or 1, alternating ends, and random ones."""
    tensor = network.tensors[network.inputs[0]]
    fmt = tensor.format
    assert fmt is not None
    rng = np.random.default_rng(seed)
    low, high = fmt.min_int, fmt.max_int
    images = rng.integers(low, high + 1, (count, *tensor.shape))
    for index, value in enumerate((low, high, 0, max(low, -1), 1)):
        images[index] = value
    ends = np.where(np.arange(tensor.size) % 2, low, high).reshape(tensor.shape)
    images[5], images[6] = ends, low + high - ends
    images[7] = rng.choice([low, high], tensor.shape)
    return images
