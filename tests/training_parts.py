# SPDX-License-Identifier: Apache-2.0
"""A small network, data and hooks for the tests of training and of its checkpoints."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from quant.hooks import Hook, TrainState
from quant.train import History

Data = tuple[np.ndarray, np.ndarray]


def network(seed: int = 0) -> nn.Module:
    """Everything whose state matters: batch norm, dropout, convolution, linear."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Conv2d(6, 8, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def bars(count: int = 90) -> Data:
    """Images of a horizontal bar, a vertical bar or a spot, in noise."""
    rng = np.random.default_rng(0)
    x, y = rng.random((count, 1, 8, 8), np.float32) * 0.3, np.arange(count) % 3
    x[y == 0, :, 3:5, :] += 0.6
    x[y == 1, :, :, 3:5] += 0.6
    x[y == 2, :, 3:5, 3:5] += 0.6
    return x, y


def same(first: nn.Module, second: nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def without_seconds(history: History) -> History:
    return History(tuple(replace(epoch, seconds=0.0) for epoch in history.epochs))


class Mask(Hook):
    """Keeps a part of the first weights at zero; the part is drawn in the first epoch and is state."""

    def __init__(self) -> None:
        self.mask: torch.Tensor | None = None

    def on_epoch_start(self, state: TrainState) -> None:
        if self.mask is None:
            self.mask = (torch.rand(6, 1, 3, 3) < 0.5).float()

    def after_step(self, state: TrainState) -> None:
        with torch.no_grad():
            state.model[0].weight.mul_(self.mask)  # type: ignore[index,operator,union-attr]

    def tensors(self) -> dict[str, torch.Tensor]:
        return {} if self.mask is None else {"mask": self.mask}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.mask = tensors["mask"]


class StopAfter(Hook):
    """Interrupts as a user would, at the start of an epoch."""

    def __init__(self, epochs: int | None) -> None:
        self.epochs = epochs

    def on_epoch_start(self, state: TrainState) -> None:
        if state.epoch == self.epochs:
            raise KeyboardInterrupt
