# SPDX-License-Identifier: Apache-2.0
"""Chains and QONNX graphs whose scales are no powers of two, for the tests of the exact import."""

from typing import Any

import numpy as np
import onnx
from onnx_graphs import node

from hwsim.fixed import FixedPoint
from hwsim.network import Layer
from hwsim.staircase import Step

QUANT = "qonnx.custom_op.general"

ROLES = {"batch_norm": ("scale", "shift"), "threshold": ("thresholds", "start", "slope")}


def chain(*ops: tuple) -> list[Step]:
    """Steps (op, …): parameters of a batch norm and of thresholds, the format of a requantise, attributes of others."""
    steps = []
    for op, *rest in ops:
        attrs, params, fmt = {}, {}, None
        if op in ROLES:
            params = {role: np.array(value, dtype=np.float64) for role, value in zip(ROLES[op], rest, strict=True)}
        elif op == "requantise":
            fmt = FixedPoint.parse(rest[0])
        elif rest:
            attrs = rest[0]
        roles = {role: role for role in params}
        steps.append(Step(Layer(f"{op}{len(steps)}", op, ("x",), ("y",), attrs, roles), params, fmt))
    return steps


class Graph:
    """Nodes and constants of a chain of layers; every method appends one and returns its output's name."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Any] = {}
        self.rng = np.random.default_rng(seed)

    def add(self, op: str, *inputs: str, domain: str = "", **attrs: Any) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(node(op, list(inputs), [name], name=f"{op}_{len(self.nodes)}", domain=domain, **attrs))
        return name

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def quant(self, x: str, scale: Any, bits: int, signed: int = 1, narrow: int = 0, zero: Any = 0.0) -> str:
        arrays = [self.constant(np.float32(value)) for value in (scale, zero, bits)]
        attrs = {"signed": signed, "narrow": narrow, "rounding_mode": "ROUND"}
        return self.add("Quant", x, *arrays, domain=QUANT, **attrs)

    def bipolar(self, x: str, scale: float = 1.0) -> str:
        return self.add("BipolarQuant", x, self.constant(np.float32(scale)), domain=QUANT)

    def weight(self, shape: tuple[int, ...], bits: int, scale: Any) -> str:
        """A quantised weight; one bit is bipolar."""
        spread = float(np.mean(scale)) * 2.0 ** (bits - 2)
        reals = self.constant((self.rng.standard_normal(shape) * spread).astype(np.float32))
        return self.bipolar(reals, scale) if bits == 1 else self.quant(reals, scale, bits, narrow=1)

    def dense(self, x: str, inputs: int, outputs: int, bits: int = 2, scale: Any = 1.0) -> str:
        weight = self.weight((outputs, inputs), bits, scale)
        return self.add("MatMul", x, self.add("Transpose", weight, perm=[1, 0]))

    def conv(self, x: str, shape: tuple[int, ...], bits: int, scale: Any, group: int = 1) -> str:
        return self.add("Conv", x, self.weight(shape, bits, scale), kernel_shape=shape[2:], group=group)

    def norm(self, x: str, channels: int, spread: float) -> str:
        """A batch norm of results of about ``spread``, with falling channels and a constant one."""
        gamma = self.rng.uniform(0.5, 2.0, channels) * self.rng.choice([-1.0, 1.0], channels)
        gamma[channels // 2] = 0.0
        mean = np.rint(self.rng.standard_normal(channels) * spread / 2)
        parts = (gamma, self.rng.standard_normal(channels) / 4, mean, np.full(channels, spread**2))
        return self.add("BatchNormalization", x, *(self.constant(part.astype(np.float32)) for part in parts))
