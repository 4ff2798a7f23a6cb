# SPDX-License-Identifier: Apache-2.0
"""Sets of units: what each selector minimises, and what only some of them see."""

from itertools import combinations

import numpy as np
import pytest

from hwsim.errors import InputError, UnknownNameError, WeightsError
from prune.selectors import SELECTORS, fit_scales, relative_error, select

KEPT = 16


def planted_twins(seed, channels=16, twins=4, rows=2000):
    """Contributions in which ``twins`` channels come twice; which pairs are equal."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, channels)) * rng.uniform(0.5, 1.5, channels)
    pairs = [(int(j), channels + i) for i, j in enumerate(rng.choice(channels, twins, replace=False))]
    z = np.concatenate([z, z[:, [first for first, _ in pairs]]], axis=1)
    return z, pairs


def gram(z):
    return z.T @ z


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("selector", ["omp", "backward"])
def test_one_of_each_pair_of_equal_channels_goes_and_nothing_is_lost(selector, seed):
    z, pairs = planted_twins(seed)
    kept = select(selector, gram(z), KEPT)
    assert [len({*pair} & {*kept}) for pair in pairs] == [1, 1, 1, 1]
    assert relative_error(gram(z), kept, fit_scales(gram(z), kept)) < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_the_published_greedy_does_not_see_equal_channels(seed):
    """The counter-example: least squares afterwards cannot repair the wrong set, although error 0 is attainable."""
    z, pairs = planted_twins(seed)
    kept = select("greedy", gram(z), KEPT)
    assert any({*pair} <= {*kept} for pair in pairs)
    assert relative_error(gram(z), kept, fit_scales(gram(z), kept)) > 0.02


@pytest.mark.parametrize("selector", SELECTORS.names())
def test_the_count_is_kept_and_the_order_ascends(selector):
    z, _ = planted_twins(1)
    for count in (1, 7, len(z.T)):
        kept = select(selector, gram(z), count)
        assert len(kept) == count
        assert list(kept) == sorted(set(kept))


def test_the_first_step_of_each_selector_is_its_definition():
    z, _ = planted_twins(2, channels=6, twins=0)
    y, everyone = z.sum(axis=1), set(range(6))
    energy = (z**2).sum(axis=0)
    assert everyone - {*select("greedy", gram(z), 5)} == {int(energy.argmin())}
    assert select("omp", gram(z), 1) == (int(((z.T @ y) ** 2 / energy).argmax()),)

    def left(kept):
        part = z[:, kept]
        return ((y - part @ np.linalg.lstsq(part, y, rcond=None)[0]) ** 2).sum()

    assert select("backward", gram(z), 5) == min(combinations(range(6), 5), key=lambda kept: left(list(kept)))


def test_backward_leaves_less_than_the_greedy_after_least_squares():
    errors = {"greedy": [], "backward": []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        z = np.maximum(rng.normal(size=(1000, 6)) @ rng.normal(size=(6, 24)), 0) * rng.normal(size=24)
        for name, found in errors.items():
            kept = select(name, gram(z), 12)
            found.append(relative_error(gram(z), kept, fit_scales(gram(z), kept)))
    assert (np.array(errors["backward"]) <= np.array(errors["greedy"]) + 1e-12).all()
    assert sum(errors["backward"]) < 0.8 * sum(errors["greedy"])


def test_scales_are_least_squares_and_the_error_is_the_residuals():
    z, _ = planted_twins(3, twins=0)
    kept = (1, 4, 9)
    y, part = z.sum(axis=1), z[:, kept]
    expected, residual, *_ = np.linalg.lstsq(part, y, rcond=None)
    scales = fit_scales(gram(z), kept)
    assert np.allclose(scales, expected, atol=1e-6)
    assert relative_error(gram(z), kept, scales) == pytest.approx(residual[0] / (y @ y))
    assert relative_error(gram(z), kept) == pytest.approx(((y - part.sum(axis=1)) ** 2).sum() / (y @ y))


def test_dead_channels_go_first():
    z, _ = planted_twins(4, channels=8, twins=0)
    z[:, [2, 5]] = 0
    for selector in SELECTORS:
        assert select(selector, gram(z), 6) == (0, 1, 3, 4, 6, 7)


def test_bad_arguments_are_refused():
    z, _ = planted_twins(0)
    with pytest.raises(InputError, match="omp: got 0 units to keep; expected 1 to 20"):
        select("omp", gram(z), 0)
    with pytest.raises(InputError, match="expected as many rows as columns"):
        select("omp", z, 3)
    with pytest.raises(WeightsError, match="greedy: the Gram matrix holds NaN or infinity"):
        select("greedy", gram(z) * np.nan, 3)
    with pytest.raises(UnknownNameError, match="unknown channel selector 'backwards'; did you mean 'backward'"):
        select("backwards", gram(z), 3)
