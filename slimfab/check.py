# SPDX-License-Identifier: Apache-2.0
"""``slimfab check``: before any training, layer by layer, does a network map to an FPGA exactly, and does it fit?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hwsim import device as devices
from hwsim import ops
from hwsim.errors import InputError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.folding import Goal
from hwsim.network import Network
from slimfab.console import occupation, time_text
from slimfab.models import Model, build_module, is_torch, load_for_estimates

if TYPE_CHECKING:
    from torch import nn

WIDTH = 8  # bits at which float tensors are judged
REALS = FixedPoint(16, 10)  # the inputs of a quantised file that does not say their format; hls4ml's default type


@dataclass(frozen=True)
class Row:
    """One layer: how it is mapped ("exact", "rewritten" or "refused") and why."""

    layer: str
    operator: str
    shape: tuple[int, ...]
    macs: int | None  # None: not known, because the network could not be imported
    status: str
    remark: str


@dataclass(frozen=True)
class Check:
    """The verdict on a network: every layer, and lines about the whole."""

    name: str
    rows: tuple[Row, ...]
    verdict: tuple[str, ...]
    ok: bool


def check_model(source: str, board: str, shape: tuple[int, ...] | None = None, goal: Goal | None = None) -> Check:
    """Check the network that ``source`` names (see :func:`slimfab.models.load_model`) against a board.

    Args:
        goal: what the folding makes smallest, and its budgets; the shortest interval by default.

    Raises:
        InputError: the model or the board does not exist, the model's file cannot be read, or a budget is more than
            the board has.
    """
    from hwsim.targets import parse

    parse(f"fpga:{board}")  # before the network is built
    if is_torch(source):
        module, shape = build_module(source, shape, {})
        refused = _refused_rows(module, shape)
        if refused:
            remedy = "change the refused layers, then check again"
            return Check(source, refused, (f"layers refused: {_count(refused, 'refused')}; {remedy}",), ok=False)
    model = load_for_estimates(source, shape)
    opaque = _opaque_rows(model.network)
    if opaque:
        remedy = "change the refused layers, then check again"
        return Check(model.name, opaque, (f"layers refused: {_count(opaque, 'refused')}; {remedy}",), ok=False)
    return check_network(model, board, goal)


def check_network(model: Model, board: str, goal: Goal | None = None) -> Check:
    """Check a network that could be imported; lines about SystemVerilog follow the verdict on the way of hls4ml."""
    found = _by_hls4ml(model, board, goal)
    if not found.rows:
        return found
    return replace(found, verdict=(*found.verdict, *_as_systemverilog(model, board, goal, found.ok)))


def _by_hls4ml(model: Model, board: str, goal: Goal | None) -> Check:
    from hls.lowering import explain

    # A float network must be quantised first, which refuses layers that hls4ml would take.
    refusals = _beyond_fixed_point(model.network) or _not_quantisable(model.network)
    explained = dict(explain(model.network))
    explained |= {name: ("refused", why) for name, why in refusals.items() if explained[name][0] != "refused"}
    rows = _rows(model.network, explained)
    if not rows:
        return Check(model.name, rows, ("the network computes nothing; give it layers",), ok=False)
    fit, fits = _fit(model.network, f"fpga:{board}", goal)
    verdict = [fit]
    refused = _count(rows, "refused")
    if refused:
        verdict.append(
            f"layers without an exact form in hls4ml: {refused}; change them, or end the network before them"
        )
    else:
        trainable = fits and model.module is not None
        verdict.append(
            "every layer maps exactly" + ("; 'slimfab run' trains, quantises and verifies it" if trainable else "")
        )
    return Check(model.name, rows, tuple(verdict), ok=fits and not refused)


def _as_systemverilog(model: Model, board: str, goal: Goal | None, can_run: bool) -> list[str]:
    """Whether every layer has a template, so that the way without vendor tools is open, and what it would take."""
    from hls.layers import explain

    try:
        network, notes = _integer_network(model)
        refused = [f"{name}: {why}" for name, why in explain(network, devices.load(board)).items() if why]
    except InputError as error:
        notes, refused = (), [str(error)]
    lines = [f"as SystemVerilog: {line}" for line in (*notes, *refused)]
    if refused:
        return lines
    how = ""
    if model.module is not None and can_run:
        how = "; a recipe with an rtl section simulates it"
    if model.module is None and network.is_quantised:
        how = "; 'slimfab rtl' simulates it"
    return [*lines, _fit(network, f"fpga:{board}/folded", goal)[0], f"every layer has a SystemVerilog template{how}"]


def _integer_network(model: Model) -> tuple[Network, tuple[str, ...]]:
    """What is emitted of a model, with notes: of a quantised file its integers, whatever its scales."""
    from slimfab.rtl import load_integers

    tensors = model.network.tensors.values()
    if model.path is None or not any(tensor.format or tensor.storage_bits for tensor in tensors):
        return model.network, ()
    try:
        exact = load_integers(str(model.path))
    except UnsupportedError:
        if model.network.tensors[model.network.inputs[0]].format:
            raise
        exact = load_integers(str(model.path), REALS)
        assumed = f"its inputs are taken as {REALS}; 'slimfab rtl --input-format' takes others"
        return exact.network, (assumed, *exact.notes)
    return exact.network, exact.notes


def _beyond_fixed_point(network: Network) -> dict[str, str]:
    """Layer name → reason, where a file quantises in a way that fixed point cannot express."""
    reason = "its scale is no power of two, or its levels leave out zero; train it with fixed-point quantisers"
    return {
        layer.name: reason
        for layer in network.layers
        if any(network.tensors[name].storage_bits for name in (*layer.outputs, *layer.params.values()))
    }


def _not_quantisable(network: Network) -> dict[str, str]:
    from quant.placement import refusals

    return {} if any(tensor.format for tensor in network.tensors.values()) else refusals(network)


def _count(rows: tuple[Row, ...], status: str) -> int:
    return sum(row.status == status for row in rows)


def _rows(network: Network, explained: Mapping[str, tuple[str, str]]) -> tuple[Row, ...]:
    return tuple(
        Row(layer.name, layer.op, network.tensors[layer.output].shape, ops.macs(network, layer), *explained[layer.name])
        for layer in network.layers
        if layer.op not in ("input", "output")
    )


def _refused_rows(module: "nn.Module", shape: tuple[int, ...]) -> tuple[Row, ...]:
    """All layers of a module of which at least one cannot be imported; empty if all can."""
    from hwsim.importers.torch import survey_torch

    layers, tensors, refusals = survey_torch(module, shape)
    if not refusals:
        return ()
    placed: list[tuple[int, Row]] = []
    for position, layer in enumerate(layers):
        exact = ops.OPS[layer.op].exact
        remark = "" if exact else "no exact integer form; use relu or clip, or end the network before it"
        row = Row(layer.name, layer.op, tensors[layer.output].shape, None, "exact" if exact else "refused", remark)
        placed.append((position, row))
    for one in refusals:
        remark = one.reason.partition("; ")[2] or one.reason
        # Before the layer that was imported next: a stable sort keeps the order of the calls.
        placed.append((one.position - 1, Row(one.name, one.operator, one.shape, None, "refused", remark)))
    ordered = [row for _, row in sorted(placed, key=lambda pair: pair[0])]
    return tuple(row for row in ordered if row.status == "refused" or row.operator not in ("input", "output"))


def _opaque_rows(network: Network) -> tuple[Row, ...]:
    """All layers of a file of which at least one has no operator of ours; empty if all have."""
    layers = [layer for layer in network.layers if layer.op not in ("input", "output")]
    if all(layer.op != ops.OPAQUE for layer in layers):
        return ()
    rows = []
    for layer in layers:
        status = "exact" if ops.OPS[layer.op].exact else "refused"
        remark = "" if status == "exact" else "no exact integer form; use relu or clip, or end the network before it"
        operator, macs = layer.op, ops.macs(network, layer)
        if layer.op == ops.OPAQUE:
            operator, remark, macs = layer.attrs["operator"], layer.attrs["reason"], layer.attrs["macs"]
        rows.append(Row(layer.name, operator, network.tensors[layer.output].shape, macs, status, remark))
    return tuple(rows)


def _fit(network: Network, target: str, goal: Goal | None) -> tuple[str, bool]:
    """Whether the network fits the target's board and its budgets, in words and as a fact."""
    from hwsim.targets import best_folding, estimate

    tensors = {
        name: tensor if tensor.format or tensor.storage_bits else replace(tensor, storage_bits=WIDTH)
        for name, tensor in network.tensors.items()
    }
    costed = replace(network, tensors=tensors)
    width = "" if network.is_quantised else f" at {WIDTH} bits"
    if width and any(tensor.format or tensor.storage_bits for tensor in network.tensors.values()):
        width = f", float values at {WIDTH} bits"
    chosen = best_folding(costed, target, goal=goal)
    found = estimate(costed, target, design=chosen.design)
    if goal is not None and goal.budgets and chosen.misses:
        return f"{target}{width}: {chosen.text()}; {occupation(found)}", False
    if found.fits():
        time = time_text(found.latency_us.value)
        return f"{target}{width}: fits, about {time} per inference; {occupation(found)}; {chosen.text()}", True
    return f"{target}{width}: {occupation(found)}; prune it, use fewer bits, or choose a larger board", False
