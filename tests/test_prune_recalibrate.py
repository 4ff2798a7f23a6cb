# SPDX-License-Identifier: Apache-2.0
"""Batch-norm statistics taken anew."""

import pytest
import torch
from torch import nn

from hwsim.errors import DatasetError
from prune.recalibrate import recalibrate


def images(count=10):
    return torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1


def model():
    net = nn.Sequential(nn.BatchNorm2d(1, momentum=0.3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 2))
    net(torch.full((2, 1, 4, 4), 50.0))  # statistics of other data, to be forgotten
    return net


def test_statistics_are_those_of_the_data():
    net, x = model(), images()
    assert recalibrate(net, x) is net
    assert torch.allclose(net[0].running_mean, x.mean(), atol=1e-6)
    assert torch.allclose(net[0].running_var, x.var(), atol=1e-5)


def test_batches_are_averaged_equally_and_none_is_left_over():
    net, x = model(), images(9)
    recalibrate(net, x, batch=4)  # three batches of three, not 4 + 4 + 1
    assert net[0].num_batches_tracked == 3
    assert torch.allclose(net[0].running_mean, x.mean(), atol=1e-6)
    again = model()
    recalibrate(again, iter(torch.split(x, 3)))
    assert torch.equal(again[0].running_var, net[0].running_var)


def test_modes_momentum_and_weights_stay():
    net = model().train()
    net[3].eval()
    weight = net[3].weight.clone()
    recalibrate(net, images())
    assert (net.training, net[0].training, net[1].training, net[3].training) == (True, True, True, False)
    assert net[0].momentum == 0.3
    assert torch.equal(net[3].weight, weight)


def test_without_batch_norm_nothing_happens():
    net = nn.Linear(3, 2)
    assert recalibrate(net, torch.zeros(0, 3)) is net


@pytest.mark.parametrize(
    ("x", "message"),
    [(images(0), "recalibrate: got no data; expected"), (images(1), "recalibrate: got a batch of one image; expected")],
)
def test_too_little_data_is_refused_and_momentum_restored(x, message):
    net = model()
    with pytest.raises(DatasetError, match=message):
        recalibrate(net, x)
    assert net[0].momentum == 0.3
