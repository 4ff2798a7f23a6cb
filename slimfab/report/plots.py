# SPDX-License-Identifier: Apache-2.0
"""The plots of a report: one function each, from a run's result to a titled plotly figure as HTML."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from hwsim.estimate import Estimate
from hwsim.network import Network
from slimfab.report.figures import (
    IMAGE_COLOURS,
    INK,
    LIMIT_COLOURS,
    LOG,
    RESOURCE_COLOURS,
    VARIANT_COLOURS,
    Plot,
    error_bars,
    menu,
    plot_of,
)
from slimfab.report.rooflines import rooflines
from slimfab.report.target_plots import energy_parts, heat_map

Estimates = Mapping[str, Sequence[Estimate]]


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
    return plot_of("Accuracy per stage", text, figure, 340)


def _targets(field: str, unit: str, title: str, text: str) -> Callable[[Mapping[str, Any], Estimates, Network], Plot]:
    def plot(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot:
        figure = go.Figure()
        for variant, found in estimates.items():
            values = [one.figure(field) for one in found]
            figure.add_bar(
                name=variant, x=[one.target for one in found], y=[value.value for value in values],
                error_y=error_bars(values), marker_color=VARIANT_COLOURS[variant],
            )  # fmt: skip
        figure.update_xaxes(automargin=True)
        figure.update_yaxes(title=unit, **LOG)
        batch = result["recipe"]["compare"]["batch"]
        return plot_of(title, text.format(batch="One inference" if batch == 1 else f"A batch of {batch}"), figure, 440)

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
    "Power of the whole board or package times time, of accelerator arrays the chip and its memory; with error bars.",
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
    menu(figure, targets, owner, targets.index(built))
    figure.update_layout(barmode="stack")
    names = [layer.name for layer in network.layers if layer.op not in ("input", "output")]
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], automargin=True)
    figure.update_xaxes(title="time the layer is busy per inference, µs")
    text = (
        "Layers of the quantised network. On CPU and GPU the times add up, and the start of the call comes on top; in "
        "an FPGA pipeline the layers work at the same time and the longest one sets the rate."
    )
    return plot_of("Layer by layer, and what limits it", text, figure, 120 + 24 * len(names))


def roofline(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot | None:
    """Layers of the quantised network under the roofs of every target that has some."""
    return rooflines(estimates["quantised"], network)


def heat(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot:
    """The layers of the quantised network on every target."""
    return heat_map(estimates["quantised"])


def parts(result: Mapping[str, Any], estimates: Estimates, network: Network) -> Plot:
    """Where the energy of the quantised network goes."""
    return energy_parts(estimates["quantised"], network)


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
            marker={"color": IMAGE_COLOURS[image % len(IMAGE_COLOURS)], "line": {"width": 1, "color": INK}},
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
    return plot_of("Layers at work, image by image", text, figure, 120 + 24 * len(names))


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
                           error_y=error_bars([row[1] for row in rows]), marker_color=colour)  # fmt: skip
    full = {"color": "#c0392b", "dash": "dash", "width": 1.5}  # the template's width is 0
    figure.add_hline(y=100, line=full, opacity=1, annotation_text="all there is", annotation_position="top right")
    figure.update_yaxes(title="share of the board, %", rangemode="tozero")
    return plot_of("Resources against the boards", "Each board with its own folding; post-synthesis estimates.", figure)


PLOTS = (accuracy, latency, energy, parts, layers, heat, roofline, resources, waterfall)
