# SPDX-License-Identifier: Apache-2.0
"""Losses against their formulas."""

import pytest
import torch
from torch import nn

from quant.losses import CrossEntropy, Distillation, MeanSquaredError

LOGITS = torch.tensor([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
LABELS = torch.tensor([1, 0])
INPUTS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


def test_cross_entropy_with_smoothing() -> None:
    log_p = LOGITS.log_softmax(1)
    hard = -log_p[[0, 1], LABELS].mean()
    assert CrossEntropy()(LOGITS, LABELS, INPUTS).item() == pytest.approx(hard.item())
    smooth = 0.8 * hard - 0.2 * log_p.mean(1).mean()
    assert CrossEntropy(0.2)(LOGITS, LABELS, INPUTS).item() == pytest.approx(smooth.item())


def test_mean_squared_error() -> None:
    assert MeanSquaredError()(LOGITS, LOGITS + 2, INPUTS).item() == pytest.approx(4.0)


def test_distillation() -> None:
    teacher = nn.Linear(2, 3)
    loss = Distillation(teacher, temperature=2.0, weight=0.25)
    p, q = (teacher(INPUTS) / 2).softmax(1), (LOGITS / 2).softmax(1)
    soft = 4 * (p * (p / q).log()).sum(1).mean()
    expected = 0.75 * CrossEntropy()(LOGITS, LABELS, INPUTS) + 0.25 * soft
    assert loss(LOGITS, LABELS, INPUTS).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_student_equal_to_its_teacher_has_no_soft_loss_and_the_teacher_no_gradient() -> None:
    teacher = nn.Linear(2, 3)
    outputs = teacher(INPUTS).detach().requires_grad_()
    loss = Distillation(teacher, weight=1.0)(outputs, LABELS, INPUTS)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert teacher.weight.grad is None
    assert "Linear" not in repr(Distillation(teacher))
