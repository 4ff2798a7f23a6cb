# SPDX-License-Identifier: Apache-2.0
"""da4ml, which turns products with constants into additions (optional: ``pip install 'slimfab[da]'``).

da4ml writes a constant matrix as signed powers of two and shares what its rows have in common (Sun et al., "da4ml:
Distributed Arithmetic for Real-time Neural Networks on FPGAs", ACM TRETS 2025, doi 10.1145/3777387). It is licensed
under LGPL-3; it runs here, and nothing of it is copied.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hls.templates.unit import Array
from hwsim.errors import ToolMissing, UnsupportedError
from hwsim.fixed import FixedPoint

MAX_WEIGHT_BITS = 24  # da4ml takes a matrix as float32
MAX_RESULT_BITS = 52  # and ranges as float64
# Between two registers. On ECP5-85 speed 6 (nextpnr), 32 x 64 weights of 4 bits run at 123 MHz with one adder, at
# 94 MHz with two and half the registers.
ADDERS_PER_STAGE = 1
# What an addition costs in da4ml's eyes: the same whatever its width, so that its latencies count adders.
_HARDWARE = (1, -1, -1)


def da4ml_trace() -> Any:
    """The module ``da4ml.trace``.

    Raises:
        ToolMissing: da4ml is not installed.
    """
    try:
        from da4ml import trace
    except ImportError as error:
        raise ToolMissing("da4ml is not installed; fully unrolled layers need it; pip install 'slimfab[da]'") from error
    return trace


def variables(count: int, fmt: FixedPoint) -> Any:
    """``count`` symbols of da4ml that take the values of a format."""
    low, high, step = (
        np.full(count, value) for value in (fmt.to_real(fmt.min_int), fmt.to_real(fmt.max_int), fmt.step)
    )
    return da4ml_trace().FixedVariableArray.from_lhs(low, high, step, hwconf=_HARDWARE)


def product(layer: str, inputs: Any, matrix: Array, weight: FixedPoint, exact: FixedPoint) -> Any:
    """The symbols of ``matrix`` @ ``inputs``; ``matrix`` is (rows, columns) integers of the format ``weight``.

    Raises:
        UnsupportedError: more than 24 bits in the weights, or more than 52 in the exact result.
    """
    for what, bits, most in (
        ("weights", weight.width, MAX_WEIGHT_BITS), ("exact results", exact.width, MAX_RESULT_BITS)
    ):  # fmt: skip
        if bits > most:
            raise UnsupportedError(
                f"{layer}: got {what} of {bits} bits; expected at most {most} for an adder tree; use strategy resource"
            )
    return inputs @ weight.to_real(matrix.T)


def adder_stages(layer: str, matrix: Array, formats: tuple[FixedPoint, FixedPoint, FixedPoint]) -> Sequence[Any]:
    """Additions that compute ``matrix`` @ x, as stages with a register behind each: CombLogic of da4ml.

    Everything is counted in integers: x has its format's integers, whatever their binary point.

    Args:
        matrix: (rows, columns) integers.
        formats: of the input, the matrix and the exact result.

    Raises:
        ToolMissing, UnsupportedError: see :func:`product`.
    """
    source, weight, exact = (FixedPoint(fmt.width, 0, fmt.signed) for fmt in formats)
    trace = da4ml_trace()
    inputs = variables(matrix.shape[1], source)
    logic = trace.comb_trace(inputs, product(layer, inputs, matrix, weight, exact))
    from da4ml.trace.pipeline import to_pipeline

    stages: Sequence[Any] = to_pipeline(logic, ADDERS_PER_STAGE, verbose=False).solutions
    return stages
