# SPDX-License-Identifier: Apache-2.0
"""The report of a run: one HTML file that holds its plots and needs no network to be read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slimfab.console import bar_text, count_text, energy_text, facts_text, time_text
from slimfab.report.page import template

if TYPE_CHECKING:
    from hwsim.estimate import Estimate
    from hwsim.network import Network

__all__ = ["render"]


def render(result: Mapping[str, Any], estimates: Mapping[str, "Sequence[Estimate]"], network: "Network") -> str:
    """The report as HTML text.

    Args:
        result: the content of ``result.json``.
        estimates: by variant (float, pruned, quantised), in the same order of targets.
        network: the golden integer network.

    Raises:
        ToolMissing: jinja2 or plotly is not installed.
    """
    filters = {"time": time_text, "energy": energy_text, "count": count_text, "bar": bar_text, "facts": facts_text}
    page = template("template.html", filters)
    from slimfab.report.plots import PLOTS

    figures = [plot(result, estimates, network) for plot in PLOTS]
    return page.render(
        result=result,
        estimates=estimates,
        plots=[one for one in figures if one is not None],
        layers=_layers(network),
        summary=_summary(result, estimates),
        cards=_cards(result, estimates["quantised"], network),
    )


def _cards(
    result: Mapping[str, Any], found: "Sequence[Estimate]", network: "Network"
) -> list[tuple[str, dict[str, str]]]:  # fmt: skip
    """The metric cards of the quantised network: (target, text by metric)."""
    from hwsim import targets
    from hwsim.card import card
    from slimfab.comparison_tables import card_rows

    known = (result["accuracy"]["quantised"], result["dataset"]["dataset"])
    return [(one.target, card_rows(card(network, targets.parse(one.target).device, one, *known))) for one in found]


def _layers(network: "Network") -> list[dict[str, Any]]:
    from hwsim import ops

    rows = []
    for layer in network.layers:
        tensor = network.tensors[layer.output]
        weight = network.tensors.get(layer.params.get("weight", ""))
        rows.append(
            {
                "name": layer.name,
                "op": layer.op,
                "shape": "×".join(map(str, tensor.shape)),
                "macs": ops.macs(network, layer),
                "format": str(tensor.format or "float32"),
                "weights": f"{weight.size} × {weight.format or 'float32'}" if weight is not None else "",
            }
        )
    return rows


def _summary(result: Mapping[str, Any], estimates: Mapping[str, "Sequence[Estimate]"]) -> list[tuple[str, str, str]]:
    """The numbers on top: (value, label, remark)."""
    accuracy, sizes = result["accuracy"], result["network"]
    drop = 100 * (accuracy["quantised"] - accuracy["float"])
    compared = sum(one["integers"] for one in result["verify"].values())
    differing = sum(one["mismatches"] for one in result["verify"].values())
    built = f"fpga:{result['hardware']['board']}"
    board = next(one for one in estimates["quantised"] if one.target == built)
    fewer = sizes["float"]["macs"] / sizes["quantised"]["macs"]
    bits = sizes["float"]["weight_bits"] / sizes["quantised"]["weight_bits"]
    place = f"on {board.target}" if board.batch == 1 else f"for {board.batch} on {board.target}"
    remark = f"estimate, {bar_text(board.latency_us)}" if board.fits() else "but the design does not fit this board"
    cards = [
        (f"{100 * accuracy['quantised']:.2f} %", "test accuracy", f"{drop:+.2f} points against float"),
        (f"{differing}", "integers differ", f"of {compared:,} compared in {len(result['verify'])} executors"),
        (f"{fewer:.2f}×", "fewer MACs", count_text(sizes["quantised"]["macs"])),
        (f"{bits:.1f}×", "smaller weights", f"{sizes['quantised']['weight_bits'] / 8192:.1f} KiB"),
        (time_text(board.latency_us.value), place, remark),
        (energy_text(board.energy_uj.value), "per inference", f"whole board, estimate, {bar_text(board.energy_uj)}"),
    ]
    if (rtl := result["rtl"]) is not None:
        remark = f"{rtl['cycles']:,} cycles, one image every {rtl['ii']:,}, at {rtl['clock_mhz']:g} MHz"
        cards.append((time_text(rtl["latency_us"]), "as SystemVerilog, counted", remark))
    return cards
