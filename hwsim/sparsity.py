# SPDX-License-Identifier: Apache-2.0
"""Patterns of zeros among a layer's weights, as hardware may or may not use them.

    n:m            of m consecutive weights of a row, n are kept           NVIDIA Ampere's 2:4
    block          whole blocks of ``rows`` outputs by ``columns`` inputs and taps are kept or not
    unstructured   any weight

Pruned channels are no pattern: such a layer is a smaller one. Where a pattern cannot pay on a target, the estimate says
so in a note, with the reason.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hwsim import ops
from hwsim.errors import InputError, UnknownNameError
from hwsim.network import Network
from hwsim.registry import suggest

KINDS = ("n:m", "block", "unstructured")


@dataclass(frozen=True)
class Pattern:
    """Which share of a layer's weights is kept, and in what pattern.

    Args:
        kind: one of KINDS.
        density: share of weights kept, above 0 and at most 1.
        n, m: of "n:m"; density is n / m then.
        rows, columns: of "block".

    Raises:
        InputError: an unknown kind, a density or size that no layer can have.
    """

    kind: str
    density: float
    n: int = 0
    m: int = 0
    rows: int = 1
    columns: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"sparsity: unknown kind '{self.kind}'; {suggest(self.kind, KINDS)}")
        if not 0 < self.density <= 1:
            raise InputError(f"sparsity: got density {self.density}; expected a share above 0, at most 1")
        if self.kind == "n:m" and not (0 < self.n <= self.m and abs(self.density - self.n / self.m) < 1e-9):
            raise InputError(f"sparsity: got {self.n}:{self.m}; expected 0 < n <= m, such as 2:4")
        if self.rows < 1 or self.columns < 1:
            raise InputError(f"sparsity: got blocks of {self.rows} x {self.columns}; expected at least 1 x 1")

    def __str__(self) -> str:
        if self.kind == "n:m":
            return f"{self.n}:{self.m}"
        shape = f" of {self.rows} x {self.columns}" if self.kind == "block" else ""
        return f"{self.kind}{shape}, {self.density:.0%} kept"


def n_m(n: int, m: int) -> Pattern:
    """Of every ``m`` consecutive weights, ``n`` are kept."""
    return Pattern("n:m", n / m if m else 0.0, n, m)


def block(rows: int, columns: int, density: float) -> Pattern:
    """Whole blocks of ``rows`` outputs by ``columns`` inputs and taps are kept."""
    return Pattern("block", density, rows=rows, columns=columns)


def unstructured(density: float) -> Pattern:
    """Weights anywhere are kept."""
    return Pattern("unstructured", density)


def parse_pattern(text: str) -> Pattern:
    """``2:4``, blocks as ``16x8@0.5`` (outputs x inputs, share kept), or a share kept anywhere such as ``0.1``.

    Raises:
        InputError: none of these, or no pattern that a layer can have.
    """
    number = r"(\d+(?:\.\d+)?)"
    if found := re.fullmatch(r"(\d+):(\d+)", text):
        return n_m(int(found[1]), int(found[2]))
    if found := re.fullmatch(rf"(\d+)x(\d+)@{number}", text):
        return block(int(found[1]), int(found[2]), float(found[3]))
    if re.fullmatch(number, text):
        return unstructured(float(text))
    raise InputError(f"sparsity: got '{text}'; expected 2:4, blocks such as 16x8@0.5, or a share kept such as 0.1")


def everywhere(network: Network, pattern: Pattern) -> dict[str, Pattern]:
    """The pattern on every dense layer and convolution but depthwise ones, whose few weights are not worth it."""
    return {
        layer.name: pattern
        for layer in network.layers
        if layer.op in ops.WEIGHTED and not ops.is_depthwise(layer, network.tensors[layer.params["weight"]].shape)
    }


def check_layers(network: Network, names: Iterable[str]) -> None:
    """Raise UnknownNameError for a name that is no dense layer or convolution of the network."""
    known = [layer.name for layer in network.layers if layer.op in ops.WEIGHTED]
    for name in names:
        if name not in known:
            raise UnknownNameError(f"sparsity: no layer with weights '{name}'; {suggest(name, known)}")


def unused(patterns: Iterable[Pattern], target: str, why: str) -> str:
    """One line: which patterns save nothing on a target, and why."""
    return f"{target}: sparsity {_spelled(patterns)} saves nothing: {why}"


#: Why a kind of target computes zeros as it computes other weights, by pattern.
OBSTACLES = {
    "cpu": {
        "n:m": "runtimes for CPUs multiply every weight",
        "block": "runtimes for CPUs multiply every weight; only a runtime with block-sparse kernels would not",
        "unstructured": "runtimes for CPUs multiply every weight, since looking for single zeros takes longer",
    },
    "gpu": {
        "n:m": "matrix units compute whole tiles, but for 2:4 where a device states it (Ampere and later)",
        "block": "matrix units compute whole tiles; only block-sparse kernels would leave some out",
        "unstructured": "matrix units compute whole tiles",
    },
    "fpga": {
        "n:m": "the folding is chosen for every weight",
        "block": "the folding is chosen for every weight; an estimate given the weights counts what blocks save",
        "unstructured": (
            "the folding is chosen for every weight; an estimate given the weights takes products off unrolled layers"
        ),
    },
}


def remarks(patterns: Iterable[Pattern], kind: str, target: str) -> list[str]:
    """A line per pattern that the estimates of a kind of target do not count, with the reason."""
    by_reason: dict[str, list[Pattern]] = {}
    for pattern in patterns:
        by_reason.setdefault(OBSTACLES[kind][pattern.kind], []).append(pattern)
    return [unused(some, target, why) for why, some in by_reason.items()]


def _spelled(patterns: Iterable[Pattern]) -> str:
    return "; ".join(sorted({str(pattern) for pattern in patterns}))
