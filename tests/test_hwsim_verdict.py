# SPDX-License-Identifier: Apache-2.0
"""Verdicts: who is best, whether the error bars let us say so, and why."""

from dataclasses import replace

import pytest
from cost_networks import mobilenet_v1, resnet8

from hwsim import targets
from hwsim.errors import InputError
from hwsim.estimate import Figure
from hwsim.verdict import verdict

BASE = targets.estimate(resnet8(), "cpu:cortex-a72")


def of(target, latency_us, factor, like=BASE):
    return replace(like, target=target, latency_us=Figure.within(latency_us, factor))


def test_a_winner_is_clear_when_no_error_bar_reaches_it():
    found = verdict([of("cpu:slow", 100, 1.2), of("gpu:fast", 20, 2)], "latency_us")
    assert (found.best, found.runner_up, found.ahead, found.rivals) == ("gpu:fast", "cpu:slow", 5.0, ())
    assert found.is_clear
    assert found.text().startswith("latency: gpu:fast wins, 5 times ahead of cpu:slow; bound by compute (")


def test_overlapping_error_bars_leave_no_clear_winner():
    found = verdict([of("a:a", 10, 2), of("b:b", 12, 1.1), of("c:c", 70, 2), of("d:d", 50, 2)], "latency_us")
    assert found.rivals == ("b:b",)
    assert not found.is_clear
    assert "no clear winner: a:a is 1.2 times ahead of b:b, but error bars overlap with b:b; bound" in found.text()


def test_bars_that_touch_overlap():
    assert not verdict([of("a:a", 10, 2), of("b:b", 40, 2)], "latency_us").is_clear
    assert verdict([of("a:a", 10, 2), of("b:b", 40.1, 2)], "latency_us").is_clear


def test_targets_on_which_it_does_not_fit_cannot_win():
    large = targets.estimate(mobilenet_v1(), "fpga:pynq-z2")
    assert not large.fits()
    found = verdict([large, of("cpu:slow", 1e9, 1.1)], "latency_us")
    assert (found.best, found.left_out) == ("cpu:slow", ("fpga:pynq-z2",))
    assert "cpu:slow is the only one that fits" in found.text()
    nothing = verdict([large], "latency_us")
    assert (nothing.best, nothing.is_clear) == ("", False)
    assert nothing.text() == "latency: the network fits on none of these targets"


def test_energies_of_chips_and_boards_are_told_apart():
    network = resnet8()
    mixed = targets.compare(network, ["npu:gemmini", "cpu:cortex-a72"])
    assert verdict(mixed, "energy_uj").text().endswith("; energies of npu targets leave out the board around chip and "
                                                       "memory")  # fmt: skip
    assert verdict(mixed, "latency_us").remark == ""
    assert verdict(targets.compare(network, ["npu:gemmini", "npu:eyeriss"]), "energy_uj").remark == ""


@pytest.mark.parametrize(
    ("estimates", "field", "message"),
    [
        ([BASE], "power_w", "verdict: got field 'power_w'; expected one of latency_us, interval_us, energy_uj"),
        ([], "latency_us", "verdict: got no estimates; expected one at least; name a target"),
    ],
)
def test_questions_that_have_no_answer(estimates, field, message):
    with pytest.raises(InputError) as error:
        verdict(estimates, field)
    assert message in str(error.value)
