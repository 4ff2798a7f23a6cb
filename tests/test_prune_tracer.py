# SPDX-License-Identifier: Apache-2.0
"""Groups and surgery of any traced module: masked equals shrunk, ratios are as asked, groups are those of hwsim."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prune_architectures import ARCHITECTURES, built
from prune_blocks import ConvNext, Dense, Encoder, Fused, Preact, Residual, Shuffle, Squeeze, basic, cbr, shuffle_v1
from prune_networks import randomise
from torch import nn
from torch.nn import functional

from hwsim.errors import InputError, UnsupportedError
from hwsim.importers.torch import import_torch
from prune.groups import channel_groups
from prune.traced import SelectedBatchNorm2d, mask_traced, prune_traced, shrink_traced
from prune.tracer import trace
from slimfab import zoo

TOLERANCE = 1e-4  # float32 sums in another order


def outputs(model, example):
    with torch.no_grad():
        found = model(*example)
    return torch.cat([part.flatten() for part in (found if isinstance(found, tuple) else (found,))])


def difference(model, example, traced, kept):
    """The largest between masked and shrunk, relative to outputs of one."""
    masked = outputs(mask_traced(model, traced, kept), example)
    small = outputs(shrink_traced(model, traced, kept), example)
    assert torch.isfinite(masked).all()
    return (small - masked).abs().max().item() / max(1.0, masked.abs().max().item())


def check_architecture(name):
    model, example = built(name)
    traced = trace(model, example)
    assert traced.groups, [f"{g.name}: {g.frozen}" for g in traced.frozen]
    kept = {g.name: tuple(range(0, g.width, 2)) for g in traced.groups if g.width > 1}
    assert difference(model, example, traced, kept) < TOLERANCE
    small = prune_traced(model, example, keep=0.5)
    assert {n: len(k) for n, k in small.kept.items()} == {
        g.name: round(g.width / 2) for g in traced.groups if g.width > 1
    }
    assert small.parameters_after < small.parameters_before


FEW = ("shufflenet v1", "swin")


@pytest.mark.parametrize("name", FEW)
def test_half_of_an_architecture_goes(name):
    check_architecture(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*ARCHITECTURES} - {*FEW}))
def test_half_of_every_architecture_goes(name):
    check_architecture(name)


@pytest.mark.parametrize("name", ["vgg_tiny", "resnet8", "ds_cnn"])
def test_groups_are_those_of_the_hardware_network(name):
    model, shape = zoo.build(name).eval(), zoo.ZOO[name].in_shape
    traced = trace(model, (torch.zeros(2, *shape),))
    expected = channel_groups(import_torch(model, shape, fold=False)[0])
    assert {(g.layers, g.width) for g in traced.groups} == {(g.layers, g.width) for g in expected}


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.ZOO.names())
def test_every_zoo_network_is_cut_alike(name):
    test_groups_are_those_of_the_hardware_network(name)
    model, shape = zoo.build(name), zoo.ZOO[name].in_shape
    randomise(model)
    traced = trace(model.eval(), (torch.zeros(2, *shape),))
    kept = {g.name: tuple(range(0, g.width, 2)) for g in traced.groups}
    assert difference(model, (torch.randn(2, *shape),), traced, kept) < TOLERANCE


def test_norms_of_a_residual_stream_choose_channels_by_index():
    model, example = built("preact resnet")
    select = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d) and "bn1" in name]
    traced = trace(model, example, select=select)
    assert {g.name for g in traced.groups} >= set(select)
    assert "gathers its input by index" in next(g.frozen for g in traced.frozen if g.name == "0")
    prune_traced(model, example, keep=0.5, select=select)
    kept = {name: (0, 3, 5) for name in select}
    assert difference(model, example, traced, kept) < TOLERANCE
    small = shrink_traced(model, traced, kept)
    assert all(isinstance(small.get_submodule(name), SelectedBatchNorm2d) for name in select)
    assert small.get_submodule("2.conv1").in_channels == 3
    assert small.get_submodule("0").out_channels == model.get_submodule("0").out_channels


def test_heads_go_whole_and_residual_streams_behind_layer_norm_stay():
    model, example = built("bert")
    traced = trace(model, example)
    widths = sorted(g.width for g in traced.groups)
    assert widths == [4, 4, 32, 32]  # heads and hidden widths of two layers
    assert any("normalises over the channels" in g.frozen for g in traced.frozen)
    small = prune_traced(model, example, keep=0.5)
    attention = small.module.layers[0].attention
    assert (attention.query.out_features, attention.out.in_features) == (8, 8)


def plain(c, w):
    return nn.Sequential(cbr(c, w), cbr(w, c))


def grouped(c, w):
    return nn.Sequential(cbr(c, 4, 1), cbr(4, 2 * w, g=2), cbr(2 * w, c, 1))


def shuffled(c, w):
    return nn.Sequential(cbr(c, 8, 1), shuffle_v1(8, 2), cbr(8, 4 * w, g=2), Shuffle(2), cbr(4 * w, c, 1))


def attended(c, w):
    return nn.Sequential(cbr(c, 8, 1), Tokens(Encoder(8, Fused(8, 2 + 2 * (w % 2)))), cbr(8, c, 1))


class Tokens(nn.Module):
    """A layer over pixels."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        rows = self.body(x.flatten(2).transpose(1, 2))
        return rows.transpose(1, 2).unflatten(2, x.shape[2:])


BLOCKS = {
    "plain": plain,
    "residual": lambda c, w: basic(c, c),
    "bottleneck": lambda c, w: Residual(plain(c, w)),
    "preactivation": lambda c, w: Preact(c, c),
    "dense": lambda c, w: nn.Sequential(Dense(c, w), cbr(c + w, c, 1)),
    "depthwise": lambda c, w: nn.Sequential(cbr(c, c * 2, g=c), cbr(c * 2, c, 1)),
    "grouped": grouped,
    "shuffled": shuffled,
    "gated": lambda c, w: Squeeze(c),
    "convnext": lambda c, w: ConvNext(c),
    "attended": attended,
}


def check_random(names, width, channels, flat, data):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(width)
        blocks = [BLOCKS[name](channels, width) for name in names]
        head = (
            [nn.Flatten(), nn.Linear(16 * channels, 3)]
            if flat
            else [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3)]
        )
        model = nn.Sequential(cbr(2, channels), *blocks, *head)
        randomise(model)
        example = (torch.randn(2, 2, 4, 4),)
    model.eval()
    traced = trace(model, example)
    kept = {}
    for group in traced.groups:
        if data.draw(st.booleans()):
            kept[group.name] = tuple(sorted(data.draw(st.sets(st.integers(0, group.width - 1), min_size=1))))
    assert difference(model, example, traced, kept) < TOLERANCE


RANDOM = (
    st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=4),
    st.integers(2, 4),
    st.sampled_from([4, 6, 8]),
    st.booleans(),
    st.data(),
)


@given(*RANDOM)
@settings(max_examples=4, deadline=None)
def test_shrunk_equals_masked_on_random_modules(names, width, channels, flat, data):
    check_random(names, width, channels, flat, data)


@pytest.mark.slow
@given(*RANDOM)
@settings(max_examples=500, deadline=None)
def test_shrunk_equals_masked_on_many_random_modules(names, width, channels, flat, data):
    check_random(names, width, channels, flat, data)


class Biased(Fused):
    """Attention with a learned number per head and pair of tokens, as in Swin; or with queries whose heads stay."""

    def __init__(self, channels, heads, tokens, stays):
        super().__init__(channels, heads)
        self.bias, self.stays = nn.Parameter(torch.randn(heads, tokens, tokens)), stays

    def forward(self, x):
        q, k, v = (
            layer(x).unflatten(2, (-1, self.size)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        if self.stays:
            q, k, bias = torch.cumsum(q, 1), torch.cumsum(k, 1), None
        else:
            bias = torch.cumsum(self.bias, 0)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(y.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("stays", [True, False])
def test_heads_stay_where_a_mask_or_another_operand_keeps_them(stays):
    model = Biased(8, 2, 5, stays).eval()
    example = (torch.randn(2, 5, 8),)
    traced = trace(model, example)
    assert not traced.groups
    assert any("meets heads that stay" in group.frozen for group in traced.frozen)
    prune_traced(model, example, keep=0.5)


class Odd(nn.Module):
    """Numbers in forward, and an operator without a rule."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        x = torch.cumsum(self.a(x), 1)
        x = self.c(self.b(x)[:, :4])
        return self.head(x.view(-1, 64))


def test_what_has_no_rule_stays_and_is_named_and_numbers_in_forward_are_refused():
    example = (torch.randn(2, 2, 4, 4),)
    traced = trace(Odd(), example)
    frozen = {g.name: g.frozen for g in traced.frozen}
    assert "operator 'cumsum' has no rule" in frozen["a"]
    assert {g.name for g in traced.groups} == {"b", "c"}
    with pytest.raises(
        UnsupportedError, match="Odd: forward of the pruned module fails .*; write sizes in forward as -1"
    ):
        prune_traced(Odd(), example, keep=0.5)


def test_bad_arguments_are_refused():
    model, example = built("vgg11")
    with pytest.raises(InputError, match="prune_traced: got keep=0; expected above 0"):
        prune_traced(model, example, keep=0)
    with pytest.raises(InputError, match="unknown channel group or layer 'conv'"):
        prune_traced(model, example, keep=0.5, skip=["conv"])
    traced = trace(model, example)
    with pytest.raises(InputError, match="unknown or unprunable channel group 'x'"):
        shrink_traced(model, traced, {"x": (0,)})
    with pytest.raises(InputError, match="expected units below 8, at least one"):
        shrink_traced(model, traced, {traced.groups[0].name: (9,)})
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    tied[2].weight = tied[0].weight
    with pytest.raises(UnsupportedError, match="shared with"):
        prune_traced(tied, (torch.randn(2, 4),), keep=0.5)
