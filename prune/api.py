# SPDX-License-Identifier: Apache-2.0
"""Pruning in one call: groups, scores, a budget, and a smaller plain module."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from hwsim import targets
from hwsim.card import MetricCard, card
from hwsim.design import Design
from hwsim.errors import InputError, UnknownNameError
from hwsim.importers.torch import import_torch
from hwsim.network import Network
from hwsim.registry import suggest
from prune.allocate import ALLOCATORS, Ratios, Scores
from prune.amount import Amount
from prune.budget import Bounds, Budget, Change, Cost, Counts, Ledger, Limit, read_budget
from prune.choice import Choice, compose
from prune.criteria import score
from prune.hardware import carried_designs, hardware_cost
from prune.methods import METHODS, Method
from prune.regularise import REGULARISERS
from prune.samples import Samples, observe
from prune.schedule import SCHEDULES
from prune.soft import Pick, Soft
from prune.store import save
from prune.take import Evidence, take
from prune.view import View, look, look_again
from quant.hooks import Hook

Tune = Callable[[nn.Module, int], None]
Train = Callable[[nn.Module, Sequence[Hook]], None]

REPORTED = ("macs", "params")  # in every result, beside the fields of the budget


@dataclass(frozen=True, slots=True)
class Pruned:
    """A smaller module and how it came about.

    ``network`` is the small network with batch norm kept. ``costs`` are those of the network as deployed: batch norm
    folded, at the asked number of bits. ``used`` is the share of the tightest limit that the module uses, None without
    a budget. ``designs`` holds, by FPGA target, the design at which a budgeted area holds; ``bits`` is the number of
    bits, None for float32.
    """

    module: nn.Module
    network: Network
    choice: Choice
    costs: tuple[Change, ...]
    used: float | None
    designs: Mapping[str, Design] = field(default_factory=dict)
    bits: int | None = None

    def change(self, name: str) -> Change:
        """One of ``costs`` by its field.

        Raises:
            UnknownNameError: the field was not measured.
        """
        found = {change.field: change for change in self.costs}
        if name not in found:
            raise UnknownNameError(f"unknown cost '{name}' of a pruned network; {suggest(name, found)}")
        return found[name]

    def card(self, target: str = "", accuracy: float | None = None, dataset: str | None = None) -> MetricCard:
        """The metric card of the module as deployed on a target, by default the first that the budget names.

        Args:
            accuracy, dataset: as measured by the caller; neither is known here.

        Raises:
            InputError: no target is named, here or in the budget.
        """
        named = [name.rpartition(".")[0] for name in self.choice.budget if ":" in name]
        if not target and not named:
            raise InputError("card: the budget names no target; expected one such as fpga:pynq-z2; give target=…")
        target = target or named[0]
        network, _ = import_torch(self.module, self.choice.example_shape)
        network = network if self.bits is None else network.with_bits(self.bits)
        design = self.designs.get(target)
        made = targets.estimate(network, target, design=design and replace(design, network_hash=network.hash))
        return card(network, targets.parse(target).device, made, accuracy, dataset)

    def save(self, folder: Path | str) -> None:
        """Write ``choice.json`` and ``weights.safetensors``; :func:`prune.store.rebuild` reads them."""
        save(folder, self.module, self.choice)


def prune(
    model: nn.Module,
    example: Sequence[int] | torch.Tensor,
    *,
    method: str | Method = "magnitude",
    budget: Budget | None = None,
    criterion: str | None = None,
    allocator: str | None = None,
    ratios: Ratios | None = None,
    schedule: str | None = None,
    steps: int | None = None,
    samples: Samples | None = None,
    train: Train | None = None,
    tune: Tune | None = None,
    skip: Sequence[str] = (),
    strength: float | None = None,
    floor: int | None = None,
    cap: float | None = None,
    align: int = 1,
    bits: int | None = None,
    seed: int = 0,
    cost: Cost | None = None,
) -> Pruned:
    """Remove channels from a copy of ``model`` until it meets the budget.

    Args:
        model: a plain float module; it is left alone.
        example: a batch of inputs, of which only the shape counts, or that shape without the batch, channels first.
        method: a name in :data:`prune.methods.METHODS`, or a :class:`prune.methods.Method` of your own.
        budget: per cost field the largest share (up to 1, or "50%") or amount (above 1, or "=0.8"), all of which hold
            for the result: ``{"macs": 0.5}``, ``{"fpga:pynq-z2.dsp": 120, "params": "40%"}``. Besides the fields of
            :func:`hwsim.targets.cost` there is ``channels``, the number of prunable channels. None: allocator
            ``per_layer`` with its ratios as given.
        criterion, allocator, schedule, steps, strength, floor, cap: in place of the method's own.
        ratios: for allocator ``per_layer``, the share to keep by layer name.
        samples: calibration data, for criteria of activations and gradients, selectors and least-squares updates.
        train: called with the module and hooks, to train it in place before each step; methods with a regulariser or
            a soft training need it: ``lambda m, hooks: fit(m, data, epochs=4, hooks=hooks)``.
        tune: called with the module and the step number after each cut, to fine-tune it in place.
        skip: layers whose channels stay, with all that are coupled to them.
        align: channels per layer come in multiples of it (:class:`prune.budget.Bounds`).
        bits: width of all tensors when the network is costed; None costs it in float32.
        seed: of everything random.
        cost: ``(network, field) -> cost``; :func:`prune.hardware.hardware_cost` by default.

    Raises:
        BudgetError: no allowed widths meet the budget; says what the smallest reach.
        InputError: an argument is wrong, or a layer lacks what the criterion needs.
        UnsupportedError: the module cannot be traced, or a parameter cannot be cut; names it.
        WeightsError: weights or scores that are not finite.
    """
    plan = _plan(method, criterion, allocator, schedule, steps, strength, floor, cap)
    if not budget and plan.allocator != "per_layer":
        raise InputError("prune: got no budget; expected one such as {'macs': 0.5}, or allocator per_layer with ratios")
    if train is None and (plan.soft or plan.regulariser):
        raise InputError(
            f"prune: '{plan.soft or plan.regulariser}' happens in training; pass train=lambda model, hooks: fit(…)"
        )
    progress = (1.0,) if plan.soft else SCHEDULES[plan.schedule](plan.steps)
    first = view = look(model, _shape(example), skip, streams=plan.streams)
    deployed = first.deployed(bits)
    cost = cost or hardware_cost(deployed)
    ledger = Ledger(deployed, first.groups, cost)
    limits = read_budget(budget or {}, lambda name: ledger.cost(ledger.whole(), name))
    bounds = Bounds(plan.floor, plan.cap, align)
    amount = Amount(ALLOCATORS[plan.allocator], ratios or {}, limits, first.groups, bounds, bits, cost)
    job = _Job(first, plan, samples, train, tune, seed)
    choice = Choice(
        first.network.hash,
        first.shape,
        {},
        plan.criterion,
        plan.allocator,
        plan.schedule,
        dict(budget or {}),
        align,
        seed,
    )
    counts, used = ledger.whole(), None
    for step, part in enumerate(progress):
        view = job.regularised(view, counts, step)
        scores = job.scores(view, step)
        counts, used = amount.counts(view, scores, part)
        view, taken = job.cut(view, counts, scores, step)
        choice = replace(choice, kept=compose(choice, taken).kept)
    designs = carried_designs(deployed, ledger.network_of(counts), budget or {})
    return Pruned(view.model, view.network, choice, _changes(ledger, counts, limits), used, designs, bits)


def _shape(example: Sequence[int] | torch.Tensor) -> tuple[int, ...]:
    return tuple(example.shape[1:] if isinstance(example, torch.Tensor) else example)


def _plan(method: str | Method, *words: object) -> Method:
    """The method with the caller's words in place of its own."""
    plan = METHODS[method] if isinstance(method, str) else method
    names = ("criterion", "allocator", "schedule", "steps", "strength", "floor", "cap")
    return replace(plan, **{name: word for name, word in zip(names, words, strict=True) if word is not None})


class _Job:
    """What every step of one pruning does."""

    def __init__(
        self,
        first: View,
        plan: Method,
        samples: Samples | None,
        train: Train | None,
        tune: Tune | None,
        seed: int,
    ) -> None:
        self.first, self.plan, self.samples, self.train, self.tune, self.seed = first, plan, samples, train, tune, seed
        self.cuts = 0

    def regularised(self, view: View, counts: Counts, step: int) -> View:
        """The view after a training that lets units rank themselves."""
        if step:
            view = look_again(view.model, self.first, counts)
        if not self.plan.regulariser or self.train is None:
            return view
        model = copy.deepcopy(view.model)
        self.train(model, [REGULARISERS[self.plan.regulariser](view, self.plan.strength)])
        return look_again(model, self.first, counts)

    def scores(self, view: View, step: int) -> Scores:
        """By the criterion; for whole sets of units they only say which layers give how much."""
        context = replace(view.context, seed=self.seed + step)
        if self.samples is not None and not self.plan.selector:
            context = observe(context, view.model, view.groups, self.samples)
        return score(view.groups, self.plan.criterion, context)

    def cut(self, view: View, counts: Counts, scores: Scores, step: int) -> tuple[View, Choice]:
        """All groups at once, or one after the other; each cut is followed by the caller's fine-tuning."""
        picks: dict[str, Pick] = {}
        if self.plan.soft and self.train is not None:
            model = copy.deepcopy(view.model)
            soft = Soft(view.groups, counts, self.plan.soft, self.plan.criterion, self.plan.schedule, self.seed)
            self.train(model, [soft])
            view, picks = replace(view, model=model), soft.picks
        choice = Choice(view.network.hash, view.shape, {})
        done = {group.name: group.width for group in view.groups}
        for part in [[group] for group in view.groups] if self.plan.one_by_one else [list(view.groups)]:
            if done != {group.name: group.width for group in view.groups}:
                view = look_again(view.model, self.first, done)
            done |= {group.name: counts[group.name] for group in part}
            evidence = Evidence(view.model, self.samples)
            view, taken = take(view, done, self.plan, scores, evidence, self.seed + step, picks)
            choice = replace(choice, kept=compose(choice, taken).kept)
            if self.tune and (taken.kept or not self.plan.one_by_one):
                self.tune(view.model, self.cuts)
                self.cuts += 1
        return view, choice


def _changes(ledger: Ledger, counts: Counts, limits: Sequence[Limit]) -> tuple[Change, ...]:
    values = {limit.field: limit.value for limit in limits}
    return tuple(
        Change(name, ledger.cost(ledger.whole(), name), ledger.cost(counts, name), values.get(name))
        for name in dict.fromkeys((*values, *REPORTED))
    )
