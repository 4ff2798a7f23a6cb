# SPDX-License-Identifier: Apache-2.0
"""The tables of the command line say what the estimates hold."""

import pytest
from cost_networks import mobilenet_v1, resnet8

from hwsim.targets import estimate
from slimfab.console import count_text, estimates_table, limits


def column(table, name):
    return next(list(column.cells) for column in table.columns if column.header == name)


@pytest.mark.parametrize("target", ["cpu:cortex-a72", "gpu:h100", "fpga:zcu104"])
def test_the_rate_counts_every_inference_of_a_batch_once(target):
    single, batch = estimate(resnet8(), target), estimate(resnet8(), target, batch=8)
    rates = column(estimates_table("resnet8", [single, batch]), "per second")
    assert rates == [count_text(1e6 / one.interval_us.value) for one in (single, batch)]
    # Steady state is no slower than one batch after the other.
    assert 1e6 / batch.interval_us.value >= 8e6 / batch.latency_us.value * (1 - 1e-9)
    if not target.startswith("fpga"):
        assert 1e6 / batch.interval_us.value == pytest.approx(8e6 / batch.latency_us.value)


def test_a_design_that_does_not_fit_is_marked_in_its_row():
    assert limits(estimate(mobilenet_v1(), "fpga:pynq-z2")) == "does not fit"
    assert limits(estimate(mobilenet_v1(), "cpu:cortex-a9")).startswith("compute (")
