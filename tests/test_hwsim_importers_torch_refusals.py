# SPDX-License-Identifier: Apache-2.0
"""What a network cannot say exactly is refused in one line that names the call and a remedy."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_modules import Applied, Shape

from hwsim.errors import InputError, UnsupportedError, WeightsError
from hwsim.importers.torch import import_torch


class TwoInputs(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def over(function: Callable[..., Any], **parts: Any) -> nn.Module:
    return Applied(lambda self, x: function(x), **parts)


IMAGE = (3, 8, 8)

REFUSED: dict[str, tuple[Callable[[], nn.Module], Shape, str]] = {
    "PReLU": (nn.PReLU, IMAGE, "prelu: torch operator 'prelu' is not supported; use relu, or leaky_relu with a fixed"),
    "LSTM": (
        lambda: Applied(lambda self, x: self.cell(x)[0], cell=nn.LSTM(8, 4, batch_first=True)),
        (5, 8),
        "cell: torch operator 'lstm' is not supported; recurrent layers are not mapped; use convolutions or dense",
    ),
    "ConvTranspose2d": (
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 2, 2)),
        IMAGE,
        "0: torch operator 'conv_transpose2d' is not supported; use nearest upsampling and a conv2d",
    ),
    "Conv1d": (lambda: nn.Conv1d(3, 2, 3), (3, 8), "conv1d: torch operator 'conv1d' is not supported; use conv2d with"),
    "data-dependent branch": (
        lambda: over(lambda x: x if x.sum() > 0 else -x),
        IMAGE,
        "Applied: torch.export cannot follow it with input (7, 3, 8, 8) (Could not guard on data-dependent expression",
    ),
    "wrong input shape": (
        lambda: nn.Conv2d(4, 2, 1),
        IMAGE,
        "Conv2d: torch.export cannot follow it with input (7, 3, 8, 8) (Given groups=1, weight of size [2, 4, 1, 1]",
    ),
    "second input": (TwoInputs, IMAGE, "TwoInputs: torch.export cannot follow it with input (7, 3, 8, 8) ("),
    "pair of outputs": (
        lambda: over(lambda x: (x.relu(), x)),
        IMAGE,
        "Applied: returns 2 values; expected one tensor computed from the input",
    ),
    "constant output": (
        lambda: over(lambda x: torch.ones(7, 3)),
        IMAGE,
        "Applied: returns 1 values; expected one tensor computed from the input",
    ),
    "mixed images": (
        lambda: over(lambda x: x.view(-1, 4)),
        IMAGE,
        "view: aten.view.default gives shape (336, 4) for a batch of 7; it mixes images; keep the batch as the first",
    ),
    "batch written into a view": (
        lambda: over(lambda x: x.view(2, -1)),
        IMAGE,
        "view: aten.view.default gives shape (2, 672) for a batch of 7; it mixes images",
    ),
    "concatenated images": (
        lambda: over(lambda x: torch.cat([x, x])),
        IMAGE,
        "cat: aten.cat.default gives shape (14, 3, 8, 8) for a batch of 7; it mixes images",
    ),
    "mean over the batch": (
        lambda: over(lambda x: x.mean((0, 2), keepdim=True)),
        IMAGE,
        "mean: aten.mean.dim gives shape (1, 3, 1, 8) for a batch of 7; it mixes images",
    ),
    "softmax over the batch": (
        lambda: over(lambda x: F.softmax(x, dim=0)),
        (5,),
        "softmax: a softmax over axis 0 of (5,); expected (N, classes)",
    ),
    "softmax over channels": (
        lambda: over(lambda x: x.softmax(1)),
        IMAGE,
        "softmax: a softmax over axis 1 of (3, 8, 8); expected (N, classes)",
    ),
    "batch statistics": (
        lambda: nn.BatchNorm2d(3, track_running_stats=False),
        IMAGE,
        "batch_norm: aten.batch_norm.default with weights computed at run time; expected stored parameters",
    ),
    "mean of rows": (
        lambda: over(lambda x: x.mean(2)),
        IMAGE,
        "mean: a mean over axes [2] of (3, 8, 8); expected height and width, (2, 3)",
    ),
    "concatenated rows": (
        lambda: over(lambda x: torch.cat([x, x], 2)),
        IMAGE,
        "cat: a concatenation along axis 2; expected channels, dim=1",
    ),
    "broadcast sum": (
        lambda: over(lambda x: x + x.mean((2, 3), keepdim=True)),
        IMAGE,
        "add: an addition of shapes (3, 8, 8) and (3, 1, 1); expected equal shapes",
    ),
    "scaled sum": (lambda: over(lambda x: torch.add(x, x, alpha=2)), IMAGE, "add: an addition with alpha=2; use alpha"),
    "sum with a number": (
        lambda: over(lambda x: x + 1),
        IMAGE,
        "add: aten.add.Tensor of '1'; expected a tensor computed from the input; write constants as convolution",
    ),
    "sum with a parameter": (
        lambda: Applied(lambda self, x: x + self.p, p=nn.Parameter(torch.ones(3, 8, 8))),
        IMAGE,
        "add: aten.add.Tensor of 'p'; expected a tensor computed from the input",
    ),
    "product": (
        lambda: over(lambda x: x * 2),
        IMAGE,
        "mul: torch operator 'mul' is not supported; scale inside a convolution, dense layer or batch norm",
    ),
    "weights computed at run time": (
        lambda: Applied(lambda self, x: F.conv2d(x, F.relu(self.w)), w=nn.Parameter(torch.ones(3, 3, 1, 1))),
        IMAGE,
        "relu: aten.relu.default of weights or constants alone; compute it once and store it as a parameter",
    ),
    "dropout that stays active": (
        lambda: over(lambda x: F.dropout(x, 0.5)),
        IMAGE,
        "dropout: a dropout that stays active in evaluation; use nn.Dropout, or pass training=self.training",
    ),
    "dilated pool": (
        lambda: nn.MaxPool2d(2, dilation=2),
        IMAGE,
        "max_pool2d: max pooling with dilation; use dilation=1",
    ),
    "indices of a pool": (
        lambda: over(lambda x: F.adaptive_max_pool2d(x, 1, return_indices=True)[1]),
        IMAGE,
        "getitem_1: torch operator '<built-in function getitem>' is not supported",
    ),
    "ragged average": (
        lambda: nn.AvgPool2d(3, ceil_mode=True),
        IMAGE,
        "avg_pool2d: average pooling with ceil_mode over a ragged edge; use ceil_mode=False or pad the input",
    ),
    "average with a divisor": (
        lambda: nn.AvgPool2d(2, divisor_override=3),
        IMAGE,
        "avg_pool2d: average pooling with divisor_override; leave it out and scale the next weights",
    ),
    "ragged adaptive pool": (
        lambda: nn.AdaptiveAvgPool2d(3),
        IMAGE,
        "adaptive_avg_pool2d: adaptive pooling from 8x8 to 3x3; expected sizes that divide evenly",
    ),
    "one-sided clamp": (
        lambda: over(lambda x: x.clamp(max=1)),
        IMAGE,
        "clamp: a clamp with one bound; give both, or use relu",
    ),
    "gelu by tanh": (lambda: nn.GELU("tanh"), IMAGE, "gelu: gelu with approximate='tanh'; use approximate='none'"),
    "padding with ones": (
        lambda: nn.ConstantPad2d(1, 1.0),
        IMAGE,
        "pad: padding [1, 1, 1, 1] of mode 'constant'; expected zeros around height and width",
    ),
    "reflection": (
        lambda: nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect"),
        IMAGE,
        "pad: padding [1, 1, 1, 1] of mode 'reflect'; expected zeros around height and width",
    ),
    "cropping": (
        lambda: over(lambda x: F.pad(x, (-1, 0, 0, 0))),
        IMAGE,
        "pad: padding [-1, 0, 0, 0] of mode 'constant'; expected zeros around height and width",
    ),
    "fractional upsampling": (
        lambda: nn.Upsample(scale_factor=3.2),
        (1, 4, 4),
        "upsample_nearest2d: upsampling 4x4 to 12x12 by [3.2, 3.2]; expected whole factors",
    ),
    "upsampling to a multiple of nothing": (
        lambda: nn.Upsample(size=(12, 12)),
        IMAGE,
        "upsample_nearest2d: upsampling 8x8 to 12x12 by (1.5, 1.5); expected whole factors",
    ),
    "bilinear": (
        lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
        IMAGE,
        "upsample_bilinear2d: torch operator 'upsample_bilinear2d' is not supported; use nearest upsampling",
    ),
    "regrouped channels": (
        lambda: over(lambda x: x.view(x.size(0), 1, 24, 8)),
        IMAGE,
        "view: a reshape from (3, 8, 8) to (1, 24, 8); expected a flatten to (N, features)",
    ),
    "in place behind a view": (
        lambda: over(lambda x: (y := x.relu(), y.flatten(1).relu_(), y)[-1]),
        IMAGE,
        "relu_2: writes in place into a tensor that was reshaped; use inplace=False",
    ),
    "layout": (
        lambda: over(lambda x: x.permute(0, 2, 3, 1)),
        IMAGE,
        "permute: torch operator 'permute' is not supported; keep the layout (N, C, H, W)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_exact_counterpart_is_refused_in_one_line(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    build, shape, message = REFUSED[case]
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}") as caught:
        import_torch(build(), shape)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # torch would print its graph


@pytest.mark.parametrize("shape", [(), (3, -1, 8), (3, 0, 8), (3, 8.0, 8), (3, None, 8), ("N", 8, 8)])
def test_an_input_shape_that_is_not_fixed_is_refused(shape: Sequence[Any]) -> None:
    message = f"ReLU: input shape {shape}; expected positive whole numbers such as (1, 28, 28)"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        import_torch(nn.ReLU(), shape)


def test_weights_that_are_not_finite_are_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    with torch.no_grad():
        module[0].weight[0, 0] = float("nan")
    with pytest.raises(
        WeightsError, match=r"^0.weight: 1 values are NaN or infinite; expected finite weights; retrain"
    ):
        import_torch(module, IMAGE)
    module = nn.Sequential(nn.BatchNorm2d(2))
    with torch.no_grad():
        module[0].running_var[1] = float("inf")
        module[0].running_mean[1] = float("inf")
    with pytest.raises(WeightsError, match=r"^0.bias: 1 values are NaN or infinite"):
        import_torch(module, (2, 4, 4))
