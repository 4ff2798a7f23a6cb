# SPDX-License-Identifier: Apache-2.0
"""W' = W A: each member of the family on numbers that can be checked."""

import numpy as np
import pytest

from hwsim.errors import InputError
from prune import updates
from prune.groups import Member
from prune.selectors import select

RNG = np.random.default_rng(0)


def consumer(*index):
    return Member("next", "weight", "next.weight", 1, index)


def test_removal_leaves_kept_columns_and_zeros():
    weight = RNG.normal(size=(2, 3, 1, 1)).astype(np.float32)
    found = updates.apply(weight, consumer(0, 1, 2), updates.removal(3, (0, 2)), (0, 2))
    assert np.array_equal(found[:, [0, 2]], weight[:, [0, 2]])
    assert not found[:, 1].any()


def test_a_merge_of_equal_inputs_changes_no_output():
    labels, kept = np.array([0, 1, 0, 1, 2]), (0, 1, 4)
    x = RNG.normal(size=(7, 3))[:, labels]
    weight = RNG.normal(size=(4, 5))
    found = updates.apply(weight, consumer(*range(5)), updates.merge(labels, kept), kept)
    assert np.allclose(x @ found.T, x @ weight.T, atol=1e-12)
    assert not found[:, [2, 3]].any()


def test_a_merge_behind_a_flatten_adds_pixel_to_pixel():
    # Two units of three pixels each behind a concat with a foreign channel.
    weight = np.arange(14.0).reshape(2, 7)
    found = updates.apply(weight, consumer(0, 0, 0, -1, 1, 1, 1), updates.merge((0, 0), (0,)), (0,))
    assert found.tolist() == [[4, 6, 8, 3, 0, 0, 0], [18, 20, 22, 10, 0, 0, 0]]


def test_least_squares_is_the_refit_of_the_next_layer():
    x = RNG.normal(size=(200, 4)) @ RNG.normal(size=(4, 6)) + 0.1 * RNG.normal(size=(200, 6))
    weight, kept = RNG.normal(size=(3, 6)), (0, 2, 3, 5)
    matrix = updates.least_squares(x.T @ x, kept)
    found = updates.apply(weight, consumer(*range(6)), matrix, kept)
    expected = np.linalg.lstsq(x[:, kept], x @ weight.T, rcond=None)[0].T
    assert np.allclose(found[:, kept], expected, atol=1e-6)
    assert np.allclose(matrix[list(kept)], np.eye(4), atol=1e-6)


def test_least_squares_restores_what_depends_on_kept_units():
    x = RNG.normal(size=(50, 3))
    x = np.concatenate([x, x @ [[1.0], [2.0], [-1.0]]], axis=1)
    matrix = updates.least_squares(x.T @ x, (0, 1, 2))
    assert np.allclose(matrix[3], [1, 2, -1], atol=1e-6)


def test_scales_multiply_kept_columns():
    z = RNG.normal(size=(300, 6)) + 1
    gram = z.T @ z
    kept = select("backward", gram, 3)
    matrix = updates.scale(gram, kept)
    assert np.allclose(matrix.sum(axis=0), np.linalg.lstsq(z[:, kept], z.sum(axis=1), rcond=None)[0], atol=1e-6)
    assert (np.count_nonzero(matrix, axis=0) == 1).all()


def test_the_error_falls_from_removal_to_scales_to_refit():
    x = np.maximum(RNG.normal(size=(500, 8)) @ RNG.normal(size=(8, 8)), 0)
    weight = RNG.normal(size=(1, 8))
    z = x * weight
    kept = select("backward", z.T @ z, 4)
    matrices = updates.removal(8, kept), updates.scale(z.T @ z, kept), updates.least_squares(x.T @ x, kept)
    errors = [((x @ weight.T - x @ updates.apply(weight, consumer(*range(8)), m, kept).T) ** 2).sum() for m in matrices]
    # One output: its best factors per channel and its best weights are the same fit.
    assert errors[0] > errors[1] >= errors[2] * (1 - 1e-6)


def test_a_cluster_without_its_one_representative_is_refused():
    with pytest.raises(InputError, match="expected exactly one kept unit of every cluster"):
        updates.merge((0, 0, 1), (0, 1))
