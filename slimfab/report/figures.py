# SPDX-License-Identifier: Apache-2.0
"""What all plots of reports share: colours, the frame around a figure, error bars, and a menu of targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hwsim.estimate import Figure

# Light enough for a dark error bar to be seen on them.
VARIANT_COLOURS = {"float": "#b8c2cc", "pruned": "#7fb0e8", "quantised": "#3fae8f"}
LIMIT_COLOURS = {"compute": "#3fae8f", "memory": "#e39a4b", "overhead": "#b8c2cc", "stream": "#7fb0e8"}
RESOURCE_COLOURS = {"lut": "#3fae8f", "ff": "#7fb0e8", "dsp": "#e39a4b", "bram18": "#a58bd8", "uram": "#b8c2cc"}
IMAGE_COLOURS = ("#3fae8f", "#7fb0e8", "#e39a4b")
INK = "#1f2933"
_FONT = {"family": "system-ui, sans-serif", "size": 13, "color": INK}
LOG = {"type": "log", "dtick": 1, "exponentformat": "none", "separatethousands": True}
# Zoom, pan, reset and a PNG; plotly's own default also has a button that uploads the plot.
_CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"],
}


@dataclass(frozen=True)
class Plot:
    """A figure ready for the page, with its heading and how to read it."""

    title: str
    text: str
    html: str


def plot_of(title: str, text: str, figure: go.Figure, height: int = 380) -> Plot:
    # Legend left and menu right above the plot, the tool bar upright beside it: nothing covers anything.
    figure.update_layout(
        template="simple_white", font=_FONT, height=height, margin={"l": 70, "r": 50, "t": 50, "b": 50},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}, modebar={"orientation": "v"},
    )  # fmt: skip
    return Plot(title, text, figure.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG))


def error_bars(figures: Sequence[Figure]) -> dict[str, Any]:
    """Error bars in plotly's form."""
    return {
        "type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": INK,
        "array": [one.high - one.value for one in figures],
        "arrayminus": [one.value - one.low for one in figures],
    }  # fmt: skip


def menu(figure: go.Figure, targets: Sequence[str], owner: Sequence[int], active: int) -> None:
    """A menu that shows the traces of one target at a time; ``owner`` has the target of every trace."""
    buttons = [
        {"label": target, "method": "update", "args": [{"visible": [at == index for at in owner]}]}
        for index, target in enumerate(targets)
    ]
    place = {"x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
    figure.update_layout(updatemenus=[{"buttons": buttons, "active": active, **place}])
