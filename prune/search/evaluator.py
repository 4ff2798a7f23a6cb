# SPDX-License-Identifier: Apache-2.0
"""How good a point is: the accuracy of the network cut to its widths, repaired but not trained.

Without a repair, networks cut everywhere are no better than chance; averaging batch norm's statistics anew over some
training images is the cheapest repair that tells good points from bad ones (MetaPruning, Liu et al., ICCV 2019, §3.3).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hwsim.network import Network
from prune.allocate import best_units
from prune.choice import Choice
from prune.groups import ChannelGroup
from prune.recalibrate import recalibrate
from prune.search.space import channel_counts
from prune.surgery import shrink
from quant.train import evaluate

Array = npt.NDArray[Any]
Repair = Callable[[nn.Module], nn.Module]


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Validation accuracy of widths.

    Attributes:
        model, network: the trained module and its import with batch norm kept.
        groups: the prunable channel groups; units with the highest ``scores`` (by group name) stay.
        repair: of the cut network, in place; see :func:`batch_norm_repair`.
        val: inputs (N, …) and labels (N,) that no training saw and no result is reported on.
    """

    model: nn.Module
    network: Network
    groups: Sequence[ChannelGroup]
    scores: Mapping[str, Array]
    val: tuple[Array, Array]
    repair: Repair | None = None
    seed: int = 0
    criterion: str = "l1"

    def __call__(self, values: Mapping[str, int]) -> float:
        """Accuracy on ``val`` of the network with these units per group; groups without a value stay whole."""
        small = self.cut(values)
        return evaluate(self.repair(small) if self.repair else small, *self.val)

    def choice(self, values: Mapping[str, int]) -> Choice:
        """Which units stay."""
        counts = channel_counts(self.groups, values)
        kept = {
            g.name: best_units(self.scores[g.name], counts[g.name]) for g in self.groups if counts[g.name] < g.width
        }
        shape = self.network.tensors[self.network.inputs[0]].shape
        return Choice(self.network.hash, shape, kept, self.criterion, "search", "one_shot", seed=self.seed)

    def cut(self, values: Mapping[str, int]) -> nn.Module:
        """The network with these widths, neither repaired nor trained."""
        return shrink(self.model, self.network, self.choice(values)).eval()


def batch_norm_repair(images: Array, batch: int = 256) -> Repair:
    """Average batch norm's statistics anew over training images (N, …)."""
    inputs = torch.as_tensor(np.asarray(images, dtype=np.float32))
    return lambda model: recalibrate(model, inputs, batch=batch)
