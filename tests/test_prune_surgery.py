# SPDX-License-Identifier: Apache-2.0
"""Physical removal: the shrunk module computes what the masked one computes, and keeps its books."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prune_networks import AsModule, Draft, kept_units, networks, randomise
from torch import nn
from torch.nn.utils import parametrizations

from hwsim.errors import InputError, UnsupportedError
from hwsim.importers.torch import import_torch
from prune.choice import Choice
from prune.cut import shrink_network
from prune.groups import channel_groups
from prune.surgery import mask, shrink
from slimfab import zoo

TOLERANCE = 1e-4  # float32 sums in another order (methods: mask and shrink agree to 1e-4)


def half(network, start=0):
    """Every other unit of every group."""
    groups = channel_groups(network)
    kept = {g.name: tuple(range(start, g.width, 2)) for g in groups if g.width > 1}
    return Choice(network.hash, network.tensors[network.inputs[0]].shape, kept)


def imported(model, shape):
    return import_torch(model.eval(), shape, fold=False)[0]


def assert_shrunk_equals_masked(model, network, choice, shape):
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        small, masked = shrink(model, network, choice)(x), mask(model, network, choice)(x)
    assert torch.isfinite(masked).all()
    scale = max(1.0, masked.abs().max().item())
    assert (small - masked).abs().max().item() < TOLERANCE * scale
    return masked


@given(networks(), st.data())
@settings(max_examples=60, deadline=None)
def test_shrunk_equals_masked_on_random_networks(network, data):
    check_random(network, data)


@pytest.mark.slow
@given(networks(), st.data())
@settings(max_examples=600, deadline=None)
def test_shrunk_equals_masked_on_many_random_networks(network, data):
    check_random(network, data)


def check_random(network, data):
    shape = network.tensors["x"].shape
    choice = Choice(network.hash, shape, data.draw(kept_units(channel_groups(network))))
    assert_shrunk_equals_masked(AsModule(network), network, choice, shape)


@given(networks())
@settings(max_examples=20, deadline=None)
def test_parameters_have_the_shapes_of_the_shrunk_network(network):
    choice = half(network)
    parameters = dict(shrink(AsModule(network), network, choice).named_parameters())
    small = shrink_network(network, choice)
    assert {n: tuple(p.shape) for n, p in parameters.items()} == {n: small.tensors[n].shape for n in parameters}


ZOO_NETS = {
    "resnet8": None,
    "resnet20": None,
    "vgg_small": None,
    "mobilenet_tiny": None,
    "mobilenet_v2": (3, 32, 32),
    "ds_cnn": None,
}


@pytest.mark.parametrize("name", ZOO_NETS)
def test_shrunk_equals_masked_on_the_zoo(name):
    shape = ZOO_NETS[name] or zoo.ZOO[name].in_shape
    model = zoo.build(name, shape).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        randomise(model)
    network = imported(model, shape)
    choice = half(network)
    assert choice.kept
    masked = assert_shrunk_equals_masked(model, network, choice, shape)
    with torch.no_grad():
        assert not torch.allclose(model(torch.zeros(3, *shape)), masked)


def test_nothing_removed_gives_equal_bits_in_a_new_module():
    network = tiny()
    model = AsModule(network)
    choice = Choice(network.hash, (1, 4, 4), {g.name: tuple(range(g.width)) for g in channel_groups(network)})
    small = shrink(model, network, choice)
    assert small is not model
    for name, value in model.state_dict().items():
        assert torch.equal(small.state_dict()[name], value)


def tiny():
    draft = Draft(1, 4, 4)
    draft.conv(6)
    draft.norm()
    draft.depthwise(2)
    draft.conv(4, groups=2)
    draft.head()
    return draft.network()


def test_the_given_module_is_left_alone():
    network = tiny()
    model = AsModule(network)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shrink(model, network, half(network))
    mask(model, network, half(network))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_attributes_follow_the_parameters():
    network = tiny()
    first, norm, deep, grouped, head = [layer.name for layer in network.layers if layer.params]
    small = shrink(AsModule(network), network, Choice(network.hash, (1, 4, 4), {first: (0, 2), grouped: (1,)}))
    sizes = {n: (m.in_channels, m.out_channels, m.groups) for n, m in small.named_modules() if isinstance(m, nn.Conv2d)}
    assert sizes == {first: (1, 4, 1), deep: (4, 8, 4), grouped: (8, 2, 2)}
    assert getattr(small, norm).num_features == 4
    assert (getattr(small, head).in_features, getattr(small, head).out_features) == (2 * 16, 3)


def test_requires_grad_and_mode_stay():
    network = tiny()
    model = AsModule(network).train()
    model.conv2d1.weight.requires_grad_(False)
    small = shrink(model, network, half(network))
    assert small.training
    assert not small.conv2d1.weight.requires_grad
    assert small.conv2d1.bias.requires_grad


class NoAffine(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4, affine=False)
        self.last = nn.Conv2d(4, 2, 3)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.conv(x)))).flatten(1)


def test_batch_norm_without_scale_is_cut_and_silenced():
    model = NoAffine()
    randomise(model, 0)
    network = imported(model, (1, 6, 6))
    choice = half(network)
    assert_shrunk_equals_masked(model, network, choice, (1, 6, 6))
    assert shrink(model, network, choice).norm.running_var.shape == (2,)


class Curved(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(torch.sigmoid(self.first(x)))


def test_a_channel_behind_a_sigmoid_is_removed_exactly():
    model = Curved()
    network = imported(model, (3,))
    choice = Choice(network.hash, (3,), {"first": (1, 3)})
    x = torch.randn(5, 3)
    expected = torch.sigmoid(model.first(x))[:, [1, 3]] @ model.last.weight[:, [1, 3]].T + model.last.bias
    assert torch.allclose(shrink(model, network, choice)(x), expected, atol=1e-6)
    with pytest.raises(InputError, match="sigmoid turns a masked zero into another number"):
        mask(model, network, choice)


class Nicknamed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.body = nn.Sequential(self.first, nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x):
        return self.body(x)


def test_one_module_under_two_names_is_cut_once():
    model = Nicknamed()
    network = imported(model, (3,))
    small = shrink(model, network, half(network))
    assert small.first is small.body[0]
    assert_shrunk_equals_masked(model, network, half(network), (3,))


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(4, 3))
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(torch.relu(nn.functional.linear(x, self.matrix)))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.again = nn.Linear(4, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.again(torch.relu(self.again(self.first(x)))))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.last = nn.Linear(4, 2)
        self.decoder = nn.Linear(4, 4)
        self.decoder.weight = self.first.weight

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


@pytest.mark.parametrize(
    ("build", "shape", "message"),
    [
        (Bare, (3,), "matrix: held by Bare; expected torch.nn.Conv2d, Linear, .*; move it into one of them"),
        (Twice, (3,), r"again.weight: used by several layers \(again, again_2\); channels of shared weights cannot"),
        (
            Tied,
            (4,),
            r"(first|decoder).weight: one parameter held by 2 modules \(first.weight, decoder.weight\); channels of",
        ),
    ],
)
def test_parameters_that_cannot_be_cut_are_named(build, shape, message):
    model = build()
    network = imported(model, shape)
    with pytest.raises(UnsupportedError, match=message):
        shrink(model, network, half(network))


def test_a_parametrised_weight_is_refused():
    draft = Draft(4)
    draft.dense(4)
    draft.dense(2)
    network = draft.network()
    model = nn.Sequential()
    model.add_module("dense1", parametrizations.orthogonal(nn.Linear(4, 4)))
    model.add_module("dense2", nn.Linear(4, 2))
    with pytest.raises(UnsupportedError, match=r"dense1.weight: computed by a parametrisation of .*remove_parametriz"):
        shrink(model, network, half(network))


def test_a_model_that_was_not_imported_is_refused():
    network = tiny()
    with pytest.raises(
        UnsupportedError, match=r"conv2d1.weight: the model has no module 'conv2d1'; pass the model that"
    ):
        shrink(nn.Sequential(nn.Linear(2, 2)), network, half(network))
