# SPDX-License-Identifier: Apache-2.0
"""Budgets of an FPGA in searches of widths: one design keeps all limits, whoever asks for whatever."""

import itertools

import numpy as np
import pytest

from hwsim import targets
from hwsim.errors import BudgetError, InputError, UnknownNameError
from prune.budget import Bounds
from prune.search import pose
from prune.search.environment import GOOD_USE
from prune.search.folded import pairwise_points
from prune.search.space import Space, Variable
from slimfab import zoo

SHAPE = (1, 8, 8)
HLS4ML, FOLDED = "fpga:pynq-z2", "fpga:pynq-z2/folded"
IMAGES = np.random.default_rng(0).normal(size=(20, *SHAPE)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 3, len(IMAGES))
#: Latency and an area at a time, little enough that neither is met by the unpruned network at the other's limit.
BUDGETS = {
    HLS4ML: {"latency_us": "=11.5", "lut": "=12000"},
    FOLDED: {"latency_us": "=18.5", "lut": "=8300", "dsp": "=4"},
}


def posed(target, budget=None, widths=(6, "M", 8), **settings):
    model = zoo.build("vgg_tiny", SHAPE, 3, seed=0, options={"widths": list(widths)})
    asked = {f"{target}.{name}": value for name, value in (budget or BUDGETS[target]).items()}
    return pose(model, SHAPE, asked, (IMAGES, LABELS), IMAGES, bits=8, **settings)


def broken(problem, point):
    """Limits that the one design of a point breaks, by an estimate of its own."""
    folded = problem.limits[0].cost.folded
    design = folded.design(point)
    estimate = targets.estimate(folded.network(point), folded.target, design=design)
    return [limit.field for limit in problem.limits if estimate.field(limit.field.rpartition(".")[2]) > limit.value]


@pytest.mark.parametrize(("target", "count"), [(HLS4ML, 400), (FOLDED, 12)])
def test_no_sequence_of_wishes_breaks_the_budget_of_the_one_design(target, count):
    problem = posed(target)
    env = problem.environment(1)
    rng = np.random.default_rng(0)
    kept = {env.keep(rng.integers(0, env.space.sizes)).tobytes() for _ in range(count)}
    points = [np.frombuffer(one, dtype=np.int64) for one in kept]
    assert len(points) > 3
    assert [broken(problem, point) for point in points] == [[]] * len(points)
    assert env.fits(np.stack(points)).all() or target == FOLDED  # there, counted cycles decide
    assert not env.fits(env.space.widest[None])[0]
    assert env.holds(points[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg_small", "resnet8"])
def test_ten_thousand_sequences_of_wishes_keep_a_joint_budget(name):
    shape = zoo.ZOO[name].in_shape
    val = np.zeros((2, *shape), dtype=np.float32), np.zeros(2, dtype=np.int64)
    budget = {f"{HLS4ML}.latency_us": "=300", f"{HLS4ML}.lut": "=30000", "macs": 0.7}
    problem = pose(zoo.build(name, seed=0), shape, budget, val, bits=8)
    env = problem.environment(1)
    rng = np.random.default_rng(0)
    points = [env.keep(rng.integers(0, env.space.sizes)) for _ in range(10_000)]
    assert env.fits(np.stack(points)).all()
    distinct = {point.tobytes(): point for point in points}
    folded = next(limit.cost.folded for limit in problem.limits if limit.field.startswith("fpga:"))
    for point in list(distinct.values())[:1000]:
        estimate = targets.estimate(folded.network(point), HLS4ML, design=folded.design(point))
        assert estimate.field("latency_us") <= 300
        assert estimate.field("lut") <= 30000
    assert GOOD_USE <= env.use(env.keep(env.space.widest)) <= 1


@pytest.mark.parametrize("method", ["uniform", "random", "evolution", "netadapt", "knapsack", "tpe", "nsga2", "amc"])
def test_every_method_finds_a_design_within_all_limits(method):
    problem = posed(HLS4ML, options=4)
    found = problem.run(method, problem.environment(12))
    (design,) = problem.designs(found).values()
    folded = problem.limits[0].cost.folded
    estimate = targets.estimate(folded.network(problem.space.indices(found.best.values)), HLS4ML, design=design)
    for limit in problem.limits:
        assert found.best.costs[limit.field] == pytest.approx(estimate.field(limit.field.rpartition(".")[2]))
        assert found.best.costs[limit.field] <= limit.value


def test_costs_are_those_of_the_one_design():
    folded = posed(HLS4ML).limits[0].cost.folded
    points = np.random.default_rng(0).integers(0, folded.space.sizes, (5, len(folded.space.sizes)))
    for name in ("latency_us", "interval_us", "lut", "bram18", "energy_uj"):
        true = [targets.estimate(folded.network(p), HLS4ML, design=folded.design(p)).field(name) for p in points]
        assert folded.costs(points, name) == pytest.approx(true, rel=1e-12)


def test_an_area_alone_is_at_the_pace_of_the_unpruned_network():
    problem = posed(HLS4ML, {"lut": "70%"})
    assert [limit.field for limit in problem.limits] == [f"{HLS4ML}.lut", f"{HLS4ML}.interval_us"]
    before = problem.whole[f"{HLS4ML}.interval_us"]
    env = problem.environment(1)
    point = env.keep(env.space.widest)
    assert broken(problem, point) == []
    assert problem.limits[1].value == before
    assert point.any()


def test_limits_of_the_network_and_of_two_boards_go_together():
    model = zoo.build("vgg_tiny", SHAPE, 3, seed=0, options={"widths": [6, "M", 8]})
    budget = {"macs": 0.8, f"{HLS4ML}.latency_us": "=12", "fpga:zcu104.latency_us": "=11"}
    problem = pose(model, SHAPE, budget, (IMAGES, LABELS), IMAGES, bits=8, options=4)
    found = problem.run("random", problem.environment(3))
    assert set(problem.designs(found)) == {HLS4ML, "fpga:zcu104"}
    with pytest.raises(
        InputError, match="knapsack: got limits of fpga:pynq-z2 and fpga:zcu104; expected one FPGA, who"
    ):
        problem.run("knapsack", problem.environment(12))
    one = pose(model, SHAPE, {"macs": 0.6, f"{HLS4ML}.latency_us": "=12"}, (IMAGES, LABELS), IMAGES, bits=8, options=4)
    found = one.run("knapsack", one.environment(12))
    assert found.best.costs["macs"] <= 0.6 * one.whole["macs"]


def test_what_nothing_meets_is_refused_with_what_is_nearest():
    problem = posed(HLS4ML, {"latency_us": "=3"})
    with pytest.raises(BudgetError, match=r"latency_us: asked for at most 3; the smallest reachable is \d+\.\d+, with"):
        problem.run("amc", problem.environment(3))
    with pytest.raises(UnknownNameError, match="fpga:pynq-z2: unknown field 'latency_ms'; did you mean 'latency_us'"):
        posed(HLS4ML, {"latency_ms": "=3"})


@pytest.mark.parametrize("sizes", [(2, 3), (16,) * 12, (5, 1, 7, 4), (2,) * 9])
def test_few_points_show_every_pair_of_options(sizes):
    space = Space(tuple(Variable(f"v{i}", tuple(range(size))) for i, size in enumerate(sizes)))
    points = pairwise_points(space)
    for first, second in itertools.combinations(range(len(sizes)), 2):
        seen = set(map(tuple, points[:, [first, second]].tolist()))
        assert len(seen) == sizes[first] * sizes[second]
    assert len(points) <= 4 * max(max(sizes), len(sizes)) ** 2


def test_a_variable_whose_bounds_leave_one_width_is_no_trouble():
    problem = posed(HLS4ML, bounds=Bounds(cap=0.0))
    env = problem.environment(1)
    assert env.space.sizes.tolist() == [1, 1]
