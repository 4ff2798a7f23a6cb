# SPDX-License-Identifier: Apache-2.0
"""How good a point is: the accuracy of the network cut to its widths, repaired but not trained.

Without a repair, networks cut everywhere are no better than chance; averaging batch norm's statistics anew over some
training images is the cheapest repair that tells good points from bad ones (MetaPruning, Liu et al., ICCV 2019, §3.3).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from prune.allocate import Scores
from prune.choice import Choice
from prune.methods import Method
from prune.recalibrate import recalibrate
from prune.search.space import channel_counts
from prune.take import Evidence, take
from prune.view import View
from quant.train import evaluate

Array = npt.NDArray[Any]
Repair = Callable[[nn.Module], nn.Module]


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Validation accuracy of widths.

    Attributes:
        view: the trained module and its groups.
        method: which units of a group stay, and what becomes of the weights behind them; its budget, schedule and
            training are not used.
        scores: of all units by the method's criterion.
        val: inputs (N, …) and labels (N,) that no training saw and no result is reported on.
        evidence: what the method's selector and update look at.
        repair: of the cut network, in place; see :func:`batch_norm_repair`.
    """

    view: View
    method: Method
    scores: Scores
    val: tuple[Array, Array]
    evidence: Evidence
    repair: Repair | None = None
    seed: int = 0

    def __call__(self, values: Mapping[str, int]) -> float:
        """Accuracy on ``val`` of the network with these units per group; groups without a value stay whole."""
        return evaluate(self.cut(values)[0], *self.val)

    def cut(self, values: Mapping[str, int]) -> tuple[nn.Module, Choice]:
        """The network with these widths, repaired and not trained, and which units stayed."""
        counts = channel_counts(self.view.groups, values)
        small, choice = take(self.view, counts, self.method, self.scores, self.evidence, self.seed)
        module = small.model.eval().to(memory_format=torch.channels_last)  # a third faster on CPUs
        return self.repair(module) if self.repair else module, choice


def batch_norm_repair(images: Array, batch: int = 256) -> Repair:
    """Average batch norm's statistics anew over training images (N, …)."""
    inputs = torch.as_tensor(np.asarray(images, dtype=np.float32))
    return lambda model: recalibrate(model, inputs, batch=batch)
