# SPDX-License-Identifier: Apache-2.0
"""Densities of layers: what is counted is what stays, and every method runs on them."""

import numpy as np
import pytest

from hwsim.errors import BudgetError, InputError
from prune.granularity import units
from prune.search import pose_fine
from prune.sparse import maskable
from slimfab import zoo

SHAPE = (1, 12, 12)


@pytest.fixture(scope="module")
def model():
    return zoo.build("vgg_tiny", SHAPE, 10, seed=0, options={"widths": [4, "M", 6, 8]})


def data(count=24):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, *SHAPE)).astype(np.float32), rng.integers(0, 10, count)


def zeros(module):
    return {name: int((value == 0).sum()) for name, value in maskable(module).items()}


@pytest.mark.parametrize(("granularity", "rows", "columns"), [("element", 1, 1), ("kernel", 1, 1), ("unrolled", 2, 3)])
def test_the_cost_of_a_point_is_what_stays_of_the_weights(model, granularity, rows, columns):
    posed = pose_fine(model, SHAPE, {"weights": 0.4, "macs": 0.5}, data(), granularity=granularity, rows=rows,
                      columns=columns)  # fmt: skip
    env = posed.environment(6)
    posed.run("random", env)
    sizes = {name: value.size for name, value in maskable(model).items()}
    positions = {"features.conv1.weight": 144, "features.conv2.weight": 36, "features.conv3.weight": 36,
                 "head.weight": 1}  # fmt: skip
    for one in env.history:
        module, choice = posed.evaluator.cut(one.values)
        stay = {name: sizes[name] - count for name, count in zeros(module).items()}
        assert one.costs["weights"] == sum(stay.values()) <= env.limits[0].value
        assert one.costs["macs"] == pytest.approx(sum(stay[name] * positions[name] for name in stay))
        assert not choice.kept
    assert not any(zeros(model).values())
    assert posed.whole["weights"] == sum(sizes.values())


def test_units_of_smallest_norm_go_first_and_whole(model):
    posed = pose_fine(model, SHAPE, {"weights": 0.5}, data(), granularity="kernel")
    name = "features.conv2.weight"
    module, _ = posed.evaluator.cut({name: 50})
    index = units("kernel", maskable(model)[name].shape)
    norms = np.bincount(index.ravel(), maskable(model)[name].ravel() ** 2)
    left = np.bincount(index.ravel(), (maskable(module)[name].ravel() != 0))
    assert set(left) == {0, 9}
    assert norms[left == 9].min() > norms[left == 0].max()
    assert (left == 9).sum() == 12
    assert zeros(module)["features.conv1.weight"] == 0


@pytest.mark.parametrize("method", ["amc", "agmc", "uniform", "knapsack"])
def test_methods_search_densities(model, method):
    posed = pose_fine(model, SHAPE, {"weights": 0.3}, data(), data()[0])
    found = posed.run(method, posed.environment(12), 1)
    assert found.best.costs["weights"] <= 0.3 * posed.whole["weights"]
    if method == "uniform":
        assert found.best.costs["weights"] >= 0.27 * posed.whole["weights"]
    stay = sum(value.size for value in maskable(model).values()) - sum(zeros(posed.module(found)).values())
    assert stay == found.best.costs["weights"]


def test_what_zeros_do_not_change_is_refused(model):
    with pytest.raises(InputError, match="search: got a budget of fpga:pynq-z2.dsp; expected weights or macs"):
        pose_fine(model, SHAPE, {"fpga:pynq-z2.dsp": 0.5}, data())
    layers = ("features.conv1", "features.conv2", "features.conv3", "head")
    with pytest.raises(InputError, match="search: got no weight that may become zero"):
        pose_fine(model, SHAPE, {"macs": 0.5}, data(), skip=layers)
    posed = pose_fine(model, SHAPE, {"weights": 10}, data())
    with pytest.raises(BudgetError, match="budget weights: asked for at most 10; the smallest reachable is"):
        posed.environment(1)
