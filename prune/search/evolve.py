# SPDX-License-Identifier: Apache-2.0
"""MetaPruning's evolutionary search (Liu et al., ICCV 2019, §3.3): mutants and crossings of the best within budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from prune.search.classic import random_points
from prune.search.environment import Environment
from prune.search.space import Point

TRIES = 100  # draws per wanted child before a random point takes its place

GENERATIONS = 6  # at least, before populations are made smaller


@dataclass(frozen=True, slots=True)
class Evolution:
    """Sizes as in the published code (github.com/liuzechun/MetaPruning).

    Of a generation of ``population``, ``mutants`` change every gene of a parent with probability ``rate`` to another
    option, ``crossings`` take each gene from one of two parents, and the rest is random.
    """

    population: int = 50
    parents: int = 10
    mutants: int = 25
    crossings: int = 25
    rate: float = 0.1


def evolution(env: Environment, seed: int = 0, settings: Evolution | None = None) -> None:
    """Search until the evaluations are spent. A child over budget is rejected and drawn anew.

    Args:
        settings: by default the published ones, in smaller proportions where they would not last for GENERATIONS.
    """
    settings = settings or _sized(env.evaluations)
    rng = np.random.default_rng(seed)
    fresh = random_points(env, rng)
    scored: list[tuple[float, Point]] = []
    generation = _Generation(env)
    generation.fill(fresh, settings.population)
    while env.left and generation.points:
        scores = env.rate(generation.points)
        scored += [(s, p) for s, p in zip(scores, generation.points, strict=True) if np.isfinite(s)]
        scored.sort(key=lambda one: -one[0])
        parents = [point for _, point in scored[: settings.parents]]
        generation = _Generation(env)
        if parents:
            mutants = (_mutant(env, parents, settings.rate, rng) for _ in range(TRIES * settings.mutants))
            generation.fill(mutants, settings.mutants)
            crossings = (_crossing(parents, rng) for _ in range(TRIES * settings.crossings))
            generation.fill(crossings, settings.mutants + settings.crossings)
        generation.fill(fresh, settings.population)


def _sized(evaluations: int) -> Evolution:
    population = min(Evolution().population, max(8, evaluations // GENERATIONS))
    return Evolution(population, max(2, population // 5), population // 2, population // 2)


class _Generation:
    """New points within the budget, each once."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.points: list[Point] = []
        self._inside: set[bytes] = set()

    def fill(self, points: Iterable[Point], size: int) -> None:
        """Take points until there are ``size``; draws none more."""
        size = min(size, self._env.left)
        if len(self.points) >= size:
            return
        for point in points:
            if point.tobytes() not in self._inside and not self._env.known(point) and self._env.holds(point):
                self._inside.add(point.tobytes())
                self.points.append(point)
                if len(self.points) >= size:
                    return


def _mutant(env: Environment, parents: Sequence[Point], rate: float, rng: np.random.Generator) -> Point:
    point = parents[rng.integers(len(parents))].copy()
    for gene in np.flatnonzero(rng.random(len(point)) < rate):
        size = int(env.space.sizes[gene])
        if size > 1:
            point[gene] = (point[gene] + rng.integers(1, size)) % size
    return point


def _crossing(parents: Sequence[Point], rng: np.random.Generator) -> Point:
    first, second = (parents[rng.integers(len(parents))] for _ in range(2))
    return np.where(rng.random(len(first)) < 0.5, first, second)
