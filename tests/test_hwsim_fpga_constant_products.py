# SPDX-License-Identifier: Apache-2.0
"""Signed digits against their definition, and expected products against counting drawn weights."""

import numpy as np
import pytest

from hwsim.fpga.constant_products import signed_digits, uniform


def digits_of(value: int) -> int:
    """Non-zero digits of the canonical signed-digit form, from the least significant one on."""
    count = 0
    while value:
        if value % 2:
            count += 1
            value -= 2 - value % 4  # the digit that leaves a multiple of 4
        value //= 2
    return count


def test_signed_digits_follow_the_definition() -> None:
    assert signed_digits(600).tolist() == [digits_of(value) for value in range(600)]


def test_smallest_multipliers_are_11_and_13() -> None:
    assert np.flatnonzero(signed_digits(16) >= 3).tolist() == [11, 13]


@pytest.mark.parametrize(("n_in", "n_out", "limit"), [(40, 24, 27.7), (16, 50, 111.0), (30, 12, 6.4)])
def test_expected_products_are_those_of_drawn_weights(n_in: int, n_out: int, limit: float) -> None:
    draw = np.random.default_rng(0)
    counted = np.zeros(4)
    rounds = 200
    for _ in range(rounds):
        weights = np.rint(draw.uniform(-limit, limit, (n_in, n_out))).astype(int)
        distinct = [{value for value in row.tolist() if value} for row in weights]
        digits = [(value, digits_of(abs(value))) for row in distinct for value in row]
        counted += [
            (weights != 0).sum(),
            sum(count == 2 for _, count in digits),
            sum(count >= 3 for _, count in digits),
            sum(count >= 3 and 0 < value < 16 for value, count in digits),
        ]
    found = uniform(np.array([float(n_in)]), np.array([float(n_out)]), np.array([limit]))
    expected = [found.nonzero[0], found.shift_adds[0], found.multipliers[0], found.small[0]]
    # 200 draws: the mean of the largest count varies by less than 1 %
    np.testing.assert_allclose(counted / rounds, expected, rtol=0.02)


def test_layers_are_independent_of_their_neighbours() -> None:
    shapes = np.array([[64.0, 32.0, 27.7], [16.0, 8.0, 500.0], [64.0, 32.0, 27.7]]).T
    together = uniform(*shapes)
    alone = uniform(*shapes[:, :1])
    assert together.multipliers[0] == together.multipliers[2] == pytest.approx(alone.multipliers[0], rel=1e-12)
