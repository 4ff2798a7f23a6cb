# SPDX-License-Identifier: Apache-2.0
"""Scores on weights small enough to check by hand."""

import numpy as np
import pytest
from prune_networks import Draft, random_weights

from hwsim.errors import InputError, UnknownNameError, WeightsError
from prune.criteria import CRITERIA, ChannelStatistics, Context, score
from prune.groups import channel_groups, find_group


def chain():
    draft = Draft(1, 4, 4)
    draft.conv(3, kernel=1)
    draft.norm()
    draft.head()
    return draft.network()


def context(network, seed=0, **changes):
    weights = {**random_weights(network), **changes}
    gammas = {name: weights[name] for name in weights if name.startswith("batch_norm") and name.endswith("weight")}
    rng = np.random.default_rng(7)
    read = {m.tensor: rng.random((4, len(m.index))) for g in channel_groups(network) for m in g.consumers}
    activations = {tensor: ChannelStatistics(*values) for tensor, values in read.items()}
    taylor = {name: rng.random(len(value)) for name, value in weights.items()}
    return Context(weights, gammas, seed, activations, taylor, {n: rng.random(w.shape) for n, w in weights.items()})


@pytest.mark.parametrize("criterion", CRITERIA.names())
def test_one_finite_score_per_unit_and_the_same_again(criterion):
    draft = Draft(1, 4, 4)
    stem = draft.norm(draft.conv(4))
    draft.layer("add", draft.norm(draft.conv(4, draft.depthwise())), stem)
    draft.norm(draft.conv(6, groups=2))
    draft.head()
    network = draft.network()
    groups = channel_groups(network)
    first = score(groups, criterion, context(network))
    again = score(groups, criterion, context(network))
    assert {g.name: g.width for g in groups} == {name: len(values) for name, values in first.items()}
    assert all(np.array_equal(first[name], again[name]) and np.isfinite(first[name]).all() for name in first)


def test_l1_and_l2_are_norms_relative_to_the_layers_mean():
    network = chain()
    groups = channel_groups(network)
    weight = np.array([3.0, -4.0, 0.0, 0.0]).reshape(2, 2, 1, 1)
    draft = Draft(2, 4, 4)
    draft.conv(2, kernel=1)
    draft.head()
    network = draft.network()
    groups = channel_groups(network)
    here = context(network, **{"conv2d1.weight": weight})
    assert score(groups, "l1", here)["conv2d1"].tolist() == [2.0, 0.0]
    weight = np.array([3.0, 4.0, 15.0, 0.0]).reshape(2, 2, 1, 1)
    here = context(network, **{"conv2d1.weight": weight})
    assert score(groups, "l2", here)["conv2d1"].tolist() == [0.5, 1.5]
    assert np.allclose(score(groups, "l1", here)["conv2d1"], np.array([7, 15]) / 11)


def test_layers_of_a_residual_group_have_equal_votes():
    draft = Draft(1, 4, 4)
    stem = draft.conv(2, kernel=1)
    outer = draft.conv(2, kernel=1)
    draft.layer("add", outer, stem)
    draft.head()
    network = draft.network()
    here = context(
        network,
        **{
            f"{stem}.weight": np.array([1000.0, 3000.0]).reshape(2, 1, 1, 1),
            f"{outer}.weight": np.array([[0.3, 0.0], [0.0, 0.1]]).reshape(2, 2, 1, 1),
        },
    )
    # 0.5 and 1.5 in one layer, 1.5 and 0.5 in the other, a factor 10^4 apart.
    assert np.allclose(score(channel_groups(network), "l1", here)[stem], [1.0, 1.0])


def test_depthwise_filters_vote_and_other_groups_do_not():
    draft = Draft(1, 4, 4)
    a, b = draft.conv(2, "x", kernel=1), draft.conv(2, "x", kernel=1)
    draft.layer("concat", a, b)
    deep = draft.depthwise()
    draft.head()
    network = draft.network()
    filters = np.zeros((4, 1, 3, 3))
    filters[:, 0, 1, 1] = [1, 3, 500, 700]
    here = context(network, **{f"{a}.weight": np.ones((2, 1, 1, 1)), f"{deep}.weight": filters})
    group = find_group(channel_groups(network), a)
    assert CRITERIA["l1"](group, here).tolist() == [0.75, 1.25]


def test_units_of_a_grouped_convolution_average_their_channels():
    draft = Draft(1, 4, 4)
    first = draft.conv(4, kernel=1)
    draft.conv(2, groups=2)
    draft.head()
    network = draft.network()
    here = context(network, **{f"{first}.weight": np.array([1.0, 2, 3, 4]).reshape(4, 1, 1, 1)})
    assert score(channel_groups(network), "l1", here)[first].tolist() == [2 / 2.5, 3 / 2.5]


def test_bn_gamma_is_the_raw_mean_of_the_groups_batch_norms():
    draft = Draft(1, 4, 4)
    first = draft.conv(2)
    draft.norm()
    draft.depthwise()
    draft.norm()
    draft.head()
    network = draft.network()
    gammas = {"batch_norm2.weight": np.array([-0.5, 0.1]), "batch_norm4.weight": np.array([0.5, -0.3])}
    found = score(channel_groups(network), "bn_gamma", Context({}, gammas))
    assert np.allclose(found[first], [0.5, 0.2])


def test_bn_gamma_of_a_unit_with_two_channels_is_their_mean():
    draft = Draft(1, 4, 4)
    first = draft.conv(4)
    norm = draft.norm()
    draft.conv(2, groups=2)
    draft.head()
    gammas = {f"{norm}.weight": np.array([0.5, 0.25, -1.5, 0.75])}
    assert score(channel_groups(draft.network())[:1], "bn_gamma", Context({}, gammas))[first].tolist() == [1.0, 0.5]


def test_random_depends_on_seed_and_group_only():
    draft = Draft(1, 4, 4)
    a = draft.conv(8)
    b = draft.conv(8)
    draft.head()
    groups = channel_groups(draft.network())
    both = score(groups, "random", Context({}, seed=3))
    alone = score(groups[1:], "random", Context({}, seed=3))
    assert np.array_equal(both[b], alone[b])
    assert not np.array_equal(both[a], both[b])
    assert not np.array_equal(both[a], score(groups, "random", Context({}, seed=4))[a])


def test_a_layer_of_zeros_scores_zero():
    network = chain()
    here = context(network, **{"conv2d1.weight": np.zeros((3, 1, 1, 1))})
    assert score(channel_groups(network), "l1", here)["conv2d1"].tolist() == [0, 0, 0]


def test_unknown_criterion_is_answered_with_a_suggestion():
    with pytest.raises(UnknownNameError, match="unknown pruning criterion 'bn_gama'; did you mean 'bn_gamma'"):
        score((), "bn_gama", Context({}))


def test_bn_gamma_without_a_batch_norm_is_refused():
    draft = Draft(1, 4, 4)
    draft.conv(3)
    draft.head()
    groups = channel_groups(draft.network())
    with pytest.raises(
        InputError, match="conv2d1: criterion bn_gamma found no batch norm on these 3 channels; choose l1"
    ):
        score(groups, "bn_gamma", Context({}))


def test_bn_gamma_without_a_trained_scale_is_refused():
    with pytest.raises(InputError, match=r"batch_norm2: batch norm has no trained scale \(affine=False\); choose l1"):
        score(channel_groups(chain()), "bn_gamma", Context({}))


def test_scores_that_are_not_finite_are_refused():
    network = chain()
    weight = np.array([1.0, np.nan, np.inf]).reshape(3, 1, 1, 1)
    here = context(network, **{"conv2d1.weight": weight})
    with pytest.raises(
        WeightsError, match="conv2d1: criterion l1 is NaN or infinite for 3 of 3 channels; expected finite"
    ):
        score(channel_groups(network), "l1", here)


def test_the_filter_nearest_to_the_others_goes_first_by_geometric_median():
    draft = Draft(1, 4, 4)
    draft.conv(3, kernel=1)
    draft.head()
    network = draft.network()
    here = context(network, **{"conv2d1.weight": np.array([0.0, 1.0, 5.0]).reshape(3, 1, 1, 1)})
    assert np.allclose(score(channel_groups(network), "fpgm", here)["conv2d1"], np.array([6, 5, 9]) * 3 / 20)


def test_activation_criteria_read_what_the_next_layer_reads():
    draft = Draft(1, 4, 4)
    draft.conv(2, kernel=1)
    draft.conv(3, kernel=1)
    draft.head()
    network = draft.network()
    seen = ChannelStatistics(np.array([1.0, 3.0]), np.array([0.9, 0.2]), np.array([2.0, 1.0]), np.zeros(2))
    weights = {**random_weights(network), "conv2d2.weight": np.array([[1, 1], [-1, 0], [0, 5.0]]).reshape(3, 2, 1, 1)}
    here = Context(weights, activations={"conv2d2.weight": seen})
    first = channel_groups(network)[:1]
    assert np.allclose(score(first, "activation", here)["conv2d1"], [0.5, 1.5])
    assert np.allclose(score(first, "apoz", here)["conv2d1"], [0.1, 0.8])
    assert np.allclose(score(first, "wanda", here)["conv2d1"], [4 / 5, 6 / 5])


def test_gradient_criteria_sum_over_the_filter():
    network = chain()
    weight = np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1)
    fisher = {"conv2d1.weight": np.array([8.0, 0.5, 2.0]).reshape(3, 1, 1, 1)}
    here = Context({"conv2d1.weight": weight}, taylor={"conv2d1.weight": np.array([3.0, 1.0, 2.0])}, fisher=fisher)
    assert score(channel_groups(network), "obd", here)["conv2d1"].tolist() == [4, 1, 9]
    assert score(channel_groups(network), "taylor", here)["conv2d1"].tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("criterion", "what"),
    [("apoz", "activations"), ("wanda", "activations"), ("taylor", "labelled samples"), ("obd", "labelled samples")],
)
def test_criteria_of_data_say_what_they_lack(criterion, what):
    network = chain()
    with pytest.raises(InputError, match=f"conv2d1: criterion {criterion} needs {what}"):
        score(channel_groups(network), criterion, Context(random_weights(network)))
