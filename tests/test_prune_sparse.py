# SPDX-License-Identifier: Apache-2.0
"""Masks over weights: shares, blocks, multipliers under exact budgets, and lottery tickets."""

import numpy as np
import pytest
import torch
from torch import nn

from hwsim.errors import InputError
from prune.sparse import KeepMasks, Occupied, apply_masks, knapsack_masks, lottery, magnitude_masks, sparsity
from quant.train import fit
from slimfab import zoo

SHAPE = (1, 8, 8)
X = torch.randn(64, *SHAPE, generator=torch.Generator().manual_seed(0))
Y = torch.randint(0, 10, (64,), generator=torch.Generator().manual_seed(1))


def net():
    return zoo.build("vgg_tiny", SHAPE, 10)


@pytest.mark.parametrize(
    ("granularity", "rows", "columns"), [("element", 1, 1), ("block_punched", 4, 4), ("multiplier", 4, 1)]
)
@pytest.mark.parametrize("across", [False, True])
def test_the_share_is_kept_and_survives_training(granularity, rows, columns, across):
    model = net()
    masks = magnitude_masks(model, 0.25, granularity, rows, columns, across=across, skip=["head.weight"])
    assert sparsity(masks) == pytest.approx(0.75, abs=0.02)
    assert "head.weight" not in masks
    apply_masks(model, masks)
    fit(model, (X, Y), epochs=2, batch_size=32, lr=0.05, hooks=[KeepMasks(masks)])
    for name, mask in masks.items():
        value = model.get_parameter(name).detach().numpy()
        assert not value[~mask].any()
        assert value[mask].any()


def test_layers_that_compete_keep_different_shares():
    model = net()
    with torch.no_grad():
        model.features.conv4.weight.mul_(100)
    masks = magnitude_masks(model, 0.25, across=True)
    assert masks["features.conv4.weight"].mean() > 0.9
    assert {round(float(m.mean()), 2) for m in magnitude_masks(model, 0.25).values()} == {0.25}


def test_multipliers_under_an_exact_budget_of_dsp_and_block_ram():
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 4))
    with torch.no_grad():
        model[0].weight.copy_(torch.arange(1.0, 33).view(4, 8))
        model[2].weight.copy_(torch.arange(1.0, 17).view(4, 4))
    # Eight runs of four weights a DSP block each; four words of two runs, two DSP blocks and one block of RAM each.
    layers = {"0.weight": Occupied(4), "2.weight": Occupied(2, 2, 1)}
    masks = knapsack_masks(model, layers, dsp=9, bram=2)
    first, second = masks["0.weight"].reshape(8, 4), masks["2.weight"].reshape(4, 4)
    assert (first.all(axis=1) | ~first.any(axis=1)).all()
    used = first.any(axis=1).sum() + 2 * second.any(axis=1).sum()
    assert used <= 9
    assert second.any(axis=1).sum() <= 2
    scores = np.linalg.norm(np.arange(1.0, 33).reshape(8, 4), axis=1)
    words = np.linalg.norm(np.arange(1.0, 17).reshape(4, 4), axis=1)
    a, b = np.sort(scores / scores.max())[::-1], np.sort(words / words.max())[::-1]
    best = max(a[: 9 - 2 * n].sum() + b[:n].sum() for n in range(3))
    assert (scores / scores.max())[first.any(axis=1)].sum() + (words / words.max())[
        second.any(axis=1)
    ].sum() == pytest.approx(best)


def test_a_lottery_ticket_has_its_first_weights_and_the_masks_of_its_last():
    model = net()
    first = {name: value.clone() for name, value in model.state_dict().items()}
    seen = []

    def train(module, hooks):
        fit(module, (X, Y), epochs=1, batch_size=32, lr=0.05, hooks=hooks)
        seen.append(sparsity(magnitude_masks(module, 0.999)))

    masks = lottery(model, train, keep=0.25, rounds=2)
    assert len(seen) == 2
    assert sparsity(masks) == pytest.approx(0.75, abs=0.01)
    for name, value in model.state_dict().items():
        expected = first[name] * torch.from_numpy(masks[name]) if name in masks else first[name]
        assert torch.equal(value, expected)


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="magnitude_masks: got no weight of a convolution or dense layer"):
        magnitude_masks(nn.ReLU(), 0.5)
    with pytest.raises(InputError, match="knapsack_masks: unknown weight 'x'; expected one of weight"):
        knapsack_masks(nn.Linear(2, 2), {"x": Occupied(1)}, 3)
    with pytest.raises(InputError, match="lottery: got rounds=0; expected at least 1"):
        lottery(net(), lambda model, hooks: None, 0.5, 0)
    with pytest.raises(InputError, match="lottery: got keep=0; expected above 0"):
        lottery(net(), lambda model, hooks: None, 0, 1)
