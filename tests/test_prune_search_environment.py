# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from search_problems import environment

from hwsim.errors import BudgetError, InputError, ModelFileError
from prune.search.environment import GOOD_USE, learning_curve
from prune.search.journal import Journal


@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
def test_no_sequence_of_wishes_breaks_the_budget(share):
    env = environment(share=share)
    rng = np.random.default_rng(0)
    for _ in range(300):
        point = env.keep(rng.integers(0, env.space.sizes))
        assert env.fits(point[None])[0]


def test_a_wish_is_lowered_no_further_than_it_must_be():
    env = environment()
    rng = np.random.default_rng(1)
    for _ in range(100):
        point = rng.integers(0, env.space.sizes)
        variable = int(rng.integers(len(point)))
        point = env.keep(point)
        got = env.clip(point, variable, int(env.space.widest[variable]))
        trial = point.copy()
        trial[variable + 1 :] = 0
        fitting = []
        for option in range(env.space.sizes[variable]):
            trial[variable] = option
            if env.fits(trial[None])[0]:
                fitting.append(option)
        assert got == max(fitting)


def test_who_asks_for_everything_gets_nearly_all_of_the_budget():
    env = environment(sizes=(32, 48, 64, 64, 96, 128))
    assert GOOD_USE <= env.use(env.keep(env.space.widest)) <= 1


def test_who_asks_for_little_gets_no_more():
    env = environment(share=0.9)
    wishes = np.array([1, 2, 1, 0])
    assert np.array_equal(env.keep(wishes), wishes)


def test_points_are_scored_once_and_counted():
    asked = []
    env = environment(evaluations=3, score=lambda values: float(len(asked.append(values) or asked)))
    points = [np.array([0, 0, 0, k]) for k in (0, 1, 0)]
    assert env.rate(points) == [1.0, 2.0, 1.0]
    assert env.rate(points[:1]) == [1.0]
    assert (env.spent, env.left, len(asked)) == (2, 1, 2)
    scores = env.rate([np.array([0, 0, 1, 0]), np.array([0, 0, 2, 0])])
    assert scores[0] == 3.0
    assert math.isnan(scores[1])  # no evaluation left
    assert env.best().values == {"v0": 1, "v1": 1, "v2": 2, "v3": 1}


def test_a_point_beyond_the_budget_is_refused_and_never_the_result():
    env = environment(share=0.2)
    with pytest.raises(BudgetError, match="proposed point breaks the budget"):
        env.rate([env.space.widest])
    env.rate([env.space.widest], passing=True)
    with pytest.raises(InputError, match="none of 1 evaluated points"):
        env.best()
    env.rate([env.space.narrowest])
    assert env.best().within
    assert learning_curve(env.history)[0] == -math.inf


def test_scores_that_are_no_numbers_are_dropped_and_counted():
    env = environment(score=lambda values: math.nan if values["v3"] == 1 else 0.5)
    env.rate([np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])])
    assert env.dropped == 1
    assert env.best().score == 0.5


def test_a_budget_that_nothing_meets_is_refused_with_the_least():
    with pytest.raises(BudgetError, match=r"budget cost: asked for at most 0\.\d+; the smallest reachable is 12"):
        environment(share=1e-3)


def test_no_evaluations_are_refused():
    with pytest.raises(InputError, match="evaluations=0; expected at least 1"):
        environment(evaluations=0)


def test_workers_change_nothing():
    points = [np.array([0, 0, 0, k]) for k in range(4)]
    assert environment(workers=3).rate(points) == environment().rate(points)


def test_scores_are_taken_from_the_journal_after_an_interruption(tmp_path):
    path = tmp_path / "run" / "scores.jsonl"
    points = [np.array([0, 0, 0, k]) for k in range(4)]
    first = environment(journal=Journal(path, "this")).rate(points)
    with path.open("a") as file:
        file.write('[{"v0": 1,')  # cut off in the middle of a line
    refuse = environment(journal=Journal(path, "this"), score=lambda values: 1 / 0)
    assert refuse.rate(points) == first
    assert path.read_text().endswith("]\n")


def test_a_journal_keeps_failures_and_refuses_another_problem(tmp_path):
    path = tmp_path / "scores.jsonl"
    Journal(path, "this").put({"a": 1}, math.nan)
    assert math.isnan(Journal(path, "this").get({"a": 1}))
    with pytest.raises(ModelFileError, match="scores of another search"):
        Journal(path, "other")
    path.write_text("nonsense\n")
    with pytest.raises(ModelFileError, match="not a journal of scores"):
        Journal(path, "this")
