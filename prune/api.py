# SPDX-License-Identifier: Apache-2.0
"""Pruning in one call: groups, scores, a budget, and a smaller plain module."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hwsim.design import Design
from hwsim.errors import InputError, UnsupportedError
from hwsim.importers.torch import import_torch
from hwsim.network import Network, Weights
from hwsim.passes import fold_batch_norm
from prune.allocate import ALLOCATORS, Allocator, Ratios, Scores, best_units, group_ratios
from prune.budget import Bounds, Budget, Cost, Counts, Ledger, Limit, exact_counts, fit, read_budget
from prune.choice import Choice, compose
from prune.criteria import Context, score
from prune.cut import shrink_network
from prune.groups import ChannelGroup, channel_groups, find_group
from prune.hardware import carried_designs, hardware_cost
from prune.schedule import SCHEDULES, limits_at
from prune.store import save
from prune.surgery import NORMS, check_surgery, shrink

Tune = Callable[[nn.Module, int], None]

REPORTED = ("macs", "params")  # in every result, beside the fields of the budget


@dataclass(frozen=True, slots=True)
class Change:
    """One cost field before and after; ``limit`` is the budget's amount, None where the field was only measured."""

    field: str
    before: float
    after: float
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Pruned:
    """A smaller module and how it came about.

    ``network`` is the small network with batch norm kept. ``costs`` are those of the network as deployed: batch norm
    folded, at the asked number of bits. ``used`` is the share of the tightest limit that the module uses, None without
    a budget. ``designs`` holds, by FPGA target, the design at which a budgeted area holds.
    """

    module: nn.Module
    network: Network
    choice: Choice
    costs: tuple[Change, ...]
    used: float | None
    designs: Mapping[str, Design] = field(default_factory=dict)

    def save(self, folder: Path | str) -> None:
        """Write ``choice.json`` and ``weights.safetensors``; :func:`prune.store.rebuild` reads them."""
        save(folder, self.module, self.choice)


def prune(
    model: nn.Module,
    example_shape: Sequence[int],
    *,
    budget: Budget | None = None,
    criterion: str = "l1",
    allocator: str = "global",
    ratios: Ratios | None = None,
    schedule: str = "one_shot",
    steps: int = 1,
    tune: Tune | None = None,
    skip: Sequence[str] = (),
    floor: int = 2,
    cap: float = 0.9,
    align: int = 1,
    bits: int | None = None,
    seed: int = 0,
    cost: Cost | None = None,
) -> Pruned:
    """Remove channels from a copy of ``model`` until it meets the budget.

    Args:
        model: a plain float module; it is left alone.
        example_shape: input shape without the batch, channels first.
        budget: per cost field the largest share (up to 1, or "50%") or amount (above 1, or "=0.8"), all of which hold
            for the result: ``{"macs": 0.5}``, ``{"fpga:pynq-z2.dsp": 120, "params": "40%"}``. Besides the fields of
            :func:`hwsim.targets.cost` there is ``channels``, the number of prunable channels. None: allocator
            ``per_layer`` with its ratios as given.
        criterion, allocator, schedule: names in :data:`prune.criteria.CRITERIA`, :data:`prune.allocate.ALLOCATORS`,
            :data:`prune.schedule.SCHEDULES`.
        ratios: for allocator ``per_layer``, the share to keep by layer name.
        steps: prune in so many steps; scores are taken anew in each.
        tune: called with the module and the step number after each step, to fine-tune it in place.
        skip: layers whose channels stay, with all that are coupled to them.
        floor, cap, align: smallest widths and the alignment of widths (:class:`prune.budget.Bounds`).
        bits: width of all tensors when the network is costed; None costs it in float32.
        seed: of the random criterion.
        cost: ``(network, field) -> cost``; :func:`prune.hardware.hardware_cost` by default.

    Raises:
        BudgetError: no allowed widths meet the budget; says what the smallest reach.
        InputError: an argument is wrong, or a layer lacks what the criterion needs.
        UnsupportedError: the module cannot be traced, or a parameter cannot be cut; names it.
        WeightsError: weights or scores that are not finite.
    """
    if not budget and allocator != "per_layer":
        raise InputError("prune: got no budget; expected one such as {'macs': 0.5}, or allocator per_layer with ratios")
    shape, bounds = tuple(example_shape), Bounds(floor, cap, align)
    progress = SCHEDULES[schedule](steps)
    first = view = _look(model, shape, skip)
    deployed = first.deployed(bits)
    cost = cost or hardware_cost(deployed)
    ledger = Ledger(deployed, first.groups, cost)
    limits = read_budget(budget or {}, lambda name: ledger.cost(ledger.whole(), name))
    amount = _Amount(ALLOCATORS[allocator], ratios or {}, limits, first.groups, bounds, bits, cost)
    choice = Choice(
        first.network.hash, shape, {}, criterion, allocator, schedule, dict(budget or {}), align=align, seed=seed
    )
    counts, used = ledger.whole(), None
    for step, part in enumerate(progress):
        if step:
            view = _look_again(view.model, shape, skip, first, counts)
        scores = score(view.groups, criterion, replace(view.context, seed=seed + step))
        counts, used = amount.within_budget(view, scores, part) if limits else (amount.as_given(part), None)
        taken = replace(choice, network_hash=view.network.hash, kept=_best(view.groups, scores, counts))
        view = replace(view, model=shrink(view.model, view.network, taken), network=shrink_network(view.network, taken))
        _try_forward(view.model, view.network)
        choice = compose(choice, taken)
        if tune:
            tune(view.model, step)
    designs = carried_designs(deployed, ledger.network_of(counts), budget or {})
    return Pruned(view.model, view.network, choice, _changes(ledger, counts, limits), used, designs)


@dataclass(frozen=True, slots=True)
class _View:
    """A model as one pruning step sees it."""

    model: nn.Module
    network: Network  # batch norm kept
    weights: Weights
    groups: tuple[ChannelGroup, ...]
    context: Context

    def deployed(self, bits: int | None) -> Network:
        """The network to be costed: batch norm folded, at the asked number of bits."""
        folded, _ = fold_batch_norm(self.network, self.weights)
        return folded if bits is None else folded.with_bits(bits)


def _look(model: nn.Module, shape: tuple[int, ...], skip: Sequence[str]) -> _View:
    network, weights = import_torch(model, shape, fold=False)
    groups = channel_groups(network)
    kept_whole = {find_group(groups, name).name for name in skip}
    groups = tuple(group for group in groups if group.name not in kept_whole)
    check_surgery(model, network, groups)
    return _View(model, network, weights, groups, Context(weights, _gammas(model, network)))


def _look_again(model: nn.Module, shape: tuple[int, ...], skip: Sequence[str], first: _View, counts: Counts) -> _View:
    view = _look(model, shape, skip)
    expected = {group.name: (group.layers, counts[group.name]) for group in first.groups}
    found = {group.name: (group.layers, group.width) for group in view.groups}
    if found != expected:
        odd = sorted(dict(found.items() ^ expected.items()))
        raise UnsupportedError(
            f"{odd[0]}: its channels are coupled otherwise after the first step; use schedule one_shot or skip it"
        )
    return view


def _gammas(model: nn.Module, network: Network) -> dict[str, np.ndarray]:
    gammas = {}
    for layer in network.layers:
        if layer.op == "batch_norm":
            norm = model.get_submodule(layer.params["scale"].rpartition(".")[0])
            if isinstance(norm, NORMS) and norm.affine:
                gammas[layer.params["scale"]] = norm.weight.detach().cpu().float().numpy()
    return gammas


@dataclass(frozen=True, slots=True)
class _Amount:
    """How many units stay: everything that decides it, for the groups at their original widths."""

    allocate: Allocator
    ratios: Ratios
    limits: tuple[Limit, ...]
    groups: tuple[ChannelGroup, ...]
    bounds: Bounds
    bits: int | None
    cost: Cost

    def within_budget(self, view: _View, scores: Scores, part: float) -> tuple[Counts, float]:
        """Counts that meet the limits at this part of the way, and their use of the tightest one."""
        widths = {group.name: group.width for group in view.groups}
        order = {name: p[: widths[name]] for name, p in self.allocate(self.groups, scores, self.ratios).items()}
        levels = {g.name: [n for n in self.bounds.levels(g) if n <= widths[g.name]] for g in self.groups}
        ledger = Ledger(view.deployed(self.bits), view.groups, self.cost)
        fitted = fit(ledger, order, limits_at(self.limits, part), levels)
        return fitted.counts, fitted.used

    def as_given(self, part: float) -> Counts:
        """Counts for the given shares at this part of the way, without a budget."""
        shares = group_ratios(self.groups, self.ratios)
        wanted = {g.name: g.width * (1 - part * (1 - shares.get(g.name, 1.0))) for g in self.groups}
        return exact_counts(wanted, {g.name: self.bounds.levels(g) for g in self.groups})


def _best(groups: Sequence[ChannelGroup], scores: Scores, counts: Counts) -> dict[str, tuple[int, ...]]:
    return {g.name: best_units(scores[g.name], counts[g.name]) for g in groups if counts[g.name] < g.width}


def _changes(ledger: Ledger, counts: Counts, limits: Sequence[Limit]) -> tuple[Change, ...]:
    values = {limit.field: limit.value for limit in limits}
    return tuple(
        Change(name, ledger.cost(ledger.whole(), name), ledger.cost(counts, name), values.get(name))
        for name in dict.fromkeys((*values, *REPORTED))
    )


@torch.no_grad()
def _try_forward(model: nn.Module, network: Network) -> None:
    """Run two images through the small module: a ``forward`` that counts on the old widths is found here."""
    modes = {module: module.training for module in model.modules()}
    parameter = next(model.parameters())
    x = torch.zeros(2, *network.tensors[network.inputs[0]].shape, device=parameter.device, dtype=parameter.dtype)
    got: object
    try:
        got = tuple(model.eval()(x).shape)
    except RuntimeError as error:
        got = str(error).splitlines()[0]
    finally:
        for module, mode in modes.items():
            module.training = mode
    expected = (2, *network.tensors[network.outputs[0]].shape)
    if got != expected:
        raise UnsupportedError(
            f"{network.name}: forward of the pruned module gives {got}; expected {expected}; write sizes in forward "
            "as x.flatten(1) or x.shape[1] instead of numbers, or skip the layers before"
        )
