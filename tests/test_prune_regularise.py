# SPDX-License-Identifier: Apache-2.0
"""Penalties: their gradients, their fixed points, and what a training does with them."""

import numpy as np
import pytest
import torch
from prune_networks import randomise
from torch import nn

from prune.regularise import EPSILON, L1, REGULARISERS, GroupLasso, Quadratic, sparsity_strength, start_gammas
from prune.view import look
from quant.hooks import TrainState
from quant.train import fit
from slimfab import zoo

SHAPE = (1, 8, 8)


def net(name="vgg_tiny"):
    model = zoo.build(name, SHAPE, 10)
    randomise(model, 0)
    return model


def state(model, epochs=10, epoch=0):
    return TrainState(model, torch.optim.SGD(model.parameters(), lr=0.1), epochs, 4, epoch=epoch)


def test_l1_adds_the_sign_to_the_gradient():
    model = nn.Sequential(nn.BatchNorm2d(3))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([2.0, -0.1, 0.0]))
    model[0].weight.grad = torch.tensor([0.5, 0.5, 0.5])
    L1(["0.weight"], 0.1).after_backward(state(model))
    assert torch.allclose(model[0].weight.grad, torch.tensor([0.6, 0.4, 0.5]))


def test_slimming_decays_what_silent_channels_still_say():
    model = net()
    hook = REGULARISERS["l1_gamma"](look(model, SHAPE), 0.1)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    hook.after_backward(state(model))
    norm = model.features.bn2
    assert torch.equal(norm.weight.grad, 0.1 * norm.weight.detach().sign())
    assert torch.equal(norm.bias.grad, 0.1 * norm.bias.detach())
    assert norm.bias.grad.abs().max() > 0
    touched = {name for name, parameter in model.named_parameters() if parameter.grad.any()}
    assert touched == {f"features.bn{n}.{leaf}" for n in range(1, 7) for leaf in ("weight", "bias")}


def test_the_papers_vgg_has_a_pressure_of_thirteen():
    # 160 epochs of 782 steps; 0.1 for a half, a tenth of it for a quarter, a hundredth for a quarter.
    mean_factor = 0.5 + 0.25 * 0.1 + 0.25 * 0.01
    assert sparsity_strength(13.2, 160 * 782, 0.1, mean_factor, 0.9, 0.5) == pytest.approx(1e-4, rel=0.01)


def test_the_reweighted_penalty_counts_the_units_that_survive():
    model = net()
    view = look(model, SHAPE)
    hook = REGULARISERS["reweighted"](view, 1.0)
    with torch.no_grad():
        model.features.conv3.weight[4:] = 0
    hook.on_epoch_start(state(model, epochs=10, epoch=2))
    norms = torch.cat(hook.norms(model))
    assert (norms > 30 * EPSILON).sum() + 12 == len(norms) == 112
    assert hook.penalty(model).item() == pytest.approx(len(norms) - 12, rel=0.01)
    again = GroupLasso(hook.units, hook.widths, 1.0, 4)
    again.restore(hook.tensors())
    assert torch.equal(again.penalty(model), hook.penalty(model))


def test_group_lasso_is_the_sum_of_norms_over_all_layers_of_a_group():
    model = net("resnet8")
    view = look(model, SHAPE)
    first = view.groups[0]
    rows = [model.get_parameter(m.tensor).detach().flatten(1).numpy() for m in first.producers]
    hook = GroupLasso([first.producers], [first.width], 0.5, 0)
    expected = np.sqrt(sum((row**2).sum(axis=1) for row in rows)).sum()
    assert hook.regularise(state(model)).item() == pytest.approx(0.5 * expected, rel=1e-5)


def test_quadratic_is_pacts_penalty():
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.bias.fill_(3.0)
    assert Quadratic(["bias"], 0.1).regularise(state(model)).item() == pytest.approx(0.9)


@pytest.mark.parametrize("name", REGULARISERS.names())
def test_every_regulariser_lowers_what_it_penalises(name):
    model = net()
    view = look(model, SHAPE)
    x = torch.randn(64, *SHAPE, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, 10, (64,), generator=torch.Generator().manual_seed(1))
    probe = REGULARISERS["group_lasso"](view, 1.0)

    def size():
        gammas = sum(m.weight.abs().sum().item() for m in model.modules() if isinstance(m, nn.BatchNorm2d))
        return gammas if name == "l1_gamma" else probe.penalty(model).item()

    before = size()
    fit(model, (x, y), epochs=3, batch_size=16, lr=0.05, weight_decay=0, hooks=[REGULARISERS[name](view, 0.1)])
    assert size() < 0.9 * before


def test_gammas_start_at_a_half():
    model = start_gammas(net())
    gammas = torch.cat([m.weight.detach() for m in model.modules() if isinstance(m, nn.BatchNorm2d)])
    assert gammas.unique().tolist() == [0.5]
