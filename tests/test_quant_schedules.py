# SPDX-License-Identifier: Apache-2.0
"""Learning-rate schedules."""

import pytest
import torch

from quant.schedules import SCHEDULES


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_a_schedule_stays_between_0_and_its_peak_of_1(name: str) -> None:
    values = [SCHEDULES[name](step / 1000) for step in range(1001)]
    assert max(values) == pytest.approx(1.0)
    assert min(values) >= 0.0


def test_onecycle_is_the_one_of_torch() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=1.0, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.2, total_steps=101)
    for step in range(101):
        # torch ends the rise half a step early (at 0.3 · 101 − 1 = 29.3 of 100): 0.01 is that difference at its most.
        assert 0.2 * SCHEDULES["onecycle"](step / 100) == pytest.approx(theirs.get_last_lr()[0], abs=0.01)
        optimiser.step()
        if step < 100:
            theirs.step()
    assert SCHEDULES["onecycle"](0.0) == pytest.approx(1 / 25)
    assert SCHEDULES["onecycle"](0.3) == 1.0
    assert SCHEDULES["onecycle"](1.0) == pytest.approx(1 / 25e4)


@pytest.mark.parametrize(
    ("name", "progress", "value"),
    [
        ("cosine", 0.0, 1.0),
        ("cosine", 0.5, 0.5),
        ("cosine", 1.0, 0.0),
        ("linear", 0.25, 0.75),
        ("step", 0.49, 1.0),
        ("step", 0.5, 0.1),
        ("step", 0.75, 0.01),
        ("constant", 0.9, 1.0),
    ],
)
def test_values(name: str, progress: float, value: float) -> None:
    assert SCHEDULES[name](progress) == pytest.approx(value)
