# SPDX-License-Identifier: Apache-2.0
"""Designs of many networks at once are those of their estimates, and near the best folding of each."""

import numpy as np
import pytest
from cost_networks import Draft

from hwsim import device, targets
from hwsim.fpga.folding import Catalogue, Goal
from hwsim.fpga.outline import outline
from hwsim.fpga.stages import pipeline

RESOURCES = ("lut", "ff", "dsp", "bram18")
WIDTHS = (4, 6, 8)
COMBINATIONS = [(one, other) for one in WIDTHS for other in WIDTHS]


def image(first, second):
    """A residual block: convolutions, an addition, pooling, a dense layer."""
    draft = Draft(3, 8, 8)
    draft.conv(first)
    start = draft.relu()
    draft.conv(second)
    draft.relu()
    end = draft.conv(first)
    draft.layer("add", start, end)
    draft.max_pool()
    draft.layer("flatten")
    draft.dense(5)
    return draft.network()


def forked(first, second):
    """An input that two convolutions read."""
    draft = Draft(3, 8, 8)
    one = draft.conv(first, source="x")
    other = draft.conv(first, 1, source="x")
    draft.layer("add", one, other)
    draft.conv(second)
    draft.layer("flatten")
    draft.dense(5)
    return draft.network()


def vector(first, second):
    """A perceptron, which hls4ml builds without streams."""
    draft = Draft(16)
    draft.dense(2 * first)
    draft.relu()
    draft.dense(second)
    draft.dense(5)
    return draft.network()


def made(build, board, mapping, limits):
    networks = [build(*widths) for widths in COMBINATIONS]
    stages = [pipeline(network).stages for network in networks]
    variants = [[own[number] for own in stages] for number in range(len(stages[0]))]
    catalogue = Catalogue(networks[-1], variants, device.load(board), mapping, limits)
    numbers = np.repeat(np.arange(len(networks))[:, None], len(variants), axis=1)
    return networks, catalogue, catalogue.find(numbers)


CASES = [
    (image, "pynq-z2", "hls4ml"),
    (image, "zcu104", "hls4ml"),
    (vector, "pynq-z2", "hls4ml"),
    (image, "pynq-z2", "folded"),
    (forked, "pynq-z2", "folded"),
    (vector, "pynq-z2", "folded"),
]


@pytest.mark.parametrize(("build", "board", "mapping"), CASES)
def test_figures_are_those_of_the_design_s_estimate(build, board, mapping):
    target = f"fpga:{board}" + ("/folded" if mapping == "folded" else "")
    networks, catalogue, found = made(build, board, mapping, {"latency_us": 20.0, "dsp": 40})
    for index, network in enumerate(networks):
        design = catalogue.design(network, found.rows[index])
        estimate = targets.estimate(network, target, design=design)
        assert {name: found.figures[name][index] for name in RESOURCES} == {
            name: estimate.field(name) for name in RESOURCES
        }
        if mapping == "hls4ml":
            for name in ("interval_us", "latency_us"):
                assert found.figures[name][index] == pytest.approx(estimate.field(name), rel=1e-12)
        else:
            cycles = found.figures["interval_us"][index] * catalogue.clock_mhz
            assert cycles >= outline(network, design).interval  # the memory's interface may be slower


@pytest.mark.parametrize(("build", "board", "mapping"), CASES)
def test_designs_are_near_the_best_folding_of_each_network(build, board, mapping):
    target = f"fpga:{board}" + ("/folded" if mapping == "folded" else "")
    limits = {"interval_us": 0.1, "dsp": 40}  # out of reach, so that the shortest is looked for
    networks, _, found = made(build, board, mapping, limits)
    goal = Goal("interval_us", {"dsp": 40})
    best = [
        targets.estimate(one, target, design=targets.best_folding(one, target, goal=goal).design) for one in networks
    ]
    shortest = np.array([one.field("interval_us") for one in best])
    assert (found.figures["interval_us"] >= shortest * (1 - 1e-9)).all() or mapping == "hls4ml"
    assert np.mean(found.figures["interval_us"] / shortest) <= 1.25


def test_every_limit_that_is_given_is_kept_where_that_is_possible():
    limits = {"latency_us": 25.0, "dsp": 30, "lut": 9300}
    _, _, found = made(image, "pynq-z2", "folded", limits)
    kept = np.all([found.figures[name] <= value for name, value in limits.items()], axis=0)
    assert kept.any()
    _, _, tighter = made(image, "pynq-z2", "folded", {**limits, "latency_us": 20.0})
    assert np.all([tighter.figures[name] <= value for name, value in limits.items()], axis=0).sum() <= kept.sum()


def test_latencies_may_be_longer_than_to_first_order():
    _, catalogue, found = made(image, "pynq-z2", "folded", {"latency_us": 12.0})
    numbers = np.zeros((1, len(found.rows[0])), dtype=np.int64)
    before = catalogue.find(numbers)
    catalogue.longer = 1.3
    after = catalogue.find(numbers)
    assert np.array_equal(before.rows, after.rows)
    assert after.figures["latency_us"] == pytest.approx(1.3 * before.figures["latency_us"])
