# SPDX-License-Identifier: Apache-2.0
"""One seed of an experiment, from its file to its card."""

import time
from collections.abc import Callable

import torch

from hwsim.registry import Registry
from slimfab import datasets
from slimfab.reproduce import agmc, ascp, budgets, cycles, joint, metapruning, searches, slimming, thinet
from slimfab.reproduce.card import Bar, Card, Row
from slimfab.reproduce.experiment import Experiment
from slimfab.reproduce.lab import Lab, Say

Kind = Callable[[Lab], tuple[tuple[Row, ...], tuple[Bar, ...]]]
KINDS: Registry[Kind] = Registry("kind of experiment")
KINDS.register("thinet")(thinet.run)
KINDS.register("slimming")(slimming.run)
KINDS.register("ascp")(ascp.run)
KINDS.register("searches")(searches.run)
KINDS.register("agmc")(agmc.run)
KINDS.register("metapruning")(metapruning.run)
KINDS.register("joint")(joint.run)
KINDS.register("budgets")(budgets.run)
KINDS.register("cycles")(cycles.run)


def run_seed(experiment: Experiment, scale: str, seed: int, say: Say = lambda text: None) -> Card:
    """Run an experiment once. The seed draws the training images, the first weights and the order of images.

    Raises:
        RecipeError: no such scale.
        UnknownNameError: no such kind, network or data set.
        DatasetError: the data are missing.
    """
    kind, settings = KINDS[experiment.kind], experiment.scale(scale)
    section = settings.dataset
    data = datasets.load(section.name, section.folder, download=section.download)
    if section.train_images is not None:
        data = data.subset(section.train_images, seed)
    start = time.perf_counter()
    rows, bars = kind(Lab(settings, data, seed, say))
    return Card(
        experiment.name,
        experiment.paper,
        scale,
        seed,
        settings.model.source,
        data.name,
        len(data.train),
        min(settings.test_images, len(data.test)),
        rows,
        bars,
        round(time.perf_counter() - start, 1),
        settings.device,
        torch.__version__,
    )
