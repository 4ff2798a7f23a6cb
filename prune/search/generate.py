# SPDX-License-Identifier: Apache-2.0
"""MetaPruning's PruningNet: one trained network gives weights for any widths (Liu et al., ICCV 2019, §3.1).

A small network per layer turns the shares of the layer's input and output channels into its weights at full size; a
candidate takes the first units of every group. Widths are drawn anew for every batch of the training, so that a
candidate can be scored without being trained. Batch norms are without scale and shift and get their statistics from
training images before a candidate is scored. It works on whatever channel groups are found for.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from hwsim.errors import InputError
from prune.choice import Choice
from prune.groups import ChannelGroup
from prune.search.api import Problem
from prune.search.evaluator import Repair
from prune.search.space import Space, channel_counts
from prune.surgery import shrink
from prune.view import View
from quant.train import evaluate

Array = npt.NDArray[Any]
HIDDEN = 32  # of the small network of every layer
LABEL_SMOOTHING = 0.1


class PruningNet(nn.Module):
    """Generates the convolution and dense weights of a module for given shares of its channel groups."""

    def __init__(self, view: View, space: Space, seed: int) -> None:
        super().__init__()
        numbers = {variable.name: index for index, variable in enumerate(space.variables)}
        self._sources = {name: _groups_of(name, view.groups, numbers) for name in _weights(view)}
        self._masks = {name: _units(name, view.groups, numbers) for name in self._sources}
        shapes = {name: tuple(view.model.get_parameter(name).shape) for name in self._sources}
        self._shapes = shapes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.makers = nn.ModuleList(
                nn.Sequential(
                    nn.Linear(max(len(found), 1), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, int(np.prod(shapes[name])))
                )
                for name, found in self._sources.items()
            )
        fixed = {n: p.detach() for n, p in view.model.named_parameters() if n not in self._sources}
        norms = {n for n, m in view.model.named_modules() if isinstance(m, _BatchNorm)}
        self.rest = nn.ParameterDict()
        self._neutral: dict[str, torch.Tensor] = {}
        for name, value in fixed.items():
            owner, _, kind = name.rpartition(".")
            if owner in norms:
                self._neutral[name] = torch.ones_like(value) if kind == "weight" else torch.zeros_like(value)
            else:
                self.rest[name.replace(".", "/")] = nn.Parameter(torch.zeros_like(value))

    def forward(self, shares: torch.Tensor, counts: Mapping[int, int]) -> dict[str, torch.Tensor]:
        """All parameters of the module, by name: those of units beyond ``counts`` (by variable) are zero.

        Args:
            shares: (variables,) of full widths.
        """
        made = dict(self._neutral)
        for name, value in self.rest.items():
            made[name.replace("/", ".")] = value
        for maker, (name, found) in zip(self.makers, self._sources.items(), strict=True):
            seen = shares[found] if found else torch.ones(1)
            shape = self._shapes[name]
            weight = maker(seen).reshape(shape) / np.sqrt(max(1, np.prod(shape[1:])))
            for axis, variable, units in self._masks[name]:
                keep = ((units < 0) | (units < counts[variable])).to(weight.dtype)
                weight = weight * keep.reshape([-1 if a == axis else 1 for a in range(weight.ndim)])
            made[name] = weight
        return made


@dataclass(frozen=True, eq=False)
class Generated:
    """Scores points with generated weights, as :class:`prune.search.evaluator.Evaluator` does with trained ones."""

    view: View
    space: Space
    net: PruningNet
    val: tuple[Array, Array]
    repair: Repair

    def __call__(self, values: Mapping[str, int]) -> float:
        """Accuracy on ``val`` of the network with these widths and generated weights."""
        return evaluate(self.cut(values)[0], *self.val)

    @torch.no_grad()
    def cut(self, values: Mapping[str, int]) -> tuple[nn.Module, Choice]:
        """The small network with generated weights, and the choice: the first units of every group."""
        full = copy.deepcopy(self.view.model)
        point = np.array([v.options.index(values[v.name]) for v in self.space.variables])
        made = self.net(
            torch.as_tensor(self.space.shares(point), dtype=torch.float32), dict(enumerate(_numbers(self.space, point)))
        )
        full.load_state_dict(made, strict=False)
        counts = channel_counts(self.view.groups, values)
        kept = {g.name: tuple(range(counts[g.name])) for g in self.view.groups if counts[g.name] < g.width}
        choice = Choice(self.view.network.hash, self.view.shape, kept, "first")
        small = shrink(full, self.view.network, choice).eval()
        return self.repair(small.to(memory_format=torch.channels_last)), choice  # a third faster on CPUs


def train_generator(
    problem: Problem,
    train: tuple[Array, Array],
    *,
    epochs: int = 5,
    batch: int = 128,
    lr: float = 0.1,
    momentum: float = 0.9,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> Problem:
    """The same problem with candidates scored by weights that a PruningNet, trained here, generates.

    Args:
        train: inputs (N, …) and labels (N,).
        lr: falls linearly to zero (as in the published code); plain SGD with momentum and label smoothing of 0.1.
        progress: called with the epoch and its mean loss.

    Raises:
        InputError: the problem repairs nothing, so that generated networks would have no batch-norm statistics.
    """
    if problem.evaluator.repair is None:
        raise InputError("metapruning: got no calibration images; expected some for batch norm; pass calibration")
    view, space = problem.evaluator.view, problem.space
    net, model = PruningNet(view, space, seed), copy.deepcopy(view.model).train()
    x = torch.as_tensor(np.asarray(train[0], dtype=np.float32))
    y = torch.as_tensor(np.asarray(train[1]))
    rng = np.random.default_rng(seed)
    steps = max(1, epochs * (len(x) // batch))
    optimiser = torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: max(0.0, 1 - step / steps))
    for epoch in range(epochs):
        losses = []
        for part in np.array_split(rng.permutation(len(x)), max(1, len(x) // batch)):
            point = rng.integers(0, space.sizes)
            shares = torch.as_tensor(space.shares(point), dtype=torch.float32)
            parameters = net(shares, dict(enumerate(_numbers(space, point))))
            logits = functional_call(model, parameters, (x[part],))
            loss = nn.functional.cross_entropy(logits, y[part], label_smoothing=LABEL_SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        if not np.isfinite(losses).all():
            raise InputError(f"metapruning: the loss is not finite in epoch {epoch + 1}; lower lr={lr}")
        if progress:
            progress(epoch + 1, float(np.mean(losses)))
    scorer = Generated(view, space, net.eval(), problem.evaluator.val, problem.evaluator.repair)
    return replace(problem, evaluator=scorer, fingerprint=f"{problem.fingerprint}-{epochs}-{batch}-{lr}-{seed}")


def _weights(view: View) -> list[str]:
    return [layer.params["weight"] for layer in view.network.layers if layer.op in ("conv2d", "dense")]


def _groups_of(name: str, groups: tuple[ChannelGroup, ...], numbers: Mapping[str, int]) -> list[int]:
    """Variables that a parameter's axes belong to."""
    return sorted({numbers[g.name] for g in groups for m in g.members if m.tensor == name and g.name in numbers})


def _units(
    name: str, groups: tuple[ChannelGroup, ...], numbers: Mapping[str, int]
) -> list[tuple[int, int, torch.Tensor]]:
    """Per axis of a parameter: the variable, and the unit at every position (-1: of another group)."""
    return [
        (member.axis, numbers[group.name], torch.tensor(member.index))
        for group in groups
        for member in group.members
        if member.tensor == name and group.name in numbers
    ]


def _numbers(space: Space, point: Array) -> list[int]:
    return [variable.options[int(index)] for variable, index in zip(space.variables, point, strict=True)]
