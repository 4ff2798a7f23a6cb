# SPDX-License-Identifier: Apache-2.0
"""Depthwise separable keyword spotter (Zhang et al. 2017, "Hello Edge", arXiv:1711.07128; MLPerf Tiny)."""

import torch
from torch import nn

from slimfab.zoo.entry import ZOO, Published, ZooNetwork
from slimfab.zoo.mobilenet import SeparableBlock


class DsCnn(nn.Module):
    """A 10×4 convolution with stride 2, four separable blocks, a mean over the map, one linear layer.

    Input (N, 1, frames, coefficients), output logits (N, classes). The padding is 5 frames and 1 coefficient on
    both sides, for the 25×5 map of the reference (which pads 4 frames before and 5 after). Its dropout is left
    out: the identity at inference.
    """

    def __init__(self, in_channels: int, classes: int, width: int, blocks: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, (10, 4), stride=2, padding=(5, 1), bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.blocks = nn.Sequential(*(SeparableBlock(width, width, 1) for _ in range(blocks)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn(self.conv(x)))
        x = self.pool(self.blocks(x))
        return self.head(torch.flatten(x, 1))


def ds_cnn(in_shape: tuple[int, ...] = (1, 49, 10), classes: int = 12, width: int = 64, blocks: int = 4) -> nn.Module:
    """DS-CNN of ``blocks`` separable blocks with ``width`` channels (64: the small one of Hello Edge)."""
    return DsCnn(in_shape[0], classes, width, blocks)


ZOO.register("ds_cnn")(
    ZooNetwork(
        ds_cnn,
        (1, 49, 10),
        12,
        "MLPerf Tiny keyword spotting",
        "Zhang et al. 2017, arXiv:1711.07128, DS-CNN small; Banbury et al., NeurIPS 2021, arXiv:2106.07597",
        (Published("macs", 2_700_000, 0.02, "Zhang et al., DS-CNN small: 5.4 M operations, 2 a MAC (rounded)"),),
    )
)
