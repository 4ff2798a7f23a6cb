# SPDX-License-Identifier: Apache-2.0
"""``slimfab check``: before any training, layer by layer, does a network map to an FPGA exactly, and does it fit?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim import ops
from hwsim.network import Network
from slimfab.console import occupation, time_text
from slimfab.models import Model, build_module, is_torch, load_model

if TYPE_CHECKING:
    from torch import nn

WIDTH = 8  # bits at which an unquantised network is judged


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


def check_model(source: str, board: str, shape: tuple[int, ...] | None = None) -> Check:
    """Check the network that ``source`` names (see :func:`slimfab.models.load_model`) against a board.

    Raises:
        InputError: the model or the board does not exist, or the model's file cannot be read.
    """
    if is_torch(source):
        module, shape = build_module(source, shape, {})
        refused = _refused_rows(module, shape)
        if refused:
            remedy = "change the refused layers, then check again"
            return Check(source, refused, (f"layers refused: {_count(refused, 'refused')}; {remedy}",), ok=False)
    return check_network(load_model(source, shape), board)


def check_network(model: Model, board: str) -> Check:
    """Check a network that could be imported."""
    from hls.lowering import explain

    rows = _rows(model.network, explain(model.network))
    fit, fits = _fit(model.network, board)
    verdict = [fit]
    refused = _count(rows, "refused")
    if refused:
        verdict.append(f"layers without an exact hardware form: {refused}; change them, or end the network before them")
    else:
        verdict.append(
            "every layer maps exactly" + ("; 'slimfab run' trains, quantises and verifies it" if fits else "")
        )
    return Check(model.name, rows, tuple(verdict), ok=fits and not refused)


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
    return tuple(row for row in ordered if row.operator not in ("input", "output"))


def _fit(network: Network, board: str) -> tuple[str, bool]:
    """Whether the network fits the board, in words and as a fact."""
    from hwsim.targets import estimate

    width = "" if network.is_quantised else f" at {WIDTH} bits"
    costed = network if network.is_quantised else network.with_bits(WIDTH)
    target = f"fpga:{board}"
    found = estimate(costed, target)
    if found.fits():
        time = time_text(found.latency_us.value)
        return f"{target}{width}: fits, about {time} per inference; {occupation(found)}", True
    return f"{target}{width}: {occupation(found)}; prune it, use fewer bits, or choose a larger board", False
