# SPDX-License-Identifier: Apache-2.0
"""How many units of every group stay."""

from dataclasses import dataclass

from prune.allocate import Allocator, Ratios, Scores, group_ratios
from prune.budget import Bounds, Cost, Counts, Ledger, Limit, exact_counts, fit
from prune.groups import ChannelGroup
from prune.schedule import limits_at
from prune.view import View


@dataclass(frozen=True, slots=True)
class Amount:
    """Everything that decides how many units stay, for the groups at their original widths."""

    allocate: Allocator
    ratios: Ratios
    limits: tuple[Limit, ...]
    groups: tuple[ChannelGroup, ...]
    bounds: Bounds
    bits: int | None
    cost: Cost

    def counts(self, view: View, scores: Scores, part: float) -> tuple[Counts, float | None]:
        """Units kept per group at this part of the way, and the used share of the tightest limit."""
        return self._within_budget(view, scores, part) if self.limits else (self._as_given(part), None)

    def _within_budget(self, view: View, scores: Scores, part: float) -> tuple[Counts, float]:
        widths = {group.name: group.width for group in view.groups}
        order = {name: p[: widths[name]] for name, p in self.allocate(self.groups, scores, self.ratios).items()}
        levels = {g.name: [n for n in self.bounds.levels(g) if n <= widths[g.name]] for g in self.groups}
        ledger = Ledger(view.deployed(self.bits), view.groups, self.cost)
        fitted = fit(ledger, order, limits_at(self.limits, part), levels)
        return fitted.counts, fitted.used

    def _as_given(self, part: float) -> Counts:
        shares = group_ratios(self.groups, self.ratios)
        wanted = {g.name: g.width * (1 - part * (1 - shares.get(g.name, 1.0))) for g in self.groups}
        return exact_counts(wanted, {g.name: self.bounds.levels(g) for g in self.groups})
