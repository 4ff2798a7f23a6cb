# SPDX-License-Identifier: Apache-2.0
"""What every experiment does with its network: train, measure, recalibrate, start again from scratch."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from hwsim.importers.torch import import_torch
from prune.ladder import restart
from prune.recalibrate import recalibrate
from prune.samples import Samples
from prune.search import pose
from quant.hooks import Hook
from quant.train import evaluate
from slimfab.datasets import Dataset
from slimfab.models import build_module
from slimfab.recipe import TrainSection
from slimfab.reproduce.card import Row
from slimfab.reproduce.experiment import Scale
from slimfab.stages.train import train_by

Say = Callable[[str], None]


@dataclass(frozen=True)
class Lab:
    """One seed's data, network and measurements; ``say`` is told what is being done."""

    scale: Scale
    data: Dataset
    seed: int
    say: Say

    @property
    def train_data(self) -> tuple[np.ndarray, np.ndarray]:
        """All training images of this experiment."""
        return self.data.as_float("train")

    @property
    def samples(self) -> Samples:
        """Training images for statistics."""
        x, y = self.train_data
        count = self.scale.samples
        return Samples(torch.from_numpy(x[:count].copy()), torch.from_numpy(y[:count].copy()))

    @property
    def held_out(self) -> Samples:
        """As many validation images, which no statistic was fitted on."""
        x, y = self.data.as_float("val")
        count = self.scale.samples
        return Samples(torch.from_numpy(x[:count].copy()), torch.from_numpy(y[:count].copy()))

    def new_model(self) -> nn.Module:
        """The experiment's network with first weights of this seed."""
        source, options = self.scale.model.source, self.scale.model.options
        return build_module(source, self.data.shape, options, self.data.classes, self.seed)[0]

    def train(
        self,
        model: nn.Module,
        section: TrainSection,
        what: str,
        hooks: Sequence[Hook] = (),
        teacher: nn.Module | None = None,
    ) -> nn.Module:
        """Train in place; from ``teacher``'s logits too, where the section distils."""
        self.say(f"{what}: {section.epochs} epochs")
        if section.epochs:
            train_by(section, model, self.train_data, self.seed, teacher=teacher, hooks=hooks, device=self.scale.device)
        return model

    def accuracy(self, model: nn.Module) -> float:
        """On the test images of this experiment."""
        x, y = self.data.as_float("test")
        count = self.scale.test_images
        return evaluate(model, x[:count], y[:count])

    def recalibrated(self, model: nn.Module) -> nn.Module:
        """A copy with batch norm's statistics taken anew on the samples."""
        device = next(model.parameters()).device
        return recalibrate(copy.deepcopy(model), self.samples.x.to(device))

    def from_scratch(self, model: nn.Module, epochs: int, name: str = "from scratch, same shape") -> Row:
        """A control: the same shape with new weights, trained by the base recipe for so many epochs."""
        fresh = restart(copy.deepcopy(model), self.seed)
        section = self.scale.train.model_copy(update={"epochs": epochs})
        self.train(fresh, section, name)
        return replace(self.row(name, fresh, control=True), epochs=epochs, final=self.accuracy(fresh))

    def random_search(self, model: nn.Module, share: float, bits: int | None = None) -> tuple[str, nn.Module]:
        """A control: the best on validation images of ``random_widths`` networks with at most ``share`` of the MACs.

        Filters go by L1, and batch norm's statistics are taken anew. The methods beside it look at no accuracy, so
        that this gives chance more than they have.

        Returns:
            The row's name, and the network, which is not trained further.
        """
        count = self.scale.random_widths
        self.say(f"random search, {count} evaluations")
        x, y = self.data.as_float("val")
        val, calibration = (x[: self.scale.samples], y[: self.scale.samples]), self.samples.x.numpy()
        problem = pose(model, self.data.shape, {"macs": share}, val, calibration, bits=bits, seed=self.seed)
        found = problem.run("random", problem.environment(count), self.seed)
        return f"random search, {count} evaluations", problem.module(found)

    def row(self, name: str, model: nn.Module, control: bool = False) -> Row:
        """A row that knows its size so far."""
        network, _ = import_torch(model, self.data.shape)
        return Row(name, control, network.macs(), network.parameters())

    def finished(self, row: Row, model: nn.Module, cut_epochs: int = 0) -> Row:
        """The row with accuracies after the cut, after recalibration and after fine-tuning, which is done on a copy."""
        tuned = self.train(copy.deepcopy(model), self.scale.finetune, f"fine-tune {row.name}")
        return replace(
            row,
            epochs=cut_epochs + self.scale.finetune.epochs,
            cut=self.accuracy(model),
            recalibrated=self.accuracy(self.recalibrated(model)),
            final=self.accuracy(tuned),
        )
