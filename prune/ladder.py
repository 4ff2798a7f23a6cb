# SPDX-License-Identifier: Apache-2.0
"""How faithfully a choice is judged: from a mask to training the small network from scratch.

On small networks a deep cut is at chance right after it, whatever was cut; batch norm's statistics taken anew are the
cheapest repair that tells choices apart.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from hwsim.errors import InputError
from hwsim.registry import suggest
from prune.choice import Choice
from prune.recalibrate import recalibrate
from prune.samples import Samples
from prune.soft import Pick
from prune.surgery import mask, shrink
from prune.take import UPDATES, Evidence, write
from prune.view import look

Evaluate = Callable[[nn.Module], float]
TrainIt = Callable[[nn.Module], None]

RUNGS = ("masked", "recalibrated", "refit", "finetuned", "scratch")


@dataclass
class Ladder:
    """Judges choices of one model; each (choice, rung) once.

    Attributes:
        model: the unpruned module; it is left alone.
        evaluate: what a module is worth, on validation data.
        samples: training inputs for the rungs ``recalibrated`` and ``refit``.
        train: trains in place, for ``finetuned`` and ``scratch``; ``seed`` draws the weights of the latter.
        evaluations: calls of ``evaluate`` so far: what a search reports.
    """

    model: nn.Module
    evaluate: Evaluate
    samples: Samples | None = None
    train: TrainIt | None = None
    seed: int = 0
    evaluations: int = 0
    _known: dict[tuple[object, str], float] = field(default_factory=dict)

    def score(self, choice: Choice, rung: str) -> float:
        """The value of a choice at a rung of :data:`RUNGS`.

        Raises:
            InputError: no such rung, or the rung lacks samples or training.
        """
        if rung not in RUNGS:
            raise InputError(f"ladder: unknown rung '{rung}'; {suggest(rung, RUNGS)}")
        key = (tuple(sorted(choice.kept.items())), rung)
        if key not in self._known:
            self.evaluations += 1
            self._known[key] = self.evaluate(self._module(choice, rung))
        return self._known[key]

    def _module(self, choice: Choice, rung: str) -> nn.Module:
        view = look(self.model, choice.example_shape)
        if rung == "masked":
            return mask(self.model, view.network, choice)
        if rung in ("recalibrated", "refit"):
            if self.samples is None:
                raise InputError(f"ladder: rung '{rung}' needs samples=Samples(x)")
            model, evidence = copy.deepcopy(self.model), Evidence(self.model, self.samples)
            for group in view.groups if rung == "refit" else ():
                if group.name in choice.kept:
                    write(model, UPDATES["refit"](model, group, Pick(choice.kept[group.name]), evidence))
            small = shrink(model, view.network, choice)
            return recalibrate(small, self.samples.x.to(next(small.parameters()).device))
        if self.train is None:
            raise InputError(f"ladder: rung '{rung}' needs train=…")
        small = shrink(self.model, view.network, choice)
        if rung == "scratch":
            restart(small, self.seed)
        self.train(small)
        return small


def restart(model: nn.Module, seed: int) -> nn.Module:
    """New first weights for every layer, in place, drawn as torch's layers draw them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in model.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
    return model
