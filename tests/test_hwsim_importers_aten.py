# SPDX-License-Identifier: Apache-2.0
"""Every ATen call that becomes a layer computes what torch computes in evaluation mode."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_modules import Applied, Shape, agrees, ops, side_by_side


def test_convolutions_of_every_kind() -> None:
    network, _ = agrees(
        side_by_side(
            nn.Conv2d(4, 6, 3),
            nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), bias=False),
            nn.Conv2d(4, 6, 3, dilation=2, padding=2),
            nn.Conv2d(4, 6, 3, groups=2, padding=1),
            nn.Conv2d(4, 4, 3, groups=4, padding=1),
            nn.Conv2d(4, 12, 3, groups=4, stride=2),
            nn.Conv2d(4, 2, 2, padding="same"),
            nn.Conv2d(4, 2, (4, 3), padding="same"),
            nn.Conv2d(4, 2, (2, 4), padding="same", dilation=(3, 2)),
            nn.Conv2d(4, 2, 3, padding="valid"),
        ),
        (4, 9, 8),
    )
    assert network.layer("parts.6").attrs["padding"] == (0, 0, 1, 1)  # the odd element goes to the end
    assert network.layer("parts.5").attrs["groups"] == 4


SIZES = [(6, 6), (7, 9), (5, 8)]


@pytest.mark.parametrize("size", SIZES)
def test_max_pools_that_round_their_size_up(size: Shape) -> None:
    windows = [(2, 2, 0), (3, 2, 0), (3, 2, 1), (2, 3, 0), (3, 3, 1), (4, 3, 2), (5, 2, 1)]
    pools = [nn.MaxPool2d(*window, ceil_mode=mode) for window in windows for mode in (True, False)]
    agrees(side_by_side(*pools, nn.MaxPool2d(2)), (2, *size))


def test_averages_and_global_pools() -> None:
    network, _ = agrees(
        side_by_side(
            nn.AvgPool2d(2),
            nn.AvgPool2d(3, 2, 1),
            nn.AvgPool2d(3, 2, 1, count_include_pad=False),
            nn.AvgPool2d(2, ceil_mode=True),
            nn.AdaptiveAvgPool2d(1),
            nn.AdaptiveAvgPool2d((4, 2)),
            nn.AdaptiveMaxPool2d(1),
            nn.AdaptiveMaxPool2d((2, 8)),
            Applied(lambda self, x: x.mean((2, 3))),
            Applied(lambda self, x: x.mean(dim=(-1, -2), keepdim=True)),
            Applied(lambda self, x: F.avg_pool2d(x, x.shape[2:])),
        ),
        (3, 8, 8),
    )
    assert ops(network).count("global_avg_pool") == 3
    assert ops(network).count("global_max_pool") == 1
    assert network.layer("parts.5").attrs["kernel"] == (2, 4)


def test_a_mean_is_an_adaptive_pool_is_a_full_pool() -> None:
    spellings = [
        lambda self, x: x.mean((2, 3)),
        lambda self, x: torch.flatten(F.adaptive_avg_pool2d(x, 1), 1),
        lambda self, x: F.adaptive_avg_pool2d(x, (1, 1)).squeeze(),
        lambda self, x: x.mean([-2, -1], keepdim=True).view(x.size(0), -1),
    ]
    for spelling in spellings:
        network, _ = agrees(Applied(spelling), (3, 7, 7))
        assert ops(network) == ["global_avg_pool", "flatten"]


def test_activations_in_every_spelling() -> None:
    modules = [
        nn.ReLU(), nn.ReLU6(), nn.Hardtanh(), nn.Hardtanh(-0.25, 0.5), nn.LeakyReLU(), nn.LeakyReLU(0.3), nn.Sigmoid(),
        nn.Tanh(), nn.GELU(), nn.SiLU(), nn.Hardsigmoid(), nn.Hardswish(),
    ]  # fmt: skip
    functions = [
        F.relu, torch.relu, F.relu6, torch.sigmoid, torch.tanh, F.silu, F.gelu,
        lambda x: x.relu(), lambda x: x.clamp(min=0), lambda x: x.clamp(-1, 2), lambda x: torch.clamp(x, max=2, min=0),
        lambda x: F.hardtanh(x, max_val=0.5, min_val=-0.25), lambda x: F.leaky_relu(x, negative_slope=0.2),
    ]  # fmt: skip
    applied = [Applied(lambda self, x, f=function: f(x)) for function in functions]
    network, _ = agrees(side_by_side(*modules, *applied), (2, 3, 4))
    assert network.layer("parts.1").attrs == {"low": 0.0, "high": 6.0}
    assert ops(network).count("relu") == 5


def test_a_softmax_over_classes() -> None:
    for spelling in (
        lambda self, x: F.softmax(x, dim=1),
        lambda self, x: x.softmax(-1),
        lambda self, x: x.softmax(dim=1),
    ):
        network, _ = agrees(Applied(spelling), (5,))
        assert ops(network) == ["softmax"]


def test_what_does_nothing_leaves_nothing() -> None:
    module = nn.Sequential(
        nn.Identity(), nn.Dropout(0.9), nn.Dropout2d(0.5), nn.AlphaDropout(0.5), nn.FeatureAlphaDropout(0.5),
        Applied(lambda self, x: F.dropout(x, 0.5, self.training).detach().contiguous()),
        Applied(lambda self, x: x.view(x.shape)),
        Applied(lambda self, x: torch.cat([x], 1)),
    )  # fmt: skip
    network, _ = agrees(module, (2, 3, 4))
    assert ops(network) == []
    assert network.layer("output").inputs == ("input",)


def test_every_way_to_flatten() -> None:
    ways = [
        lambda x: x.view(x.size(0), -1),
        lambda x: x.reshape(x.shape[0], -1),
        lambda x: torch.flatten(x, 1),
        lambda x: x.flatten(start_dim=1),
        lambda x: x.view(-1, 24),
        nn.Flatten(),
    ]
    network, _ = agrees(Applied(lambda self, x: torch.cat([way(x) for way in ways], dim=1)), (2, 3, 4))
    assert ops(network) == ["flatten"] * 6 + ["concat"]


def test_resampling_and_padding() -> None:
    network, _ = agrees(
        side_by_side(
            nn.Upsample(scale_factor=2),
            nn.Upsample(scale_factor=(1.0, 3.0)),
            nn.Upsample(size=(8, 12)),
            nn.UpsamplingNearest2d(scale_factor=3),
            nn.ZeroPad2d((1, 2, 3, 0)),
            Applied(lambda self, x: F.pad(x, (1, 0, 0, 2))),
            Applied(lambda self, x: F.pad(mode="constant", input=x, pad=(0, 0, 1, 1))),
        ),
        (2, 4, 3),
    )
    assert network.layer("parts.2").attrs["factor"] == (2, 4)
    assert network.layer("parts.4").attrs["padding"] == (3, 1, 0, 2)


@pytest.mark.parametrize("fold", [True, False])
def test_batch_norms(fold: bool) -> None:
    module = nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.BatchNorm2d(3, affine=False),
        nn.Conv2d(3, 6, 1, groups=3),
        nn.BatchNorm2d(6, eps=0.1),
        nn.Flatten(),
        nn.Linear(24, 4),
        nn.BatchNorm1d(4),
        nn.BatchNorm1d(4),
    )
    network, weights = agrees(module, (2, 4, 4), fold)
    assert ops(network).count("batch_norm") == (1 if fold else 5)
    if fold:
        assert set(weights) == {
            "0.weight", "0.bias", "3.running_var", "3.running_mean", "4.weight", "4.bias", "7.weight", "7.bias"
        }  # fmt: skip
    else:
        assert network.layer("1").params == {"scale": "1.weight", "shift": "1.bias"}
        assert np.array_equal(weights["4.weight"], module[4].weight.detach().numpy())


def test_a_norm_behind_a_linear_layer_over_rows_is_not_folded() -> None:
    network, _ = agrees(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), (4, 4))
    assert ops(network) == ["dense", "batch_norm"]
