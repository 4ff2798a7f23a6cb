# SPDX-License-Identifier: Apache-2.0
"""What HLS makes of products by constants: multipliers, shifts and additions, or nothing.

A product by a constant is a sum of shifted inputs, one for every digit other than zero of the constant's canonical
signed-digit form (Avizienis, IRE Trans. EC-10, 1961). Vitis HLS builds a multiplier only from three digits on; equal
constants of one input share their product. A multiplier goes to LUTs where the constant fits 4 bits: +11 and +13, which
are unsigned to HLS, while -11 and -13 take 5 bits. (Counts of multipliers in the reports of
github:Dendendelen/wa-hls4ml-search, latency strategy: within 2 % of these from 10 weight bits on.)
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hwsim.fpga.resources import Array

MULTIPLIER_DIGITS = 3  # signed digits from which a product is a multiplier
SMALL = 15  # positive constants up to here fit 4 bits


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
        limit: largest absolute weight, (layers,); the arrays inside grow with the largest of all.
    """
    points, layer = np.unique(np.stack([n_in, n_out, limit], axis=1), axis=0, return_inverse=True)
    values = np.arange(1, int(np.max(limit, initial=0.0)) + 2, dtype=np.float64)
    digits = signed_digits(len(values) + 1)[1:]
    inputs, outputs, ends = (column[:, None] for column in points.T)
    share = np.clip(np.minimum(values + 0.5, ends) - (values - 0.5), 0.0, 1.0) / np.maximum(2 * ends, 1e-9)
    nonzero, shift_adds, multipliers, small = _count(inputs, outputs, values, digits, share)[layer.ravel()].T
    return Products(nonzero, shift_adds, multipliers, small)


def trained(n_in: Array, n_out: Array, nonzero: Array, deviation: Array, weight_bits: Array) -> Products:
    """Products of normally distributed weights, in units of their last bit, of which some were pruned.

    Args:
        n_in, n_out: shapes of the layers, (layers,).
        nonzero: weights other than zero, (layers,).
        deviation: standard deviation of the weights, (layers,).
        weight_bits: width of the weights, sign included, (layers,).
    """
    values = np.arange(1, int(2 ** (np.max(weight_bits, initial=1.0) - 1)) + 1, dtype=np.float64)
    digits = signed_digits(len(values) + 1)[1:]
    inputs, outputs, kept, sigma, bits = (x[:, None] for x in (n_in, n_out, nonzero, deviation, weight_bits))
    share = np.where(values < 2 ** (bits - 1), _normal((values + 0.5) / sigma) - _normal((values - 0.5) / sigma), 0.0)
    share *= kept / (2 * inputs * outputs * np.maximum(share.sum(axis=1, keepdims=True), 1e-9))
    return Products(*_count(inputs, outputs, values, digits, share).T)


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
