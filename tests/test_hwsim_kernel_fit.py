# SPDX-License-Identifier: Apache-2.0
"""Prices are found again from made-up measurements, and what is held out has no part in its own prediction."""

import numpy as np
import pytest

from hwsim.kernel_fit import Measurements, common_shape, error_bar, left_out, prices


def made_up(rows=24, seed=0):
    generator = np.random.default_rng(seed)
    counts = generator.lognormal(size=(rows, 4))
    true = np.array([3.0, 0.5, 0.0, 1.0])
    return Measurements(counts, counts @ true, np.array([f"net{i // 2}" for i in range(rows)])), true


def test_prices_are_found_again():
    runs, true = made_up()
    assert prices(runs) == pytest.approx(true, abs=1e-6)


def test_held_out_networks_are_predicted_without_their_own_runs():
    runs, _ = made_up()
    spoilt = Measurements(runs.counts, np.where(runs.network == "net3", 1e6, runs.time_us), runs.network)
    own = runs.network == "net3"
    assert left_out(spoilt)[own] == pytest.approx(runs.time_us[own], rel=1e-6)


def test_a_network_alone_cannot_be_held_out():
    runs, _ = made_up(2)
    assert np.isnan(left_out(runs)).all()


def test_few_runs_keep_the_proportions_of_the_guess():
    runs, true = made_up()
    few = Measurements(runs.counts[:2], runs.time_us[:2], runs.network[:2])
    assert prices(few, true * 7) == pytest.approx(true, rel=0.02)


def test_devices_are_averaged_after_scaling():
    reference = np.array([1.0, 1.0])
    assert common_shape([np.array([1.0, 3.0]), np.array([30.0, 10.0])], reference) == pytest.approx([0.5, 0.5])
    assert common_shape([], reference) is None


def test_the_error_bar_leaves_one_of_twenty_out():
    truth = np.ones(21)
    predicted = np.array([1.05] * 20 + [3.0])
    assert error_bar(predicted, truth) == pytest.approx(1.05)
    assert error_bar(np.full(3, np.nan), np.ones(3)) == np.inf
