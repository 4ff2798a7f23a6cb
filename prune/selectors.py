# SPDX-License-Identifier: Apache-2.0
"""Which units to keep so that the next layer's output can be made without the others.

Units are judged together here, not one by one: row r of Z (rows, units) holds what each unit contributes to one
sampled output of the next layer, ``y = Z @ 1`` is that output without bias, and everything a selector needs is the
Gram matrix ``G = Z.T @ Z`` (:mod:`prune.contributions` collects it). A selector is a function
``(gram, count) -> kept units, ascending`` under :data:`SELECTORS`.

The published greedy of ThiNet cannot see duplicates: it minimises the energy of the removed sum, so that of two equal
channels both may stay although least squares could restore either from the other. ``omp`` and ``backward`` minimise
what least squares leaves, and remove exactly one of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError, WeightsError
from hwsim.registry import Registry

Array = npt.NDArray[Any]
Selector = Callable[[Array, int], tuple[int, ...]]
SELECTORS: Registry[Selector] = Registry("channel selector")

RIDGE = 1e-10  # of the mean diagonal: equal or dead channels leave G singular; float64 resolves 1e-16
REFRESH = 16  # removals after which the inverse is computed anew, so that rounding errors of downdates cannot grow


def select(selector: str, gram: Array, count: int) -> tuple[int, ...]:
    """``count`` units of a Gram matrix (units, units), by the named selector.

    Raises:
        UnknownNameError: no such selector.
        InputError: the count is not 1 to the number of units, or the matrix is not square.
        WeightsError: the matrix holds NaN or infinity.
    """
    width = len(gram)
    if gram.shape != (width, width):
        raise InputError(f"{selector}: got a Gram matrix of shape {gram.shape}; expected as many rows as columns")
    if not 1 <= count <= width:
        raise InputError(f"{selector}: got {count} units to keep; expected 1 to {width}")
    if not np.isfinite(gram).all():
        raise WeightsError(
            f"{selector}: the Gram matrix holds NaN or infinity; expected finite activations and weights"
        )
    function = SELECTORS[selector]
    return tuple(range(width)) if count == width else function(gram.astype(np.float64), count)


@SELECTORS.register("greedy")
def greedy(gram: Array, count: int) -> tuple[int, ...]:
    """Remove what adds least energy to the removed sum (Luo et al., ThiNet, ICCV 2017).

    With T removed and v = sum of the columns of T, taking j raises ``sum (sum of T)**2`` by ``G_jj + 2 v_j``.
    """
    width = len(gram)
    raised, removed = gram.diagonal().copy(), np.zeros(width, dtype=bool)
    for _ in range(width - count):
        j = int(np.argmin(np.where(removed, np.inf, raised)))
        removed[j] = True
        raised += 2 * gram[:, j]
    return tuple(np.flatnonzero(~removed).tolist())


@SELECTORS.register("omp")
def omp(gram: Array, count: int) -> tuple[int, ...]:
    """Add the unit that fits the residual best, refit all, repeat (ThiNet, TPAMI 2019: orthogonal matching pursuit).

    Once nothing is left to explain, the units of largest energy fill the count.
    """
    energy, target = gram.diagonal(), gram.sum(axis=1)
    kept: list[int] = []
    correlation, floor = target.copy(), RIDGE * max(float(energy.mean()), np.finfo(float).tiny)
    for _ in range(count):
        gain = np.where(energy > floor, correlation**2 / np.maximum(energy, floor), 0.0)
        gain[kept] = -np.inf
        unexplained = float(target.sum() - target[kept] @ _solve(gram, kept, target)) if kept else float(target.sum())
        if unexplained <= RIDGE * max(float(target.sum()), floor):
            gain = np.where(np.isneginf(gain), -np.inf, energy)
        kept.append(int(np.argmax(gain)))
        correlation = target - gram[:, kept] @ _solve(gram, kept, target)
    return tuple(sorted(kept))


@SELECTORS.register("backward")
def backward(gram: Array, count: int) -> tuple[int, ...]:
    """Remove the unit whose loss least squares repairs best, repeat; O(units^3).

    With P the inverse of G over the kept units and w = P G 1, removing j raises the residual by exactly
    ``w_j**2 / P_jj`` (block inversion; Hassibi and Stork, Optimal Brain Surgeon, NIPS 1992), and P and w follow
    by a rank-one downdate.
    """
    target, kept = gram.sum(axis=1), np.arange(len(gram))
    inverse, weights = _fresh(gram, kept, target)
    for removal in range(len(gram) - count):
        if removal and removal % REFRESH == 0:
            inverse, weights = _fresh(gram, kept, target)
        diagonal = inverse.diagonal()
        j = int(np.argmin(weights**2 / diagonal))
        weights = np.delete(weights - inverse[:, j] * (weights[j] / diagonal[j]), j)
        inverse = inverse - np.outer(inverse[:, j], inverse[j] / diagonal[j])
        inverse = np.delete(np.delete(inverse, j, axis=0), j, axis=1)
        kept = np.delete(kept, j)
    return tuple(kept.tolist())


def fit_scales(gram: Array, kept: Sequence[int]) -> Array:
    """One factor per kept unit with which they come closest to the whole output: argmin ``|y - Z_S w|**2``.

    ThiNet (ICCV 2017). Shape (kept,).
    """
    return _solve(gram, kept, gram.sum(axis=1))


def relative_error(gram: Array, kept: Sequence[int], scales: Array | None = None) -> float:
    """``|y - Z_S w|**2 / |y|**2`` on the rows behind the Gram matrix; ``scales`` are 1 by default.

    The matrix may come from other rows than the one that chose units and scales.
    """
    weights = np.zeros(len(gram))
    weights[list(kept)] = 1.0 if scales is None else scales
    missing = 1.0 - weights
    whole = float(gram.sum())
    return max(float(missing @ gram @ missing), 0.0) / whole if whole > 0 else 0.0


def _solve(gram: Array, kept: Sequence[int], target: Array) -> Array:
    inside = gram[np.ix_(kept, kept)]
    return np.asarray(np.linalg.solve(inside + _ridge(inside), target[list(kept)]))


def _fresh(gram: Array, kept: Array, target: Array) -> tuple[Array, Array]:
    inside = gram[np.ix_(kept, kept)]
    inverse = np.linalg.inv(inside + _ridge(inside))
    # The target is what all units give, so that the weights are those of the kept ones for the whole output.
    return inverse, inverse @ target[kept]


def _ridge(inside: Array) -> Array:
    return np.eye(len(inside)) * (RIDGE * float(inside.diagonal().mean()) + np.finfo(float).tiny)
