# SPDX-License-Identifier: Apache-2.0
"""What a search found, as a recipe: the shares of channels, the bits and the board that 'slimfab run' builds."""

from typing import TYPE_CHECKING, Any

from slimfab.recipe import LayerWidths, PruneSection, QuantiseSection, Recipe, RtlSection

if TYPE_CHECKING:
    from prune.search import Found, Problem

TIMES = ("latency_us", "interval_us")


def winner(recipe: Recipe, problem: "Problem", found: "Found") -> Recipe:
    """The recipe that was searched, with what was found in it.

    Its network is trained as before, cut to the widths that were found and fine-tuned, quantised with the bits that
    were found, and placed on the board that the budget was of: folded for the shortest time within its resources.
    """
    section = recipe.prune or PruneSection()
    widths = {group.name: group.width for group in problem.evaluator.view.groups}
    ratios = {name: found.best.values[name] / width for name, width in widths.items() if name in found.best.values}
    update: dict[str, Any] = {
        "name": f"{recipe.name}-{found.method}",
        "prune": section.model_copy(update={"allocator": "per_layer", "ratios": ratios, "budget": {}}),
        "quantise": _with_bits(recipe.quantise, found.best.values),
    }
    fields = [name.rpartition(".") for name in found.limits if name.startswith("fpga:")]
    if fields:
        target = fields[0][0]
        amounts = {field: found.limits[f"{target}.{field}"] for _, _, field in fields}
        update["hardware"] = recipe.hardware.model_copy(
            update={
                "board": target.removeprefix("fpga:").removesuffix("/folded"),
                "objective": next((name for name in TIMES if name in amounts), recipe.hardware.objective),
                "budget": {name: amount for name, amount in amounts.items() if name not in TIMES},
            }
        )
        update["rtl"] = recipe.rtl or (RtlSection() if target.endswith("/folded") else None)
    return recipe.model_copy(update=update)


def _with_bits(section: QuantiseSection, values: Any) -> QuantiseSection:
    from prune.search.bits import overrides

    found = {
        name: LayerWidths(weight_width=one.weight_width, activation_width=one.activation_width)
        for name, one in overrides(values).items()
    }
    return section.model_copy(update={"overrides": {**section.overrides, **found}})
