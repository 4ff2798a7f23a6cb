# SPDX-License-Identifier: Apache-2.0
"""A recipe's trained network as a search problem: widths alone, densities of zeros, or widths, bits and folding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError
from slimfab.flow import Run
from slimfab.recipe import PruneSection
from slimfab.stages.compress import deployed_bits, quant_spec
from slimfab.stages.train import dataset, float_module

if TYPE_CHECKING:
    from torch import nn

    from prune.search import Problem
    from quant.train import Array


def parse_granularity(text: str) -> tuple[str, int, int]:
    """A granularity and its block: ``element``, ``kernel``, ``unrolled:4x2`` (filters x channels: PE x SIMD).

    Raises:
        InputError: the block is no two numbers.
        UnknownNameError: no such granularity.
    """
    from prune.granularity import GRANULARITIES

    name, _, block = text.partition(":")
    GRANULARITIES[name]
    try:
        rows, columns = (int(part) for part in (block or "1x1").split("x"))
    except ValueError:
        raise InputError(f"zeros: got '{text}'; expected a granularity such as element, or unrolled:4x2") from None
    return name, rows, columns


@dataclass(frozen=True)
class Posing:
    """A run whose network is trained, a budget, and how many validation images a candidate is scored on."""

    run: Run
    budget: dict[str, str]
    val_images: int

    @property
    def section(self) -> PruneSection:
        """What the recipe says of pruning."""
        return self.run.recipe.prune or PruneSection()

    def widths(self, options: int | None) -> "Problem":
        """Of widths alone, at most ``options`` per layer."""
        from prune.search import pose

        return pose(*self._data(), bits=deployed_bits(self.run.recipe.quantise), options=options, **self._plan())

    def zeros(self, text: str) -> "Problem":
        """Of densities, by a granularity as :func:`parse_granularity` reads it."""
        from prune.search import pose_fine

        granularity, rows, columns = parse_granularity(text)
        found = {"granularity": granularity, "rows": rows, "columns": columns, "skip": self.section.skip}
        return pose_fine(*self._data(), **found)

    def joint(self, bits: Sequence[int], options: int | None) -> "Problem":
        """Of widths and bits, by default the recipe's, on an FPGA that is folded for each candidate."""
        from prune.search import pose_joint
        from prune.search.joint import DEFAULT_WIDTHS

        chosen = tuple(bits) or (deployed_bits(self.run.recipe.quantise),)
        spec = quant_spec(self.run)
        return pose_joint(*self._data(), bits=chosen, spec=spec, options=options or DEFAULT_WIDTHS, **self._plan())

    def _data(self) -> "tuple[nn.Module, tuple[int, ...], dict[str, str], tuple[Array, Array], Array]":
        data = dataset(self.run)
        x, y = data.as_float("val")
        calibration = data.as_float("train")[0][: self.section.calibration_images]
        val = x[: self.val_images], y[: self.val_images]
        return float_module(self.run), data.shape, self.budget, val, calibration

    def _plan(self) -> dict[str, Any]:
        from prune.budget import Bounds
        from prune.methods import METHODS

        section = self.section
        plan = METHODS[section.method]
        floor = plan.floor if section.floor is None else section.floor
        cap = plan.cap if section.cap is None else section.cap
        plan = replace(plan, criterion=section.criterion or plan.criterion)
        bounds = Bounds(floor, cap, section.align)
        return {"method": plan, "bounds": bounds, "skip": section.skip, "seed": self.run.recipe.seed}
