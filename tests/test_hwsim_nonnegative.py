# SPDX-License-Identifier: Apache-2.0
"""Non-negative least squares: optimal by its conditions, and robust where it is asked to be."""

import numpy as np
import pytest

from hwsim.nonnegative import solve, solve_relative


@pytest.mark.parametrize("seed", range(20))
def test_no_feasible_step_improves_the_solution(seed):
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(30, 8))
    target = generator.normal(size=30)
    x = solve(matrix, target)
    gradient = matrix.T @ (matrix @ x - target)
    assert (x >= 0).all()
    # Karush, Kuhn, Tucker: no slope where a coefficient is free, and only uphill where it is at its bound.
    assert np.abs(gradient[x > 0]).max(initial=0.0) < 1e-8
    assert gradient[x == 0].min(initial=1.0) > -1e-8


def test_a_start_does_not_change_the_solution():
    generator = np.random.default_rng(1)
    matrix, target = generator.random((20, 6)), generator.random(20)
    assert solve(matrix, target, generator.random(6)) == pytest.approx(solve(matrix, target), abs=1e-9)


def test_a_column_of_nothing_gets_nothing():
    matrix = np.array([[1.0, 0.0], [2.0, 0.0]])
    assert solve(matrix, np.array([3.0, 6.0])) == pytest.approx([3.0, 0.0])


def test_negative_coefficients_are_cut_off():
    matrix = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    x = solve(matrix, np.array([3.0, 2.0, 1.0]))  # unbounded: 4 - column
    assert x == pytest.approx([2.0, 0.0])


def test_one_outlier_hardly_moves_a_relative_fit():
    counts = np.array([[1.0, size] for size in range(1, 21)])
    truth = counts @ [5.0, 2.0]
    truth[7] *= 10
    assert solve_relative(counts, truth) == pytest.approx([5.0, 2.0], rel=0.02)


def test_what_is_not_measured_follows_the_guess():
    counts = np.array([[1.0, size, 0.0] for size in range(1, 9)])
    found = solve_relative(counts, counts @ [10.0, 4.0, 0.0], np.array([5.0, 2.0, 7.0]), 0.1)
    assert found == pytest.approx([10.0, 4.0, 14.0], rel=1e-6)  # everything costs twice the guess
