# SPDX-License-Identifier: Apache-2.0
"""What training minimises: callables of (outputs, targets, inputs), as small records so that their settings show."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of logits (N, classes) against labels (N,).

    ``label_smoothing`` is the weight given to the uniform distribution (Szegedy et al., CVPR 2016, section 7).
    """

    label_smoothing: float = 0.0

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)


@dataclass(frozen=True)
class MeanSquaredError:
    """Mean squared difference of outputs and targets of the same shape; an autoencoder's targets are its inputs."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        return functional.mse_loss(outputs, targets)


@dataclass(frozen=True)
class Distillation:
    """Learn from a teacher's logits as well as from the labels.

    (1 − weight) · hard + weight · T² · KL(softmax(teacher / T) ‖ softmax(outputs / T)) (Hinton, Vinyals & Dean 2015,
    arXiv:1503.02531, section 2; the factor T² keeps the gradients of both terms comparable). The teacher is put
    into evaluation mode and gets no gradient.
    """

    teacher: nn.Module = field(repr=False)
    temperature: float = 4.0
    weight: float = 0.5
    hard: Loss = CrossEntropy()

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        self.teacher.eval()
        with torch.no_grad():
            goal = functional.log_softmax(self.teacher(inputs) / self.temperature, dim=1)
        guess = functional.log_softmax(outputs / self.temperature, dim=1)
        soft = functional.kl_div(guess, goal, reduction="batchmean", log_target=True) * self.temperature**2
        return (1 - self.weight) * self.hard(outputs, targets, inputs) + self.weight * soft
