# SPDX-License-Identifier: Apache-2.0
"""Small plain convolution stacks in the manner of VGG (Simonyan & Zisserman, ICLR 2015, arXiv:1409.1556)."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from slimfab.zoo.entry import ZOO, ZooNetwork

POOL = "M"
SMALL = (16, 16, POOL, 32, 32, POOL, 64, 64)
TINY = (8, 8, POOL, 16, 16, POOL, 32, 32)


class Vgg(nn.Module):
    """3×3 convolutions with batch norm and ReLU, 2×2 max pooling between them, a mean over the map, one linear layer.

    Input (N, C, H, W), output logits (N, classes).
    """

    def __init__(self, in_channels: int, classes: int, widths: Sequence[int | str]) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        convolutions = pools = 0
        channels = in_channels
        for width in widths:
            if width == POOL:
                pools += 1
                layers[f"pool{pools}"] = nn.MaxPool2d(2)
                continue
            convolutions += 1
            layers[f"conv{convolutions}"] = nn.Conv2d(channels, int(width), 3, padding=1, bias=False)
            layers[f"bn{convolutions}"] = nn.BatchNorm2d(int(width))
            layers[f"relu{convolutions}"] = nn.ReLU()
            channels = int(width)
        self.features = nn.Sequential(layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.features(x))
        return self.head(torch.flatten(x, 1))


def vgg_small(
    in_shape: tuple[int, ...] = (1, 28, 28), classes: int = 10, widths: Sequence[int | str] = SMALL
) -> nn.Module:
    """Six convolutions of 16, 16, 32, 32, 64 and 64 channels; ``widths`` holds channels and "M" for a pooling."""
    return Vgg(in_shape[0], classes, widths)


def vgg_tiny(
    in_shape: tuple[int, ...] = (1, 28, 28), classes: int = 10, widths: Sequence[int | str] = TINY
) -> nn.Module:
    """VGG-small with half the channels."""
    return Vgg(in_shape[0], classes, widths)


_SOURCE = "after Simonyan & Zisserman, ICLR 2015, arXiv:1409.1556"
ZOO.register("vgg_small")(ZooNetwork(vgg_small, (1, 28, 28), 10, "VGG of six convolutions, 16 to 64 channels", _SOURCE))
ZOO.register("vgg_tiny")(ZooNetwork(vgg_tiny, (1, 28, 28), 10, "VGG of six convolutions, 8 to 32 channels", _SOURCE))
