# SPDX-License-Identifier: Apache-2.0
"""Sampled contributions equal what the next layer computes; statistics equal plain loops."""

import numpy as np
import pytest
import torch
from prune_networks import randomise
from torch import nn

from hwsim.errors import DatasetError, UnsupportedError
from hwsim.importers.torch import import_torch
from prune.contributions import contributions, joint, receptive_fields, unit_activations
from prune.groups import channel_groups, find_group
from prune.samples import Samples, activation_statistics, gradient_statistics
from prune.selectors import relative_error

SHAPE = (2, 6, 5)


class Flat(nn.Module):
    """Consumers behind a concat, in parts, and behind a flatten."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.norm = nn.Conv2d(2, 4, 3), nn.Conv2d(2, 3, 3), nn.BatchNorm2d(4)
        self.c = nn.Conv2d(7, 6, 3, padding=1, bias=False)
        self.grouped = nn.Conv2d(6, 4, 3, padding="same", groups=2)
        self.head = nn.Linear(4 * 12, 3)

    def forward(self, x):
        x = torch.cat([torch.relu(self.norm(self.a(x))), torch.tanh(self.b(x))], dim=1)
        x = self.grouped(torch.relu(self.c(x)))
        return self.head(torch.relu(x).flatten(1))


def flat():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = Flat()
        randomise(model)
    model.eval()
    return model, channel_groups(import_torch(model, SHAPE, fold=False)[0])


def images(count=40):
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1))


def outputs_without(model, path, group, x):
    """Per unit, everything the layer at ``path`` gives for inputs of that unit alone: (units, numbers)."""
    module, found = model.get_submodule(path), {}
    handle = module.register_forward_pre_hook(lambda _, args: found.update(x=args[0]))
    model(x)
    handle.remove()
    member = next(m for m in group.consumers if m.layer == path)
    parts = found["x"].shape[1] // len(member.index)
    index = np.tile(member.index, parts)
    bias, module.bias = module.bias, None
    alone = [
        module(found["x"] * torch.tensor(index == unit).view(-1, *[1] * (found["x"].ndim - 2)))
        for unit in range(group.width)
    ]
    module.bias = bias
    return torch.stack(alone).flatten(1).detach().double().numpy()


@pytest.mark.parametrize(("group", "path"), [("a", "c"), ("b", "c"), ("c", "grouped"), ("grouped", "head")])
def test_the_gram_of_sampled_outputs_is_that_of_all_outputs(group, path):
    model, groups = flat()
    group = find_group(groups, group)
    x = images(300)
    gram = contributions(model, group, Samples(x), rows=60_000)[f"{path}.weight"]
    z = outputs_without(model, path, group, x)
    expected = z @ z.T
    # A mean over 60,000 samples of z z' against the mean over all of them: 5 standard errors of about 1 %.
    got, expected = gram / gram.trace(), expected / expected.trace()
    assert np.abs(got - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("padding", [(2, 1), "valid", "same"])
def test_receptive_fields_give_the_layers_outputs_exactly(padding):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv = nn.Conv2d(3, 4, (3, 2), padding=padding, dilation=(1, 2), bias=False)
        model = nn.Sequential(nn.Conv2d(2, 3, 1), conv, nn.Flatten(), nn.LazyLinear(2)).eval()
        model(torch.zeros(1, *SHAPE))
    x = images(1)
    group = channel_groups(import_torch(model, SHAPE, fold=False)[0])[0]
    for seed in range(3):
        gram = contributions(model, group, Samples(x), rows=1, seed=seed)["1.weight"]
        with torch.no_grad():
            numbers = (model[1](model[0](x)) ** 2).flatten().numpy()
        # One sampled output: the sum of the whole matrix is its square.
        assert np.abs(numbers - gram.sum()).min() < 1e-5


def test_refit_sees_fields_part_by_part():
    model, groups = flat()
    member = find_group(groups, "c").consumers[0]
    grams = receptive_fields(model, member, Samples(images()), rows=500)
    assert [g.shape for g in grams] == [(27, 27), (27, 27)]
    assert all(np.linalg.eigvalsh(g).min() > -1e-6 for g in grams)


def test_units_behind_a_flatten_are_compared_pixel_by_pixel():
    model, groups = flat()
    x = images(1)
    gram = unit_activations(model, find_group(groups, "grouped"), Samples(x), rows=3)["head.weight"]
    seen = {}
    model.head.register_forward_pre_hook(lambda _, args: seen.update(x=args[0].detach().double().view(4, 12).numpy()))
    model(x)
    # One image, drawn three times; a unit of the grouped convolution is a channel of each of its two parts.
    units = np.concatenate([seen["x"][:2], seen["x"][2:]], axis=1)
    assert np.allclose(gram, 3 * units @ units.T)


def test_joint_weighs_consumers_by_their_own_energy():
    grams = {"a": np.diag([1.0, 3.0]), "b": np.diag([100.0, 100.0])}
    assert np.allclose(joint(grams), np.diag([0.75, 1.25]))
    assert relative_error(joint(grams), (0, 1)) == 0


def test_statistics_equal_plain_numbers():
    model, groups = flat()
    x = images()
    found = activation_statistics(model, groups, Samples(x))["grouped.weight"]
    with torch.no_grad():
        joined = torch.cat([torch.relu(model.norm(model.a(x))), torch.tanh(model.b(x))], dim=1)
        seen = torch.relu(model.c(joined)).double()
    assert np.allclose(found.magnitude, seen.abs().mean(dim=(0, 2, 3)))
    assert np.allclose(found.zeros, (seen == 0).double().mean(dim=(0, 2, 3)))
    assert np.allclose(found.rms, (seen**2).mean(dim=(0, 2, 3)).sqrt())


def test_gradients_are_those_of_the_loss():
    model, groups = flat()
    x, y = images(), torch.randint(0, 3, (40,), generator=torch.Generator().manual_seed(2))
    taylor, fisher = gradient_statistics(model, groups, Samples(x, y))
    loss = nn.functional.cross_entropy(model(x), y)
    (gradient,) = torch.autograd.grad(loss, [model.c.weight])
    assert np.allclose(taylor["c.weight"], (gradient * model.c.weight).sum(dim=(1, 2, 3)).detach() ** 2, rtol=1e-4)
    assert np.allclose(fisher["c.weight"], gradient**2, rtol=1e-4)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_samples_must_fit_and_padding_be_zeros():
    with pytest.raises(DatasetError, match="samples: got 3 inputs and 2 labels"):
        Samples(images(3), torch.zeros(2))
    with pytest.raises(DatasetError, match="samples: got 0 inputs and no labels"):
        Samples(images(0))
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 2, 3, padding=1), nn.Flatten(), nn.Linear(60, 2)).eval()
    group = channel_groups(import_torch(model, SHAPE, fold=False)[0])[0]
    model[1].padding_mode = "circular"
    with pytest.raises(UnsupportedError, match="1: reads pruned channels as Conv2d with unusual padding"):
        contributions(model, group, Samples(images(4)))
