# SPDX-License-Identifier: Apache-2.0
"""Questions about latencies are answered as by trying all combinations."""

import itertools

import numpy as np
import pytest
from cost_networks import resnet8, rn06
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import device
from hwsim.fpga.folding import Goal, choose
from hwsim.fpga.folding.branching import Timed, decide
from hwsim.fpga.folding.paths import Path

STAGES, OPTIONS = 4, 5


def drawn(seed):
    """Options that are the dearer the faster they are, two paths through them, and limits that some meet."""
    rng = np.random.default_rng(seed)
    busy = np.sort(rng.integers(1, 200, (STAGES, OPTIONS)), axis=1).astype(float)
    used = rng.uniform(0.5, 1.5, (STAGES, OPTIONS, 2)) / busy[..., None] ** 0.7
    depth = rng.integers(0, 5, (STAGES, OPTIONS)).astype(float)
    paths = [Path(float(rng.integers(0, 20)), rng.random(STAGES), np.ones(STAGES)) for _ in range(2)]

    def longest(busy, depth):
        return max(paths, key=lambda path: path.length(busy, depth))

    middle = used[np.arange(STAGES), rng.integers(0, OPTIONS, STAGES)].sum(axis=0)
    return Timed(used, busy, depth, middle, 0.0, longest)


def latencies(asked):
    """The latencies of all combinations that fit."""
    stages = np.arange(STAGES)
    for picks in map(list, itertools.product(range(OPTIONS), repeat=STAGES)):
        if (asked.used[stages, picks].sum(axis=0) <= asked.limits + 1e-12).all():
            busy, depth = asked.busy[stages, picks], asked.depth[stages, picks]
            yield asked.path(busy, depth).length(busy, depth)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from((0.7, 0.95, 0.999, 1.0, 1.02, 1.3)))
def test_a_choice_is_found_or_proven_not_to_be_there(seed, share):
    asked = drawn(seed)
    best = min(latencies(asked))
    timed = Timed(asked.used, asked.busy, asked.depth, asked.limits, best * share, asked.path)
    verdict = decide(timed, np.ones((STAGES, OPTIONS), dtype=bool))
    assert verdict.impossible == (share < 1)
    if verdict.picks is not None:
        stages = np.arange(STAGES)
        busy, depth = asked.busy[stages, verdict.picks], asked.depth[stages, verdict.picks]
        assert asked.path(busy, depth).length(busy, depth) <= best * share * (1 + 1e-6)
        assert (asked.used[stages, verdict.picks].sum(axis=0) <= asked.limits + 1e-6).all()


def test_too_few_sets_of_options_leave_a_question_open():
    for seed in range(20):
        asked = drawn(seed)
        timed = Timed(asked.used, asked.busy, asked.depth, asked.limits, min(latencies(asked)) * 0.999, asked.path)
        verdict = decide(timed, np.ones((STAGES, OPTIONS), dtype=bool), nodes=1)
        if not verdict.impossible:
            assert verdict.picks is None
            return
    pytest.fail("every question was answered at once")


@pytest.mark.parametrize(
    ("build", "mapping", "objective"),
    [(resnet8, "folded", "latency_us"), (resnet8, "hls4ml", "energy_uj"), (rn06, "hls4ml", "latency_us")],
)
def test_latency_and_energy_are_within_5_percent_of_the_proven_bound(build, mapping, objective):
    choice = choose(build(), device.load("pynq-z2"), mapping, goal=Goal(objective))
    assert not choice.misses
    assert 0 <= choice.gap <= 0.05
