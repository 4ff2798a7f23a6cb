# SPDX-License-Identifier: Apache-2.0
"""What a training adds so that units rank themselves before they are cut.

A regulariser is a function ``(view, strength) -> hook`` under :data:`REGULARISERS`; the hook takes part in
:func:`quant.train.fit`.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from hwsim.errors import InputError
from hwsim.registry import Registry
from prune.groups import Member
from prune.view import View
from quant.hooks import Hook, TrainState

Regulariser = Callable[[View, float], Hook]
REGULARISERS: Registry[Regulariser] = Registry("regulariser")

EPSILON = 1e-3  # of the reweighted penalty (github.com/LinLabNEU/reweighted_prune4, main.py)
REFRESHES = 4  # of its weights in a training, as there: epochs 60, 120, 180 and 240 of 300


def sparsity_strength(
    pressure: float, steps: int, lr: float, mean_factor: float, momentum: float, gamma: float
) -> float:
    """λ of an L1 penalty that would push an unopposed γ by ``pressure`` times its first value in a training.

    Pressure = λ · Σ lr / ((1 - momentum) γ₀) makes trainings of different length comparable: the paper's VGG on
    CIFAR-10 (λ 1e-4, 160 epochs of 782 steps at 0.1, 0.01, 0.001, momentum 0.9, γ₀ 0.5) has 13.

    Args:
        lr, mean_factor: peak learning rate, and the mean over the steps of what the schedule makes of it.
    """
    return pressure * (1 - momentum) * gamma / (steps * lr * mean_factor)


def start_gammas(model: nn.Module, value: float = 0.5) -> nn.Module:
    """Set every batch norm's γ, in place; Network Slimming (ICCV 2017, §4.2) starts training from 0.5."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.affine:
            nn.init.constant_(module.weight, value)
    return model


class L1(Hook):
    """Adds ``strength * sign(p)`` to gradients, the sub-gradient of ``strength * |p|``; ``decayed`` decay as much."""

    def __init__(self, names: Sequence[str], strength: float, decayed: Sequence[str] = ()) -> None:
        self.names, self.strength, self.decayed = tuple(names), strength, tuple(decayed)

    def after_backward(self, state: TrainState) -> None:
        parameters = dict(state.model.named_parameters())
        for name in self.names + self.decayed:
            parameter = parameters[name]
            if parameter.grad is not None:
                own = parameter.detach()
                parameter.grad.add_(own if name in self.decayed else own.sign(), alpha=self.strength)


class GroupLasso(Hook):
    """Adds ``strength * Σ_units weight_u * |unit|`` to the loss; the weights are 1, or refreshed to 1 / (|unit| + ε).

    A unit's norm is the L2 norm over its rows in all parameters. With refreshed weights the penalty tends to the number
    of units that survive, so that one strength makes layers sparse to different degrees.
    """

    def __init__(
        self, units: Sequence[Sequence[Member]], widths: Sequence[int], strength: float, refreshes: int
    ) -> None:
        self.units, self.widths, self.strength, self.refreshes = units, widths, strength, refreshes
        self.weights: list[torch.Tensor] | None = None

    def on_epoch_start(self, state: TrainState) -> None:
        every = max(1, state.epochs // (self.refreshes + 1)) if self.refreshes else state.epochs + 1
        if state.epoch and state.epoch % every == 0:
            with torch.no_grad():
                self.weights = [1 / (norm + EPSILON) for norm in self.norms(state.model)]

    def regularise(self, state: TrainState) -> torch.Tensor:
        return self.strength * self.penalty(state.model)

    def penalty(self, model: nn.Module) -> torch.Tensor:
        """The sum of weighted norms."""
        norms = self.norms(model)
        weights = self.weights or [torch.ones_like(norm) for norm in norms]
        return torch.stack([(w * norm).sum() for w, norm in zip(weights, norms, strict=True)]).sum()

    def norms(self, model: nn.Module) -> list[torch.Tensor]:
        """Per group the norm of every unit."""
        parameters = dict(model.named_parameters())
        found = []
        for members, width in zip(self.units, self.widths, strict=True):
            square = torch.zeros(width, device=next(iter(parameters.values())).device)
            for member in members:
                rows = parameters[member.tensor].transpose(0, member.axis).flatten(1).square().sum(1)
                index = torch.tensor(member.index, device=rows.device)
                own = index >= 0
                square = square.index_add(0, index[own], rows[own])
            found.append((square + torch.finfo(torch.float32).tiny).sqrt())
        return found

    def tensors(self) -> dict[str, torch.Tensor]:
        return {str(number): weight for number, weight in enumerate(self.weights or [])}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.weights = [tensors[str(number)] for number in range(len(tensors))] or None


class Quadratic(Hook):
    """Adds ``strength * Σ p²`` for parameters named: as PACT does for its clipping levels (arXiv:1805.06085)."""

    def __init__(self, names: Sequence[str], strength: float) -> None:
        self.names, self.strength = tuple(names), strength

    def regularise(self, state: TrainState) -> torch.Tensor:
        parameters = dict(state.model.named_parameters())
        return self.strength * torch.stack([parameters[name].square().sum() for name in self.names]).sum()


@REGULARISERS.register("l1_gamma")
def l1_gamma(view: View, strength: float) -> Hook:
    """L1 on the γ of every prunable channel, and weight decay of the same strength on its β (Network Slimming).

    A channel whose γ is zero still says β, and what it says goes with it: into the next layer's mean, but also past the
    edges of zero padding and into classifiers, where no batch norm takes it up. The authors' optimiser decays every
    parameter, β included, by as much as λ (both 1e-4 for VGG; ICCV 2017, §4.2); :func:`quant.train.fit` leaves batch
    norm alone.

    Raises:
        InputError: a group has no batch norm with a γ.
    """
    names, shifts = [], []
    for group in view.groups:
        own = [m.tensor for m in group.followers if m.role == "scale" and m.tensor in view.context.gammas]
        if not own:
            raise InputError(
                f"{group.name}: l1_gamma found no batch norm on these channels; skip it, or use group_lasso"
            )
        norms = {tensor.rpartition(".")[0] for tensor in own}
        names += own
        shifts += [m.tensor for m in group.followers if m.role == "shift" and m.tensor.rpartition(".")[0] in norms]
    return L1(tuple(dict.fromkeys(names)), strength, tuple(dict.fromkeys(shifts)))


@REGULARISERS.register("group_lasso")
def group_lasso(view: View, strength: float) -> Hook:
    """The L2 norms of filters as a penalty (Wen et al., NIPS 2016)."""
    return GroupLasso([_filters(g) for g in view.groups], [g.width for g in view.groups], strength, 0)


@REGULARISERS.register("reweighted")
def reweighted(view: View, strength: float) -> Hook:
    """:func:`group_lasso` with weights 1 / (norm + 1e-3), refreshed four times (as LinLabNEU/reweighted_prune4)."""
    return GroupLasso([_filters(g) for g in view.groups], [g.width for g in view.groups], strength, REFRESHES)


def _filters(group: object) -> list[Member]:
    members = group.producers + group.followers  # type: ignore[attr-defined]
    return [member for member in members if member.role == "weight"]
