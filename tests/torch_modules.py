# SPDX-License-Identifier: Apache-2.0
"""Small torch modules written in place, and the comparison of an import with torch itself."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from hwsim.importers.torch import import_torch
from hwsim.network import Network, Weights
from hwsim.reference import execute

Shape = tuple[int, ...]
Tensor = torch.Tensor


class Applied(nn.Module):
    """A forward written as a function of the module and its input, with named parts."""

    def __init__(self, forward: Callable[..., Any], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def seeded(module: nn.Module) -> nn.Module:
    """Random weights and running statistics that are worth something."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(
                    torch.rand(tensor.shape, generator=generator) + ("var" in name) - 0.5 * ("var" not in name)
                )
    return module


def data(shape: Shape, images: int = 3) -> Tensor:
    return torch.randn(images, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def expected(module: nn.Module, x: Tensor) -> np.ndarray:
    """Torch's answer in float64, from the float32 parameters."""
    with torch.no_grad():
        return copy.deepcopy(module).eval().double()(x.clone()).numpy()


def agrees(module: nn.Module, shape: Shape, fold: bool = True) -> tuple[Network, Weights]:
    """Import, compare with torch, and hand back what was imported."""
    network, weights = import_torch(seeded(module), shape, fold=fold)
    x = data(shape)
    want, got = expected(module, x), execute(network, weights, x.numpy())
    assert network.tensors["output"].shape == want.shape[1:]
    # Batch norms are stored as float32 scale and shift, or folded into float32 weights; all else is float64.
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())
    return network, weights


def ops(network: Network) -> list[str]:
    return [layer.op for layer in network.layers[1:-1]]


def side_by_side(*parts: nn.Module) -> nn.Module:
    """Many modules over one input, flattened and concatenated: one export for all of them."""
    return Applied(
        lambda self, x: torch.cat([part(x).flatten(1) for part in self.parts], 1), parts=nn.ModuleList(parts)
    )
