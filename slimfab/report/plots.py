# SPDX-License-Identifier: Apache-2.0
"""The plots of a report: one function each, from a run's result to a titled plotly figure as HTML."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hwsim import device as devices
from hwsim.estimate import Estimate, Figure
from hwsim.network import Network
from hwsim.processor import execution, traffic
from hwsim.workload import workload

Estimates = Mapping[str, Sequence[Estimate]]

# Light enough for a dark error bar to be seen on them.
VARIANT_COLOURS = {"float": "#b8c2cc", "pruned": "#7fb0e8", "quantised": "#3fae8f"}
LIMIT_COLOURS = {"compute": "#3fae8f", "memory": "#e39a4b", "overhead": "#b8c2cc", "stream": "#7fb0e8"}
RESOURCE_COLOURS = {"lut": "#3fae8f", "ff": "#7fb0e8", "dsp": "#e39a4b", "bram18": "#a58bd8", "uram": "#b8c2cc"}
IMAGE_COLOURS = ("#3fae8f", "#7fb0e8", "#e39a4b")
_INK = "#1f2933"
_FONT = {"family": "system-ui, sans-serif", "size": 13, "color": _INK}
_LOG = {"type": "log", "dtick": 1, "exponentformat": "none", "separatethousands": True}
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


def _plot(title: str, text: str, figure: go.Figure, height: int = 380) -> Plot:
    # Legend left and menu right above the plot, the tool bar upright beside it: nothing covers anything.
    figure.update_layout(
        template="simple_white", font=_FONT, height=height, margin={"l": 70, "r": 50, "t": 50, "b": 50},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}, modebar={"orientation": "v"},
    )  # fmt: skip
    return Plot(title, text, figure.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG))


def _bars(figures: Sequence[Figure]) -> dict[str, Any]:
    """Error bars in plotly's form."""
    return {
        "type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": _INK,
        "array": [one.high - one.value for one in figures],
        "arrayminus": [one.value - one.low for one in figures],
    }  # fmt: skip


def _menu(figure: go.Figure, targets: Sequence[str], owner: Sequence[int], active: int) -> None:
    """A menu that shows the traces of one target at a time; ``owner`` has the target of every trace."""
    buttons = [
        {"label": target, "method": "update", "args": [{"visible": [at == index for at in owner]}]}
        for index, target in enumerate(targets)
    ]
    place = {"x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
    figure.update_layout(updatemenus=[{"buttons": buttons, "active": active, **place}])


def accuracy(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot:
    """Test accuracy after each stage."""
    names = list(result["accuracy"])
    values = [100 * result["accuracy"][name] for name in names]
    bars = go.Bar(
        x=names, y=values, text=[f"{value:.2f} %" for value in values], textposition="outside", cliponaxis=False,
        width=0.5, marker_color=[VARIANT_COLOURS[name] for name in names],
    )  # fmt: skip
    figure = go.Figure(bars)
    low = max(min(values) - 5, 0)
    figure.update_yaxes(title="accuracy on the test split, %", range=[low, min(max(values) + 2, 100)])
    text = f"Share of right answers on {result['dataset']['test']:,} test examples. The axis starts at {low:.0f} %."
    return _plot("Accuracy per stage", text, figure, 340)


def _targets(field: str, unit: str, title: str, text: str) -> Callable[[Mapping[str, Any], Estimates, Network], Plot]:
    def plot(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot:
        figure = go.Figure()
        for variant, found in estimates.items():
            values = [one.figure(field) for one in found]
            figure.add_bar(
                name=variant, x=[one.target for one in found], y=[value.value for value in values],
                error_y=_bars(values), marker_color=VARIANT_COLOURS[variant],
            )  # fmt: skip
        figure.update_xaxes(automargin=True)
        figure.update_yaxes(title=unit, **_LOG)
        batch = result["recipe"]["compare"]["batch"]
        return _plot(title, text.format(batch="One inference" if batch == 1 else f"A batch of {batch}"), figure, 440)

    return plot


latency = _targets(
    "latency_us", "latency, µs (log)", "Latency on every target",
    "{batch} from first input to last output, with error bars. Where a bar is wide, no measurement of the device "
    "was found to calibrate on.",
)  # fmt: skip
energy = _targets(
    "energy_uj",
    "energy per inference, µJ (log)",
    "Energy on every target",
    "Power of the whole board or package times time, with error bars.",
)


def layers(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot:
    """Busy time of each layer of the quantised network, coloured by what limits it; one target at a time."""
    figure = go.Figure()
    found = estimates["quantised"]
    built = f"fpga:{result['hardware']['board']}"
    owner: list[int] = []
    for index, one in enumerate(found):
        for limit in dict.fromkeys(layer.bottleneck for layer in one.layers):
            rows = [layer for layer in one.layers if layer.bottleneck == limit]
            figure.add_bar(
                name=limit, orientation="h", y=[row.name for row in rows], x=[row.latency_us for row in rows],
                marker_color=LIMIT_COLOURS[limit], visible=one.target == built,
                customdata=[[row.op, row.macs, row.bytes_moved] for row in rows],
                hovertemplate="%{y}: %{x:.3g} µs<br>%{customdata[0]}, %{customdata[1]:,} MACs, "
                "%{customdata[2]:,.0f} bytes off chip<extra></extra>",
            )  # fmt: skip
            owner.append(index)
    targets = [one.target for one in found]
    _menu(figure, targets, owner, targets.index(built))
    figure.update_layout(barmode="stack")
    names = [layer.name for layer in network.layers if layer.op not in ("input", "output")]
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True)
    figure.update_xaxes(title="time the layer is busy per inference, µs")
    text = (
        "Layers of the quantised network. On CPU and GPU the times add up, and the start of the call comes on top; in "
        "an FPGA pipeline the layers work at the same time and the longest one sets the rate."
    )
    return _plot("Layer by layer, and what limits it", text, figure, 120 + 24 * len(names))


def roofline(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot | None:
    """Layers of the quantised network under each processor's roofs; one target at a time."""
    found = [one for one in estimates["quantised"] if not one.target.startswith("fpga:")]
    if not found:
        return None
    figure = go.Figure()
    owner: list[int] = []
    for index, one in enumerate(found):
        for trace in _roof(one, network):
            trace.visible = index == 0
            figure.add_trace(trace)
            owner.append(index)
    _menu(figure, [one.target for one in found], owner, 0)
    figure.update_xaxes(title="MACs per byte of operands (log)", **_LOG)
    figure.update_yaxes(title="GMAC/s (log)", **_LOG)
    text = (
        "Each point is a layer. A layer far below both roofs is limited by start-up or by an efficiency that was "
        "calibrated below the peak."
    )
    return _plot("Roofline", text, figure, 460)


def _roof(one: Estimate, network: Network) -> list[go.Scatter]:
    device = devices.load(one.target.partition(":")[2])
    work = workload(network)
    run = execution(device, work)
    moved = traffic(device, work, run, one.batch).cache
    by_name = {layer.name: layer for layer in one.layers}
    # Traffic is that of the whole batch, the time of a layer that of one inference.
    points = [
        (kernel.name, kernel.macs * one.batch / moved[i], kernel.macs / by_name[kernel.name].latency_us / 1e3)
        for i, kernel in enumerate(work.kernels)
        if kernel.macs and kernel.name in by_name
    ]
    dtype = run.dtypes[int(run.dtype_index[[bool(k.macs) for k in work.kernels]].max(initial=0))]
    peak = device["cores"] * device["clock_mhz"] * device[f"macs_per_cycle.{dtype}"] / 1e3
    roofs = {level: device[f"bandwidth_gb_s.{level}"] for level in ("cache", "dram")}
    ridges = {level: peak / rate for level, rate in roofs.items()}  # where a slope meets the peak
    left, right = min(p[1] for p in points) / 2, 2 * max(*(p[1] for p in points), *ridges.values())
    traces = []
    for limit in dict.fromkeys(by_name[p[0]].bottleneck for p in points):
        rows = [p for p in points if by_name[p[0]].bottleneck == limit]
        traces.append(
            go.Scatter(
                name=f"layer limited by {limit}", mode="markers",
                x=[p[1] for p in rows], y=[p[2] for p in rows], text=[p[0] for p in rows],
                marker={"size": 11, "color": LIMIT_COLOURS[limit], "line": {"width": 1, "color": _INK}},
                hovertemplate="%{text}: %{y:.3g} GMAC/s at %{x:.3g} MACs per byte<extra></extra>",
            )
        )  # fmt: skip
    traces.append(go.Scatter(name=f"peak {dtype}", x=[left, right], y=[peak, peak], mode="lines", line={"color": _INK}))
    for level, dash in (("cache", "dash"), ("dram", "dot")):
        x = [min(left, ridges[level]), ridges[level]]
        traces.append(
            go.Scatter(
                name=f"{level} {roofs[level]:.3g} GB/s", x=x, y=[roofs[level] * at for at in x], mode="lines",
                line={"color": "#52606d", "dash": dash},
            )
        )  # fmt: skip
    return traces


def waterfall(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot | None:
    """When each layer of the SystemVerilog works on which image; None where there is none."""
    if result["rtl"] is None:
        return None
    rows, clock_mhz = result["rtl"]["timeline"], result["rtl"]["clock_mhz"]
    figure = go.Figure()
    for image in sorted({row["image"] for row in rows}):
        own = [row for row in rows if row["image"] == image]
        figure.add_bar(
            name=f"image {image + 1}", orientation="h", y=[row["layer"] for row in own],
            base=[row["start"] / clock_mhz for row in own],
            x=[(row["end"] - row["start"] + 1) / clock_mhz for row in own],
            marker={"color": IMAGE_COLOURS[image % len(IMAGE_COLOURS)], "line": {"width": 1, "color": _INK}},
            opacity=0.8,
            customdata=[[row["start"], row["end"]] for row in own],
            hovertemplate="%{y}: cycles %{customdata[0]:,} to %{customdata[1]:,}",
        )  # fmt: skip
    names = list(dict.fromkeys(row["layer"] for row in rows))
    figure.update_layout(barmode="overlay")
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True)
    figure.update_xaxes(title="time since the reset, µs")
    text = (
        "From the first beat that a layer takes of an image to the last one it gives, while images come as fast as the "
        "slowest layer allows. Exact, beat by beat; the run's folder has it as a file for a trace viewer."
    )
    return _plot("Layers at work, image by image", text, figure, 120 + 24 * len(names))


def resources(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot | None:
    """What the design takes of each FPGA board."""
    boards = [one for one in estimates["quantised"] if one.resources is not None and one.capacity is not None]
    if not boards:
        return None
    figure = go.Figure()
    for name, colour in RESOURCE_COLOURS.items():
        rows = [(one.target, one.figure(name).scaled(100 / one.capacity[name])) for one in boards
                if one.capacity and one.capacity.get(name) and dict(one.resources.items()).get(name)]  # type: ignore[union-attr] # fmt: skip
        if rows:
            figure.add_bar(name=name.upper(), x=[row[0] for row in rows], y=[row[1].value for row in rows],
                           error_y=_bars([row[1] for row in rows]), marker_color=colour)  # fmt: skip
    full = {"color": "#c0392b", "dash": "dash", "width": 1.5}  # the template's width is 0
    figure.add_hline(y=100, line=full, opacity=1, annotation_text="all there is", annotation_position="top right")
    figure.update_yaxes(title="share of the board, %", rangemode="tozero")
    return _plot("Resources against the boards", "Each board with its own folding; post-synthesis estimates.", figure)


PLOTS = (accuracy, latency, energy, layers, roofline, resources, waterfall)
