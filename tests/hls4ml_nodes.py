# SPDX-License-Identifier: Apache-2.0
"""Layers of hls4ml without hls4ml, for property tests: what hls.from_hls4ml asks of a node, and no more."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from hwsim.fixed import FixedPoint


class FixedPrecisionType:
    """hls4ml's type of this name, of any rounding and overflow."""

    signed = True

    def __init__(self, fmt: FixedPoint) -> None:
        self.format = fmt

    def __str__(self) -> str:
        return str(self.format)


class WeightVariable:
    """Weights whose values are integers of a format."""

    def __init__(self, ints: np.ndarray, fmt: FixedPoint) -> None:
        self.data, self.type = fmt.to_real(ints), SimpleNamespace(precision=FixedPrecisionType(fmt))


def variable(fmt: FixedPoint, shape: tuple[int, ...]) -> Any:
    """The output variable of a layer."""
    found = SimpleNamespace(type=SimpleNamespace(precision=FixedPrecisionType(fmt)), shape=shape)
    found.size = lambda: int(np.prod(shape))
    return found


def node(
    name: str, source: FixedPoint, result: FixedPoint, shape: tuple[int, ...],
    weights: dict[str, WeightVariable] | None = None, **attrs: Any,
) -> Any:  # fmt: skip
    """A layer that reads "x"; formats among the attributes become hls4ml's types."""
    typed = {
        key: SimpleNamespace(precision=FixedPrecisionType(value)) if isinstance(value, FixedPoint) else value
        for key, value in attrs.items()
    }
    return SimpleNamespace(
        name=name, inputs=["x"], outputs=[name], get_attr=lambda key, default=None: typed.get(key, default),
        get_weights=lambda key: (weights or {})[key], get_output_variable=lambda: variable(result, shape),
        get_input_variable=lambda: variable(source, (0,)),
    )  # fmt: skip
