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
from prune.search.costs import Asked, breakdown, tabulate
from prune.search.environment import GOOD_USE, Environment, PointLimit
from prune.search.space import channel_counts, channel_space
from slimfab import zoo

CASES = [("vgg_tiny", "macs"), ("resnet8", "macs"), ("resnet8", "params"), ("ds_cnn", "macs"),
         ("vgg_tiny", "cpu:cortex-a53.latency_us")]  # fmt: skip


def tables(network, groups, field, most):
    space = channel_space(groups, Bounds(), most)
    by_layer, combine = breakdown(field)
    resize = lambda counts: network.with_widths(widths(groups, counts))  # noqa: E731
    total = lambda one: targets.cost(one, field)  # noqa: E731
    return space, resize, total, tabulate(space, groups, resize, by_layer, combine, total)


@pytest.mark.parametrize(("name", "field"), CASES)
def test_tables_are_the_cost_model(name, field):
    shape = zoo.ZOO[name].in_shape
    network, weights = import_torch(zoo.build(name, seed=0), shape, fold=False)
    groups = channel_groups(network)
    folded, _ = fold_batch_norm(network, weights)
    space, resize, total, found = tables(folded, groups, field, 3)
    rng = np.random.default_rng(5)
    points = np.stack([rng.integers(0, space.sizes) for _ in range(6)])
    true = [total(resize(channel_counts(groups, space.values(point)))) for point in points]
    assert found(points) == pytest.approx(true, rel=1e-9)


def test_layers_that_more_than_two_groups_meet_in_are_asked_of_the_model():
    draft = Draft(3, 8, 8)
    branches = [draft.conv(4, "x"), draft.conv(6, "x"), draft.conv(5, "x")]
    draft.layer("concat", *branches)
    draft.conv(7)
    draft.head()
    network = draft.network()
    groups = channel_groups(network)
    *_, found = tables(network, groups, "macs", None)
    assert found is None


def test_each_point_is_asked_for_once():
    asked = []
    groups = channel_groups(import_torch(zoo.build("vgg_tiny", seed=0), (1, 28, 28), fold=False)[0])
    space = channel_space(groups, Bounds())
    cost = Asked(lambda values: float(len(asked.append(values) or asked)), space)
    both = np.stack([space.widest, space.narrowest, space.widest])
    assert cost(both).tolist() == [1.0, 2.0, 1.0]


def test_fields_that_no_sum_of_layers_gives_have_no_breakdown():
    assert breakdown("fpga:pynq-z2.cycles") is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg_small", "resnet8", "ds_cnn"])
def test_ten_thousand_sequences_of_wishes_keep_the_budget(name):
    network, weights = import_torch(zoo.build(name, seed=0), zoo.ZOO[name].in_shape, fold=False)
    groups = channel_groups(network)
    folded, _ = fold_batch_norm(network, weights)
    space, *_, cost = tables(folded, groups, "macs", None)
    limit = PointLimit("macs", 0.4 * float(cost(space.widest[None])[0]), cost)
    env = Environment(space, [limit], lambda values: 0.0, 1)
    rng = np.random.default_rng(0)
    points = np.stack([env.keep(rng.integers(0, space.sizes)) for _ in range(10_000)])
    assert cost(points).max() <= limit.value
    assert env.use(env.keep(space.widest)) >= GOOD_USE
