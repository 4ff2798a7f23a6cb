# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from hwsim import serial, targets
from hwsim.errors import BudgetError, InputError, UnknownNameError
from hwsim.importers.torch import import_torch
from prune.budget import Bounds
from prune.methods import METHODS
from prune.search import pose
from prune.search.api import Found
from quant.train import evaluate
from slimfab import zoo

SHAPE = (1, 8, 8)


def network(widths=(4, "M", 6)):
    return zoo.build("vgg_tiny", SHAPE, 3, seed=0, options={"widths": widths})


def data(count, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, *SHAPE)).astype(np.float32), rng.integers(0, 3, count)


def posed(budget, **settings):
    return pose(network(), SHAPE, budget, data(40, 0), data(32, 1)[0], bounds=Bounds(cap=0.5), **settings)


def test_what_is_found_is_a_network_within_the_budget_with_the_score_it_was_given():
    problem = posed({"macs": 0.6})
    found = problem.run("random", problem.environment(6), seed=0)
    small = problem.module(found)
    macs = targets.cost(import_torch(small, SHAPE)[0], "macs")
    assert macs == found.best.costs["macs"] <= found.limits["macs"] == pytest.approx(0.6 * found.whole["macs"])
    assert evaluate(small, *data(40, 0)) == found.best.score


def test_a_record_goes_through_json(tmp_path):
    problem = posed({"params": 0.7})
    found = problem.run("uniform", problem.environment(1))
    found.save(tmp_path / "found.json")
    assert serial.from_json(Found, serial.read_json(tmp_path / "found.json")) == found


def test_an_interrupted_search_ends_as_it_would_have(tmp_path):
    budget = {"macs": 0.6}
    whole = posed(budget).run("evolution", posed(budget).environment(8), seed=1)
    posed(budget).run("evolution", posed(budget).environment(3, tmp_path), seed=1)
    again = posed(budget).run("evolution", posed(budget).environment(8, tmp_path), seed=1)
    assert again == whole


def test_hardware_without_tables_is_asked():
    problem = posed({"fpga:pynq-z2.lut": 0.8}, bits=8)
    found = problem.run("uniform", problem.environment(1))
    assert found.best.costs["fpga:pynq-z2.lut"] <= 0.8 * found.whole["fpga:pynq-z2.lut"]


def test_layers_can_be_left_alone():
    problem = posed({"macs": 0.7}, skip=["features.conv1"])
    assert [v.name for v in problem.space.variables] == ["features.conv2"]


def test_updates_of_pruning_methods_repair_candidates_too():
    plain, scaled = (posed({"macs": 0.5}, method=name).evaluator for name in ("magnitude", "thinet"))
    values = {"features.conv1": 2, "features.conv2": 3}
    assert not np.array_equal(plain.cut(values)[0].head.weight.detach(), scaled.cut(values)[0].head.weight.detach())


def test_criteria_of_activations_see_the_calibration_images():
    seen = posed({"macs": 0.5}, method=replace(METHODS["magnitude"], criterion="activation")).evaluator
    assert all(np.isfinite(scores).all() for scores in seen.scores.values())
    assert not np.array_equal(seen.scores["features.conv1"], posed({"macs": 0.5}).evaluator.scores["features.conv1"])


def test_mistakes_are_named():
    with pytest.raises(InputError, match="got no budget"):
        posed({})
    with pytest.raises(BudgetError, match="budget macs: asked for at most"):
        posed({"macs": 0.001}).environment(1)
    problem = posed({"macs": 0.6})
    with pytest.raises(UnknownNameError, match="unknown search method 'acm'; did you mean 'amc'"):
        problem.run("acm", problem.environment(1))
