# SPDX-License-Identifier: Apache-2.0
"""Least squares with coefficients that are not negative, such as prices of work.

R. Bro, S. de Jong, "A fast non-negativity-constrained least squares algorithm", Journal of Chemometrics 11, 1997:
Lawson and Hanson's active set on the normal equations, which makes many small fits cheap.
"""

import numpy as np
import numpy.typing as npt

from hwsim.columns import Column

Mask = npt.NDArray[np.bool_]

HUBER = 1.5  # residuals beyond this multiple of their median count linearly, not squared
SMALLEST = 0.03  # … but never those below 3 %, which are ordinary scatter of measurements
ROUNDS = 6
RIDGE = 1e-12  # relative; columns that say the same share their coefficient


def solve(matrix: Column, target: Column, start: Column | None = None) -> Column:
    """The x >= 0 with the smallest sum of squares of ``matrix @ x - target``.

    Args:
        matrix: shape (rows, columns); columns should be of similar size.
        target: shape (rows,).
        start: a solution of a similar problem, shape (columns,), to begin with.
    """
    gram, moment = matrix.T @ matrix, matrix.T @ target
    size = len(moment)
    gram[np.diag_indices(size)] *= 1 + RIDGE
    gram[np.diag_indices(size)] += np.finfo(float).tiny
    x = np.zeros(size)
    free = np.zeros(size, dtype=bool)
    if start is not None and (start > 0).any():
        free = start > 0
        x = _feasible(gram, moment, start.copy(), free)
    tolerance = 1e-10 * float(np.abs(moment).max(initial=0.0))
    for _ in range(3 * size):
        gradient = np.where(free, -np.inf, moment - gram @ x)
        best = int(np.argmax(gradient))
        if free.all() or gradient[best] <= tolerance:
            break
        free[best] = True
        x = _feasible(gram, moment, x, free)
    return x


def _feasible(gram: Column, moment: Column, x: Column, free: Mask) -> Column:
    """Solve for the free coefficients; those that would turn negative are fixed at zero and leave `free`."""
    while free.any():
        chosen = np.flatnonzero(free)
        trial = np.zeros_like(x)
        trial[chosen] = np.linalg.solve(gram[np.ix_(chosen, chosen)], moment[chosen])
        negative = free & (trial <= 0)
        if not negative.any():
            return trial
        ratios = x[negative] / (x[negative] - trial[negative] + np.finfo(float).tiny)
        x = x + float(ratios.min()) * (trial - x)
        free &= ~negative | (x > 1e-12 * float(x.max()))
        free[np.flatnonzero(negative)[int(np.argmin(ratios))]] = False
        x = np.where(free, x, 0.0)
    return np.zeros_like(x)


def solve_relative(matrix: Column, truth: Column, guess: Column | None = None, rows: float = 0.0) -> Column:
    """The x >= 0 for which ``matrix @ x`` is relatively close to positive ``truth``; outliers count linearly.

    Args:
        matrix: shape (rows, columns); rows are measurements.
        truth: shape (rows,).
        guess: x up to a factor, shape (columns,), for what the measurements leave open.
        rows: how many measurements the guess counts as.
    """
    relative = matrix / truth[:, None]
    size = np.abs(relative).max(axis=0, initial=0.0)
    unit = np.where(size > 0, size, 1.0)
    scaled, guessed = relative / unit, None if guess is None else guess * unit
    pull = scaled.mean(axis=0) * np.sqrt(rows)
    trust, x = np.ones(len(truth)), None
    for _ in range(ROUNDS):
        left, right = scaled * trust[:, None], trust
        if guessed is not None:
            factor = float(np.median(1 / np.maximum(scaled @ guessed, 1e-300)))
            left, right = np.vstack([left, np.diag(pull)]), np.concatenate([right, pull * guessed * factor])
        x = solve(left, right, x)
        error = np.abs(scaled @ x - 1)
        limit = max(SMALLEST, HUBER * float(np.median(error)))
        trust = np.sqrt(np.minimum(1.0, limit / np.maximum(error, 1e-300)))
    found = np.zeros(len(size)) if x is None else x / unit
    if guess is None:
        return found
    # What occurs in no measurement stays in proportion to the guess.
    factor = float(np.median(truth / np.maximum(matrix @ guess, 1e-300)))
    return np.asarray(np.where(size > 0, found, guess * factor))
