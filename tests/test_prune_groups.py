# SPDX-License-Identifier: Apache-2.0
"""Coupled channels: units partition the channels, and each coupling is found."""

from collections import Counter

import pytest
from hypothesis import given, settings
from prune_networks import Draft, networks

from hwsim import ops
from hwsim.errors import InputError, UnsupportedError
from prune.groups import OTHER_GROUP, RULES, all_groups, channel_groups, find_group


def index(member):
    return list(member.index)


def only(members, layer, role="weight"):
    (found,) = [m for m in members if m.layer == layer and m.role == role]
    return found


@given(networks())
@settings(max_examples=150, deadline=None)
def test_producer_channels_are_partitioned_by_the_units(network):
    owners = Counter()
    for group in all_groups(network):
        for member in group.producers:
            if member.role == "weight":
                owners.update((member.layer, p) for p, unit in enumerate(member.index) if unit != OTHER_GROUP)
    expected = {
        (layer.name, channel)
        for layer in network.layers
        if layer.op in ops.WEIGHTED and not ops.is_depthwise(layer, network.tensors[layer.params["weight"]].shape)
        for channel in range(network.tensors[layer.output].shape[0])
    }
    assert set(owners) == expected
    assert set(owners.values()) == {1}


@given(networks())
@settings(max_examples=150, deadline=None)
def test_every_unit_has_the_stated_number_of_channels_of_every_producer(network):
    for group in all_groups(network):
        for member in group.producers:
            counts = Counter(unit for unit in member.index if unit != OTHER_GROUP)
            assert dict(counts) == dict.fromkeys(range(group.width), group.multiplicity[member.layer])


@given(networks())
@settings(max_examples=50, deadline=None)
def test_index_maps_are_as_long_as_the_axis_they_describe(network):
    for group in all_groups(network):
        for member in group.members:
            assert len(member.index) == network.tensors[member.tensor].shape[member.axis]


def test_every_operator_has_a_channel_rule():
    assert set(RULES) == set(ops.OPS) - {ops.OPAQUE}


def test_chain_couples_producer_norm_and_next_input():
    draft = Draft(1, 4, 4)
    first = draft.conv(6)
    norm = draft.norm()
    second = draft.conv(5, draft.relu())
    draft.head()
    groups = channel_groups(draft.network())
    assert [g.name for g in groups] == [first, second]
    assert groups[0].width == 6
    assert [(m.layer, m.role, m.axis) for m in groups[0].producers] == [(first, "weight", 0), (first, "bias", 0)]
    assert {(m.layer, m.role) for m in groups[0].followers} == {(norm, "scale"), (norm, "shift"), ("relu3", "")}
    assert [(m.layer, m.axis, index(m)) for m in groups[0].consumers] == [(second, 1, [0, 1, 2, 3, 4, 5])]


def test_flatten_gives_every_channel_its_pixels():
    draft = Draft(1, 2, 3)
    draft.conv(2)
    draft.layer("flatten")
    head = draft.dense(3)
    (group,) = channel_groups(draft.network())
    assert index(only(group.consumers, head)) == [0] * 6 + [1] * 6


def test_residual_branches_are_one_group():
    draft = Draft(1, 4, 4)
    stem = draft.conv(4)
    inner = draft.conv(7, stem)
    outer = draft.conv(4, inner)
    draft.layer("add", outer, stem)
    draft.head()
    groups = channel_groups(draft.network())
    assert {g.layers: g.width for g in groups} == {(stem, outer): 4, (inner,): 7}


def test_concat_moves_positions_and_merges_nothing():
    draft = Draft(1, 4, 4)
    a, b = draft.conv(2, "x"), draft.conv(3, "x")
    draft.layer("concat", b, a)
    norm = draft.norm()
    last = draft.conv(4)
    draft.head()
    by_name = {g.name: g for g in channel_groups(draft.network())}
    assert index(only(by_name[a].consumers, last)) == [-1, -1, -1, 0, 1]
    assert index(only(by_name[b].consumers, last)) == [0, 1, 2, -1, -1]
    assert index(only(by_name[a].followers, norm, "scale")) == [-1, -1, -1, 0, 1]


def test_add_behind_concat_splits_the_wide_layer_between_two_groups():
    draft = Draft(1, 4, 4)
    a, b, wide = draft.conv(2, "x"), draft.conv(3, "x"), draft.conv(5, "x")
    draft.layer("add", draft.layer("concat", a, b), wide)
    draft.head()
    by_name = {g.name: g for g in channel_groups(draft.network())}
    assert by_name[a].layers == (a, wide)
    assert by_name[b].layers == (b, wide)
    assert index(only(by_name[b].producers, wide)) == [-1, -1, 0, 1, 2]


def test_depthwise_follows_its_input_with_its_multiplier():
    draft = Draft(1, 4, 4)
    first = draft.conv(3)
    deep = draft.depthwise(2)
    last = draft.conv(4)
    draft.head()
    group = find_group(channel_groups(draft.network()), first)
    assert group.layers == (first,)
    assert index(only(group.followers, deep)) == [0, 0, 1, 1, 2, 2]
    assert index(only(group.consumers, last)) == [0, 0, 1, 1, 2, 2]


def test_grouped_convolution_couples_channels_at_the_same_offset():
    draft = Draft(1, 4, 4)
    first = draft.conv(6)
    middle = draft.conv(4, groups=2)
    last = draft.conv(3)
    draft.head()
    by_name = {g.name: g for g in channel_groups(draft.network())}
    assert (by_name[first].width, dict(by_name[first].multiplicity)) == (3, {first: 2})
    assert index(only(by_name[first].producers, first)) == [0, 1, 2, 0, 1, 2]
    assert index(only(by_name[first].consumers, middle)) == [0, 1, 2]
    assert (by_name[middle].width, index(only(by_name[middle].consumers, last))) == (2, [0, 1, 0, 1])


def test_groups_that_share_their_first_layer_get_distinct_names():
    draft = Draft(1, 4, 4)
    a = draft.conv(6, "x")
    b = draft.conv(2, "x")
    draft.layer("concat", a, b)
    draft.conv(4, groups=2)
    draft.head()
    # Offsets 0 and 1 of both halves are a's channels; offsets 2 and 3 pair a channel of a with one of b.
    groups = channel_groups(draft.network())[:2]
    assert [(g.name, g.width, dict(g.multiplicity)) for g in groups] == [
        (a, 2, {a: 2}),
        (f"{a}#2", 2, {a: 1, b: 1}),
    ]


def test_network_input_and_logits_are_never_prunable():
    draft = Draft(3, 4, 4)
    first = draft.conv(3)
    draft.layer("add", first, "x")
    head = draft.head()
    network = draft.network()
    assert channel_groups(network) == ()
    assert {g.name: g.frozen for g in all_groups(network)} == {first: "network input", head: "network output"}


def test_channels_added_to_the_input_are_frozen_and_their_neighbours_are_not():
    draft = Draft(1, 4, 4)
    a = draft.conv(4, "x")
    wide = draft.conv(5, "x")
    draft.layer("add", draft.layer("concat", "x", a), wide)
    draft.head()
    frozen = {g.name: (g.layers, g.width, g.frozen) for g in all_groups(draft.network())}
    assert frozen[a] == ((a, wide), 4, "")
    assert frozen[wide] == ((wide,), 1, "network input")


def test_softmax_inside_the_network_freezes_what_it_normalises():
    draft = Draft(4)
    first = draft.dense(5)
    soft = draft.layer("softmax")
    draft.dense(3)
    assert all_groups(draft.network())[0].frozen == f"{soft} normalises over the channels"
    assert first not in [g.name for g in channel_groups(draft.network())]


def test_dense_on_rows_freezes_both_sides():
    draft = Draft(4, 6)
    draft.layer("dense", "x", weight=(5, 6))
    draft.layer("flatten")
    draft.dense(3)
    assert channel_groups(draft.network()) == ()


def test_operator_without_a_rule_is_refused_by_name(monkeypatch):
    draft = Draft(1, 4, 4)
    draft.conv(4)
    soft = draft.relu()
    draft.head()
    monkeypatch.delitem(RULES, "relu")
    with pytest.raises(UnsupportedError, match=f"{soft}: operator 'relu' has no channel rule; add one"):
        channel_groups(draft.network())


def test_find_group_knows_groups_and_their_layers():
    draft = Draft(1, 4, 4)
    stem = draft.conv(4)
    outer = draft.conv(4)
    draft.layer("add", outer, stem)
    draft.head()
    groups = channel_groups(draft.network())
    assert find_group(groups, outer).name == stem
    with pytest.raises(InputError, match=r"unknown channel group or layer 'conv2d9'; did you mean 'conv2d"):
        find_group(groups, "conv2d9")
