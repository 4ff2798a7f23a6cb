# SPDX-License-Identifier: Apache-2.0
"""Clusters of similar filters: k-means over one row of features per unit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError

Array = npt.NDArray[Any]

LLOYD_STEPS = 10  # assignments of a layer's few hundred filters settle in fewer


def kmeans(features: Array, clusters: int, seed: int = 0, steps: int = LLOYD_STEPS) -> Array:
    """The cluster of every row, numbered in the order of first appearance; none is empty. Shape (rows,).

    Starts from rows drawn as in k-means++ (Arthur and Vassilvitskii, SODA 2007), then takes at most ``steps`` of
    Lloyd's. A cluster that loses all its rows gets the row that is farthest from its own centre.

    Args:
        features: (rows, features).

    Raises:
        InputError: ``clusters`` is not 1 to the number of rows.
    """
    rows = len(features)
    if not 1 <= clusters <= rows:
        raise InputError(f"kmeans: got {clusters} clusters for {rows} filters; expected 1 to {rows}")
    points = features.reshape(rows, -1).astype(np.float64)
    centres = points[_spread_start(points, clusters, np.random.default_rng(seed))]
    labels = np.full(rows, -1)
    for _ in range(steps):
        distances = _squared_distances(points, centres)
        nearest = _fill_empty(distances.argmin(axis=1), distances, clusters)
        if np.array_equal(nearest, labels):
            break
        labels = nearest
        centres = means(points, labels)
    return _in_order(labels)


def means(features: Array, labels: Array) -> Array:
    """The mean row of every cluster. Shape (clusters, …)."""
    sums = np.zeros((int(labels.max()) + 1, *features.shape[1:]))
    np.add.at(sums, labels, features)
    return sums / np.bincount(labels).reshape(-1, *[1] * (features.ndim - 1))


def representatives(labels: Array) -> tuple[int, ...]:
    """The first row of every cluster, ascending: the units that stay."""
    return tuple(sorted(np.unique(labels, return_index=True)[1].tolist()))


def _spread_start(points: Array, clusters: int, rng: np.random.Generator) -> list[int]:
    chosen = [int(rng.integers(len(points)))]
    while len(chosen) < clusters:
        nearest = _squared_distances(points, points[chosen]).min(axis=1)
        nearest[chosen] = 0
        total = nearest.sum()
        if total > 0:
            chosen.append(int(rng.choice(len(points), p=nearest / total)))
        else:  # only copies of chosen rows are left
            chosen.append(int(np.setdiff1d(np.arange(len(points)), chosen)[0]))
    return chosen


def _fill_empty(labels: Array, distances: Array, clusters: int) -> Array:
    labels = labels.copy()
    for empty in np.setdiff1d(np.arange(clusters), labels):
        own = distances[np.arange(len(labels)), labels]
        alone = np.bincount(labels, minlength=clusters)[labels] == 1
        labels[int(np.argmax(np.where(alone, -1.0, own)))] = empty
    return labels


def _squared_distances(points: Array, centres: Array) -> Array:
    # The expanded square would lose what tells near copies apart.
    return np.stack([((points - centre) ** 2).sum(axis=1) for centre in centres], axis=1)


def _in_order(labels: Array) -> Array:
    _, first = np.unique(labels, return_index=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[labels]
