# SPDX-License-Identifier: Apache-2.0
"""Choices: JSON and back, one after the other, and the widths they mean."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prune_networks import Draft, kept_units, networks, random_weights

from hwsim.errors import InputError, ModelFileError
from prune.choice import Choice, compose, load_choice, save_choice, widths
from prune.cut import shrink_network, shrink_weights
from prune.groups import channel_groups


def test_json_round_trip(tmp_path):
    choice = Choice(
        "abcd", (1, 28, 28), {"conv": (0, 3)}, "l1", "global", "one_shot", {"macs": 0.5, "params": "40%"}, 4, 7
    )
    save_choice(tmp_path / "choice.json", choice)
    assert load_choice(tmp_path / "choice.json") == choice


def test_unknown_keys_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "choice.json"
    path.write_text('{"network_hash": "a", "example_shape": [1], "kept": {}, "keeps": {}}')
    with pytest.raises(InputError, match=r"choice.json: unknown key 'keeps'; did you mean 'kept'"):
        load_choice(path)
    path.write_text('{"network_hash": ')
    with pytest.raises(ModelFileError, match="not valid JSON"):
        load_choice(path)


def test_composition_renumbers_through_the_first_choice():
    first = Choice("whole", (1,), {"a": (1, 3, 5, 7), "b": (0, 1)})
    second = Choice("small", (1,), {"a": (0, 2), "c": (4,)}, "l2")
    assert compose(first, second) == Choice("whole", (1,), {"a": (1, 5), "b": (0, 1), "c": (4,)}, "l2")


@given(networks(), st.data())
@settings(max_examples=30, deadline=None)
def test_composed_choice_does_both_cuts_at_once(network, data):
    # Two units at least: with one channel per part a depthwise convolution becomes an ordinary one.
    groups = channel_groups(network)
    first = Choice(network.hash, (), {g.name: tuple(range(max(2, g.width // 2))) for g in groups if g.width > 2})
    middle, weights = shrink_network(network, first), random_weights(network)
    second = Choice(middle.hash, (), data.draw(kept_units(channel_groups(middle))))
    both = compose(first, second)
    assert shrink_network(network, both).hash == shrink_network(middle, second).hash
    twice = shrink_weights(middle, shrink_weights(network, weights, first), second)
    once = shrink_weights(network, weights, both)
    assert all((once[name] == twice[name]).all() for name in once)


def test_widths_count_channels_of_every_layer_that_loses_some():
    draft = Draft(1, 4, 4)
    a, b, wide = draft.conv(2, "x"), draft.conv(3, "x"), draft.conv(5, "x")
    draft.layer("add", draft.layer("concat", a, b), wide)
    part = draft.conv(6)
    draft.conv(4, groups=2)
    draft.head()
    groups = channel_groups(draft.network())
    assert widths(groups, {a: 1, b: 2, part: 2}) == {a: 1, b: 2, wide: 3, part: 4}
    assert widths(groups, {g.name: g.width for g in groups}) == {}
