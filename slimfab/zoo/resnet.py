# SPDX-License-Identifier: Apache-2.0
"""Residual networks for small images (He et al., CVPR 2016, arXiv:1512.03385, section 4.2).

Where a block changes the size, the shortcut is a strided 1×1 convolution with batch norm (the paper's option B).
Option A – every second pixel, missing channels filled with zeros – needs slices and zero padding of channels, which
no dataflow layer offers; B is an ordinary convolution everywhere. In ResNet-20 and ResNet-56 at 32×32 the
two shortcuts of B add 2 × 131,072 MACs to the numbers that papers with option A give.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from slimfab.zoo.entry import ZOO, Published, ZooNetwork


class BasicBlock(nn.Module):
    """Two 3×3 convolutions added to their input (He et al., figure 2)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                OrderedDict(
                    conv=nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                    bn=nn.BatchNorm2d(out_channels),
                )
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu2(y + self.shortcut(x))


class ResNet(nn.Module):
    """A 3×3 stem, stages of basic blocks (each stage after the first halves the map), a mean, one linear layer.

    Input (N, C, H, W), output logits (N, classes).
    """

    def __init__(self, in_channels: int, classes: int, blocks: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.stages = nn.Sequential()
        channels = widths[0]
        for stage, width in enumerate(widths):
            sizes = [(channels, width, 1 if stage == 0 else 2)] + [(width, width, 1)] * (blocks - 1)
            self.stages.append(nn.Sequential(*(BasicBlock(*size) for size in sizes)))
            channels = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn(self.conv(x)))
        x = self.pool(self.stages(x))
        return self.head(torch.flatten(x, 1))


WIDTHS = (16, 32, 64)


def resnet8(in_shape: tuple[int, ...] = (3, 32, 32), classes: int = 10, widths: Sequence[int] = WIDTHS) -> nn.Module:
    """One basic block per stage: the image classifier of MLPerf Tiny."""
    return ResNet(in_shape[0], classes, 1, widths)


def resnet20(in_shape: tuple[int, ...] = (3, 32, 32), classes: int = 10, widths: Sequence[int] = WIDTHS) -> nn.Module:
    """Three basic blocks per stage."""
    return ResNet(in_shape[0], classes, 3, widths)


def resnet56(in_shape: tuple[int, ...] = (3, 32, 32), classes: int = 10, widths: Sequence[int] = WIDTHS) -> nn.Module:
    """Nine basic blocks per stage."""
    return ResNet(in_shape[0], classes, 9, widths)


_HE = "He et al., CVPR 2016, arXiv:1512.03385, section 4.2, with option B shortcuts"

ZOO.register("resnet8")(
    ZooNetwork(
        resnet8,
        (3, 32, 32),
        10,
        "MLPerf Tiny image classification",
        "Banbury et al., MLPerf Tiny Benchmark, NeurIPS 2021, arXiv:2106.07597; layers after He et al. 2016",
        (
            Published(
                "macs",
                12_501_632,
                0.0,
                "summed over the kernel shapes in the reference weights "
                "pretrainedResnet.h5 (github.com/mlcommons/tiny, benchmark/training/image_classification)",
            ),
            Published(
                "parameters",
                78_666,
                0.01,
                "size of the same file; its convolutions have a bias each and its "
                "shortcuts no batch norm, and Keras counts running means and variances: 0.8 % in all",
            ),
        ),
    )
)
ZOO.register("resnet20")(
    ZooNetwork(
        resnet20,
        (3, 32, 32),
        10,
        "ResNet of 20 layers for small images",
        _HE,
        (
            Published(
                "macs",
                40_810_000,
                0.001,
                "option B: table in github.com/chenyaofo/pytorch-cifar-models, README (40.81 M); option A is 40.55 M",
            ),
            Published("parameters", 270_000, 0.02, "He et al., table 6 (0.27 M, option A; rounded)"),
        ),
    )
)
ZOO.register("resnet56")(
    ZooNetwork(
        resnet56,
        (3, 32, 32),
        10,
        "ResNet of 56 layers for small images",
        _HE,
        (
            Published(
                "macs",
                125_490_000,
                0.003,
                "option A: Lin et al. (HRank), CVPR 2020, arXiv:2002.10179 (125.49 M); "
                "option B adds 2 × 131,072 = 0.21 %",
            ),
            Published("parameters", 850_000, 0.01, "He et al., table 6 (0.85 M, option A; rounded)"),
        ),
    )
)
