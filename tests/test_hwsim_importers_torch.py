# SPDX-License-Identifier: Apache-2.0
"""Modules become networks that keep torch's names and in-place meaning, and stay as they were themselves."""

import copy
import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_modules import Applied, agrees, data, expected, ops, seeded

from hwsim.errors import UnsupportedError
from hwsim.importers.torch import import_torch, survey_torch
from hwsim.reference import trace


class Block(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(Block(3, 3, 1), Block(3, 5, 2))
        self.fc = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.stages(x).mean((2, 3)))


def test_a_residual_network_keeps_torch_names() -> None:
    module = ResNet()
    network, weights = agrees(module, (3, 8, 8))
    assert network.name == "ResNet"
    state = module.state_dict()
    from_torch = {name for name in weights if name in state}
    assert from_torch == {name for name in state if re.search(r"(conv\d|shortcut\.0|fc)\.\w+$", name)}
    assert set(weights) - from_torch == {
        "stages.0.conv1.bias", "stages.0.conv2.bias", "stages.1.conv1.bias", "stages.1.conv2.bias",
        "stages.1.shortcut.0.bias",
    }  # fmt: skip
    assert [layer.name for layer in network.layers] == [
        "input", "stages.0.conv1", "stages.0.relu", "stages.0.conv2", "stages.0.add", "stages.0.relu_2",
        "stages.1.conv1", "stages.1.relu", "stages.1.conv2", "stages.1.shortcut.0", "stages.1.add", "stages.1.relu_2",
        "mean", "mean.flatten", "fc", "output",
    ]  # fmt: skip


def test_functions_and_operators() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        y = F.relu(self.conv(x))
        z = torch.add(x, y) + y
        return torch.cat([z, torch.cat((x, y), dim=1)], dim=-3)

    network, _ = agrees(Applied(forward, conv=nn.Conv2d(2, 2, 3, padding=1)), (2, 4, 4))
    assert ops(network) == ["conv2d", "relu", "add", "add", "concat", "concat"]


IN_PLACE = {
    "later readers see it": lambda self, x: (y := self.conv(x), F.relu_(y), self.conv(y) + y)[-1],
    "earlier readers do not": lambda self, x: (y := self.conv(x), z := self.conv(y), y.relu_(), z + y)[-1],
    "the input itself": lambda self, x: (y := F.relu(x, inplace=True)) + x + y,
    "a sum": lambda self, x: (y := self.conv(x), y.add_(x), F.relu_(y), y + x)[-1],
    "a copy leaves the original": lambda self, x: (y := self.conv(x), z := y.clone(), z.relu_(), y + z)[-1],
    "the original leaves a copy": lambda self, x: (y := self.conv(x), z := y.clone(), y.relu_(), y + z)[-1],
    "another name of it": lambda self, x: (y := self.conv(x), z := self.same(y.detach()), z.relu_(), y + z)[-1],
    "a view of the same shape": lambda self, x: (y := self.conv(x), y.view(x.shape).relu_(), y + x)[-1],
    "clamped": lambda self, x: (y := self.conv(x), y.clamp_(-0.5, 0.5), y.clamp_min_(0), y + x)[-1],
}


@pytest.mark.parametrize("forward", IN_PLACE.values(), ids=IN_PLACE)
def test_operations_in_place_are_seen_by_those_who_see_them_in_torch(forward: Any) -> None:
    agrees(Applied(forward, conv=nn.Conv2d(2, 2, 3, padding=1), same=nn.Dropout()), (2, 4, 4))


def test_a_module_used_twice_is_two_layers_of_one_weight() -> None:
    module = Applied(
        lambda self, x: self.bn(self.conv(self.bn(self.conv(x)))),
        conv=nn.Conv2d(2, 2, 3, padding=1),
        bn=nn.BatchNorm2d(2),
    )
    network, weights = agrees(module, (2, 4, 4))
    assert [layer.name for layer in network.layers[1:-1]] == ["conv", "bn", "conv_2", "bn_2"]
    assert network.layer("conv").params == network.layer("conv_2").params
    assert set(weights) == {"conv.weight", "conv.bias", "bn.weight", "bn.bias"}


def test_norms_that_share_their_weight_keep_their_own_statistics() -> None:
    first, second = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    second.weight, second.bias = first.weight, first.bias
    agrees(Applied(lambda self, x: self.second(F.relu(self.first(x))), first=first, second=second), (2, 3, 3))


def test_parameters_without_a_module() -> None:
    module = Applied(
        lambda self, x: F.linear(F.conv2d(x, self.kernel, padding=1).flatten(1), self.matrix, self.offset),
        kernel=nn.Parameter(torch.rand(2, 2, 3, 3)),
        matrix=nn.Parameter(torch.rand(3, 24)),
        offset=nn.Parameter(torch.rand(3)),
    )
    network, _ = agrees(module, (2, 3, 4))
    assert network.parameter_names == ("kernel", "matrix", "offset")
    assert [layer.name for layer in network.layers] == ["input", "conv2d", "flatten", "linear", "output"]


def test_results_that_nobody_reads_are_left_out() -> None:
    network, _ = agrees(Applied(lambda self, x: (x.sum(), x * 2, x.relu())[-1]), (2, 3, 3))
    assert ops(network) == ["relu"]


def test_parts_named_like_ours_are_told_apart() -> None:
    module = Applied(lambda self, x: self.output(self.input(x)), input=nn.Conv2d(2, 2, 1), output=nn.Conv2d(2, 2, 1))
    network, _ = agrees(module, (2, 3, 3))
    assert [layer.name for layer in network.layers] == ["input", "input_2", "output_2", "output"]


def test_the_trace_names_torch_modules() -> None:
    module = seeded(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()))
    network, weights = import_torch(module, (2, 4, 4), name="tiny")
    x = data((2, 4, 4))
    values = trace(network, weights, x.numpy())
    np.testing.assert_allclose(values["0"], expected(module[0], x), rtol=1e-10)
    assert (network.name, set(values)) == ("tiny", {"input", "0", "1", "output"})


# The caller's module


def test_the_module_is_left_as_it_was() -> None:
    module = seeded(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.ReLU()))
    module.train()
    module[1].eval()  # frozen by the user
    before = copy.deepcopy(module.state_dict())
    imported = import_torch(module, (2, 4, 4))
    with pytest.raises(UnsupportedError):
        import_torch(module, (3, 4, 4))
    assert [part.training for part in (module, *module)] == [True, True, False, True, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    again = import_torch(module.eval(), (2, 4, 4))
    assert again[0] == imported[0]
    assert all(np.array_equal(again[1][name], array) for name, array in imported[1].items())
    assert not module.training


def test_weights_are_copies() -> None:
    module = seeded(nn.Conv2d(2, 3, 1))
    _, weights = import_torch(module, (2, 4, 4))
    kept = weights["weight"].copy()
    with torch.no_grad():
        module.weight.zero_()
    assert np.array_equal(weights["weight"], kept)


# Surveys


def test_a_survey_collects_every_refusal_and_goes_on() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.PReLU(), nn.Conv2d(4, 2, 3), nn.Mish(), nn.Flatten(), nn.Linear(32, 5)
    )
    layers, tensors, refusals = survey_torch(module, (3, 8, 8))
    assert [layer.op for layer in layers] == ["input", "conv2d", "conv2d", "flatten", "dense", "output"]
    assert tensors["2"].shape == (2, 4, 4)
    assert [(refusal.name, refusal.shape) for refusal in refusals] == [("1", (4, 6, 6)), ("3", (2, 4, 4))]
    assert [refusal.operator for refusal in refusals] == ["prelu", "mish"]
    assert [refusal.position for refusal in refusals] == [2, 3]
    assert refusals[1].reason == "3: torch operator 'mish' is not supported; use relu or hardswish"


def test_a_survey_of_what_can_be_imported_refuses_nothing() -> None:
    layers, _, refusals = survey_torch(ResNet(), (3, 8, 8))
    assert refusals == ()
    assert [layer.op for layer in layers].count("batch_norm") == 5


def test_a_survey_survives_calls_that_return_several_values() -> None:
    module = Applied(
        lambda self, x: self.head(self.cell(x)[0]), cell=nn.LSTM(8, 4, batch_first=True), head=nn.Linear(4, 2)
    )
    layers, _, refusals = survey_torch(module, (5, 8))
    assert [layer.op for layer in layers] == ["input", "dense", "output"]
    assert [refusal.name for refusal in refusals] == ["cell"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_modules_of_other_float_types_become_float32_networks(dtype: torch.dtype) -> None:
    module = seeded(ResNet()).to(dtype)
    network, weights = import_torch(module, (3, 6, 6))
    same, theirs = import_torch(copy.deepcopy(module).float(), (3, 6, 6))
    assert network == same
    assert all(array.dtype == np.float32 and np.array_equal(array, theirs[name]) for name, array in weights.items())
    assert {parameter.dtype for parameter in module.parameters()} == {dtype}
