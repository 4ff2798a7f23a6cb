# SPDX-License-Identifier: Apache-2.0
"""The page of results, made from cards."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import numpy as np

from slimfab.reproduce.card import Card

COLUMNS = ("base", "soft", "cut", "recalibrated", "final")
HEAD = """# Results

Made from the cards in `experiments/cards` by `slimfab reproduce`; not written by hand. Accuracies are percentages of
the test images, the mean over the seeds with the smallest and largest in brackets where they differ. "cut" is right
after removal, "recalibrated" with batch norm's statistics taken anew, "final" after fine-tuning; "epochs" were trained
after the common base (from scratch: all of them). Controls are marked with *. A claim is reproduced where its bar holds
on every seed.
"""


def render(cards: Iterable[Card]) -> str:
    """The whole page as Markdown."""
    ordered = sorted(cards, key=lambda card: (card.experiment, card.scale, card.seed))
    parts = [HEAD]
    for (experiment, scale), group in groupby(ordered, key=lambda card: (card.experiment, card.scale)):
        parts.append(_experiment(experiment, scale, tuple(group)))
    return "\n".join(parts)


def _experiment(name: str, scale: str, cards: Sequence[Card]) -> str:
    first = cards[0]
    seeds = ", ".join(str(card.seed) for card in cards)
    seconds = sum(card.seconds for card in cards) / len(cards)
    facts = (
        f"{first.paper}. {first.network} on {first.dataset}, {first.train_images:,} training and {first.test_images:,} "
        f"test images, seeds {seeds}, {seconds:.0f} s per seed on {first.device}."
    )
    return "\n".join([f"## {name}, {scale}", "", facts, "", *_table(cards), "", *_bars(cards), ""])


def _table(cards: Sequence[Card]) -> list[str]:
    figures = list(dict.fromkeys(name for card in cards for row in card.rows for name in row.figures))
    shown = [c for c in COLUMNS if any(getattr(row, c) is not None for card in cards for row in card.rows)]
    titles = ["", "MACs", "epochs", *shown, *figures]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for row in cards[0].rows:
        same = [other for card in cards for other in card.rows if other.name == row.name]
        cells = [
            row.name + ("*" if row.control else ""),
            _count([r.macs for r in same]),
            _count([r.epochs for r in same]),
        ]
        cells += [_spread([getattr(r, column) for r in same], _percent) for column in shown]
        cells += [_spread([r.figures.get(name) for r in same], _number) for name in figures]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _bars(cards: Sequence[Card]) -> list[str]:
    lines = ["| claim | per seed | bar | |", "|---|---|---|---|"]
    claims = dict.fromkeys(bar.claim for card in cards for bar in card.bars)  # older cards may lack the newest
    for claim in claims:
        found = [bar for card in cards for bar in card.bars if bar.claim == claim]
        held = sum(one.passed for one in found)
        verdict = "reproduced" if held == len(cards) else f"**not reproduced** ({held} of {len(cards)} seeds)"
        if held == len(found) < len(cards):
            verdict = f"held on {held} of {len(cards)} seeds, not measured on the others"
        values = ", ".join(f"{one.value:.3g}" for one in found)
        lines.append(f"| {claim} | {values} | {found[0].relation} {found[0].bound:g} | {verdict} |")
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _count(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{round(np.mean(known)):,}" if known else ""


def _spread(values: Sequence[float | None], text: Callable[[float], str]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    mean, low, high = (text(float(one)) for one in (np.mean(known), min(known), max(known)))
    return mean if low == high else f"{mean} ({low}–{high})"
