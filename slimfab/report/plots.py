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

VARIANT_COLOURS = {"float": "#9aa5b1", "pruned": "#4c8bd6", "quantised": "#0b5d4e"}
LIMIT_COLOURS = {"compute": "#0b5d4e", "memory": "#d9822b", "overhead": "#9aa5b1", "stream": "#4c8bd6"}
_FONT = {"family": "system-ui, sans-serif", "size": 13, "color": "#1f2933"}


@dataclass(frozen=True)
class Plot:
    """A figure ready for the page, with its heading and how to read it."""

    title: str
    text: str
    html: str


def _plot(title: str, text: str, figure: go.Figure, height: int = 380) -> Plot:
    figure.update_layout(
        template="simple_white", font=_FONT, height=height, margin={"l": 60, "r": 20, "t": 20, "b": 50},
        legend={"orientation": "h", "y": 1.12, "x": 0},
    )  # fmt: skip
    return Plot(title, text, figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False}))


def _bars(figures: Sequence[Figure]) -> dict[str, Any]:
    """Error bars in plotly's form."""
    return {
        "type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": "#52606d",
        "array": [one.high - one.value for one in figures],
        "arrayminus": [one.value - one.low for one in figures],
    }  # fmt: skip


def accuracy(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot:
    """Test accuracy after each stage."""
    names = list(result["accuracy"])
    values = [100 * result["accuracy"][name] for name in names]
    bars = go.Bar(
        x=names, y=values, text=[f"{value:.2f} %" for value in values], textposition="outside", width=0.5,
        marker_color=[VARIANT_COLOURS[name] for name in names],
    )  # fmt: skip
    figure = go.Figure(bars)
    low = max(min(values) - 5, 0)
    figure.update_yaxes(title="accuracy on the test split, %", range=[low, min(max(values) + 2, 101)])
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
        figure.update_yaxes(title=unit, type="log", dtick=1)
        return _plot(title, text, figure, 440)

    return plot


latency = _targets(
    "latency_us", "latency, µs (log)", "Latency on every target",
    "One inference from first input to last output, with error bars. Where a bar is wide, no measurement of the device "
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
    buttons = [
        {"label": one.target, "method": "update", "args": [{"visible": [at == index for at in owner]}]}
        for index, one in enumerate(found)
    ]
    active = [one.target for one in found].index(built)
    figure.update_layout(
        barmode="stack",
        updatemenus=[{"buttons": buttons, "active": active, "x": 1, "xanchor": "right", "y": 1.14, "yanchor": "top"}],
    )
    names = [layer.name for layer in network.layers if layer.op not in ("input", "output")]
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True)
    figure.update_xaxes(title="time the layer is busy per inference, µs")
    text = (
        "Layers of the quantised network. On CPU and GPU the times add up; in an FPGA pipeline the layers work at the "
        "same time and the longest one sets the rate."
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
    buttons = [
        {"label": one.target, "method": "update", "args": [{"visible": [at == index for at in owner]}]}
        for index, one in enumerate(found)
    ]
    figure.update_layout(updatemenus=[{"buttons": buttons, "x": 1, "xanchor": "right", "y": 1.16, "yanchor": "top"}])
    figure.update_xaxes(title="MACs per byte of operands (log)", type="log")
    figure.update_yaxes(title="GMAC/s (log)", type="log")
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
    points = [
        (kernel.name, macs / moved[i], macs / by_name[kernel.name].latency_us / 1e3)
        for i, kernel in enumerate(work.kernels)
        if (macs := kernel.macs * one.batch) and kernel.name in by_name
    ]
    dtype = run.dtypes[int(run.dtype_index[[bool(k.macs) for k in work.kernels]].max(initial=0))]
    peak = device["cores"] * device["clock_mhz"] * device[f"macs_per_cycle.{dtype}"] / 1e3
    span = [min(p[1] for p in points) / 4, max(p[1] for p in points) * 4]
    traces = [
        go.Scatter(
            name="layer", mode="markers",
            x=[p[1] for p in points], y=[p[2] for p in points], text=[p[0] for p in points],
            marker={"size": 10, "color": [LIMIT_COLOURS[by_name[p[0]].bottleneck] for p in points]},
            hovertemplate="%{text}: %{y:.3g} GMAC/s<extra></extra>",
        ),
        go.Scatter(name=f"peak {dtype}", x=span, y=[peak, peak], mode="lines", line={"color": "#1f2933"}),
    ]  # fmt: skip
    for level, dash in (("cache", "dash"), ("dram", "dot")):
        rate = device[f"bandwidth_gb_s.{level}"]
        traces.append(
            go.Scatter(
                name=f"{level} {rate:.3g} GB/s",
                x=span,
                y=[min(x * rate, peak) for x in span],
                mode="lines",
                line={"color": "#52606d", "dash": dash},
            )
        )
    return traces


def resources(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot | None:
    """What the design takes of each FPGA board."""
    boards = [one for one in estimates["quantised"] if one.resources is not None and one.capacity is not None]
    if not boards:
        return None
    figure = go.Figure()
    colours = ("#0b5d4e", "#4c8bd6", "#d9822b", "#7c5cbf", "#9aa5b1")
    for colour, name in zip(colours, ("lut", "ff", "dsp", "bram18", "uram"), strict=True):
        rows = [(one.target, one.figure(name).scaled(100 / one.capacity[name])) for one in boards
                if one.capacity and one.capacity.get(name) and dict(one.resources.items()).get(name)]  # type: ignore[union-attr] # fmt: skip
        if rows:
            figure.add_bar(name=name.upper(), x=[row[0] for row in rows], y=[row[1].value for row in rows],
                           error_y=_bars([row[1] for row in rows]), marker_color=colour)  # fmt: skip
    figure.add_hline(y=100, line={"color": "#c0392b", "dash": "dash"}, annotation_text="all there is")
    figure.update_yaxes(title="share of the board, %", rangemode="tozero")
    return _plot("Resources against the boards", "Each board with its own folding; post-synthesis estimates.", figure)


PLOTS = (accuracy, latency, energy, layers, roofline, resources)
