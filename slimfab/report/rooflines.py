# SPDX-License-Identifier: Apache-2.0
"""The layers of a network under the roofs of each target: what it computes at best, what its memories deliver."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from hwsim import device as devices
from hwsim.device import Device
from hwsim.estimate import Estimate
from hwsim.network import Network
from hwsim.processor import execution, traffic
from hwsim.workload import workload
from slimfab.report.figures import INK, LIMIT_COLOURS, LOG, Plot, menu, plot_of

DASHES = ("dash", "dot")


@dataclass(frozen=True)
class Roof:
    """The roofs of one target in GMAC/s and GB/s, and its layers as (name, MACs per byte, GMAC/s, bottleneck).

    ``moved`` says what the bytes are.
    """

    peak: float
    peak_name: str
    bandwidths: dict[str, float]
    moved: str
    points: list[tuple[str, float, float, str]]


def rooflines(found: Sequence[Estimate], network: Network) -> Plot | None:
    """A roofline per target, one at a time; None where no target has one. FPGA pipelines have no common roof."""
    roofs = [(one.target, roof(one, network)) for one in found if not one.target.startswith("fpga:")]
    drawn = [(target, one) for target, one in roofs if one.points]
    if not drawn:
        return None
    figure = go.Figure()
    owner: list[int] = []
    for index, (_, one) in enumerate(drawn):
        for trace in _traces(one):
            trace.visible = index == 0
            figure.add_trace(trace)
            owner.append(index)
    menu(figure, [target for target, _ in drawn], owner, 0)
    figure.update_xaxes(title="MACs per byte (log)", **LOG)
    figure.update_yaxes(title="GMAC/s (log)", **LOG)
    text = (
        "Each point is a layer; bytes are those of operands on processors, those moved off chip on arrays. A layer far "
        "below both roofs is limited by start-up, or by an efficiency that was calibrated below the peak."
    )
    return plot_of("Roofline", text, figure, 460)


def roof(one: Estimate, network: Network) -> Roof:
    """The roofs of a processor's or an array's estimate."""
    device = devices.load(one.target.partition(":")[2].partition("/")[0])
    return _of_array(device, one) if device.kind == "npu" else _of_processor(device, one, network)


def _of_array(device: Device, one: Estimate) -> Roof:
    peak = device["rows"] * device["columns"] * device["clock_mhz"] / 1e3
    points = [
        (layer.name, layer.macs / layer.bytes_moved, layer.macs / layer.latency_us / 1e3, layer.bottleneck)
        for layer in one.layers
        if layer.macs and layer.bytes_moved
    ]
    return Roof(peak, f"{device['operand_bits']:g} bits", {"dram": device["bandwidth_gb_s.dram"]}, "off chip", points)


def _of_processor(device: Device, one: Estimate, network: Network) -> Roof:
    work = workload(network)
    run = execution(device, work)
    moved = traffic(device, work, run, one.batch).cache
    by_name = {layer.name: layer for layer in one.layers}
    # Traffic is that of the whole batch, the time of a layer that of one inference.
    points = [
        (kernel.name, kernel.macs * one.batch / moved[i], kernel.macs / by_name[kernel.name].latency_us / 1e3,
         by_name[kernel.name].bottleneck)
        for i, kernel in enumerate(work.kernels)
        if kernel.macs and kernel.name in by_name
    ]  # fmt: skip
    dtype = run.dtypes[int(run.dtype_index[[bool(kernel.macs) for kernel in work.kernels]].max(initial=0))]
    peak = device["cores"] * device["clock_mhz"] * device[f"macs_per_cycle.{dtype}"] / 1e3
    levels = {level: device[f"bandwidth_gb_s.{level}"] for level in ("cache", "dram")}
    return Roof(peak, dtype, levels, "operands", points)


def _traces(one: Roof) -> list[go.Scatter]:
    ridges = {level: one.peak / rate for level, rate in one.bandwidths.items()}  # where a slope meets the peak
    left = min(point[1] for point in one.points) / 2
    right = 2 * max(*(point[1] for point in one.points), *ridges.values())
    traces = []
    for limit in dict.fromkeys(point[3] for point in one.points):
        rows = [point for point in one.points if point[3] == limit]
        traces.append(
            go.Scatter(
                name=f"limit: {limit}", mode="markers",
                x=[row[1] for row in rows], y=[row[2] for row in rows], text=[row[0] for row in rows],
                marker={"size": 11, "color": LIMIT_COLOURS[limit], "line": {"width": 1, "color": INK}},
                hovertemplate="%{text}: %{y:.3g} GMAC/s at %{x:.3g} MACs per byte<extra></extra>",
            )
        )  # fmt: skip
    traces.append(
        go.Scatter(
            name=f"peak {one.peak_name}", x=[left, right], y=[one.peak, one.peak], mode="lines", line={"color": INK}
        )
    )
    for (level, rate), dash in zip(one.bandwidths.items(), DASHES, strict=False):
        x = [min(left, ridges[level]), ridges[level]]
        traces.append(
            go.Scatter(
                name=f"{level} {rate:.3g} GB/s", x=x, y=[rate * at for at in x], mode="lines",
                line={"color": "#52606d", "dash": dash},
            )
        )  # fmt: skip
    return traces
