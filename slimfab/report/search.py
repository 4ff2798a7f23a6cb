# SPDX-License-Identifier: Apache-2.0
"""The page of a search: learning curves, all points beside the budget, and the widths that were found."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from slimfab.report.page import template

if TYPE_CHECKING:
    from prune.search import Found
    from slimfab.report.figures import Plot
    from slimfab.search import Searched

BITS = ("weight_width", "activation_width")  # how variables of bits end
COLOURS = ("#3fae8f", "#7fb0e8", "#e39a4b", "#a58bd8", "#d1667a", "#8a9a5b", "#5b7c99", "#c9a227", "#7d6b91", "#b8c2cc")


def render_search(searched: "Searched") -> str:
    """The search as HTML text.

    Raises:
        ToolMissing: jinja2 or plotly is not installed.
    """
    page = template("search.html")
    first = searched.found[0]
    limits = [(field, value, first.whole[field]) for field, value in first.limits.items()]
    rows = [
        (
            one.method,
            len(one.history),
            one.dropped,
            one.best.score,
            test,
            [one.best.costs[field] for field, *_ in limits],
        )
        for one, test in zip(searched.found, searched.test, strict=True)
    ]
    plots = [
        learning_curves(searched.found),
        *(points(searched.found, field) for field, *_ in limits),
        widths(searched.found),
    ]
    remarks = [(one.method, one.remark) for one in searched.found if one.remark]
    quantised = any(name.endswith(BITS) for name in first.best.values)
    return page.render(
        name=searched.network,
        base=searched.base,
        limits=limits,
        rows=rows,
        plots=plots,
        remarks=remarks,
        quantised=quantised,
    )


def learning_curves(found: Sequence["Found"]) -> "Plot":
    """The best score within the budget after every evaluation."""
    import plotly.graph_objects as go

    from prune.search import learning_curve
    from slimfab.report.figures import plot_of

    figure = go.Figure()
    for one, colour in zip(found, COLOURS * len(found), strict=False):
        curve = learning_curve(one.history)
        known = np.flatnonzero(np.isfinite(curve))
        mode = "lines" if len(known) > 1 else "markers"
        figure.add_scatter(
            x=known + 1, y=100 * curve[known], name=one.method, mode=mode, line={"shape": "hv", "color": colour},
            marker={"color": colour, "size": 9},
        )  # fmt: skip
    figure.update_xaxes(title="evaluations")
    figure.update_yaxes(title="best validation accuracy so far, %")
    text = "Every method sees the same budget and scores; what breaks the budget on the way does not count."
    return plot_of("Learning curves", text, figure, 420)


def points(found: Sequence["Found"], field: str) -> "Plot":
    """All scored points over a cost, the limit, and the best accuracy that was seen up to each cost."""
    import plotly.graph_objects as go

    from slimfab.report.figures import INK, plot_of

    figure = go.Figure()
    cost = np.array([point.costs[field] for one in found for point in one.history])
    score = np.array([point.score for one in found for point in one.history])
    for one, colour in zip(found, COLOURS * len(found), strict=False):
        figure.add_scatter(
            x=[p.costs[field] for p in one.history], y=[100 * p.score for p in one.history], name=one.method,
            mode="markers", marker={"color": colour, "size": 6, "opacity": 0.6},
        )  # fmt: skip
    order = np.argsort(cost, kind="stable")
    front = np.fmax.accumulate(score[order])
    figure.add_scatter(
        x=cost[order],
        y=100 * front,
        name="Pareto front",
        mode="lines",
        line={"shape": "hv", "color": INK, "width": 1.5},
    )
    limit = found[0].limits[field]
    figure.add_scatter(
        x=[limit, limit], y=[100 * np.nanmin(score), 100 * np.nanmax(score)], name="budget", mode="lines",
        line={"color": INK, "dash": "dot", "width": 1.5},
    )  # fmt: skip
    figure.update_xaxes(title=field)
    figure.update_yaxes(title="validation accuracy, %")
    text = "Candidates cut and repaired, not trained. The line is the best accuracy seen at no more cost."
    return plot_of(f"Accuracy over {field}", text, figure, 440)


def widths(found: Sequence["Found"]) -> "Plot":
    """What every method keeps, by layer."""
    import plotly.graph_objects as go

    from slimfab.report.figures import plot_of

    names = list(found[0].best.values)
    widest = {name: max(p.values[name] for one in found for p in one.history) for name in names}
    shares = [[one.best.values[name] / widest[name] for name in names] for one in found]
    counts = [[one.best.values[name] for name in names] for one in found]
    figure = go.Figure(
        go.Heatmap(
            x=names, y=[one.method for one in found], z=shares, text=counts, texttemplate="%{text}", zmin=0, zmax=1,
            colorscale=[[0, "#ffffff"], [1, "#3fae8f"]], colorbar={"title": "share"},
        )
    )  # fmt: skip
    figure.update_xaxes(automargin=True, tickangle=-90, tickmode="array", tickvals=names)
    figure.update_yaxes(automargin=True, autorange="reversed")
    text = (
        "Channels per layer, bits, or per cent of what may become zero; the colour is the share of the most that was "
        "tried."
    )
    return plot_of("What was found", text, figure, 340 + 40 * len(found))
