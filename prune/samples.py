# SPDX-License-Identifier: Apache-2.0
"""What layers see and feel on calibration data: inputs, activation statistics, gradients."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hwsim.errors import DatasetError
from prune.criteria import ChannelStatistics, Context
from prune.groups import ChannelGroup
from quant.train import evaluating

BATCH = 128


@dataclass(frozen=True)
class Samples:
    """Training inputs (N, …) for calibration, and their labels (N,) where gradients are needed.

    Raises:
        DatasetError: no inputs, or another number of labels.
    """

    x: torch.Tensor
    y: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if not len(self.x) or (self.y is not None and len(self.y) != len(self.x)):
            labels = "no" if self.y is None else len(self.y)
            raise DatasetError(
                f"samples: got {len(self.x)} inputs and {labels} labels; expected at least one, and as many of both"
            )

    def batches(self, device: torch.device) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """Inputs and labels in batches on a device."""
        for start in range(0, len(self.x), BATCH):
            chosen = slice(start, start + BATCH)
            yield self.x[chosen].to(device), None if self.y is None else self.y[chosen].to(device)


def observe(context: Context, model: nn.Module, groups: Sequence[ChannelGroup], samples: Samples) -> Context:
    """The context with activation statistics, and with gradients where the samples have labels."""
    context = replace(context, activations=activation_statistics(model, groups, samples))
    if samples.y is None:
        return context
    taylor, fisher = gradient_statistics(model, groups, samples)
    return replace(context, taylor=taylor, fisher=fisher)


def watch(model: nn.Module, paths: Iterable[str], samples: Samples, visit: Callable[[str, torch.Tensor], None]) -> None:
    """Run the samples in evaluation mode and show ``visit`` every input of the modules at these paths."""
    device = next(model.parameters()).device
    handles = [
        model.get_submodule(path).register_forward_pre_hook(lambda _, args, path=path: visit(path, args[0]))
        for path in dict.fromkeys(paths)
    ]
    try:
        with evaluating(model), torch.no_grad():
            for x, _ in samples.batches(device):
                model(x)
    finally:
        for handle in handles:
            handle.remove()


def activation_statistics(
    model: nn.Module, groups: Sequence[ChannelGroup], samples: Samples
) -> dict[str, ChannelStatistics]:
    """Of what every consumer reads, per input channel: mean absolute value, share of zeros, root mean square, mean."""
    tensors = {m.tensor.rpartition(".")[0]: m.tensor for g in groups for m in g.consumers}
    sums: dict[str, Any] = {}

    def visit(path: str, x: torch.Tensor) -> None:
        columns = x.double().transpose(0, 1).flatten(1)
        zeros = (columns == 0).double()
        found = torch.stack([value.sum(1) for value in (columns.abs(), zeros, columns.square(), columns)])
        total, count = sums.get(path, (0.0, 0))
        sums[path] = total + found, count + columns.shape[1]

    watch(model, tensors, samples, visit)
    statistics = {}
    for path, (total, count) in sums.items():
        magnitude, zeros, square, mean = (total / count).cpu().numpy()
        statistics[tensors[path]] = ChannelStatistics(magnitude, zeros, np.sqrt(square), mean)
    return statistics


def gradient_statistics(
    model: nn.Module, groups: Sequence[ChannelGroup], samples: Samples
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Per parameter of producers and followers, over batches of the cross-entropy's gradient g:

    the mean of ``(sum over a row of g w)**2``, shape (rows,), and the mean of ``g**2``, shape of the parameter.
    """
    parameters = dict(model.named_parameters())
    names = {m.tensor for g in groups for m in g.producers + g.followers if m.role and m.tensor in parameters}
    taylor: dict[str, Any] = dict.fromkeys(names, 0.0)
    fisher: dict[str, Any] = dict.fromkeys(names, 0.0)
    device, batches = next(model.parameters()).device, 0
    with evaluating(model), torch.enable_grad():
        for x, y in samples.batches(device):
            loss = functional.cross_entropy(model(x), y)
            found = torch.autograd.grad(loss, [parameters[name] for name in names])
            for name, gradient in zip(names, found, strict=True):
                product = (gradient * parameters[name].detach()).double().flatten(1 if gradient.ndim > 1 else 0)
                taylor[name] = taylor[name] + (product.sum(1) if product.ndim > 1 else product).square()
                fisher[name] = fisher[name] + gradient.double().square()
            batches += 1
    return (
        {name: (value / batches).cpu().numpy() for name, value in taylor.items()},
        {name: (value / batches).cpu().numpy() for name, value in fisher.items()},
    )
