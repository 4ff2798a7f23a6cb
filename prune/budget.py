# SPDX-License-Identifier: Apache-2.0
"""How many units every group keeps, so that the budget holds by construction.

Units go in the order an allocator gave, as few as the budget allows, found by bisection on their number: each
candidate is a :class:`Network` with other widths whose cost is asked for, so that any field of any cost model can be a
budget. Counts are rounded down to the alignment before they are costed; a last pass gives back what still fits.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from hwsim.errors import BudgetError, InputError
from hwsim.network import Network
from prune.choice import widths
from prune.groups import ChannelGroup

Cost = Callable[[Network, str], float]
Counts = dict[str, int]
Budget = Mapping[str, float | str]

CHANNELS = "channels"  # the cost field that counts prunable channels themselves
GOOD_USE = 0.97  # of the tightest budget; below it more than one alignment step is given back per group


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``value`` of a cost field, which the unpruned network has ``before`` of."""

    field: str
    value: float
    before: float


@dataclass(frozen=True, slots=True)
class Change:
    """One cost field before and after; ``limit`` is the budget's amount, None where the field was only measured."""

    field: str
    before: float
    after: float
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What no budget may do to a layer.

    ``floor`` units stay at least, at most the share ``cap`` goes, and layers that lose anything get a multiple of
    ``align`` output channels (their folding's PE or SIMD count); a layer may always stay whole. The floor is at least
    2: with one channel per part, a depthwise or grouped convolution would become another kind of layer.
    """

    floor: int = 2
    cap: float = 0.9
    align: int = 1

    def __post_init__(self) -> None:
        if self.floor < 2:
            raise InputError(f"floor={self.floor}; expected at least 2 channels per layer")
        if self.align < 1:
            raise InputError(f"align={self.align}; expected a number of channels, at least 1")
        if not 0 <= self.cap <= 1:
            raise InputError(f"cap={self.cap}; expected the largest share to remove from a layer, 0 to 1")

    def levels(self, group: ChannelGroup) -> list[int]:
        """The numbers of units the group may keep, ascending; the last is its width."""
        step = math.lcm(*(self.align // math.gcd(self.align, times) for times in group.multiplicity.values()))
        # The small constant keeps 10 * (1 - 0.9) from rounding up to 2.
        lowest = max(self.floor, math.ceil(group.width * (1 - self.cap) - 1e-9))
        first = step * math.ceil(lowest / step)
        return [*range(first, group.width, step), group.width]


@dataclass(frozen=True, slots=True)
class Fit:
    """Units kept per group, what they cost per limited field, and the largest used share of a limit."""

    counts: Counts
    costs: Mapping[str, float]
    used: float


def read_budget(budget: Budget, measure: Callable[[str], float]) -> tuple[Limit, ...]:
    """Limits from what a user wrote: per cost field a share or an amount.

    A number up to 1 or a text such as ``"50%"`` is a share of the unpruned network's cost, a number above 1 an amount
    in the field's unit, and a text such as ``"=0.8"`` an amount of any size.

    Args:
        measure: cost of the unpruned network by field.

    Raises:
        InputError: a value is none of these.
    """
    limits = []
    for field, asked in budget.items():
        amount, is_share = _amount(field, asked)
        if not math.isfinite(amount) or amount <= 0:
            raise InputError(f"budget {field}: got {asked!r}; expected a number above 0")
        before = measure(field)
        if is_share and before <= 0:
            raise InputError(
                f"budget {field}: got a share of a cost that is {before:g}; give an amount or another field"
            )
        limits.append(Limit(field, amount * before if is_share else amount, before))
    return tuple(limits)


def _amount(field: str, asked: float | str) -> tuple[float, bool]:
    try:
        if isinstance(asked, str):
            text = asked.strip()
            return (float(text[:-1]) / 100, True) if text.endswith("%") else (float(text.removeprefix("=")), False)
        if not isinstance(asked, bool):
            return float(asked), asked <= 1
    except (TypeError, ValueError):
        pass
    raise InputError(f"budget {field}: got {asked!r}; expected a share such as 0.5 or '50%', or an amount such as 120")


class Purse:
    """The cost of unit counts, each asked for once: ``ask(counts, field)``."""

    def __init__(self, groups: Sequence[ChannelGroup], ask: Callable[[Counts, str], float]) -> None:
        self.groups, self._ask = groups, ask
        self._known: dict[tuple[str, tuple[int, ...]], float] = {}

    def whole(self) -> Counts:
        """Every group at its full width."""
        return {group.name: group.width for group in self.groups}

    def cost(self, counts: Counts, field: str) -> float:
        """Cost at these counts.

        Raises:
            BudgetError: the cost model gives no finite number.
        """
        if field == CHANNELS:
            return float(sum(counts[g.name] * times for g in self.groups for times in g.multiplicity.values()))
        key = (field, tuple(counts[group.name] for group in self.groups))
        if key not in self._known:
            value = float(self._ask(counts, field))
            if not math.isfinite(value):
                raise BudgetError(
                    f"{field}: the cost model gives {value} for widths {counts}; choose another cost field"
                )
            self._known[key] = value
        return self._known[key]


class Ledger(Purse):
    """What a network costs at unit counts.

    ``network`` is the one to be costed (batch norm folded, formats set), which has the producers' layer names.
    """

    def __init__(self, network: Network, groups: Sequence[ChannelGroup], cost: Cost) -> None:
        super().__init__(groups, lambda counts, field: cost(self.network_of(counts), field))
        self.network = network

    def network_of(self, counts: Counts) -> Network:
        """The network with these counts."""
        return self.network.with_widths(widths(self.groups, counts))


def fit(
    purse: Purse,
    priorities: Mapping[str, npt.NDArray[Any]],
    limits: Sequence[Limit],
    levels: Mapping[str, Sequence[int]],
) -> Fit:
    """Keep as many units as all limits allow, giving up those of lowest priority first.

    Args:
        priorities: per group, what an allocator of :mod:`prune.allocate` returned.
        levels: per group, the numbers of units it may keep, ascending to its width (:meth:`Bounds.levels`).

    Raises:
        BudgetError: not even the smallest allowed widths meet a limit; says what they cost.
    """
    order = _removal_order(purse.groups, priorities, levels)

    def kept_after(removals: int) -> Counts:
        counts = purse.whole()
        for group in order[:removals]:
            counts[group] -= 1
        return {g: levels[g][bisect_right(levels[g], count) - 1] for g, count in counts.items()}

    def share(counts: Counts) -> float:
        return max(purse.cost(counts, limit.field) / limit.value for limit in limits)

    low, high = 0, len(order)
    if share(kept_after(low)) <= 1:
        high = low
    elif share(kept_after(high)) > 1:
        raise BudgetError(_unreachable(purse, kept_after(high), limits))
    while high - low > 1:  # low breaks the budget, high meets it, even where the cost is not monotone
        middle = (low + high) // 2
        low, high = (low, middle) if share(kept_after(middle)) <= 1 else (middle, high)
    counts = _give_back(kept_after(high), levels, priorities, share)
    return Fit(counts, {limit.field: purse.cost(counts, limit.field) for limit in limits}, share(counts))


def _removal_order(
    groups: Sequence[ChannelGroup], priorities: Mapping[str, npt.NDArray[Any]], levels: Mapping[str, Sequence[int]]
) -> list[str]:
    """Group of the unit that goes first, second, …; units that must stay are not in it."""
    steps = [
        (float(priority), number, group.name)
        for number, group in enumerate(groups)
        for priority in priorities[group.name][levels[group.name][0] :]
        if priority < math.inf
    ]
    return [name for _, _, name in sorted(steps)]


def _give_back(
    counts: Counts,
    levels: Mapping[str, Sequence[int]],
    priorities: Mapping[str, npt.NDArray[Any]],
    share: Callable[[Counts], float],
) -> Counts:
    """Raise groups by a level where the budget still allows it, highest priority first, until it is well used."""
    while share(counts) < 1:
        before = counts
        waiting = [g for g, count in counts.items() if count < levels[g][-1]]
        for group in sorted(waiting, key=lambda g: -priorities[g][before[g]]):
            wider = {**counts, group: levels[group][bisect_right(levels[group], counts[group])]}
            if share(wider) <= 1:
                counts = wider
        if counts == before or share(counts) >= GOOD_USE:
            break
    return counts


def exact_counts(wanted: Mapping[str, float], levels: Mapping[str, Sequence[int]]) -> Counts:
    """Counts without a budget: the nearest whole number to what is wanted, rounded down to an allowed level."""
    return {
        name: levels[name][max(bisect_right(levels[name], math.floor(count + 0.5)) - 1, 0)]
        for name, count in wanted.items()
    }


def _unreachable(purse: Purse, counts: Counts, limits: Sequence[Limit]) -> str:
    limit = max(limits, key=lambda limit: purse.cost(counts, limit.field) / limit.value)
    least = purse.cost(counts, limit.field)
    relative = f" ({100 * least / limit.before:.3g}% of the unpruned network)" if limit.before else ""
    return (
        f"budget {limit.field}: asked for at most {limit.value:.6g}; the smallest reachable is {least:.6g}{relative}, "
        f"with {len(purse.groups)} prunable groups at their smallest widths; raise the budget or loosen floor, cap, "
        "align or skip"
    )
