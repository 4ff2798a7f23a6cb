# SPDX-License-Identifier: Apache-2.0
"""Patterns of zeros among a layer's weights, as hardware may or may not use them.

    n:m            of m consecutive weights of a row, n are kept           NVIDIA Ampere's 2:4
    pattern        of the m positions of every kernel of a convolution, n are kept, in one of a few ways     PatDNN
    block          whole blocks of ``rows`` outputs by ``columns`` inputs and taps are kept or not
    unstructured   any weight

Pruned channels are no pattern: such a layer is a smaller one. Where a pattern cannot pay on a target, the estimate says
so in a note, with the reason.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hwsim import ops
from hwsim.errors import InputError, UnknownNameError
from hwsim.network import Layer, Network
from hwsim.registry import suggest

KINDS = ("n:m", "pattern", "block", "unstructured")
MARKS = {"n:m": (":", "2:4"), "pattern": ("/", "4/9")}  # how they are written, with an example


@dataclass(frozen=True)
class Pattern:
    """Which share of a layer's weights is kept, and in what pattern.

    Args:
        kind: one of KINDS.
        density: share of weights kept, above 0 and at most 1.
        n, m: of "n:m" and "pattern"; density is n / m then.
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
        if self.kind in MARKS and not (0 < self.n <= self.m and abs(self.density - self.n / self.m) < 1e-9):
            mark, example = MARKS[self.kind]
            raise InputError(f"sparsity: got {self.n}{mark}{self.m}; expected 0 < n <= m, such as {example}")
        if not 0 < self.density <= 1:
            raise InputError(f"sparsity: got density {self.density}; expected a share above 0, at most 1")
        if self.rows < 1 or self.columns < 1:
            raise InputError(f"sparsity: got blocks of {self.rows} x {self.columns}; expected at least 1 x 1")

    def __str__(self) -> str:
        if self.kind in MARKS:
            return f"{self.n}{MARKS[self.kind][0]}{self.m}"
        shape = f" of {self.rows} x {self.columns}" if self.kind == "block" else ""
        return f"{self.kind}{shape}, {self.density:.0%} kept"


def n_m(n: int, m: int) -> Pattern:
    """Of every ``m`` consecutive weights, ``n`` are kept."""
    return Pattern("n:m", n / m if m else 0.0, n, m)


def kernel_pattern(n: int, m: int = 9) -> Pattern:
    """Of the ``m`` positions of every kernel of a convolution, ``n`` are kept."""
    return Pattern("pattern", n / m if m else 0.0, n, m)


def block(rows: int, columns: int, density: float) -> Pattern:
    """Whole blocks of ``rows`` outputs by ``columns`` inputs and taps are kept."""
    return Pattern("block", density, rows=rows, columns=columns)


def unstructured(density: float) -> Pattern:
    """Weights anywhere are kept."""
    return Pattern("unstructured", density)


def parse_pattern(text: str) -> Pattern:
    """``2:4``, ``4/9`` of every kernel, blocks as ``16x8@0.5`` (outputs x inputs, share kept), or a share as ``0.1``.

    Raises:
        InputError: none of these, or no pattern that a layer can have.
    """
    number = r"(\d+(?:\.\d+)?)"
    if found := re.fullmatch(r"(\d+):(\d+)", text):
        return n_m(int(found[1]), int(found[2]))
    if found := re.fullmatch(r"(\d+)/(\d+)", text):
        return kernel_pattern(int(found[1]), int(found[2]))
    if found := re.fullmatch(rf"(\d+)x(\d+)@{number}", text):
        return block(int(found[1]), int(found[2]), float(found[3]))
    if re.fullmatch(number, text):
        return unstructured(float(text))
    raise InputError(
        f"sparsity: got '{text}'; expected 2:4, 4/9 of every kernel, blocks such as 16x8@0.5, or a share such as 0.1"
    )


def everywhere(network: Network, pattern: Pattern) -> dict[str, Pattern]:
    """The pattern on every layer that can have it but depthwise convolutions, whose few weights are not worth it."""
    return {
        layer.name: pattern
        for layer in network.layers
        if layer.op in ops.WEIGHTED and not ops.is_depthwise(layer, network.tensors[layer.params["weight"]].shape)
        if pattern.kind != "pattern" or _positions(layer) == pattern.m
    }


def check_layers(network: Network, patterns: Mapping[str, Pattern]) -> None:
    """Raise UnknownNameError for a layer that has no weights, InputError for a pattern that is not its window's."""
    known = {layer.name: layer for layer in network.layers if layer.op in ops.WEIGHTED}
    for name, pattern in patterns.items():
        if name not in known:
            raise UnknownNameError(f"sparsity: no layer with weights '{name}'; {suggest(name, known)}")
        if pattern.kind == "pattern" and _positions(known[name]) != pattern.m:
            raise InputError(
                f"{name}: got pattern {pattern}; expected {pattern.m} positions, its window has "
                f"{_positions(known[name])}; use blocks or n:m"
            )


def _positions(layer: Layer) -> int:
    """Of a layer's window; a dense layer has one."""
    return math.prod(layer.attrs.get("kernel", (1,)))


def unused(patterns: Iterable[Pattern], target: str, why: str) -> str:
    """One line: which patterns save nothing on a target, and why."""
    return f"{target}: sparsity {spelled(patterns)} saves nothing: {why}"


#: Why a kind of target computes zeros as it computes other weights, by pattern.
OBSTACLES = {
    "cpu": {
        "n:m": "dense runtimes multiply every weight; use cpu:NAME/sparse for one that does not",
        "pattern": "dense runtimes multiply every weight; use cpu:NAME/sparse for kernels by pattern",
        "block": "dense runtimes multiply every weight; use cpu:NAME/sparse for one that leaves out blocks",
        "unstructured": "dense runtimes multiply every weight, since looking for single zeros takes longer",
    },
    "gpu": {
        "n:m": "matrix units compute whole tiles, but for 2:4 where a device states it (Ampere and later)",
        "pattern": "matrix units compute whole tiles",
        "block": "matrix units compute whole tiles; only block-sparse kernels would leave some out",
        "unstructured": "matrix units compute whole tiles",
    },
    "fpga": {
        "n:m": "the folding is chosen for every weight",
        "pattern": "the folding is chosen for every weight",
        "block": "hls4ml computes whole matrices; fpga:NAME/folded leaves out blocks, in a folding it chooses",
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


def spelled(patterns: Iterable[Pattern]) -> str:
    """Every one of the patterns once."""
    return "; ".join(sorted({str(pattern) for pattern in patterns}))
