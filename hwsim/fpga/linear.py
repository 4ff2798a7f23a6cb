# SPDX-License-Identifier: Apache-2.0
"""Cost formulas that are sums of terms with fitted constants, and how well such a fit carries over.

A formula is given by its terms – named columns over many designs, each a count of something physical: adders, bits of
registers – and a constant for each. Constants are found by least squares on the relative error, and judged on groups
of designs that had no part in the fit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.fpga.resources import Array

Terms = Mapping[str, Array]
Constants = Mapping[str, float]
BAR_SHARE = 0.9  # of the designs whose group was left out lie within the error bar


def evaluate(terms: Terms, constants: Constants) -> Array:
    """Sum of the terms times their constants, (designs,).

    Raises:
        InputError: a term has no constant.
    """
    missing = [name for name in terms if name not in constants]
    if missing:
        raise InputError(f"formula: no constants for {', '.join(missing)}; expected one per term; fit them again")
    return np.asarray(sum(constants[name] * column for name, column in terms.items()), dtype=np.float64)


def fit(terms: Terms, truth: Array, known: Array | float = 0.0) -> dict[str, float]:
    """The constants with the smallest sum of squared relative errors; 0 for a term that is 0 in all designs.

    Args:
        terms: columns of shape (designs,).
        truth: positive counts, (designs,).
        known: the part of the counts that needs no constants, (designs,).
    """
    weighted = np.stack([column / truth for column in terms.values()], axis=1)
    solution = np.linalg.lstsq(weighted, (truth - known) / truth, rcond=None)[0]
    return dict(zip(terms, solution.tolist(), strict=True))


def left_out(terms: Terms, truth: Array, groups: npt.NDArray[np.generic]) -> Array:
    """Predictions of every group by constants fitted on all others, (designs,)."""
    predicted = np.full(len(truth), np.nan)
    for group in np.unique(groups):
        own = groups == group
        if not own.all():
            constants = fit({name: column[~own] for name, column in terms.items()}, truth[~own])
            predicted[own] = evaluate({name: column[own] for name, column in terms.items()}, constants)
    return predicted


def error_bar(predicted: Array, truth: Array) -> float:
    """Half-width, relative to predictions of at least 1, of a bar that holds BAR_SHARE of true values yet to be seen.

    Of n errors it is the one at place ceil((n + 1) BAR_SHARE), the largest if there are fewer (split conformal
    prediction; Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005).
    """
    return share_of(np.abs(predicted - truth) / np.maximum(np.abs(predicted), 1.0))


def share_of(errors: Array) -> float:
    """What BAR_SHARE of errors yet to be seen stay within; errors that are not finite are left out."""
    ordered = np.sort(errors[np.isfinite(errors)])
    return float(ordered[min(len(ordered), math.ceil((len(ordered) + 1) * BAR_SHARE)) - 1])


@dataclass(frozen=True)
class Calibration:
    """What was learned from the designs of one regime.

    ``constants`` are by metric and term; ``bars`` are relative half-widths by metric; ``range`` is the smallest and
    the largest value of every parameter among the designs.
    """

    constants: Mapping[str, Constants]
    bars: Mapping[str, float]
    range: Mapping[str, tuple[float, float]]
