# SPDX-License-Identifier: Apache-2.0
"""Small torch modules for the quantisation tests: every way in which tensors are quantised and joined."""

import functools
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hwsim.importers.torch import import_torch
from quant.calibrate import calibrate
from quant.module import QuantModule
from quant.spec import QuantSpec


class Chain(nn.Module):
    """Convolution, batch norm, functional relu, max pool with padding, flatten, dense."""

    shape = (2, 6, 6)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 3, 3, stride=2, dilation=2, padding=2)
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 3, 2, 1)
        return self.fc(F.relu(self.conv2(x)).flatten(1))


class Residual(nn.Module):
    """Additions of a relu and a convolution and of three tensors, one of them read twice; a mean of 49 at the end."""

    shape = (1, 7, 7)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.left = nn.Conv2d(4, 4, 3, padding=1)
        self.right = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = x + self.left(x)
        x = F.relu(x + self.right(F.relu(x)) + x)
        return self.head(x.mean((2, 3)))


class Branches(nn.Module):
    """Concatenation of grids of different steps, depthwise and uneven padding, relu6, upsampling, both means."""

    shape = (2, 6, 6)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.depthwise = nn.Conv2d(4, 8, 4, padding="same", groups=4)
        self.point = nn.Conv2d(12, 6, 1)
        self.last = nn.Conv2d(6, 2, 2)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = torch.cat([self.depthwise(x), F.max_pool2d(F.pad(x, (1, 0, 1, 0)), 2, 1)], 1)
        x = F.relu6(self.point(x))
        x = F.avg_pool2d(F.interpolate(x, scale_factor=2.0), 3, 3)
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return F.adaptive_avg_pool2d(self.last(x), 1).flatten(1)


class Bottleneck(nn.Module):
    """A linear convolution that feeds a convolution and an addition; a global maximum; no activation at the end."""

    shape = (3, 5, 5)

    def __init__(self):
        super().__init__()
        self.narrow = nn.Conv2d(3, 2, 1)
        self.wide = nn.Conv2d(2, 2, 3, padding=1)
        self.out = nn.Linear(2, 4)

    def forward(self, x):
        x = self.narrow(x)
        x = x + self.wide(x)
        return self.out(F.adaptive_max_pool2d(x, 1).flatten(1))


class Perceptron(nn.Module):
    """Dense layers on a vector."""

    shape = (6,)

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, x):
        return self.body(x)


MODULES = (Chain, Residual, Branches, Bottleneck, Perceptron)


@functools.cache
def float_network(kind, seed=0):
    """(network, weights) of a randomly initialised module, its batch norms warmed up."""
    torch.manual_seed(seed)
    module = kind()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch comments on its own padding="same"
        module.train()(torch.rand(16, *kind.shape))
    return import_torch(module.eval(), kind.shape)


def images(kind, count=40, seed=0, high=256):
    """(count, *shape) integers below ``high``; the first two are all zero and all largest."""
    x = np.random.default_rng(seed).integers(0, high, (count, *kind.shape))
    x[0], x[1] = 0, high - 1
    return x


def quantised(kind, spec=None, seed=0):
    """A calibrated module."""
    spec = spec or QuantSpec()
    x = images(kind, high=spec.input_format.max_int + 1, seed=seed) * spec.input_format.step
    module = QuantModule(*float_network(kind, seed), spec)
    return calibrate(module, torch.from_numpy(x).float()).eval()
