# SPDX-License-Identifier: Apache-2.0
"""Search in three lines: a trained network and a budget make a problem, a method solves it.

>>> problem = pose(model, (1, 28, 28), {"macs": 0.5}, val, calibration)
>>> found = problem.run("amc", problem.environment(evaluations=400), seed=0)
>>> small = problem.module(found)      # to be trained further
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from hwsim import serial
from hwsim.errors import InputError
from hwsim.importers.torch import import_torch
from hwsim.network import Network
from hwsim.passes import fold_batch_norm
from hwsim.registry import Registry
from prune.api import batch_norm_gammas
from prune.budget import Bounds, Budget, Cost, Counts, read_budget
from prune.choice import Choice, widths
from prune.criteria import Context, score
from prune.groups import channel_groups
from prune.hardware import hardware_cost
from prune.search import agmc, amc, classic, evolve, exact, rivals
from prune.search.costs import Asked, PointCost, breakdown, tabulate
from prune.search.environment import Environment, PointLimit, Scored
from prune.search.evaluator import Evaluator, batch_norm_repair
from prune.search.features import Layers, describe
from prune.search.journal import Journal
from prune.search.space import Space, channel_counts, channel_space

Array = npt.NDArray[Any]
Method = Callable[[Environment, Layers, int], object]
METHODS: Registry[Method] = Registry("search method")

METHODS.register("uniform")(lambda env, layers, seed: classic.uniform(env, seed))
METHODS.register("deep_heavy")(lambda env, layers, seed: classic.deep_heavy(env, seed))
METHODS.register("shallow_heavy")(lambda env, layers, seed: classic.shallow_heavy(env, seed))
METHODS.register("random")(lambda env, layers, seed: classic.random_search(env, seed))
METHODS.register("netadapt")(lambda env, layers, seed: classic.netadapt(env, seed))
METHODS.register("evolution")(lambda env, layers, seed: evolve.evolution(env, seed))
METHODS.register("knapsack")(lambda env, layers, seed: exact.knapsack(env, seed))
METHODS.register("tpe")(lambda env, layers, seed: rivals.tpe(env, seed))
METHODS.register("nsga2")(lambda env, layers, seed: rivals.nsga2(env, seed))
METHODS.register("amc")(lambda env, layers, seed: amc.amc(env, layers, seed))
METHODS.register("agmc")(lambda env, layers, seed: agmc.agmc(env, layers, seed))
METHODS.register("agmc_frozen")(lambda env, layers, seed: agmc.agmc(env, layers, seed, frozen=True))


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    ``best`` is the point with the highest validation score within the budget; ``limits`` are amounts by cost field and
    ``whole`` what the unpruned network has of them. ``history`` holds all scored points in order, ``dropped`` counts
    those without a finite score.
    """

    method: str
    best: Scored
    choice: Choice
    limits: Mapping[str, float]
    whole: Mapping[str, float]
    history: tuple[Scored, ...]
    dropped: int
    seed: int

    def save(self, path: Path | str) -> None:
        """Write everything as JSON."""
        serial.write_json(path, self)


@dataclass(frozen=True, eq=False)
class Problem:
    """A trained network and a budget, made ready for any number of searches."""

    evaluator: Evaluator
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
            InputError: the method cannot serve this budget, or no point could be scored.
        """
        METHODS[method](env, self.layers, seed)
        best = env.best()
        limits = {limit.field: limit.value for limit in self.limits}
        choice = self.evaluator.choice(best.values)
        return Found(method, best, choice, limits, self.whole, tuple(env.history), env.dropped, seed)

    def module(self, found: Found) -> nn.Module:
        """The network cut to what was found, repaired as it was scored, not trained further."""
        small = self.evaluator.cut(found.best.values)
        return self.evaluator.repair(small) if self.evaluator.repair else small


def pose(
    model: nn.Module,
    example_shape: Sequence[int],
    budget: Budget,
    val: tuple[Array, Array],
    calibration: Array | None = None,
    *,
    criterion: str = "l1",
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
        calibration: training inputs from which candidates get new batch-norm statistics; None repairs nothing.
        criterion: decides which channels of a layer stay; the search decides how many.
        bounds, options: widths allowed, and how many of them per layer at most.
        bits: width of all tensors when the network is costed; None costs it in float32.
        skip: layers whose channels stay.
        cost: ``(network, field) -> cost``; :func:`prune.hardware.hardware_cost` by default.

    Raises:
        InputError, UnsupportedError, WeightsError: as for :func:`prune.prune`.
    """
    network, weights = import_torch(model, tuple(example_shape), fold=False)
    groups = tuple(g for g in channel_groups(network) if g.name not in skip and not set(g.layers) & set(skip))
    folded, _ = fold_batch_norm(network, weights)
    deployed = folded if bits is None else folded.with_bits(bits)
    ask = cost or hardware_cost(deployed)
    space = channel_space(groups, bounds or Bounds(), options)

    def resize(counts: Counts) -> Network:
        return deployed.with_widths(widths(groups, counts))

    def point_cost(field: str) -> PointCost:
        made = breakdown(field) if cost is None else None
        table = tabulate(space, groups, resize, *made, lambda one: ask(one, field)) if made else None
        return table or Asked(lambda values: ask(resize(channel_counts(groups, values)), field), space)

    limits = read_budget(budget, lambda field: ask(deployed, field))
    if not limits:
        raise InputError("search: got no budget; expected one such as {'macs': 0.5}")
    scores = score(groups, criterion, Context(weights, batch_norm_gammas(model, network), seed=seed))
    repair = batch_norm_repair(calibration) if calibration is not None else None
    evaluator = Evaluator(model, network, groups, scores, val, repair, seed, criterion)
    point_limits = tuple(PointLimit(limit.field, limit.value, point_cost(limit.field)) for limit in limits)
    whole = {limit.field: limit.before for limit in limits}
    fingerprint = _fingerprint(evaluator, space, calibration)
    return Problem(evaluator, space, describe(network, groups), point_limits, whole, fingerprint)


def _fingerprint(evaluator: Evaluator, space: Space, calibration: Array | None) -> str:
    """What scores depend on: the weights, the data, the widths allowed and which channels go first."""
    digest = hashlib.sha256(repr((evaluator.network.hash, evaluator.criterion, evaluator.seed)).encode())
    for name, value in evaluator.model.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    for array in (*evaluator.val, *(() if calibration is None else (calibration,))):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr(space.variables).encode())
    return digest.hexdigest()[:16]
