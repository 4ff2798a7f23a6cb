# SPDX-License-Identifier: Apache-2.0
"""``slimfab check``: before any training, layer by layer, does a network map to an FPGA exactly, and does it fit?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim import ops
from hwsim.errors import UnsupportedError
from hwsim.network import Network
from slimfab.console import occupation, time_text
from slimfab.models import Model, build_module, load_model

if TYPE_CHECKING:
    from torch import nn

WIDTH = 8  # bits at which an unquantised network is judged


@dataclass(frozen=True)
class Row:
    """One layer: how it is mapped ("exact", "rewritten" or "refused") and why."""

    layer: str
    operator: str
    shape: tuple[int, ...]
    macs: int
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
    if _is_torch(source):
        module, shape = build_module(source, shape, {})
        refused = _refused_rows(module, shape)
        if refused:
            remedy = "change the refused layers, then check again"
            return Check(source, refused, (f"{_count(refused, 'refused')} layers refused; {remedy}",), ok=False)
    return check_network(load_model(source, shape), board)


def check_network(model: Model, board: str) -> Check:
    """Check a network that could be imported."""
    from hls.lowering import explain

    rows = _rows(model.network, explain(model.network))
    verdict = [_fit(model.network, board)]
    refused = _count(rows, "refused")
    if refused:
        verdict.append(f"{refused} layers have no exact hardware form; change them, or end the network before them")
    else:
        verdict.append("every layer maps exactly; 'slimfab run' trains, quantises and verifies it")
    return Check(model.name, rows, tuple(verdict), ok=not refused)


def _is_torch(source: str) -> bool:
    return not source.lower().endswith(".onnx") and not Path(source).is_dir() and Path(source).suffix != ".pt"


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
    rows = [
        Row(layer.name, layer.op, tensors[layer.output].shape, 0, "exact", "")
        for layer in layers
        if layer.op not in ("input", "output")
    ]
    rows += [
        Row(one.name, one.operator.split(".")[1], one.shape, 0, "refused", one.reason.partition("; ")[2] or one.reason)
        for one in refusals
    ]
    return tuple(rows)


def _fit(network: Network, board: str) -> str:
    from hwsim.targets import estimate

    width = "" if network.is_quantised else f" at {WIDTH} bits"
    costed = network if network.is_quantised else network.with_bits(WIDTH)
    target = f"fpga:{board}"
    try:
        found = estimate(costed, target)
    except UnsupportedError as error:
        return f"{target}: cannot be estimated ({error})"
    word = "fits" if found.fits() else "does not fit"
    return f"{target}{width}: {word}, about {time_text(found.latency_us.value)} per inference; {occupation(found)}"
