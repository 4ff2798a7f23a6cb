# SPDX-License-Identifier: Apache-2.0
"""Zeros that stay in place: masks over weights at any granularity, kept through training, and lottery tickets.

Tensors keep their shapes; what zeros save depends on the hardware (:mod:`prune.granularity`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hwsim.errors import InputError
from prune.granularity import expand, keep_share, unit_scores, units
from prune.knapsack import knapsack
from quant.hooks import Hook, TrainState

Masks = Mapping[str, npt.NDArray[np.bool_]]  # by parameter name; True stays
Train = Callable[[nn.Module, Sequence[Hook]], None]


@dataclass(frozen=True, slots=True)
class Occupied:
    """What a layer's weights occupy in hls4ml's resource strategy.

    ``reuse_factor`` weights share a DSP block; ``words`` such runs lie in one word of block RAM and go together, which
    frees ``words`` DSP blocks and ``brams`` blocks of RAM.
    """

    reuse_factor: int
    words: int = 1
    brams: int = 0


def magnitude_masks(
    model: nn.Module,
    keep: float,
    granularity: str = "element",
    rows: int = 1,
    columns: int = 1,
    *,
    across: bool = False,
    skip: Sequence[str] = (),
) -> Masks:
    """Masks that keep the share ``keep`` of the units of largest L2 norm.

    Args:
        granularity, rows, columns: :func:`prune.granularity.units`.
        across: all layers compete, by norms per square root of a unit's weights, and each keeps its best unit; else
            every layer keeps the share.
        skip: parameters that stay whole.

    Raises:
        InputError: the model has no weight to mask, or ``keep`` is not a share.
    """
    weights = {name: value for name, value in maskable(model).items() if name not in skip}
    if not weights:
        raise InputError(
            "magnitude_masks: got no weight of a convolution or dense layer; expected one that is not in skip"
        )
    index = {name: units(granularity, value.shape, rows, columns) for name, value in weights.items()}
    scores = {name: unit_scores(index[name], value) for name, value in weights.items()}
    if not across:
        return {name: expand(index[name], keep_share(scores[name], keep)) for name in weights}
    sizes = {name: np.bincount(index[name].ravel()) for name in weights}
    relative = {name: scores[name] / np.sqrt(sizes[name]) for name in weights}
    for name, values in relative.items():
        relative[name] = np.where(np.arange(len(values)) == values.argmax(), np.inf, values)  # no layer vanishes
    joined = keep_share(np.concatenate(list(relative.values())), keep)
    ends = np.cumsum([len(scores[name]) for name in weights])[:-1]
    return {name: expand(index[name], part) for name, part in zip(weights, np.split(joined, ends), strict=True)}


def knapsack_masks(model: nn.Module, occupied: Mapping[str, Occupied], dsp: int, bram: int = 0) -> Masks:
    """Masks of the largest total norm whose multipliers fit ``dsp`` DSP blocks and ``bram`` blocks of RAM, exactly.

    Norms are divided by the largest of their layer, so that layers are comparable (Ramhorst et al., arXiv:2308.05170).

    Raises:
        InputError: an unknown parameter, or nothing fits the knapsack's states.
    """
    weights, index, values, costs = maskable(model), {}, [], []
    for name, layer in occupied.items():
        if name not in weights:
            raise InputError(f"knapsack_masks: unknown weight '{name}'; expected one of {', '.join(weights)}")
        index[name] = units("multiplier", weights[name].shape, layer.reuse_factor, layer.words)
        scores = unit_scores(index[name], weights[name])
        values.append(scores / (scores.max() or 1.0))
        costs.append(np.tile([layer.words, layer.brams], (len(scores), 1)))
    chosen = knapsack(np.concatenate(values), np.concatenate(costs), (dsp, bram))
    keep = np.zeros(sum(map(len, values)), dtype=bool)
    keep[list(chosen)] = True
    parts = np.split(keep, np.cumsum([len(part) for part in values])[:-1])
    return {name: expand(index[name], part) for name, part in zip(index, parts, strict=True)}


def maskable(model: nn.Module) -> dict[str, npt.NDArray[Any]]:
    """Weights of convolutions and dense layers by name."""
    layers = {name: part for name, part in model.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)}
    return {f"{name}.weight" if name else "weight": part.weight.detach().cpu().numpy() for name, part in layers.items()}


@torch.no_grad()
def apply_masks(model: nn.Module, masks: Masks) -> nn.Module:
    """Zero what the masks drop, in place."""
    for name, mask in masks.items():
        parameter = model.get_parameter(name)
        parameter.mul_(torch.from_numpy(mask).to(parameter.device, parameter.dtype))
    return model


def sparsity(masks: Masks) -> float:
    """Share of zeros among the masked weights."""
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / sum(mask.size for mask in masks.values())


class KeepMasks(Hook):
    """Keeps masked weights at zero through a training."""

    def __init__(self, masks: Masks) -> None:
        self.masks = masks

    def after_step(self, state: TrainState) -> None:
        """Weight decay and momentum may have moved them."""
        apply_masks(state.model, self.masks)


def lottery(model: nn.Module, train: Train, keep: float, rounds: int, *, across: bool = True) -> Masks:
    """Iterative magnitude pruning with rewinding; ``model`` is left at its first weights with the last masks applied.

    Each round trains, masks an equal share of what is left, and puts the surviving weights back to what they were:
    before the first round (Frankle and Carbin, ICLR 2019), or early in training if the model comes so (Frankle et al.,
    ICML 2020).

    Raises:
        InputError: fewer than one round, or ``keep`` is not a share.
    """
    if rounds < 1:
        raise InputError(f"lottery: got rounds={rounds}; expected at least 1")
    if not 0 < keep <= 1:
        raise InputError(f"lottery: got keep={keep}; expected above 0 and at most 1")
    first = {name: value.clone() for name, value in model.state_dict().items()}
    masks: Masks = {}
    for number in range(rounds):
        train(model, [KeepMasks(masks)])
        # What is zero already has the smallest magnitude and goes again.
        masks = magnitude_masks(model, math.exp(math.log(keep) * (number + 1) / rounds), across=across)
        model.load_state_dict(first)
        apply_masks(model, masks)
    return masks
