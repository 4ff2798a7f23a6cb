# SPDX-License-Identifier: Apache-2.0
"""Random operands for the contract tests of matrix units, and what the units must make of them."""

import numpy as np
from hypothesis import strategies as st

from hls.templates.matrix_vector import accumulator
from hls.templates.operands import Operands
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format


def filled(fmt: FixedPoint, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Random integers over the whole range of a format, with both ends among them."""
    values = rng.integers(fmt.min_int, fmt.max_int + 1, shape)
    values.flat[0], values.flat[-1] = fmt.min_int, fmt.max_int
    return values


def operands(matrices: np.ndarray, source: FixedPoint, weight: FixedPoint, offset: FixedPoint, seed: int) -> Operands:
    """Matrices with random biases, in the accumulator that their formats ask for."""
    bias = filled(offset, matrices.shape[:2], np.random.default_rng(seed))
    frac = max(source.frac + weight.frac, offset.frac)
    left, right = frac - source.frac - weight.frac, frac - offset.frac
    ends = [x * w for x in (source.min_int, source.max_int) for w in (weight.min_int, weight.max_int)]
    low = (min(ends) * matrices.shape[-1] << left) + (offset.min_int << right)
    high = (max(ends) * matrices.shape[-1] << left) + (offset.max_int << right)
    return Operands(matrices, bias, source, weight, offset, accumulator("fc", smallest_format(low, high, frac)))


def results(parts: Operands, vectors: np.ndarray, parallel: int = 1) -> np.ndarray:
    """(images, vectors, columns · parallel) inputs, columns outermost → (images, vectors · rows) exact results."""
    images, count, _ = vectors.shape
    turns, rows, columns = parts.matrices.shape
    lanes = vectors.reshape(images, count // turns, turns, columns, parallel)
    split = parts.matrices.reshape(turns, parallel, rows // parallel, columns)
    sums = np.einsum("ivtcp,tprc->ivtpr", lanes, split).reshape(images, count // turns, turns, rows)
    left = parts.exact.frac - parts.source.frac - parts.weight.frac
    right = parts.exact.frac - parts.offset.frac
    return ((sums << left) + (parts.bias << right)).reshape(images, -1)


def formats(smallest: int = 1, largest: int = 9) -> st.SearchStrategy[FixedPoint]:
    """Number formats of up to ``largest`` bits."""
    return st.builds(FixedPoint, st.integers(smallest, largest), st.integers(0, 4), st.booleans())
