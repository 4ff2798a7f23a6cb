# SPDX-License-Identifier: Apache-2.0
"""Networks with real scales between quantised tensors; a comparison of their integer forms with the float executor."""

from typing import Any

import numpy as np

from hwsim.exact import Exact
from hwsim.fixed import FixedPoint
from hwsim.integerise import integerise
from hwsim.network import Layer, Network, Tensor, Weights
from hwsim.reference import execute

Array = np.ndarray
CODES = FixedPoint(6, 4)


class Source:
    """A network that grows by one layer at a time, with weights; every method returns the tensor it made."""

    def __init__(self, shape: tuple[int, ...], fmt: FixedPoint | None = CODES, seed: int = 0) -> None:
        self.layers = [Layer("x", "input", (), ("x",))]
        self.tensors, self.weights = {"x": Tensor(shape, fmt)}, Weights()
        self.rng = np.random.default_rng(seed)

    def add(self, op: str, *inputs: str, shape: Any = None, fmt: Any = None, attrs: Any = None, **params: Any) -> str:
        """Append a layer; a parameter is an array of reals, or (integers, format)."""
        name = f"{op}{len(self.layers)}"
        for role, given in params.items():
            array, stored = given if isinstance(given, tuple) else (np.asarray(given, dtype=np.float64), None)
            self.weights[f"{name}.{role}"], self.tensors[f"{name}.{role}"] = array, Tensor(array.shape, stored)
        roles = {role: f"{name}.{role}" for role in params}
        self.layers.append(Layer(name, op, inputs, (name,), attrs or {}, roles))
        self.tensors[name] = Tensor(shape or self.tensors[inputs[0]].shape, fmt)
        return name

    def channels(self, x: str) -> int:
        return self.tensors[x].shape[0]

    def norm(self, x: str, scale: Any = None, shift: Any = None) -> str:
        """A batch norm; random scales fall in some channels."""
        channels = self.channels(x)
        scale = self.rng.normal(size=channels) * 0.4 if scale is None else np.resize(scale, channels)
        shift = self.rng.normal(size=channels) if shift is None else np.resize(shift, channels)
        return self.add("batch_norm", x, scale=scale.astype(np.float64), shift=shift.astype(np.float64))

    def quantise(self, x: str, scale: float, fmt: str) -> str:
        down = self.norm(x, np.array([1.0 / scale]), np.zeros(1))
        cast = self.add("requantise", down, fmt=FixedPoint.parse(fmt))
        return self.norm(cast, np.array([scale]), np.zeros(1))

    def bipolar(self, x: str, scale: float = 1.0) -> str:
        ones = np.ones(self.channels(x))
        return self.add("threshold", x, thresholds=0.0 * ones[:, None], start=-scale * ones, slope=2 * scale * ones)

    def weight(self, *shape: int) -> tuple[Array, FixedPoint]:
        return self.rng.integers(-3, 4, shape), FixedPoint(3, 0)

    def dense(self, x: str, outputs: int, **bias: Any) -> str:
        weight = self.weight(outputs, self.channels(x))
        return self.add("dense", x, shape=(outputs,), weight=weight, **bias)

    def conv(self, x: str, outputs: int, groups: int = 1, **bias: Any) -> str:
        channels, rows, columns = self.tensors[x].shape
        attrs = {"kernel": (3, 3), "padding": (1, 1, 1, 1), "groups": groups}
        weight = self.weight(outputs, channels // groups, 3, 3)
        return self.add("conv2d", x, shape=(outputs, rows, columns), attrs=attrs, weight=weight, **bias)

    def network(self, *outputs: str) -> Network:
        return Network("net", tuple(self.layers), self.tensors, ("x",), outputs or (self.layers[-1].output,))

    def exact(self) -> Exact:
        return integerise(self.network(), self.weights)


def executed(network: Network, weights: Weights, x: Array) -> Array:
    """Real outputs of a network, on integers where it is integer throughout."""
    source, target = (network.tensors[name].format for name in (*network.inputs, *network.outputs))
    if not network.is_quantised:
        return execute(network, weights, x)
    assert source is not None
    assert target is not None
    return target.to_real(execute(network, weights, source.quantise(x)))


def check(source: Source, images: int = 40) -> Exact:
    """The integer network, whose real outputs are those of the float executor."""
    network, exact = source.network(), source.exact()
    assert exact.network.is_quantised
    tensor = network.tensors["x"]
    x = np.random.default_rng(1).normal(size=(images, *tensor.shape)) * 2
    if tensor.format is not None:
        x = tensor.format.to_real(tensor.format.quantise(np.clip(x, -1.9, 1.9)))
    expected = executed(network, source.weights, x)
    got = exact.run(x)
    # float64 against integers times a scale; levels are 0.05 or more apart
    np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-6, atol=1e-6)
    assert len(np.unique(expected)) > 1
    return exact


def ops_of(network: Network) -> str:
    return " ".join(layer.op for layer in network.layers)
