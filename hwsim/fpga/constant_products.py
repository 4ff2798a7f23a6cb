# SPDX-License-Identifier: Apache-2.0
"""What HLS makes of products by constants: multipliers, shifts and additions, or nothing.

A product by a constant is a sum of shifted inputs, one for every digit other than zero of the constant's canonical
signed-digit form (Avizienis, IRE Trans. EC-10, 1961). Vitis HLS builds a multiplier only from three digits on; equal
constants of one input share their product. A multiplier goes to LUTs where the constant fits 4 bits: +11 and +13, which
are unsigned to HLS, while -11 and -13 take 5 bits. (Counts of multipliers in the reports of
github:Dendendelen/wa-hls4ml-search, latency strategy: within 2 % of these from 10 weight bits on.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hwsim.fpga.resources import Array

MULTIPLIER_DIGITS = 3  # signed digits from which a product is a multiplier
SMALL = 15  # positive constants up to here fit 4 bits
FINEST_BITS = 16.0  # weights with more are counted as if they had these: hardly two of an input are equal any more
AT_ONCE = 2**22  # numbers in the arrays below


@dataclass(frozen=True, eq=False)
class Products:
    """Expected numbers in layers of n_in inputs and n_out outputs, each (layers,)."""

    nonzero: Array  # weights other than zero: terms of the sums
    shift_adds: Array  # distinct products of two digits: one addition each
    multipliers: Array  # distinct products of three digits and more
    small: Array  # those of the multipliers that are in LUTs


@lru_cache(maxsize=32)
def signed_digits(count: int) -> npt.NDArray[np.int64]:
    """Digits other than zero in the canonical signed-digit form of 0 … count - 1, (count,).

    It has as many as 3 v and v differ in bits (Reitwiesner, Adv. in Computers 1, 1960).
    """
    values = np.arange(count, dtype=np.int64)
    differing = values ^ (3 * values)
    return np.asarray(np.bitwise_count(differing), dtype=np.int64)


def uniform(n_in: Array, n_out: Array, limit: Array) -> Products:
    """Products of weights spread uniformly over ±limit, in units of their last bit, and rounded.

    Args:
        n_in, n_out: shapes of the layers, (layers,).
        limit: largest absolute weight, (layers,).
    """
    ends = np.minimum(limit, 2 ** (FINEST_BITS - 1))
    values = np.arange(1, int(np.max(ends, initial=0.0)) + 2, dtype=np.float64)

    def share(points: Array) -> Array:
        end = points[:, 2:]
        return np.clip(np.minimum(values + 0.5, end) - (values - 0.5), 0.0, 1.0) / np.maximum(2 * end, 1e-9)

    return _counted(np.stack([n_in, n_out, ends], axis=1), values, share)


def trained(n_in: Array, n_out: Array, nonzero: Array, deviation: Array, weight_bits: Array) -> Products:
    """Products of normally distributed weights, in units of their last bit, of which some were pruned.

    Args:
        n_in, n_out: shapes of the layers, (layers,).
        nonzero: weights other than zero, (layers,).
        deviation: standard deviation of the weights, (layers,).
        weight_bits: width of the weights, sign included, (layers,).
    """
    bits = np.minimum(weight_bits, FINEST_BITS)
    values = np.arange(1, int(2 ** (np.max(bits, initial=1.0) - 1)) + 1, dtype=np.float64)

    def share(points: Array) -> Array:
        inputs, outputs, kept, sigma, width = (column[:, None] for column in points.T)
        found = _normal((values + 0.5) / sigma) - _normal((values - 0.5) / sigma)
        found = np.where(values < 2 ** (width - 1), found, 0.0)
        return np.asarray(found * kept / (2 * inputs * outputs * np.maximum(found.sum(axis=1, keepdims=True), 1e-9)))

    spread = deviation / 2 ** (weight_bits - bits)
    return _counted(np.stack([n_in, n_out, nonzero, spread, bits], axis=1), values, share)


def given(matrix: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    """Weights other than zero, multipliers, and those of them in DSP blocks, of one layer whose weights are known.

    Args:
        matrix: (inputs, outputs) whole numbers.
    """
    values = np.sort(matrix, axis=1)
    first = np.diff(values, axis=1, prepend=values[:, :1] - 1) != 0  # equal constants of an input share a product
    digits = np.bitwise_count(np.abs(values) ^ (3 * np.abs(values)))
    multiplied = first & (digits >= MULTIPLIER_DIGITS)
    wide = multiplied & ((values < 0) | (values > SMALL))
    return float(np.count_nonzero(values)), float(multiplied.sum()), float(wide.sum())


def _counted(layers: Array, values: Array, share: Callable[[Array], Array]) -> Products:
    """The counts of all layers; equal rows of `layers` – inputs, outputs, … – once, and not too many at a time."""
    points, layer = np.unique(layers, axis=0, return_inverse=True)
    digits = signed_digits(len(values) + 1)[1:]
    many = max(1, AT_ONCE // len(values))
    parts = [points[start : start + many] for start in range(0, len(points), many)]
    counts = [_count(part[:, :1], part[:, 1:2], values, digits, share(part)) for part in parts]
    found = np.concatenate(counts)[layer.ravel()] if counts else np.zeros((0, 4))
    return Products(*found.T)


def _normal(x: Array) -> Array:
    """The normal distribution function within 2e-4 (Page, Applied Statistics 26(1), 1977)."""
    return np.asarray(0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))


def _count(inputs: Array, outputs: Array, values: Array, digits: npt.NDArray[np.int64], share: Array) -> Array:
    """The four counts, (points, 4), of values that are taken with probability `share`, as often as their negatives."""
    distinct = inputs * (1 - (1 - share) ** outputs)
    multiplied = distinct * (digits >= MULTIPLIER_DIGITS)
    return np.stack(
        [
            2 * (inputs * outputs * share).sum(axis=1),
            2 * (distinct * (digits == MULTIPLIER_DIGITS - 1)).sum(axis=1),
            2 * multiplied.sum(axis=1),
            (multiplied * (values <= SMALL)).sum(axis=1),
        ],
        axis=1,
    )
