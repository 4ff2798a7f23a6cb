# SPDX-License-Identifier: Apache-2.0
"""k-means on filters."""

import numpy as np
import pytest

from hwsim.errors import InputError
from prune.cluster import kmeans, means, representatives


def test_planted_clusters_are_found_and_numbered_by_first_appearance():
    rng = np.random.default_rng(0)
    truth = np.array([0, 1, 0, 2, 1, 2, 2, 0])
    features = np.array([[0, 0], [10, 0], [0, 10]])[truth] + rng.normal(scale=0.1, size=(8, 2))
    labels = kmeans(features, 3, seed=1)
    assert labels.tolist() == truth.tolist()
    assert representatives(labels) == (0, 1, 3)
    assert np.allclose(means(features, labels)[2], features[[3, 5, 6]].mean(axis=0))


@pytest.mark.parametrize("clusters", range(1, 7))
def test_no_cluster_is_empty_even_among_copies(clusters):
    features = np.repeat(np.random.default_rng(1).normal(size=(3, 4)), 2, axis=0)
    assert len(np.unique(kmeans(features, clusters, seed=2))) == clusters


def test_as_many_clusters_as_rows_are_the_rows():
    assert kmeans(np.random.default_rng(2).normal(size=(5, 3)), 5).tolist() == [0, 1, 2, 3, 4]


def test_copies_far_from_zero_are_told_from_near_copies():
    features = np.array([[1e4, 0.0], [1e4, 1e-3], [1e4, 0.0]])
    assert kmeans(features, 2).tolist() == [0, 1, 0]


def test_impossible_counts_are_refused():
    with pytest.raises(InputError, match="kmeans: got 4 clusters for 3 filters; expected 1 to 3"):
        kmeans(np.zeros((3, 2)), 4)
