# SPDX-License-Identifier: Apache-2.0
"""Fine-grained search: how many units below a channel – single weights, kernels, blocks – every layer keeps.

AMC's second mode (He et al., ECCV 2018, §4.1, ResNet-50): an action is a layer's density, the smallest units by norm
become zero, tensors keep their shapes, and the budget counts what stays. Every search method runs on it unchanged. What
zeros save depends on the hardware: blocks of PE x SIMD (``unrolled``) are cycles of the emitted SystemVerilog, single
weights are memory and, on most targets, no time.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from hwsim import ops
from hwsim.errors import InputError
from hwsim.network import Network
from prune.budget import Budget, read_budget
from prune.choice import Choice
from prune.granularity import unit_scores, units
from prune.search.api import Problem, digest
from prune.search.costs import Tabulated, Term
from prune.search.environment import PointLimit
from prune.search.evaluator import Repair, batch_norm_repair
from prune.search.features import describe_layers
from prune.search.space import Space, Variable
from prune.sparse import Masks, apply_masks, maskable
from prune.view import View, look
from quant.train import evaluate

Array = npt.NDArray[Any]
COSTS = ("weights", "macs")
PERCENT = (5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100)


@dataclass(frozen=True, eq=False)
class Masked:
    """Validation accuracy of densities: percentages of units that layers keep, by weight.

    Attributes:
        ranks: of every weight, how many units of its layer have a larger norm.
        units: per weight tensor, how many units it has.
    """

    view: View
    ranks: Mapping[str, npt.NDArray[np.int64]]
    units: Mapping[str, int]
    val: tuple[Array, Array]
    repair: Repair | None = None

    def __call__(self, values: Mapping[str, int]) -> float:
        """Accuracy on ``val`` with these percentages of units; weights without a value stay whole."""
        return evaluate(self.cut(values)[0], *self.val)

    def cut(self, values: Mapping[str, int]) -> tuple[nn.Module, Choice]:
        """A copy of the network with zeros, repaired and not trained; the choice removes no channel."""
        module = apply_masks(copy.deepcopy(self.view.model).eval(), self.masks(values))
        return self.repair(module) if self.repair else module, Choice(self.view.network.hash, self.view.shape, {})

    def masks(self, values: Mapping[str, int]) -> Masks:
        """Which weights stay, for :class:`prune.sparse.KeepMasks` when the network is trained further."""
        return {name: self.ranks[name] < self.count(name, percent) for name, percent in values.items()}

    def count(self, name: str, percent: int) -> int:
        """Units of a weight that a percentage keeps: at least one."""
        return max(1, round(percent * self.units[name] / 100))


def pose_fine(
    model: nn.Module,
    example_shape: Sequence[int],
    budget: Budget,
    val: tuple[Array, Array],
    calibration: Array | None = None,
    *,
    granularity: str = "element",
    rows: int = 1,
    columns: int = 1,
    percent: Sequence[int] = PERCENT,
    skip: Sequence[str] = (),
) -> Problem:
    """Make a network ready for searches of its layers' densities.

    Args:
        model: a trained plain module; it is left alone.
        example_shape: input shape without the batch, channels first.
        budget: ``weights`` that stay, ``macs`` with them, or both, as :func:`prune.prune` takes them.
        val: inputs and labels on which candidates are scored; neither trained on nor reported.
        calibration: training inputs (N, …) from which candidates get new batch-norm statistics; None repairs nothing.
        granularity, rows, columns: :func:`prune.granularity.units`.
        percent: of a layer's units that may stay, ascending to 100.
        skip: layers that stay whole.

    Raises:
        InputError: another budget, or nothing to mask.
        UnknownNameError: no such granularity.
    """
    if not budget or set(budget) - set(COSTS):
        raise InputError(
            f"search: got a budget of {', '.join(budget) or 'nothing'}; expected {' or '.join(COSTS)} of what stays; "
            "zeros that stay in place change no other cost"
        )
    view = look(model, tuple(example_shape))
    layers = {f"{path}.weight": layer for path, layer in _layers(view.network).items() if path not in skip}
    weights = {name: value for name, value in maskable(model).items() if name in layers}
    if not weights:
        raise InputError(
            "search: got no weight that may become zero; expected a convolution or dense layer not in skip"
        )
    index = {name: units(granularity, value.shape, rows, columns) for name, value in weights.items()}
    ranks = {name: ranks_of(index[name], value) for name, value in weights.items()}
    counts = {name: int(one.max()) + 1 for name, one in index.items()}
    repair = None if calibration is None else batch_norm_repair(calibration)
    scorer = Masked(view, ranks, counts, val, repair)
    space = Space(tuple(Variable(name, tuple(percent)) for name in weights))
    costs = {field: _cost(field, space, scorer, view.network, layers) for field in budget}
    whole = {field: float(cost(space.widest[None])[0]) for field, cost in costs.items()}
    limits = read_budget(budget, lambda field: whole[field])
    arrays = [*val, *([] if calibration is None else [calibration])]
    return Problem(
        scorer,
        space,
        describe_layers(view.network, [layers[name] for name in weights]),
        tuple(PointLimit(limit.field, limit.value, costs[limit.field]) for limit in limits),
        whole,
        digest(model, (view.network.hash, granularity, rows, columns, space.variables), arrays),
    )


def ranks_of(index: npt.NDArray[np.int64], weight: Array) -> npt.NDArray[np.int64]:
    """Of every weight, how many units of its tensor have a larger L2 norm; of equal ones the first counts as larger."""
    scores = unit_scores(index, weight)
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    return np.asarray(ranks[index])


def _layers(network: Network) -> dict[str, str]:
    """Layer by the path of the module that has its weight."""
    weighted = [layer for layer in network.layers if layer.op in ops.WEIGHTED]
    return {layer.params["weight"].rpartition(".")[0]: layer.name for layer in weighted}


def _cost(field: str, space: Space, scorer: Masked, network: Network, layers: Mapping[str, str]) -> Tabulated:
    """Weights that stay, or products with them, by layer and option."""
    terms = []
    for number, variable in enumerate(space.variables):
        ranks = scorer.ranks[variable.name]
        stay = np.array(
            [(ranks < scorer.count(variable.name, one)).sum() for one in variable.options], dtype=np.float64
        )
        if field == "macs":
            stay *= ops.macs(network, network.layer(layers[variable.name])) / ranks.size
        terms.append(Term(variable.name, (number,), stay))
    return Tabulated(tuple(terms), 0.0)
