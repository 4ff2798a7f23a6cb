# SPDX-License-Identifier: Apache-2.0
"""Targets side by side: bars with error bars, where the energy goes, and layers as a heat map."""

from collections.abc import Sequence

import plotly.graph_objects as go

from hwsim import targets
from hwsim.card import energy_parts as parts_of
from hwsim.estimate import Estimate
from hwsim.network import Network
from slimfab.comparison_tables import PARTS, UNKNOWN
from slimfab.console import time_text
from slimfab.report.figures import INK, LOG, Plot, error_bars, plot_of

PART_COLOURS = {"mac": "#3fae8f", "register": "#7fb0e8", "noc": "#a58bd8", "buffer": "#e3c14b", "dram": "#e39a4b",
                "other": "#b8c2cc"}  # fmt: skip
BAR_COLOUR = "#7fb0e8"
SMALL = 0.02  # share of the time below which layers without products are left out of the heat map
DARKEST = 20.0  # %: one layer that takes nearly all would leave nothing to see of the others


def bars(found: Sequence[Estimate], field: str, unit: str, title: str, text: str) -> Plot:
    """One figure of every target with its error bar, on a logarithmic axis; hatched where the network does not fit."""
    values = [one.figure(field) for one in found]
    figure = go.Figure(
        go.Bar(
            x=[one.target for one in found], y=[value.value for value in values], error_y=error_bars(values),
            marker={"color": BAR_COLOUR, "pattern": {"shape": ["" if one.fits() else "/" for one in found]},
                    "line": {"width": 1, "color": INK}},
        )
    )  # fmt: skip
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(title=unit, **LOG)
    return plot_of(title, text, figure, 420)


def energy_parts(found: Sequence[Estimate], network: Network) -> Plot:
    """Shares of the energy of one inference by operation and memory level, a bar per target."""
    shares = [parts_of(network, targets.parse(one.target).device, one).shares_uj() for one in found]
    figure = go.Figure()
    for name, label in PARTS.items():
        values = [100 * one[name] / (sum(one.values()) or 1.0) for one in shares]
        figure.add_bar(
            name=label, orientation="h", y=[one.target for one in found], x=values, marker_color=PART_COLOURS[name],
            customdata=[one[name] for one in shares],
            hovertemplate="%{y}: " + label + " %{x:.1f} %, %{customdata:.3g} µJ<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="stack", legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(title="share of the energy of one inference, %", range=[0, 100])
    text = (
        "By the tables of Horowitz (2014) and Eyeriss (2016). Of boards and processors only the whole is known: what "
        "operations and memory do not account for is other: control, clocks, leakage, the rest of the board."
    )
    return plot_of("Where the energy goes", text, figure, 160 + 32 * len(found))


def heat_map(found: Sequence[Estimate]) -> Plot:
    """Share of each target's busy time that each layer takes."""
    columns = [{layer.name: layer for layer in one.layers} for one in found]
    totals = [sum(layer.latency_us for layer in one.layers) or 1.0 for one in found]
    large = {
        layer.name for one, total in zip(found, totals, strict=True) for layer in one.layers
        if layer.macs or layer.latency_us > SMALL * total
    }  # fmt: skip
    names = [name for name in dict.fromkeys(layer.name for one in found for layer in one.layers) if name in large]
    values = [
        [100 * column[name].latency_us / total if name in column else None
         for column, total in zip(columns, totals, strict=True)]
        for name in names
    ]  # fmt: skip
    texts = [
        [f"{time_text(column[name].latency_us)}, {column[name].bottleneck}" if name in column else UNKNOWN
         for column in columns]
        for name in names
    ]  # fmt: skip
    figure = go.Figure(
        go.Heatmap(
            z=values, x=[one.target for one in found], y=names, customdata=texts, xgap=1, ygap=1, colorscale="YlGnBu",
            zmin=0, zmax=DARKEST, colorbar={"title": "%", "len": 0.6, "y": 0, "yanchor": "bottom"},
            hovertemplate="%{y} on %{x}: %{z:.1f} %, %{customdata}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(automargin=True)
    text = (
        f"Share of the time of all layers, per target; {DARKEST:.0f} % and more are one colour, a blank is a layer "
        "that runs inside another one there. A dark row is where to prune for all of them, a dark cell where to prune "
        "for one."
    )
    return plot_of("Layers by target", text, figure, max(360, 180 + 22 * len(names)))
