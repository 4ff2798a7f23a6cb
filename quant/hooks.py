# SPDX-License-Identifier: Apache-2.0
"""How pruning, regularisation and changing bit widths take part in a training."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class TrainState:
    """Where a training stands, as hooks and the progress callback see it. ``epoch`` and ``step`` count from 0."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    epochs: int
    steps_per_epoch: int
    epoch: int = 0
    step: int = 0  # steps finished since the very beginning
    lr: float = 0.0
    loss: float = math.nan

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * self.steps_per_epoch


class Hook:
    """Does something at fixed points of a training; a subclass overrides the points it needs.

    The order within a step: ``before_step``, forward and loss, ``regularise``, backward, ``after_backward``, the
    optimiser, ``after_step``. ``on_epoch_end`` runs before the checkpoint is written.
    """

    def on_epoch_start(self, state: TrainState) -> None:
        """After the model is put into training mode."""

    def before_step(self, state: TrainState) -> None:
        """Before the forward pass; ``state.lr`` is the rate of this step."""

    def regularise(self, state: TrainState) -> torch.Tensor | None:
        """A scalar to add to the loss."""
        return None

    def after_backward(self, state: TrainState) -> None:
        """May change the gradients in place."""

    def after_step(self, state: TrainState) -> None:
        """May change the weights in place, for instance apply masks again."""

    def on_epoch_end(self, state: TrainState) -> None:
        """After the last step of an epoch."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a checkpoint must hold for :meth:`restore` to continue."""
        return {}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take back what :meth:`tensors` gave."""
