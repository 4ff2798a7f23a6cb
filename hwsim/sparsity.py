# SPDX-License-Identifier: Apache-2.0
"""Patterns of zeros among a layer's weights, as hardware may or may not use them.

    n:m            of m consecutive weights of a row, n are kept           NVIDIA Ampere's 2:4
    block          whole blocks of ``rows`` outputs by ``columns`` inputs and taps are kept or not
    unstructured   any weight

Pruned channels are no pattern: such a layer is a smaller one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hwsim.errors import InputError
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


def unused(patterns: Iterable[Pattern], target: str, why: str) -> str:
    """One line: which patterns save nothing on a target, and why."""
    kinds = sorted({str(pattern) for pattern in patterns})
    return f"{target}: sparsity {'; '.join(kinds)} saves nothing: {why}"
