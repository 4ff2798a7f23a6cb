# SPDX-License-Identifier: Apache-2.0
"""MobileNetV1 (Howard et al. 2017, arXiv:1704.04861), MobileNetV2 (Sandler et al., CVPR 2018, arXiv:1801.04381),
and a small V1 for 28×28 images.

``width`` is the papers' width multiplier. Dropout before the classifier is left out: it is the identity at
inference and short trainings do better without it.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from hwsim.errors import NetworkError
from hwsim.registry import suggest
from slimfab.zoo.entry import ZOO, Published, ZooNetwork

ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6}


class SeparableBlock(nn.Module):
    """Depthwise 3×3 and pointwise 1×1 convolution, each with batch norm and ReLU (V1, figure 3)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.bn1(self.depthwise(x)))
        return self.relu2(self.bn2(self.pointwise(x)))


class MobileNetV1(nn.Module):
    """A 3×3 stem, separable blocks given as (channels, stride), a mean over the map, one linear layer.

    Input (N, C, H, W), output logits (N, classes).
    """

    def __init__(
        self, in_channels: int, classes: int, stem: tuple[int, int], blocks: Sequence[tuple[int, int]]
    ) -> None:
        super().__init__()
        channels, stride = stem
        self.conv = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.blocks = nn.Sequential()
        for width, stride in blocks:
            self.blocks.append(SeparableBlock(channels, width, stride))
            channels = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn(self.conv(x)))
        x = self.pool(self.blocks(x))
        return self.head(torch.flatten(x, 1))


class InvertedResidual(nn.Module):
    """Expand by 1×1, filter depthwise by 3×3, project by 1×1 without activation; added to the input where the
    sizes allow (V2, table 1)."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expansion: int, activation: type[nn.Module]
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion != 1:
            layers["expand"] = nn.Conv2d(in_channels, hidden, 1, bias=False)
            layers["bn1"] = nn.BatchNorm2d(hidden)
            layers["relu1"] = activation()
        layers["depthwise"] = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False)
        layers["bn2"] = nn.BatchNorm2d(hidden)
        layers["relu2"] = activation()
        layers["project"] = nn.Conv2d(hidden, out_channels, 1, bias=False)
        layers["bn3"] = nn.BatchNorm2d(out_channels)
        self.layers = nn.Sequential(layers)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layers(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """A 3×3 stem, inverted residuals, a 1×1 convolution, a mean over the map, one linear layer.

    Input (N, C, H, W), output logits (N, classes).
    """

    def __init__(
        self, in_channels: int, classes: int, width: float, stem_stride: int, activation: type[nn.Module]
    ) -> None:
        super().__init__()
        channels = multiple_of_8(32 * width)
        self.conv = nn.Conv2d(in_channels, channels, 3, stem_stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = activation()
        self.blocks = nn.Sequential()
        for expansion, out_channels, repeats, first_stride in V2_BLOCKS:
            out_channels = multiple_of_8(out_channels * width)
            for stride in [first_stride] + [1] * (repeats - 1):
                self.blocks.append(InvertedResidual(channels, out_channels, stride, expansion, activation))
                channels = out_channels
        last = multiple_of_8(1280 * max(1.0, width))
        self.last_conv = nn.Conv2d(channels, last, 1, bias=False)
        self.last_bn = nn.BatchNorm2d(last)
        self.last_relu = activation()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(last, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn(self.conv(x)))
        x = self.last_relu(self.last_bn(self.last_conv(self.blocks(x))))
        return self.head(torch.flatten(self.pool(x), 1))


# (channels, stride) of the separable blocks: V1, table 1.
V1_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *(((512, 1),) * 5), (1024, 2), (1024, 1))
TINY_BLOCKS = ((32, 2), (64, 1), (64, 2), (128, 1))
# (expansion t, channels c, repeats n, first stride s): V2, table 2.
V2_BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8, at least 8 and at most 10 % below ``channels`` (the rule of the V2 authors' code,
    github.com/tensorflow/models, research/slim/nets/mobilenet/conv_blocks.py, ``_make_divisible``)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def mobilenet_v1(
    in_shape: tuple[int, ...] = (3, 224, 224), classes: int = 1000, width: float = 1.0, stem_stride: int = 2
) -> nn.Module:
    """MobileNetV1; ``width`` multiplies all channels. ``stem_stride=1`` suits images of 32×32."""
    blocks = [(int(channels * width), stride) for channels, stride in V1_BLOCKS]
    return MobileNetV1(in_shape[0], classes, (int(32 * width), stem_stride), blocks)


def mobilenet_tiny(in_shape: tuple[int, ...] = (1, 28, 28), classes: int = 10, width: float = 1.0) -> nn.Module:
    """A MobileNetV1 of four separable blocks, 16 to 128 channels."""
    blocks = [(int(channels * width), stride) for channels, stride in TINY_BLOCKS]
    return MobileNetV1(in_shape[0], classes, (int(16 * width), 1), blocks)


def mobilenet_v2(
    in_shape: tuple[int, ...] = (3, 224, 224),
    classes: int = 1000,
    width: float = 1.0,
    stem_stride: int = 2,
    activation: str = "relu6",
) -> nn.Module:
    """MobileNetV2; ``activation`` is "relu6" as in the paper or "relu"."""
    if activation not in ACTIVATIONS:
        raise NetworkError(f"mobilenet_v2: unknown activation '{activation}'; {suggest(activation, ACTIVATIONS)}")
    return MobileNetV2(in_shape[0], classes, width, stem_stride, ACTIVATIONS[activation])


_V1 = "Howard et al. 2017, arXiv:1704.04861"
_V2 = "Sandler et al., CVPR 2018, arXiv:1801.04381"

ZOO.register("mobilenet_v1")(
    ZooNetwork(
        mobilenet_v1,
        (3, 224, 224),
        1000,
        "MobileNetV1 1.0",
        _V1,
        (
            Published("macs", 569_000_000, 0.001, f"{_V1}, table 4 (569 million mult-adds, rounded)"),
            Published("parameters", 4_200_000, 0.01, f"{_V1}, table 4 (4.2 million, rounded)"),
        ),
    )
)
ZOO.register("mobilenet_tiny")(
    ZooNetwork(mobilenet_tiny, (1, 28, 28), 10, "MobileNetV1 of four blocks for small images", f"after {_V1}")
)
ZOO.register("mobilenet_v2")(
    ZooNetwork(
        mobilenet_v2,
        (3, 224, 224),
        1000,
        "MobileNetV2 1.0",
        _V2,
        (
            Published("macs", 300_000_000, 0.005, f"{_V2}, table 4 (300 M mult-adds, rounded; exactly 300.8 M)"),
            Published("parameters", 3_400_000, 0.04, f"{_V2}, table 4 (3.4 M, rounded down; exactly 3.50 M)"),
        ),
    )
)
