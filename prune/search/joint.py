# SPDX-License-Identifier: Apache-2.0
"""Widths, bits and folding in one search, for one FPGA.

>>> budget = {"fpga:pynq-z2/folded.latency_us": "=150", "fpga:pynq-z2/folded.dsp": "=220"}
>>> problem = pose_joint(model, (1, 28, 28), budget, val, calibration, bits=(4, 6, 8))
>>> found = problem.run("knapsack", problem.environment(evaluations=80))

A candidate is cut, repaired, quantised by calibration and scored; its cost is that of the folding that serves it best
(:class:`prune.search.folded.Folded`). The knapsack chooses all three at once, other methods widths and bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from hwsim.errors import InputError
from hwsim.importers.torch import import_torch
from hwsim.network import Network
from prune.budget import Bounds, Budget, read_budget
from prune.choice import Choice, widths
from prune.methods import METHODS, Method
from prune.search.api import Problem, evaluator, fingerprint
from prune.search.bits import Formats, bit_variables, with_bits
from prune.search.environment import PointLimit
from prune.search.evaluator import Evaluator
from prune.search.features import describe
from prune.search.folded import Folded, FoldedField
from prune.search.space import Space, channel_counts, channel_space
from prune.view import look
from quant.calibrate import calibrate
from quant.module import QuantModule
from quant.spec import QuantSpec
from quant.train import evaluate

Array = npt.NDArray[Any]
DEFAULT_BITS = (4, 6, 8)
DEFAULT_WIDTHS = 4  # options per layer: quarters
_DEFAULT_SPEC = QuantSpec()


@dataclass(frozen=True, eq=False)
class QuantisedEvaluator:
    """Validation accuracy of widths and bits: cut, repaired and quantised by calibration, not trained.

    Attributes:
        floats: scores and cuts widths alone.
        images: (N, *shape) training images that formats are calibrated on.
        spec: of everything that a point says no bits of.
    """

    floats: Evaluator
    images: torch.Tensor
    spec: QuantSpec = field(default_factory=QuantSpec)

    @property
    def view(self) -> Any:
        """The trained module and its groups."""
        return self.floats.view

    @property
    def val(self) -> tuple[Array, Array]:
        """Inputs and labels of the score."""
        return self.floats.val

    @property
    def repair(self) -> Any:
        """Of the cut network, in place."""
        return self.floats.repair

    def __call__(self, values: Mapping[str, int]) -> float:
        """Accuracy on ``val``."""
        return evaluate(self.quantised(values), *self.val)

    def cut(self, values: Mapping[str, int]) -> tuple[nn.Module, Choice]:
        """The float network with these widths, repaired, and which units stayed."""
        return self.floats.cut(values)

    def quantised(self, values: Mapping[str, int]) -> QuantModule:
        """The network with these widths and bits, calibrated."""
        module, _ = self.cut(values)
        network, weights = import_torch(module, self.view.shape)
        return calibrate(QuantModule(network, weights, with_bits(self.spec, values)), self.images)


def pose_joint(
    model: nn.Module,
    example_shape: Sequence[int],
    budget: Budget,
    val: tuple[Array, Array],
    calibration: Array,
    *,
    bits: Sequence[int] = DEFAULT_BITS,
    spec: QuantSpec = _DEFAULT_SPEC,
    method: str | Method = "magnitude",
    bounds: Bounds | None = None,
    options: int | None = DEFAULT_WIDTHS,
    skip: Sequence[str] = (),
    seed: int = 0,
) -> Problem:
    """Make a network ready for searches of widths and bits on an FPGA whose folding follows.

    Args:
        model, example_shape, val, method, bounds, skip, seed: as for :func:`prune.search.pose`.
        budget: fields of one fpga target, amounts or shares of what the whole network has at the most bits.
        calibration: training inputs (N, …), for batch norm's statistics and the number formats.
        bits: that the weights of a layer, and the results of an activation, may have.
        spec: the rest of the quantisation.
        options: widths per layer at most, evenly spread.

    Raises:
        InputError: the budget names no fpga target, several, or something else too.
        UnknownNameError: the target has no such field.
        UnsupportedError, WeightsError: as for :func:`prune.search.pose`.
    """
    target, fields = _one_target(budget)
    plan = METHODS[method] if isinstance(method, str) else method
    view = look(model, tuple(example_shape), skip, streams=plan.streams)
    images = torch.as_tensor(calibration)
    network, weights = import_torch(model, tuple(example_shape))
    formats = Formats(network, weights, spec, images, bits)
    groups = channel_space(view.groups, bounds or Bounds(plan.floor, plan.cap), options)
    space = Space(groups.variables + bit_variables(network, bits))

    def network_of(values: Mapping[str, int]) -> Network:
        return formats(values).with_widths(widths(view.groups, channel_counts(view.groups, values)))

    free = Folded(target, {}, space, network_of)
    limits = read_budget(fields, lambda name: free.estimate(space.widest).field(name))
    folded = Folded(target, {limit.field: limit.value for limit in limits}, space, network_of)
    scorer = QuantisedEvaluator(evaluator(view, plan, val, calibration, seed), images, spec)
    return Problem(
        scorer,
        space,
        describe(view.network, view.groups),
        tuple(
            PointLimit(f"{target}.{one.field}", one.value, FoldedField(folded, one.field), rises=False)
            for one in limits
        ),
        {f"{target}.{one.field}": one.before for one in limits},
        fingerprint(scorer.floats, space, calibration, repr(spec)),
    )


def _one_target(budget: Budget) -> tuple[str, dict[str, float | str]]:
    """The fpga target that all fields of a budget belong to, and the fields without it."""
    parts = {name: name.rpartition(".") for name in budget}
    found = sorted({target for target, _, _ in parts.values()})
    if len(found) != 1 or not found[0].startswith("fpga:"):
        raise InputError(
            f"search: got limits {', '.join(budget) or 'none'}; expected fields of one fpga target, such as "
            "fpga:pynq-z2.latency_us; searches of bits and folding serve one board"
        )
    return found[0], {parts[name][2]: asked for name, asked in budget.items()}
