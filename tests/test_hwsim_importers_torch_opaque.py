# SPDX-License-Identifier: Apache-2.0
"""Modules with calls that are none of ours: opaque layers, with the products that torch counts itself."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hwsim.coverage import uncovered
from hwsim.errors import UnsupportedError
from hwsim.importers.torch import import_torch, import_torch_partly


class Attends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(self.patch(x).flatten(2).transpose(1, 2)).mean(1))


class Recurs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.lstm = nn.LSTM(32, 12, batch_first=True)
        self.head = nn.Linear(12, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps, _ = self.lstm(torch.relu(self.conv(x)).permute(0, 2, 1, 3).flatten(2))
        return self.head(steps[:, -1])


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 8, 2, 2)
        self.norm = nn.GroupNorm(2, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.norm(self.up(x)).chunk(2, dim=1)
        return left * torch.sigmoid(right)


@pytest.mark.parametrize(("module", "shape"), [(Attends(), (3, 16, 16)), (Parts(), (3, 6, 6))])
def test_products_are_those_that_torch_counts(module: nn.Module, shape: tuple[int, ...]) -> None:
    module.eval()
    with pytest.raises(UnsupportedError):
        import_torch(module, shape)
    network, weights = import_torch_partly(module, shape)
    # With gradients and in plain products: attention fused into one call is none that it counts.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        result = module(torch.zeros(1, *shape))
    assert network.macs() == counter.get_total_flops() // 2
    assert network.parameters() == sum(one.numel() for one in module.parameters())
    assert set(weights) == set(network.parameter_names)
    assert network.tensors["output"].size == result.numel()
    assert all(one.macs is not None for one in uncovered(network))


def test_results_that_are_several_are_a_layer_each() -> None:
    network, _ = import_torch_partly(Parts().eval(), (3, 6, 6))
    assert [layer.attrs.get("operator", layer.op) for layer in network.layers] == [
        "input", "conv_transpose2d", "group_norm", "chunk", "chunk", "sigmoid", "mul", "output",
    ]  # fmt: skip
    assert network.layer("mul").inputs == ("chunk", "sigmoid")
    assert network.tensors["chunk_2"].shape == (4, 12, 12)


def test_recurrent_layers() -> None:
    network, _ = import_torch_partly(Recurs().eval(), (1, 8, 8))
    found = {one.operator: one for one in uncovered(network)}
    assert found["lstm"].macs == 8 * 4 * 12 * (32 + 12)  # steps, gates, state, inputs and state
    assert network.parameters() == sum(one.numel() for one in Recurs().parameters())


def test_modules_without_refusals_are_the_same() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).eval()
    assert import_torch_partly(module, (1, 8, 8))[0] == import_torch(module, (1, 8, 8))[0]


def test_several_inputs_are_refused_as_ever() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, x + 1

    with pytest.raises(UnsupportedError, match="returns 2 values"):
        import_torch_partly(Two(), (3,))
