# SPDX-License-Identifier: Apache-2.0
"""Removal of channels, heads and hidden widths from any traced module (:mod:`prune.tracer`).

How much goes is one share of every group's units, or a budget in any cost field: what a module computes becomes a
network that hardware models can cost (:mod:`prune.work`).
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hwsim.errors import InputError, UnsupportedError
from hwsim.registry import suggest
from prune.allocate import ALLOCATORS, Scores, best_units
from prune.budget import Bounds, Budget, Change, Counts, Purse, fit, read_budget
from prune.criteria import Context, score
from prune.groups import OTHER_GROUP, ChannelGroup
from prune.tracer import Traced, trace
from prune.work import costing

Kept = Mapping[str, tuple[int, ...]]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True, slots=True)
class PrunedModule:
    """A smaller module, the units that stay per group, and the numbers of parameters before and after.

    ``traced`` are the groups of the module before. ``costs`` has the budget's fields, and ``used`` is the share of the
    tightest limit that the module uses; None without a budget.
    """

    module: nn.Module
    kept: Kept
    traced: Traced
    parameters_before: int
    parameters_after: int
    costs: tuple[Change, ...] = ()
    used: float | None = None


class SelectedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm of some of its input's channels, gathered by index (Network Slimming's channel selection)."""

    chosen: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.index_select(1, self.chosen))


def prune_traced(
    model: nn.Module,
    example: Sequence[torch.Tensor],
    *,
    keep: float | None = None,
    budget: Budget | None = None,
    criterion: str = "l2",
    allocator: str = "uniform",
    skip: Sequence[str] = (),
    select: Sequence[str] = (),
    floor: int = 1,
    align: int = 1,
    bits: int | None = None,
    seed: int = 0,
) -> PrunedModule:
    """Keep the same share of every group's units, or as many as a budget allows.

    Args:
        example: inputs with a batch of at least two.
        keep: share of units, rounded to the nearest whole number but at least ``floor``.
        budget: in place of ``keep``, limits by cost field as :func:`prune.prune` takes them: macs, params, and
            fields of targets such as ``cpu:cortex-a72.latency_us`` (:mod:`prune.work`).
        criterion, allocator: which units go first, and which groups give how much under a budget.
        skip: groups, or layers in them, that stay whole.
        select: batch norms that choose channels by themselves (:func:`prune.tracer.trace`).
        align, bits: under a budget, units stay in multiples of ``align`` where any go, and tensors are costed at
            ``bits`` (float32 by default).

    Raises:
        BudgetError: not even the smallest widths meet the budget; says what they cost.
        InputError: no such layer, ``keep`` is not a share, or a target needs layers that the module has not.
        UnsupportedError: the module cannot be traced, or its forward counts on the old sizes.
    """
    if (keep is None) == (not budget):
        raise InputError("prune_traced: expected either keep, such as 0.5, or a budget, such as {'macs': 0.5}")
    if keep is not None and not 0 < keep <= 1:
        raise InputError(f"prune_traced: got keep={keep}; expected above 0 and at most 1")
    traced = trace(model, example, select=select)
    known = {layer for group in traced.groups + traced.frozen for layer in (group.name, *group.layers)}
    for name in skip:
        if name not in known:
            raise InputError(f"unknown channel group or layer '{name}'; {suggest(name, known)}")
    groups = [g for g in traced.groups if not {g.name, *g.layers} & {*skip}]
    state = {
        name: value.detach().cpu().float().numpy() for name, value in model.named_parameters(remove_duplicate=False)
    }
    gammas = {m.tensor: state[m.tensor] for g in groups for m in g.members if m.role == "scale"}
    context = Context(state, gammas, seed)
    by_weight = [g for g in groups if any(m.role == "weight" for m in g.producers + g.followers)]
    scores = score(by_weight, criterion, context)
    scores |= score([g for g in groups if g.name not in scores], "bn_gamma", context)
    changes: tuple[Change, ...] = ()
    used = None
    if keep is not None:
        counts = {g.name: max(floor, round(keep * g.width)) for g in groups}
    else:
        purse, bounds = _purse(model, example, traced, scores, groups, bits), Bounds(max(floor, 2), align=align)
        limits = read_budget(budget or {}, lambda name: purse.cost(purse.whole(), name))
        levels = {g.name: bounds.levels(g) for g in groups}
        fitted = fit(purse, ALLOCATORS[allocator](groups, scores, {}), limits, levels)
        counts, used = fitted.counts, fitted.used
        changes = tuple(Change(one.field, one.before, fitted.costs[one.field], one.value) for one in limits)
    small, kept = _take(model, traced, groups, scores, counts)
    _try(model, small, example)
    before, after = (sum(p.numel() for p in m.parameters()) for m in (model, small))
    return PrunedModule(small, kept, traced, before, after, changes, used)


def _take(
    model: nn.Module, traced: Traced, groups: Sequence[ChannelGroup], scores: Scores, counts: Counts
) -> tuple[nn.Module, Kept]:
    fewer = [group for group in groups if counts[group.name] < group.width]
    kept = {group.name: best_units(scores[group.name], counts[group.name]) for group in fewer}
    return shrink_traced(model, traced, kept), kept


def _purse(
    model: nn.Module, example: Sequence[torch.Tensor], traced: Traced, scores: Scores, groups: Sequence[ChannelGroup],
    bits: int | None,
) -> Purse:  # fmt: skip
    """What numbers of units cost: the module is cut to them and run."""
    cost = costing(model, example, bits)

    def ask(counts: Counts, field: str) -> float:
        small, _ = _take(model, traced, groups, scores, counts)
        _try(model, small, example)
        return cost(small, field)

    return Purse(groups, ask)


def shrink_traced(model: nn.Module, traced: Traced, kept: Kept) -> nn.Module:
    """A copy without the units that ``kept`` drops; groups that are not named stay whole.

    Raises:
        InputError: an unknown group, or units that are none of its own.
        UnsupportedError: a parameter is shared, or its module keeps sizes that we do not know.
    """
    small = copy.deepcopy(model)
    by_module: dict[str, dict[tuple[str, int], npt.NDArray[np.bool_]]] = {}
    for (tensor, axis), goes in _marks(traced, kept, consumers=True).items():
        path, _, leaf = tensor.rpartition(".")
        by_module.setdefault(path, {})[leaf, axis] = goes
    _refuse_shared(
        model, {f"{path}.{leaf}" if path else leaf for path, marks in by_module.items() for leaf, _ in marks}
    )
    for path, marks in by_module.items():
        _cut(small, path, marks, path in traced.selected)
    return small


@torch.no_grad()
def mask_traced(model: nn.Module, traced: Traced, kept: Kept) -> nn.Module:
    """A copy at full size in which the dropped units are silent: filters, biases, γ and β are zero."""
    masked = copy.deepcopy(model)
    state = masked.state_dict(keep_vars=True)
    running = {m.tensor for g in traced.groups for m in g.members if m.role == "statistic"}
    for (tensor, axis), goes in _marks(traced, kept, consumers=False).items():
        if tensor not in running:
            state[tensor].data.index_fill_(axis, torch.from_numpy(np.flatnonzero(goes)), 0.0)
    return masked


def _marks(traced: Traced, kept: Kept, *, consumers: bool) -> dict[tuple[str, int], npt.NDArray[np.bool_]]:
    """Along every parameter axis that is touched: whether each position goes."""
    by_name = {group.name: group for group in traced.groups}
    marks: dict[tuple[str, int], npt.NDArray[np.bool_]] = {}
    for name, units in kept.items():
        if name not in by_name:
            raise InputError(f"unknown or unprunable channel group '{name}'; {suggest(name, by_name)}")
        group = by_name[name]
        if not units or min(units) < 0 or max(units) >= group.width:
            raise InputError(f"{name}: kept={list(units)[:8]}; expected units below {group.width}, at least one")
        goes = np.ones(group.width + 1, dtype=bool)
        goes[[*units, OTHER_GROUP]] = False
        for member in group.members if consumers else group.producers + group.followers:
            mark = marks.setdefault((member.tensor, member.axis), np.zeros(len(member.index), dtype=bool))
            mark |= goes[list(member.index)]
    return marks


def _refuse_shared(model: nn.Module, tensors: set[str]) -> None:
    names: dict[int, list[str]] = {}
    for name, value in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(value), []).append(name)
    for shared in names.values():
        if len(shared) > 1 and tensors & {*shared}:
            raise UnsupportedError(f"{shared[0]}: shared with {', '.join(shared[1:])}; skip its layer")


def _cut(model: nn.Module, path: str, marks: Mapping[tuple[str, int], npt.NDArray[np.bool_]], selected: bool) -> None:
    module: Any = model.get_submodule(path)
    depthwise = (
        isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and module.groups > 1 and module.weight.shape[1] == 1
    )
    multiplier = module.out_channels // module.groups if depthwise else 1
    for (leaf, axis), goes in marks.items():
        value = getattr(module, leaf)
        stays = torch.from_numpy(np.flatnonzero(~goes)).to(value.device)
        new = value.detach().index_select(axis, stays).clone()
        setattr(module, leaf, nn.Parameter(new, value.requires_grad) if isinstance(value, nn.Parameter) else new)
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        module.groups = len(module.weight) // multiplier if depthwise else module.groups
        module.out_channels, module.in_channels = len(module.weight), module.weight.shape[1] * module.groups
    elif isinstance(module, NORMS):
        goes = next(iter(marks.values()))
        module.num_features = int((~goes).sum())
        if selected:
            _replace(model, path, _selected(module, np.flatnonzero(~goes)))


def _selected(norm: nn.Module, chosen: npt.NDArray[Any]) -> nn.Module:
    if not isinstance(norm, nn.BatchNorm2d):
        raise UnsupportedError(
            f"{type(norm).__name__}: cannot choose channels; expected BatchNorm2d; leave it out of select"
        )
    new = SelectedBatchNorm2d(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    new.load_state_dict(norm.state_dict())
    new.register_buffer("chosen", torch.from_numpy(chosen))
    return new.train(norm.training)


def _replace(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, leaf = path.rpartition(".")
    setattr(model.get_submodule(parent), leaf, module)


@torch.no_grad()
def _try(model: nn.Module, small: nn.Module, example: Sequence[torch.Tensor]) -> None:
    modes = [(module, module.training) for module in small.modules()]
    try:
        small.eval()(*example)
    except (RuntimeError, ValueError) as error:
        raise UnsupportedError(
            f"{type(model).__name__}: forward of the pruned module fails ({str(error).splitlines()[0]}); write sizes "
            "in forward as -1 or x.shape[1] instead of numbers, or skip the layers before"
        ) from error
    finally:
        for module, mode in modes:
            module.training = mode
