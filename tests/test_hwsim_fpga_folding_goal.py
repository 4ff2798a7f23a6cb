# SPDX-License-Identifier: Apache-2.0
"""Objectives and budgets: the best of all combinations, its bound, and what is said where nothing fits."""

import math

import numpy as np
import pytest
from cost_networks import LAW, Draft, ad08, networks, resnet8, rn06, rn07
from hypothesis import given
from hypothesis import strategies as st
from test_hwsim_fpga_folding import every_use

from hwsim import device
from hwsim.errors import BudgetError, InputError
from hwsim.fpga import pipeline as timing
from hwsim.fpga.folding import OBJECTIVES, RESOURCES, Goal, all_options, choose, parse_budgets, search
from hwsim.fpga.folding.knapsack import solve
from hwsim.fpga.folding.paths import longest_path
from hwsim.fpga.resources import SHELL
from hwsim.fpga.stages import pipeline
from hwsim.targets import estimate

BOARD = device.load("pynq-z2")


def small():
    draft = Draft(2, 4, 4)
    draft.conv(4)
    draft.relu()
    draft.conv(2)
    return draft.network()


def every_choice(network, mapping):
    """(choices, …) interval and latency in cycles and resources of all combinations of foldings."""
    stages = pipeline(network)
    options = all_options(stages, mapping, "io_stream")
    per_stage = [np.flatnonzero(options.stage == index) for index in range(len(stages.stages))]
    reads = stages.input_bits / 64
    for rows, used in every_use(network, options, mapping, per_stage):
        times = timing.Timing(options.cost.busy[rows], options.cost.depth[rows])
        yield {"interval_us": timing.interval(times), "latency_us": timing.latency(stages, times, reads), **used}


@pytest.mark.parametrize("mapping", ["hls4ml", "folded"])
@pytest.mark.parametrize("objective", ["interval_us", "latency_us", "lut", "dsp"])
def test_the_choice_is_the_best_of_all_combinations_within_the_budgets(mapping, objective):
    network = small()
    budgets = {"lut": 6_900, "interval_us": 20.0}
    choice = choose(network, BOARD, mapping, goal=Goal(objective, budgets))
    within = [one for one in every_choice(network, mapping)
              if one["lut"] <= budgets["lut"] and one["interval_us"] <= 100 * budgets["interval_us"]]  # fmt: skip
    if not within:
        assert choice.misses
        return
    best = min(one[objective] for one in within)
    outside = choice.value * 100 - best if objective == "latency_us" else 0.0  # DMA and driver, the same for all
    expected = best / 100 if objective == "interval_us" else (best + outside) / 100 if outside else best
    assert choice.bound <= expected * (1 + 1e-9)
    assert choice.value == pytest.approx(expected, rel=2e-3 if objective in ("lut", "latency_us") else 1e-9)
    assert not choice.misses


@LAW
@given(networks(), st.sampled_from(OBJECTIVES), st.sampled_from(("hls4ml", "folded")))
def test_no_figure_is_below_its_bound_and_no_budget_is_exceeded(network, objective, mapping):
    budgets = {"dsp": 150.0, "interval_us": 5_000.0}
    choice = choose(network, BOARD, mapping, goal=Goal(objective, budgets))
    assert choice.value >= choice.bound * (1 - 1e-9)
    if not choice.misses:
        assert choice.require() is choice
        assert choice.used["dsp"] <= 150
        found = estimate(network, "fpga:pynq-z2" + "/folded" * (mapping == "folded"), 1, choice.design)
        assert found.field("interval_us") <= 5_000
        # The search takes latencies to first order; those of PE x SIMD stages are counted.
        same = ("interval_us", "latency_us", "energy_uj") if mapping == "hls4ml" else ("interval_us",)
        if objective in same and choice.design.io_type == "io_stream":
            assert found.field(objective) == pytest.approx(choice.value)


@LAW
@given(networks(), st.integers(0, 2**32 - 1))
def test_the_longest_path_is_the_latency_and_bounds_every_other_one(network, seed):
    stages = pipeline(network)
    rng = np.random.default_rng(seed)
    first, other = (timing.Timing(*rng.integers(1, 10_000, (2, len(stages.stages))).astype(float)) for _ in range(2))
    path = longest_path(stages, first.busy, first.depth, 77.0)
    assert path.length(first.busy, first.depth) == pytest.approx(timing.latency(stages, first, 77.0))
    assert path.length(other.busy, other.depth) <= timing.latency(stages, other, 77.0) * (1 + 1e-9)


@pytest.mark.parametrize("mapping", ["hls4ml", "folded"])
@pytest.mark.parametrize("build", [resnet8, rn06, rn07, ad08])
def test_published_networks_are_folded_within_5_percent_of_the_optimum_by_few_questions(build, mapping, monkeypatch):
    asked = []
    monkeypatch.setattr(search, "solve", lambda *question: asked.append(question) or solve(*question))
    choose.__globals__["_CACHE"].clear()
    choice = choose(build(), BOARD, mapping)
    assert choice.gap <= 0.05
    assert 0 < len(asked) < 60


def test_the_folding_is_faster_than_the_same_reuse_factor_everywhere():
    network = resnet8()
    stages, options = pipeline(network), all_options(pipeline(network), "hls4ml", "io_stream")
    limits = {name: BOARD[name] * BOARD["utilisation"] - SHELL[name] for name in RESOURCES}
    reuse = np.array([folding.reuse_factor for folding in options.foldings])
    best = math.inf
    for factor in np.unique(reuse):
        rows = [own[np.argmin(abs(reuse[own] - factor))]
                for own in (np.flatnonzero(options.stage == index) for index in range(len(stages.stages)))]  # fmt: skip
        if all(getattr(options.cost, name)[rows].sum() <= limits[name] for name in RESOURCES):
            best = min(best, options.cost.busy[rows].max())
    assert choose(network, BOARD, "hls4ml").value * BOARD["clock_mhz"] < best < math.inf


def test_products_and_weights_go_where_there_is_room():
    rich = choose(resnet8(), BOARD, "folded").design.folding
    no_dsp = choose(resnet8(), BOARD, "folded", goal=Goal(budgets={"dsp": 0})).design.folding
    no_blocks = choose(resnet8(), BOARD, "folded", goal=Goal("bram18", {"interval_us": 5_000})).design.folding
    assert {folding.multiplier for name, folding in rich.items() if "conv" in name} == {"dsp", "lut"}
    assert {folding.multiplier for name, folding in no_dsp.items() if "conv" in name} == {"lut"}
    assert {folding.memory for name, folding in no_blocks.items() if "conv" in name} == {"distributed"}


def test_less_time_costs_resources_and_fewer_resources_cost_time():
    free = choose(resnet8(), BOARD, "folded")
    tight = choose(resnet8(), BOARD, "folded", goal=Goal(budgets={"lut": 15_000, "dsp": 60}))
    slow = choose(resnet8(), BOARD, "folded", goal=Goal("lut", {"interval_us": 4 * free.value}))
    assert tight.value > free.value
    assert tight.used["lut"] <= 15_000
    assert slow.used["lut"] < free.used["lut"]


def test_a_power_budget_slows_the_pace_of_a_board_whose_idle_power_is_known():
    place = device.load("zcu104")  # 10 W
    free = choose(resnet8(), place, "folded")
    paced = choose(resnet8(), place, "folded", goal=Goal(budgets={"power_w": 10.01}))
    assert paced.value > free.value
    assert not paced.misses


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ({"dsp": 0, "lut": 9_000, "bram18": 20}, "no folding fits; the nearest exceeds"),
        ({"interval_us": 1.0}, "the nearest exceeds interval_us by"),
        ({"latency_us": 1.0}, "the nearest exceeds latency_us by"),
        ({"power_w": 1.0}, "the nearest exceeds power_w by 0.62"),
    ],
)
def test_budgets_that_nothing_fits_name_what_is_missing_and_the_nearest_design(budgets, message):
    choice = choose(resnet8(), BOARD, "folded", goal=Goal(budgets=budgets))
    with pytest.raises(BudgetError, match=message) as error:
        choice.require()
    assert "\n" not in str(error.value)
    assert all(f"{name}=" in str(error.value) for name in RESOURCES)


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ({"dsp": -1}, "budget: got dsp=-1; expected a number >= 0; leave it out for no limit"),
        ({"dsp": math.nan}, "budget: got dsp=nan; expected a number >= 0; leave it out for no limit"),
        ({"dps": 3}, "budget: unknown 'dps'; did you mean 'dsp'?"),
        ({"dsp": 221}, "budget: got dsp=221; expected at most 220, what pynq-z2 has"),
    ],
)
def test_impossible_budgets_are_refused(budgets, message):
    with pytest.raises(InputError) as error:
        choose(resnet8(), BOARD, "folded", goal=Goal(budgets=budgets))
    assert message in str(error.value)


def test_an_unknown_objective_is_refused():
    with pytest.raises(InputError, match="objective: unknown 'latency'; did you mean 'latency_us'"):
        Goal("latency")


def test_budgets_as_text():
    assert parse_budgets("dsp=100, interval_us=2.5,") == {"dsp": 100, "interval_us": 2.5}
    with pytest.raises(InputError, match="budget: got 'dsp'; expected NAME=NUMBER such as dsp=100"):
        parse_budgets("dsp")
