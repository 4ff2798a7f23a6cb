# SPDX-License-Identifier: Apache-2.0
"""Targets side by side on the command line: metric cards, and layer by layer."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from hwsim.card import MetricCard
from hwsim.coverage import remarks
from hwsim.estimate import Estimate, Figure
from slimfab import console
from slimfab.console import bar_text, count_text, energy_text, time_text

if TYPE_CHECKING:
    from slimfab.compare import Comparison

SIDE_BY_SIDE = 4  # targets that fit beside each other in 120 columns
UNKNOWN = "–"
PARTS = {"mac": "products", "register": "registers", "noc": "network", "buffer": "buffers and caches", "dram": "DRAM",
         "other": "other"}  # fmt: skip


def card_tables(cards: Sequence[MetricCard]) -> list[Table]:
    """The metric cards of one network, a column per target and a row per metric."""
    return [_card_table(cards[first : first + SIDE_BY_SIDE]) for first in range(0, len(cards), SIDE_BY_SIDE)]


def _card_table(cards: Sequence[MetricCard]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="metric card", title_justify="left")
    table.add_column("")
    for one in cards:
        table.add_column(one.target, overflow="fold")
    columns = [card_rows(one) for one in cards]
    for name in columns[0]:
        table.add_row(name, *(escape(column[name]) for column in columns))
    return table


def card_rows(one: MetricCard) -> dict[str, str]:
    """A metric card as text, by metric; what is not known is a dash."""
    shares = {PARTS[name]: value for name, value in one.energy_parts.shares_uj().items()}
    total = one.energy_parts.total_uj
    least, most = ("≥ ", "≤ ") if one.uncovered else ("", "")
    answers = UNKNOWN if one.accuracy is None else f"{one.accuracy:.2%}" + (f" on {one.dataset}" if one.dataset else "")
    return {
        "device": one.title,
        "accuracy": answers,
        "batch": str(one.batch),
        "latency": least + _with_bar(time_text(one.latency_us.value), one.latency_us),
        "throughput": most + _with_bar(f"{count_text(one.per_second.value)}/s", one.per_second),
        "energy per inference": least + _with_bar(energy_text(one.energy_uj.value), one.energy_uj),
        "of it": ", ".join(f"{name} {value / total:.0%}" for name, value in shares.items() if value >= 0.005 * total),
        "energy is of": one.energy_scope,
        "power": _with_bar(f"{one.power_w.value:.3g} W", one.power_w),
        "hardware": one.hardware,
        "occupied": _occupied(one),
        "utilisation": f"{100 * one.utilisation:.2g}% of all multiplier cycles",
        "off-chip traffic": least + _with_bar(f"{count_text(one.bytes_moved.value)}B", one.bytes_moved),
        "flexibility": one.flexibility,
        "covered": _covered(one),
        "bound by": f"{one.bound_by}, {one.bound_share:.0%} of the time" if one.bound_by else UNKNOWN,
    }


def _covered(one: MetricCard) -> str:
    share = f"{one.covered:.0%} of the MACs"
    return f"{share}; not covered: {', '.join(each.operator for each in one.uncovered)}" if one.uncovered else share


def _occupied(one: MetricCard) -> str:
    if not one.occupied:
        return UNKNOWN
    text = ", ".join(f"{name} {share:.0%}" for name, share in one.occupied.items())
    return text if one.fits else f"does not fit: {text}"


def _with_bar(text: str, figure: Figure) -> str:
    return f"{text} {bar_text(figure)}"


def layer_tables(estimates: Sequence[Estimate]) -> list[Table]:
    """Time and bottleneck of every layer, a column per target; in a dataflow pipeline layers work at the same time."""
    return [_layer_table(estimates[first : first + SIDE_BY_SIDE]) for first in range(0, len(estimates), SIDE_BY_SIDE)]


def _layer_table(estimates: Sequence[Estimate]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="layer by layer", title_justify="left")
    table.add_column("layer")
    table.add_column("MACs", justify="right")
    for one in estimates:
        table.add_column(one.target, justify="right")
    found = [{layer.name: layer for layer in one.layers} for one in estimates]
    for name in dict.fromkeys(name for column in found for name in column):
        macs = next(column[name].macs for column in found if name in column)
        cells = [
            f"{time_text(column[name].latency_us)} {column[name].bottleneck}" if name in column else UNKNOWN
            for column in found
        ]
        table.add_row(escape(name), count_text(macs), *cells)
    return table


def show(found: "Comparison", name: str, parts: Collection[str] = ()) -> None:
    """Print a comparison: targets and verdicts, and of "card", "layers" and "notes" what is in ``parts``."""
    macs, parameters = count_text(found.network.macs()), count_text(found.network.parameters())
    title = f"{name}: {macs} MACs, {parameters} parameters, batch {found.estimates[0].batch}"
    console.out.print(console.estimates_table(title, found.estimates))
    for line in remarks(found.estimates[0].uncovered):
        console.say(line, style="yellow")
    several = len(found.estimates) > 1
    for verdict in found.verdicts if several else ():
        console.say(verdict.text())
    for table in card_tables(found.cards) if "card" in parts else ():
        console.out.print(table)
    for table in _layers(found.estimates) if "layers" in parts else ():
        console.out.print(table)
    for one in found.estimates:
        if one.resources is not None:
            console.say(f"{one.target} occupies  {console.occupation(one)}")
        for note in one.notes:
            # What was asked for and does not happen is said unasked.
            if note not in remarks(one.uncovered) and ("notes" in parts or ": sparsity " in note):
                named = note if note.startswith(one.target) else f"{one.target}: {note}"
                console.say(named, style="dim" if "notes" in parts else None)
    if "notes" not in parts:
        console.say("--notes says where each figure and its error bar come from", style="dim")


def _layers(estimates: Sequence[Estimate]) -> list[Table]:
    """One target with all that is known of its layers, several side by side."""
    return layer_tables(estimates) if len(estimates) > 1 else [console.layers_table(estimates[0])]
