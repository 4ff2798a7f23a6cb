# SPDX-License-Identifier: Apache-2.0
"""Knapsacks of a few groups against all combinations of their options."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.fpga.folding.knapsack import complete_choices, solve, undominated
from hwsim.fpga.folding.relaxation import Knapsack, relax

FEW = settings(deadline=None, max_examples=150)


@st.composite
def knapsacks(draw):
    groups, options, resources = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    used = rng.integers(0, 6, (groups, options, resources)).astype(float)
    present = rng.random((groups, options)) < 0.8
    present[:, 0] = True
    limits = rng.integers(0, 4 * groups, resources).astype(float)
    return Knapsack(used * present[..., None], present, limits)


def combinations(sack):
    picks = itertools.product(*(np.flatnonzero(row) for row in sack.present))
    return [np.array(one) for one in picks]


@FEW
@given(knapsacks())
def test_a_choice_is_found_exactly_where_there_is_one(sack):
    fitting = [picks for picks in combinations(sack) if (sack.sums(picks) <= sack.limits).all()]
    verdict = solve(sack)
    assert verdict.impossible == (not fitting)
    if fitting:
        assert (sack.sums(verdict.picks) <= sack.limits + 1e-6).all()
        assert sack.present[np.arange(len(verdict.picks)), verdict.picks].all()


@FEW
@given(knapsacks())
def test_the_relaxation_never_claims_more_than_the_best_choice(sack):
    best = min(float((sack.sums(picks) - sack.limits).max()) for picks in combinations(sack))
    found = relax(sack)
    assert found.excess <= best + 1e-9
    assert (found.weights >= 0).all()
    assert found.weights.sum(axis=1) == pytest.approx(1.0)


@FEW
@given(knapsacks())
def test_all_choices_are_listed_without_dominated_ones(sack):
    found, complete = complete_choices(sack, np.eye(len(sack.limits)))
    assert complete
    listed = {tuple(picks) for picks in found.tolist()}
    for picks in combinations(sack):
        sums = sack.sums(picks)
        if (sums <= sack.limits).all():
            assert any((sack.sums(np.array(one)) <= sums).all() for one in listed)


def test_more_partial_choices_than_are_kept_leave_a_case_open_and_prove_nothing():
    # Even numbers on one side or the other of an odd half of their sum: mixtures fit, whole numbers never do.
    used = np.zeros((6, 2, 2))
    used[:, 0, 0] = used[:, 1, 1] = 2.0 * np.arange(1, 7)
    sack = Knapsack(used, np.ones((6, 2), dtype=np.bool_), np.array([21.0, 21.0]))
    assert relax(sack).excess <= 0
    assert solve(sack).impossible
    verdict = solve(sack, kept=1)
    assert verdict.picks is None
    assert not verdict.impossible


@FEW
@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_undominated_rows_undercut_every_other_row_and_not_each_other(count, resources, seed):
    used = np.random.default_rng(seed).integers(0, 4, (count, resources)).astype(float)
    kept = undominated(used)
    assert all((used[kept] <= row).all(axis=1).any() for row in used)
    for one, other in itertools.permutations(kept, 2):
        assert not (used[one] <= used[other]).all()
