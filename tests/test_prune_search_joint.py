# SPDX-License-Identifier: Apache-2.0
"""Widths, bits and folding together, on a network small enough to try every point."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from hwsim import targets
from hwsim.errors import BudgetError, InputError, UnknownNameError
from hwsim.fpga.folding import Goal
from hwsim.fpga.stages import pipeline
from hwsim.importers.torch import import_torch
from prune.budget import Bounds
from prune.search import Environment, fold, pose_joint
from prune.search.bits import Formats, bit_variables, overrides, with_bits
from quant.calibrate import calibrate
from quant.convert import to_network
from quant.module import QuantModule
from quant.spec import LayerWidths, QuantSpec
from slimfab import zoo

SHAPE, TARGET = (1, 8, 8), "fpga:pynq-z2/folded"
IMAGES = torch.rand((40, *SHAPE), generator=torch.Generator().manual_seed(0))
LATENCY = f"{TARGET}.latency_us"


SMALL = {f"{TARGET}.lut": "=6700", f"{TARGET}.dsp": "=1"}  # little enough that bits and widths decide the time


def model(widths=(8,)):
    return zoo.build("vgg_tiny", SHAPE, 3, seed=0, options={"widths": list(widths)})


def posed(budget, widths=(8,), **settings):
    val = IMAGES.numpy(), np.random.default_rng(0).integers(0, 3, len(IMAGES))
    given = {"bits": (3, 8), "bounds": Bounds(cap=0.5), "options": 2, **settings}
    return pose_joint(model(widths), SHAPE, budget, val, IMAGES.numpy(), **given)


def additive(problem):
    """The problem with a score that is a sum over its variables, each with a weight of its own."""
    weights = np.random.default_rng(1).uniform(0.2, 1.0, len(problem.space.variables))

    def score(values):
        shares = [values[one.name] / one.options[-1] for one in problem.space.variables]
        return float(weights @ np.sqrt(shares)) / weights.sum()

    return score


def test_bits_are_named_as_recipes_spell_them():
    network, _ = import_torch(model(), SHAPE)
    names = [one.name for one in bit_variables(network, (8, 4))]
    assert names == ["features.conv1.weight_width", "features.relu1.activation_width", "head.weight_width"]
    assert bit_variables(network, (8, 4))[0].options == (4, 8)
    values = {"features.conv1": 2, "features.conv1.weight_width": 4, "features.conv1.activation_width": 5}
    assert overrides(values) == {"features.conv1": LayerWidths(4, 5)}


def test_formats_of_mixed_bits_are_those_of_the_module_with_these_bits():
    network, weights = import_torch(model((4, "M", 6)), SHAPE)
    formats = Formats(network, weights, QuantSpec(), IMAGES, (3, 6, 8))
    rng = np.random.default_rng(0)
    for _ in range(4):
        values = {one.name: int(rng.choice((3, 6, 8))) for one in bit_variables(network, (3, 6, 8))}
        module = calibrate(QuantModule(network, weights, with_bits(QuantSpec(), values)), IMAGES)
        assert formats(values).tensors == to_network(module)[0].tensors


def test_cells_hold_every_point_of_the_space():
    folded = posed({LATENCY: "50%"}, (4, "M", 6)).limits[0].cost.folded
    rng = np.random.default_rng(0)
    for point in [rng.integers(0, folded.space.sizes) for _ in range(10)]:
        stages = pipeline(folded.network(point))
        least = [_row(cell, point).busy.min() for cell in folded.cells]
        alone = [folded_menu.busy.min() for folded_menu in _menus(stages, folded)]
        assert least == alone


def _row(cell, point):
    (variant,) = np.flatnonzero((cell.numbers == point[list(cell.variables)]).all(axis=1))
    menu = cell.menu
    return replace(menu, busy=menu.busy[menu.variant == variant])


def _menus(stages, folded):
    from hwsim.fpga.folding import menus

    return menus(stages, [[one] for one in stages.stages], folded.device, "folded", "io_stream")


@pytest.mark.parametrize("latency_us", [16, 22, 34])
def test_the_knapsack_finds_the_best_of_all_points(latency_us):
    problem = posed({LATENCY: f"={latency_us}", **SMALL})
    score = additive(problem)
    points = [np.array(one) for one in itertools.product(*(range(int(n)) for n in problem.space.sizes))]
    env = Environment(problem.space, problem.limits, score, 30)
    fitting = [point for point in points if env.fits(point[None])[0]]
    assert 0 < len(fitting) < len(points)
    found = problem.run("knapsack", env)
    assert found.best.score == pytest.approx(max(score(problem.space.values(point)) for point in fitting), abs=1e-9)
    assert found.best.costs[LATENCY] <= latency_us
    assert "no widths, bits and folding within the budget are predicted more than" in found.remark


@pytest.mark.parametrize("steps", [1, 2])
def test_a_search_that_runs_out_of_steps_takes_what_fits(monkeypatch, steps):
    monkeypatch.setattr(fold, "STEPS", steps)
    least = posed({LATENCY: "=100", **SMALL}).limits[0].cost.folded.estimate(np.zeros(4, np.int64)).field("latency_us")
    problem = posed({LATENCY: f"={least}", **SMALL})
    found = problem.run("knapsack", Environment(problem.space, problem.limits, additive(problem), 30))
    assert found.best.costs[LATENCY] <= least


def test_what_is_found_costs_what_its_quantised_network_costs():
    problem = posed({LATENCY: "=22", **SMALL})
    found = problem.run("knapsack", problem.environment(16))
    network, _ = to_network(problem.evaluator.quantised(found.best.values))
    goal = Goal("interval_us", {"lut": 6700, "dsp": 1})
    design = targets.best_folding(network, TARGET, goal=goal).design
    estimate = targets.estimate(network, TARGET, design=design)
    assert estimate.field("latency_us") == pytest.approx(found.best.costs[LATENCY], rel=0.05)
    assert estimate.field("dsp") <= 1
    assert problem.evaluator(found.best.values) == found.best.score


def test_an_interrupted_search_ends_as_it_would_have(tmp_path):
    budget = {LATENCY: "=22", **SMALL}
    whole = posed(budget).run("knapsack", posed(budget).environment(16))
    problem = posed(budget)
    cut_off = problem.environment(16, tmp_path, progress=_stop_after(5))
    with pytest.raises(KeyboardInterrupt):
        problem.run("knapsack", cut_off)
    assert posed(budget).run("knapsack", posed(budget).environment(16, tmp_path)) == whole


def _stop_after(count):
    def progress(env):
        if env.spent == count:
            raise KeyboardInterrupt

    return progress


def test_other_methods_search_widths_and_bits_too():
    problem = posed({LATENCY: "=22", **SMALL})
    found = problem.run("random", problem.environment(3), seed=0)
    assert found.best.costs[LATENCY] <= 22
    with pytest.raises(InputError, match="amc: walks layers and their widths; got bits among the variables; choose"):
        problem.run("amc", problem.environment(3))


def test_a_budget_that_nothing_meets_says_what_is_nearest():
    problem = posed({LATENCY: "=5", **SMALL})
    nearest = r"found for latency_us<=5, lut<=6700, dsp<=1; the nearest design has latency_us=15\.\d+, lut=\d+, dsp=\d"
    with pytest.raises(BudgetError, match=nearest):
        problem.run("knapsack", problem.environment(16))
    with pytest.raises(BudgetError, match=r"latency_us: asked for at most 5; the smallest reachable is 15\.\d+"):
        problem.run("random", problem.environment(16))
    small = posed({f"{TARGET}.lut": "=5000"})
    with pytest.raises(BudgetError, match=r"found for lut<=5000; the nearest design has lut=\d+"):
        small.run("knapsack", small.environment(16))


def test_budgets_are_of_one_fpga_target_and_its_fields():
    with pytest.raises(UnknownNameError, match="latency_ms"):
        posed({f"{TARGET}.latency_ms": "50%"})
    wrong = {LATENCY: "50%", "fpga:ultra96.dsp": "=100"}, {"macs": "50%"}, {"cpu:cortex-a9.latency_us": "50%"}, {}
    for budget in wrong:
        with pytest.raises(InputError, match="expected fields of one fpga target, such as fpga:pynq-z2.latency_us"):
            posed(budget)
