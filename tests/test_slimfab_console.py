# SPDX-License-Identifier: Apache-2.0
"""The tables of the command line say what the estimates hold."""

import io
import re

import pytest
from cost_networks import mobilenet_v1, resnet8
from rich.console import Console

from hwsim.targets import estimate
from slimfab.console import ProgressBars, count_text, estimates_table, limits


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


def test_a_pipe_gets_a_line_per_tenth_and_per_step_without_a_measure():
    screen = Console(width=100, file=io.StringIO())
    with ProgressBars(screen) as bars:
        bars.started(0, 2, "amc, seed 0")
        for text in ("train: 6 epochs", "train: 6 epochs", "[bold] at 50%"):
            bars.advanced(0.0, text)
        bars.started(1, 2, "search")
        for done in range(1, 41):
            bars.advanced(done / 40, f"{done}/40")
        bars.finished("search", {"found": 3}, 61.0, cached=False)
    lines = [re.sub(r" +\d+\.\d s", " T", line) for line in screen.file.getvalue().splitlines()]
    steps = ["  amc, seed 0 T  train: 6 epochs", "  amc, seed 0 T  [bold] at 50%"]
    tenths = [f"  search T  {done}/40" for done in range(4, 41, 4)]
    assert lines == [*steps, *tenths, "✓ search T  found=3"]
