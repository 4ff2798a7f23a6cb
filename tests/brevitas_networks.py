# SPDX-License-Identifier: Apache-2.0
"""Small Brevitas networks as QONNX files."""

import contextlib
import io
import warnings
from pathlib import Path

import brevitas.nn as qnn
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8ActPerTensorFloat,
    Int8BiasPerTensorFixedPointInternalScaling,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int32Bias,
    Uint8ActPerTensorFixedPoint,
    Uint8ActPerTensorFloat,
)
from torch import Tensor, nn

WEIGHT = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": 6}
BIAS = {"bias_quant": Int8BiasPerTensorFixedPointInternalScaling}


def conv(channels: int, out: int, kernel: int, bias: bool = True, **options: int) -> nn.Module:
    return qnn.QuantConv2d(channels, out, kernel, bias=bias, **options, **WEIGHT, **(BIAS if bias else {}))


def linear(features: int, out: int, bias: bool = True) -> nn.Module:
    return qnn.QuantLinear(features, out, bias=bias, **WEIGHT, **(BIAS if bias else {}))


def relu(bits: int = 6) -> nn.Module:
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFixedPoint, bit_width=bits)


def identity(bits: int = 8) -> nn.Module:
    return qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=bits)


def plain() -> nn.Module:
    """Convolutions, max pooling, flatten and a dense layer."""
    head = (identity(), conv(1, 4, 3, padding=1), relu(), nn.MaxPool2d(2), conv(4, 6, 3), relu())
    return nn.Sequential(*head, nn.Flatten(), linear(6 * 16, 5))


def mlp() -> nn.Module:
    return nn.Sequential(identity(), linear(16, 12), relu(4), linear(12, 5), identity())


def norm() -> nn.Module:
    """A batch norm that was not folded before the export."""
    return nn.Sequential(identity(), conv(1, 4, 3, bias=False), nn.BatchNorm2d(4), relu(), nn.Flatten(), linear(400, 3))


class Residual(nn.Module):
    """Strided, depthwise and pointwise convolutions, an addition, and a mean over 36 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.quant_in, self.conv1, self.relu1 = identity(), conv(3, 8, 3, padding=1, stride=2), relu()
        self.conv2, self.quant2, self.relu2 = conv(8, 8, 3, padding=1), identity(), relu()
        self.depthwise, self.relu3 = conv(8, 8, 3, groups=8, padding=1), relu()
        self.pointwise, self.relu4 = conv(8, 12, 1), relu()
        self.pool, self.quant_pool, self.head = nn.AdaptiveAvgPool2d(1), identity(), linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.conv1(self.quant_in(x)))
        x = self.relu2(x + self.quant2(self.conv2(x)))
        x = self.relu4(self.pointwise(self.relu3(self.depthwise(x))))
        return self.head(self.quant_pool(self.pool(x).flatten(1)))


class Means(nn.Module):
    """Means over 9 (then a ReLU quantiser) and over 16 pixels (no quantiser), and a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.quant_in, self.conv1, self.relu1 = identity(), conv(3, 4, 3, padding=1, bias=False), relu()
        self.pool, self.relu2 = nn.AvgPool2d(3, 2, 1), relu()
        self.conv2, self.relu3, self.head = conv(8, 4, 3), relu(4), linear(4, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu2(self.pool(self.relu1(self.conv1(self.quant_in(x)))))
        x = self.relu3(self.conv2(torch.cat([x, x], 1)))
        return self.head(x.mean((2, 3)))


class Scaled(nn.Module):
    """Brevitas' own defaults: any real scale, one per channel for weights, 32-bit biases; batch norm and residual."""

    def __init__(self) -> None:
        super().__init__()
        weight = {"weight_quant": Int8WeightPerChannelFloat}
        biased = {**weight, "bias": True, "bias_quant": Int32Bias}
        self.quant_in = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, return_quant_tensor=True)
        self.conv1, self.norm = qnn.QuantConv2d(2, 6, 3, bias=False, **weight), nn.BatchNorm2d(6)
        self.relu1 = qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, return_quant_tensor=True)
        self.conv2 = qnn.QuantConv2d(6, 6, 3, groups=6, padding=1, **biased)
        self.shared = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, return_quant_tensor=True)
        self.relu2 = qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=4, return_quant_tensor=True)
        self.pool, self.head = nn.MaxPool2d(2), qnn.QuantLinear(6 * 25, 5, **biased)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.norm(self.conv1(self.quant_in(x))))
        x = self.relu2(self.shared(x) + self.shared(self.conv2(x)))
        return self.head(self.pool(x).flatten(1))


NETWORKS = {
    "plain": (plain, (1, 12, 12)),
    "mlp": (mlp, (16,)),
    "norm": (norm, (1, 12, 12)),
    "residual": (Residual, (3, 12, 12)),
    "means": (Means, (3, 12, 12)),
    "scaled": (Scaled, (2, 12, 12)),
}


def export(name: str, folder: Path, form: str = "qonnx") -> tuple[Path, nn.Module, tuple[int, ...]]:
    """Calibrate a network on noise and export it; the file, the module in evaluation mode and its input shape."""
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    module = make().train()
    path = folder / f"{name}.onnx"
    with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # brevitas' and the exporter's own
        for _ in range(3):
            module(torch.randn(16, *shape))
        module.eval()
        if form == "qonnx":
            export_qonnx(module, args=torch.randn(1, *shape), export_path=str(path))
        else:
            # torch's newer exporter cannot write quantised biases in this form.
            export_onnx_qcdq(module, args=torch.randn(1, *shape), export_path=str(path), dynamo=False)
    return path, module, shape
