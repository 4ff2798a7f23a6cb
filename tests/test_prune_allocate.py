# SPDX-License-Identifier: Apache-2.0
"""In which order units go: shares, one ranking for all, and given ratios."""

import numpy as np
import pytest
from prune_networks import Draft

from hwsim.errors import InputError
from prune.allocate import ALLOCATORS, best_units
from prune.groups import channel_groups


def two_layers():
    draft = Draft(1, 4, 4)
    draft.conv(4)
    draft.conv(2)
    draft.head()
    return channel_groups(draft.network())


SCORES = {"conv2d1": np.array([4.0, 1.0, 3.0, 2.0]), "conv2d2": np.array([10.0, 30.0])}


def allocate(name, ratios=None):
    return {g: values.tolist() for g, values in ALLOCATORS[name](two_layers(), SCORES, ratios or {}).items()}


@pytest.mark.parametrize("name", ALLOCATORS.names())
def test_priorities_never_rise_within_a_group(name):
    ratios = {"conv2d1": 0.5} if name == "per_layer" else {}
    for group in two_layers():
        priorities = ALLOCATORS[name](two_layers(), SCORES, ratios)[group.name]
        assert len(priorities) == group.width
        assert (priorities[1:] <= priorities[:-1]).all()


def test_uniform_removes_equal_shares_at_equal_priority():
    assert allocate("uniform") == {"conv2d1": [1, 0.75, 0.5, 0.25], "conv2d2": [1, 0.5]}


def test_global_divides_by_the_layers_mean_and_global_raw_does_not():
    assert allocate("global") == {"conv2d1": [1.6, 1.2, 0.8, 0.4], "conv2d2": [1.5, 0.5]}
    assert allocate("global_raw") == {"conv2d1": [4, 3, 2, 1], "conv2d2": [30, 10]}


def test_isomorphic_ranks_within_structures_and_removes_the_same_share_of_each():
    # Both convolutions are made and consumed alike: one ranking of all six, by score over the layer's mean.
    assert allocate("isomorphic") == {"conv2d1": [1, 4 / 6, 3 / 6, 1 / 6], "conv2d2": [5 / 6, 2 / 6]}
    draft = Draft(1, 4, 4)
    draft.conv(2)
    draft.conv(2, bias=False)  # another structure: its weak scores are not set against the other's
    draft.head()
    groups = channel_groups(draft.network())
    scores = {"conv2d1": np.array([1.0, 2.0]), "conv2d2": np.array([10.0, 30.0])}
    found = ALLOCATORS["isomorphic"](groups, scores, {})
    assert {name: values.tolist() for name, values in found.items()} == {"conv2d1": [1, 0.5], "conv2d2": [1, 0.5]}


def test_per_layer_removes_in_proportion_and_spares_the_rest():
    assert allocate("per_layer", {"conv2d1": 0.5}) == {"conv2d1": [2, 1.5, 1, 0.5], "conv2d2": [np.inf, np.inf]}
    # Where one layer loses twice the share of the other, its unit at half its width goes before the other's.
    both = allocate("per_layer", {"conv2d1": 0.5, "conv2d2": 0.75})
    assert both == {"conv2d1": [2, 1.5, 1, 0.5], "conv2d2": [4, 2]}


def test_best_units_are_ascending_and_the_earlier_wins_a_tie():
    assert best_units(np.array([1.0, 5.0, 1.0, 7.0]), 3) == (0, 1, 3)
    assert best_units(np.array([0.0, 0.0, 0.0]), 2) == (0, 1)


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ({}, "per_layer: got no ratios; expected the share to keep per layer"),
        ({"conv2d1": 0.0}, "conv2d1: ratio=0.0; expected the share to keep, above 0 and at most 1"),
        ({"conv2d1": 1.5}, "conv2d1: ratio=1.5; expected the share"),
        ({"conv3": 0.5}, "unknown channel group or layer 'conv3'"),
    ],
)
def test_bad_ratios_are_refused(ratios, message):
    with pytest.raises(InputError, match=message):
        allocate("per_layer", ratios)


def test_two_ratios_for_coupled_layers_are_refused():
    draft = Draft(1, 4, 4)
    stem = draft.conv(4)
    outer = draft.conv(4)
    draft.layer("add", outer, stem)
    draft.head()
    groups = channel_groups(draft.network())
    with pytest.raises(InputError, match=f"{outer}: ratio=0.25 and 0.5 for one group '{stem}'; give one of them"):
        ALLOCATORS["per_layer"](groups, {}, {stem: 0.5, outer: 0.25})


@pytest.mark.parametrize("name", ["uniform", "global", "global_raw", "isomorphic"])
def test_ratios_are_for_per_layer_only(name):
    with pytest.raises(InputError, match=f"{name}: got ratios for conv2d1; expected none; choose allocator per_layer"):
        allocate(name, {"conv2d1": 0.5})
