# SPDX-License-Identifier: Apache-2.0
"""Steps towards the budget."""

import pytest

from hwsim.errors import InputError, UnknownNameError
from prune.budget import Limit
from prune.schedule import SCHEDULES, limits_at


@pytest.mark.parametrize("name", SCHEDULES.names())
@pytest.mark.parametrize("steps", [1, 4])
def test_progress_rises_to_one(name, steps):
    if name == "one_shot" and steps > 1:
        steps = 1
    progress = SCHEDULES[name](steps)
    assert len(progress) == steps
    assert progress[-1] == 1
    assert list(progress) == sorted(progress)
    assert len(set(progress)) == steps or name == "constant"
    assert progress[0] > 0


def test_known_points():
    assert SCHEDULES["iterative"](4) == (0.25, 0.5, 0.75, 1)
    assert SCHEDULES["agp"](2) == (0.875, 1)


def test_the_asymptotic_schedule_is_three_quarters_there_after_an_eighth():
    assert SCHEDULES["asymptotic"](8)[0] == pytest.approx(0.75, abs=1e-12)
    assert SCHEDULES["asymptotic"](8)[-1] == 1


def test_limits_move_from_the_cost_before_to_the_budget():
    limits = (Limit("macs", 40, 100), Limit("dsp", 120, 100))
    assert [limit.value for limit in limits_at(limits, 0.5)] == [70, 120]
    assert limits_at(limits, 1.0) == limits


@pytest.mark.parametrize(
    ("name", "steps", "message"),
    [
        ("one_shot", 3, "one_shot: got steps=3; expected 1; choose schedule iterative or agp"),
        ("iterative", 0, "iterative: got steps=0; expected at least 1"),
        ("agp", -1, "agp: got steps=-1; expected at least 1"),
    ],
)
def test_impossible_step_counts_are_refused(name, steps, message):
    with pytest.raises(InputError, match=message):
        SCHEDULES[name](steps)


def test_unknown_schedule():
    with pytest.raises(UnknownNameError, match="unknown pruning schedule 'oneshot'; did you mean 'one_shot'"):
        SCHEDULES["oneshot"]
