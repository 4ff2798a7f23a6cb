# SPDX-License-Identifier: Apache-2.0
"""Removal without a framework: the shrunk network computes what the masked one computes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prune_networks import Draft, kept_units, networks, random_weights

from hwsim.errors import InputError
from hwsim.network import check_weights
from hwsim.reference import execute
from prune.choice import Choice
from prune.cut import mask_weights, shrink_network, shrink_weights
from prune.groups import channel_groups


def choice_for(network, kept):
    return Choice(network.hash, network.tensors[network.inputs[0]].shape, kept)


@given(networks(), st.data())
@settings(max_examples=120, deadline=None)
def test_shrunk_equals_masked(network, data):
    choice = choice_for(network, data.draw(kept_units(channel_groups(network))))
    weights = random_weights(network)
    x = np.random.default_rng(1).normal(size=(2, *network.tensors["x"].shape))
    masked = execute(network, mask_weights(network, weights, choice), x)
    small = shrink_network(network, choice)
    small_weights = shrink_weights(network, weights, choice)
    check_weights(small, small_weights)
    # The same sums in float64, with zeros left out.
    np.testing.assert_allclose(execute(small, small_weights, x), masked, rtol=1e-9, atol=1e-9)


@given(networks())
@settings(max_examples=20, deadline=None)
def test_keeping_everything_changes_nothing(network):
    choice = choice_for(network, {g.name: tuple(range(g.width)) for g in channel_groups(network)})
    weights = random_weights(network)
    assert shrink_network(network, choice).hash == network.hash
    small = shrink_weights(network, weights, choice)
    assert all(np.array_equal(small[name], weights[name]) for name in weights)


def test_shrinking_takes_the_named_channels():
    draft = Draft(1, 2, 2)
    first = draft.conv(4)
    draft.layer("flatten")
    head = draft.dense(3)
    network = draft.network()
    weights = random_weights(network)
    choice = choice_for(network, {first: (1, 3)})
    small = shrink_weights(network, weights, choice)
    assert np.array_equal(small[f"{first}.weight"], weights[f"{first}.weight"][[1, 3]])
    assert np.array_equal(small[f"{head}.weight"], weights[f"{head}.weight"][:, [4, 5, 6, 7, 12, 13, 14, 15]])
    assert shrink_network(network, choice).layer(head).name == head


def test_removal_past_a_sigmoid_is_exact_but_cannot_be_masked():
    draft = Draft(1, 4, 4)
    first = draft.conv(4)
    curve = draft.layer("sigmoid")
    draft.head()
    network = draft.network()
    with pytest.raises(
        InputError, match=rf"{curve}: sigmoid turns a masked zero into another number; .*shrink instead"
    ):
        mask_weights(network, random_weights(network), choice_for(network, {first: (0,)}))


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"conv2d1": ()}, "conv2d1: the choice keeps none of 4 channels; expected at least 1"),
        ({"conv2d1": (0, 4)}, r"conv2d1: kept=\[0, 4\]; expected ascending channel numbers below 4"),
        ({"conv2d1": (1, 0)}, r"conv2d1: kept=\[1, 0\]; expected ascending"),
        ({"conv1": (0,)}, "choice: unknown or unprunable channel group 'conv1'; did you mean 'conv2d1'"),
        ({"dense3": (0,)}, "choice: unknown or unprunable channel group 'dense3'"),
    ],
)
def test_impossible_choices_are_refused(kept, message):
    draft = Draft(1, 4, 4)
    draft.conv(4)
    draft.head()
    network = draft.network()
    with pytest.raises(InputError, match=message):
        shrink_network(network, choice_for(network, kept))
