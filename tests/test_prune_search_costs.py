# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from prune_networks import Draft

from hwsim import targets
from hwsim.importers.torch import import_torch
from hwsim.passes import fold_batch_norm
from prune.budget import Bounds
from prune.choice import widths
from prune.groups import channel_groups
from prune.search import exact
from prune.search.costs import Asked, Switched, Tabulated
from prune.search.environment import GOOD_USE, Environment, PointLimit
from prune.search.layer_costs import tabulated_cost
from prune.search.space import Space, Variable, channel_counts, channel_space
from prune.search.tables import tabulate
from slimfab import zoo

CASES = [("vgg_tiny", "macs", Tabulated), ("resnet8", "macs", Tabulated), ("resnet8", "params", Tabulated),
         ("ds_cnn", "macs", Tabulated), ("vgg_tiny", "cpu:cortex-a53.latency_us", Tabulated),
         ("resnet20", "cpu:cortex-a53.latency_us", Switched), ("resnet20", "cpu:cortex-a53.energy_uj", Switched),
         ("resnet20", "gpu:jetson-orin.latency_us", Tabulated), ("ds_cnn", "cpu:cortex-a72.latency_us", Tabulated),
         ("resnet8", "npu:eyeriss.energy_uj", Tabulated),
         ("resnet20", "npu:gemmini.latency_us", Tabulated)]  # fmt: skip


def posed(name):
    shape = zoo.ZOO[name].in_shape
    network, weights = import_torch(zoo.build(name, seed=0), shape, fold=False)
    return fold_batch_norm(network, weights)[0], channel_groups(network)


def tables(network, groups, field, most):
    """The space, the model asked at points, and the tables."""
    space = channel_space(groups, Bounds(), most)
    resize = lambda values: network.with_widths(widths(groups, channel_counts(groups, values)))  # noqa: E731
    asked = Asked(lambda values: targets.cost(resize(values), field), space)
    return space, asked, tabulated_cost(field, space, groups, network, asked)


@pytest.mark.parametrize(("name", "field", "kind"), CASES)
def test_tables_are_the_cost_model(name, field, kind):
    space, asked, found = tables(*posed(name), field, 5)
    assert isinstance(found, kind)
    points = np.random.default_rng(5).integers(0, space.sizes, (12, len(space.sizes)))
    assert found(points) == pytest.approx(asked(points), rel=1e-9)


def test_weights_that_leave_the_cache_cost_more():
    space, asked, found = tables(*posed("resnet20"), "cpu:cortex-a53.latency_us", 4)
    ladder = np.minimum(np.arange(4)[:, None], space.widest)
    assert (found.size(ladder) <= found.capacity).tolist() == [True, True, False, False]
    assert found(ladder) == pytest.approx(asked(ladder), rel=1e-9)
    assert (found.outside(ladder) > found.inside(ladder)).all()
    env = Environment(space, [PointLimit("us", 0.5 * found(ladder)[-1], found)], lambda values: values["conv"], 60)
    exact.knapsack(env)
    assert env.best().costs["us"] <= env.limits[0].value


def test_a_layer_of_three_variables_has_no_table():
    space = Space(tuple(Variable(name, (1, 2)) for name in "abc"))
    known = {"sum": {0, 1, 2}}
    assert tabulate(space, lambda points: {"sum": points.sum(axis=1) + 1.0}, "sum", known) is None
    assert tabulate(space, lambda points: {"pair": points[:, 0] * points[:, 1] + 1.0}, "sum", known) is not None


def test_layers_that_more_than_two_groups_meet_in_are_asked_of_the_model():
    draft = Draft(3, 8, 8)
    branches = [draft.conv(4, "x"), draft.conv(6, "x"), draft.conv(5, "x")]
    draft.layer("concat", *branches)
    draft.conv(7)
    draft.head()
    network = draft.network()
    groups = channel_groups(network)
    assert tables(network, groups, "macs", None)[-1] is None


def test_each_point_is_asked_for_once():
    asked = []
    groups = channel_groups(import_torch(zoo.build("vgg_tiny", seed=0), (1, 28, 28), fold=False)[0])
    space = channel_space(groups, Bounds())
    cost = Asked(lambda values: float(len(asked.append(values) or asked)), space)
    both = np.stack([space.widest, space.narrowest, space.widest])
    assert cost(both).tolist() == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("field", ["fpga:pynq-z2.cycles", "gpu:a100/eager.latency_us"])
def test_what_is_no_sum_of_kernels_is_asked_of_the_model(field):
    assert tables(*posed("vgg_tiny"), field, 2)[-1] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg_small", "resnet8", "ds_cnn"])
def test_ten_thousand_sequences_of_wishes_keep_the_budget(name):
    space, _, cost = tables(*posed(name), "macs", None)
    limit = PointLimit("macs", 0.4 * float(cost(space.widest[None])[0]), cost)
    env = Environment(space, [limit], lambda values: 0.0, 1)
    rng = np.random.default_rng(0)
    points = np.stack([env.keep(rng.integers(0, space.sizes)) for _ in range(10_000)])
    assert cost(points).max() <= limit.value
    assert env.use(env.keep(space.widest)) >= GOOD_USE
