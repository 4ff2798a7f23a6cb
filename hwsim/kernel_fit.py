# SPDX-License-Identifier: Apache-2.0
"""Prices of the terms of :mod:`hwsim.kernel_terms`, from measured latencies of networks or kernels on one device.

One set of prices per device, runtime and number type. A device with few measurements keeps the proportions that other
devices have in common: the guess, a mean of their prices, counts as ``GUESS_ROWS`` measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.columns import Column
from hwsim.nonnegative import solve_relative

GUESS_ROWS = 0.02  # small beside tens of measurements; enough to settle what they leave open
BAR_SHARE = 0.95  # of held-out measurements lie within the error bar


@dataclass(frozen=True, eq=False)
class Measurements:
    """Measured runs in one number type: ``counts`` (runs, prices), ``time_us`` (runs,), ``network`` names (runs,)."""

    counts: Column
    time_us: Column
    network: npt.NDArray[np.str_]


def prices(runs: Measurements, guess: Column | None = None) -> Column:
    """Prices in us per count, shape (prices,)."""
    return solve_relative(runs.counts, runs.time_us, guess, GUESS_ROWS if guess is not None else 0.0)


def left_out(runs: Measurements, guess: Column | None = None) -> Column:
    """Time of every run in us by prices of all runs of other networks, shape (runs,); NaN where there are none."""
    found = np.full(len(runs.time_us), np.nan)
    for network in np.unique(runs.network):
        own = runs.network == network
        if not own.all():
            rest = Measurements(runs.counts[~own], runs.time_us[~own], runs.network[~own])
            found[own] = runs.counts[own] @ prices(rest, guess)
    return found


def common_shape(found: Sequence[Column], reference: Column) -> Column | None:
    """The mean of several devices' prices after each is scaled to one us for the counts `reference`; None of none."""
    scaled = [each / float(each @ reference) for each in found if float(each @ reference) > 0]
    return np.asarray(np.mean(scaled, axis=0)) if scaled else None


def error_bar(predicted: Column, truth: Column) -> float:
    """The factor within which BAR_SHARE of held-out predictions lie, at least 1."""
    known = np.isfinite(predicted) & (predicted > 0)
    if not known.any():
        return float("inf")
    return float(np.exp(np.quantile(np.abs(np.log(predicted[known] / truth[known])), BAR_SHARE, method="higher")))
