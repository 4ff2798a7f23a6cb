# SPDX-License-Identifier: Apache-2.0
"""Search in three lines: a trained network and a budget make a problem, a method solves it.

>>> problem = pose(model, (1, 28, 28), {"macs": 0.5}, val, calibration)
>>> found = problem.run("amc", problem.environment(evaluations=400), seed=0)
>>> small = problem.module(found)      # to be trained further
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hwsim import serial
from hwsim.design import Design
from hwsim.errors import InputError
from hwsim.network import Network
from hwsim.registry import Registry
from prune.budget import Bounds, Budget, Cost, Limit, read_budget
from prune.choice import Choice, widths
from prune.criteria import score
from prune.hardware import hardware_cost
from prune.methods import METHODS as PRUNING_METHODS
from prune.methods import Method
from prune.samples import Samples, observe
from prune.search import agmc, amc, classic, evolve, exact, rivals
from prune.search.costs import Asked
from prune.search.environment import Environment, PointLimit, Scored
from prune.search.evaluator import Evaluator, Repair, batch_norm_repair
from prune.search.features import Layers, describe
from prune.search.folded import FoldedField
from prune.search.journal import Journal
from prune.search.layer_costs import tabulated_cost
from prune.search.profile import Profile
from prune.search.space import Space, channel_counts, channel_space
from prune.search.tabled import Tabled, is_fpga, of_target, with_paces
from prune.take import Evidence
from prune.view import View, look

Array = npt.NDArray[Any]
Search = Callable[[Environment, Layers, int], object]
METHODS: Registry[Search] = Registry("search method")

METHODS.register("uniform")(lambda env, layers, seed: classic.uniform(env))
METHODS.register("deep_heavy")(lambda env, layers, seed: classic.deep_heavy(env))
METHODS.register("shallow_heavy")(lambda env, layers, seed: classic.shallow_heavy(env))
METHODS.register("random")(lambda env, layers, seed: classic.random_search(env, seed))
METHODS.register("netadapt")(lambda env, layers, seed: classic.netadapt(env))
METHODS.register("evolution")(lambda env, layers, seed: evolve.evolution(env, seed))
METHODS.register("knapsack")(lambda env, layers, seed: exact.knapsack(env))
METHODS.register("tpe")(lambda env, layers, seed: rivals.tpe(env, seed))
METHODS.register("nsga2")(lambda env, layers, seed: rivals.nsga2(env, seed))
METHODS.register("amc")(lambda env, layers, seed: amc.amc(env, layers, seed))
METHODS.register("amc_guaranteed")(lambda env, layers, seed: amc.accuracy_guaranteed(env, layers, seed))
METHODS.register("agmc")(lambda env, layers, seed: agmc.agmc(env, layers, seed))
METHODS.register("agmc_frozen")(lambda env, layers, seed: agmc.agmc(env, layers, seed, frozen=True))
FPGA_WIDTHS = 16  # per layer, evenly spread
OF_LAYERS = ("amc", "amc_guaranteed", "agmc", "agmc_frozen")  # methods whose states are features of layers


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    ``best`` is the point with the highest validation score within the budget, or reward of ``amc_guaranteed``;
    ``limits`` are amounts by cost field and ``whole`` what the unpruned network has of them. ``history`` holds all
    scored points in order, ``dropped`` counts those without a finite score. ``remark`` is what the method says of its
    result, such as what is proven of it.
    """

    method: str
    best: Scored
    choice: Choice
    limits: Mapping[str, float]
    whole: Mapping[str, float]
    history: tuple[Scored, ...]
    dropped: int
    seed: int
    remark: str = ""

    def save(self, path: Path | str) -> None:
        """Write everything as JSON."""
        serial.write_json(path, self)


class Scorer(Protocol):
    """What scores points: :class:`prune.search.evaluator.Evaluator`, or another with the same data."""

    view: View
    val: tuple[Array, Array]
    repair: Repair | None

    def __call__(self, values: Mapping[str, int]) -> float: ...

    def cut(self, values: Mapping[str, int]) -> tuple[nn.Module, Choice]: ...


@dataclass(frozen=True, eq=False)
class Problem:
    """A trained network and a budget, made ready for any number of searches."""

    evaluator: Scorer
    space: Space
    layers: Layers
    limits: tuple[PointLimit, ...]
    whole: Mapping[str, float]
    fingerprint: str

    def environment(
        self,
        evaluations: int,
        folder: Path | str | None = None,
        workers: int = 1,
        progress: Callable[[Environment], None] | None = None,
    ) -> Environment:
        """A fresh environment; with a folder, scores are kept there and reused by every search of this problem."""
        journal = Journal(Path(folder) / "scores.jsonl", self.fingerprint) if folder else None
        return Environment(self.space, self.limits, self.evaluator, evaluations, journal, workers, progress)

    def run(self, method: str, env: Environment, seed: int = 0) -> Found:
        """Search with one of :data:`METHODS`.

        Raises:
            UnknownNameError: no such method.
            InputError: the method cannot serve this budget or space, or no point could be scored.
        """
        if method in OF_LAYERS and len(self.space.variables) != len(self.layers.static):
            raise InputError(
                f"{method}: walks layers and their widths; got bits among the variables; choose knapsack, random, "
                "evolution, tpe or nsga2"
            )
        said = METHODS[method](env, self.layers, seed)
        return replace(self.result(method, env, seed), remark=said.remark if isinstance(said, Profile) else "")

    def result(self, method: str, env: Environment, seed: int = 0) -> Found:
        """What a search that was run on ``env`` found.

        Raises:
            InputError: no point could be scored.
        """
        best = env.best()
        limits = {limit.field: limit.value for limit in self.limits}
        _, choice = self.evaluator.cut(best.values)
        return Found(method, best, choice, limits, self.whole, tuple(env.history), env.dropped, seed)

    def designs(self, found: Found) -> dict[str, Design]:
        """The design by FPGA target of the budget: the one that all its limits are kept by."""
        folded = {limit.cost.folded for limit in self.limits if isinstance(limit.cost, FoldedField)}
        return {one.target: one.design(self.space.indices(found.best.values)) for one in folded}

    def module(self, found: Found) -> nn.Module:
        """The network cut to what was found, repaired as it was scored, not trained further."""
        return self.evaluator.cut(found.best.values)[0]


def pose(
    model: nn.Module,
    example_shape: Sequence[int],
    budget: Budget,
    val: tuple[Array, Array],
    calibration: Array | None = None,
    *,
    method: str | Method = "magnitude",
    bounds: Bounds | None = None,
    options: int | None = None,
    bits: int | None = None,
    skip: Sequence[str] = (),
    seed: int = 0,
    cost: Cost | None = None,
) -> Problem:
    """Make a network ready for searches of its widths.

    Args:
        model: a trained plain module; it is left alone.
        example_shape: input shape without the batch, channels first.
        budget: as :func:`prune.prune` takes it.
        val: inputs and labels on which candidates are scored; neither trained on nor reported.
        calibration: training inputs (N, …) from which candidates get new batch-norm statistics, and on which selectors
            and updates of the method are computed; None repairs nothing.
        method: decides which channels of a layer stay and what becomes of the weights behind them, as in
            :func:`prune.prune`; the search decides how many.
        bounds, options: widths allowed (by default the method's), and how many of them per layer at most: by default
            all of them, and FPGA_WIDTHS where the budget is an FPGA's, whose designs are looked up.
        bits: width of all tensors when the network is costed; None costs it in float32.
        skip: layers whose channels stay.
        cost: ``(network, field) -> cost``; :func:`prune.hardware.hardware_cost` by default.

    Raises:
        InputError, UnsupportedError, WeightsError: as for :func:`prune.prune`.
    """
    plan = PRUNING_METHODS[method] if isinstance(method, str) else method
    view = look(model, tuple(example_shape), skip, streams=plan.streams)
    deployed = view.deployed(bits)
    ask = cost or hardware_cost(deployed)
    limits = read_budget(budget, lambda field: ask(deployed, field))
    if cost is None:
        limits = with_paces(limits, lambda field: ask(deployed, field))
    if not limits:
        raise InputError("search: got no budget; expected one such as {'macs': 0.5}")
    boards = {limit.field.rpartition(".")[0] for limit in limits if is_fpga(limit.field)} if cost is None else set()
    most = options or (FPGA_WIDTHS if boards else None)
    space = channel_space(view.groups, bounds or Bounds(plan.floor, plan.cap), most)

    def resize(values: Mapping[str, int]) -> Network:
        return deployed.with_widths(widths(view.groups, channel_counts(view.groups, values)))

    folded = {target: Tabled(target, of_target(limits, target), space, resize) for target in boards}

    def point_limit(limit: Limit) -> PointLimit:
        target, _, name = limit.field.rpartition(".")
        if target in folded:
            return folded[target].limit(name)
        asked = Asked(lambda values: ask(resize(values), limit.field), space)
        table = tabulated_cost(limit.field, space, view.groups, deployed, asked) if cost is None else None
        return PointLimit(limit.field, limit.value, table or asked)

    scorer = evaluator(view, plan, val, calibration, seed)
    return Problem(
        scorer,
        space,
        describe(view.network, view.groups),
        tuple(point_limit(limit) for limit in limits),
        {limit.field: limit.before for limit in limits},
        fingerprint(scorer, space, calibration),
    )


def evaluator(
    view: View, plan: Method, val: tuple[Array, Array], calibration: Array | None, seed: int
) -> Evaluator:  # fmt: skip
    """What scores the widths of a network; see :func:`pose`."""
    samples = None if calibration is None else Samples(torch.as_tensor(calibration))
    context = replace(view.context, seed=seed)
    if samples is not None and not plan.selector:
        context = observe(context, view.model, view.groups, samples)
    scores = score(view.groups, plan.criterion, context)
    repair = None if calibration is None else batch_norm_repair(calibration)
    return Evaluator(view, plan, scores, val, Evidence(view.model, samples), repair, seed)


def fingerprint(scorer: Evaluator, space: Space, calibration: Array | None, rest: str = "") -> str:
    """What scores depend on: the weights, the data, the widths allowed, which channels go first, and the rest."""
    words = (scorer.view.network.hash, scorer.method, scorer.seed, space.variables, rest)
    return digest(scorer.view.model, words, [*scorer.val, *([] if calibration is None else [calibration])])


def digest(model: nn.Module, words: object, arrays: Sequence[Array]) -> str:
    """A name for a problem: of all weights, of the data in ``arrays``, and of ``words`` that say the rest."""
    found = hashlib.sha256(repr(words).encode())
    for name, value in model.state_dict().items():
        found.update(name.encode())
        found.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
