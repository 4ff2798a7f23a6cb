# SPDX-License-Identifier: Apache-2.0
"""The page of a comparison: one HTML file that holds its plots and needs no network to be read."""

from typing import TYPE_CHECKING

from hwsim.coverage import remarks
from slimfab.comparison_tables import card_rows
from slimfab.report.page import template

if TYPE_CHECKING:
    from slimfab.compare import Comparison

BARS = (
    ("latency_us", "latency, µs (log)", "Latency", "From first input to last output of a batch."),
    ("energy_uj", "energy per inference, µJ (log)", "Energy",
     "Of whole boards and packages; of accelerator arrays the chip and its memory."),
)  # fmt: skip


def render_comparison(found: "Comparison") -> str:
    """The comparison as HTML text.

    Raises:
        ToolMissing: jinja2 or plotly is not installed.
    """
    page = template("comparison.html")
    from slimfab.report.rooflines import rooflines
    from slimfab.report.target_plots import bars, energy_parts, heat_map

    plots = [
        *(bars(found.estimates, *one) for one in BARS),
        energy_parts(found.estimates, found.network),
        heat_map(found.estimates),
        rooflines(found.estimates, found.network),
    ]
    return page.render(
        network=found.network,
        verdicts=[*remarks(found.estimates[0].uncovered), *(verdict.text() for verdict in found.verdicts)],
        cards=[card_rows(one) for one in found.cards],
        targets=[one.target for one in found.cards],
        notes=[(one.target, note) for one in found.estimates for note in one.notes],
        plots=[one for one in plots if one is not None],
    )
