# SPDX-License-Identifier: Apache-2.0
"""What a board's own processor took for the network: what the accelerator is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Processor:
    """A network on a processor under one runtime; ``missing`` says why there are no samples, "" where there are.

    ``latency_s`` are seconds of single images on one thread, from integers to integers as the accelerator's;
    ``interval_s`` seconds per image of many, on ``threads`` threads. ``mismatches`` of ``integers`` differ from the
    golden executor's; None for a runtime that computes in other numbers, of which ``same_class`` says for how many
    images the largest output is the accelerator's.
    """

    runtime: str
    name: str
    version: str = ""
    threads: int = 0
    latency_s: tuple[float, ...] = ()
    interval_s: tuple[float, ...] = ()
    integers: int = 0
    mismatches: int | None = None
    same_class: int | None = None
    missing: str = ""

    @property
    def latency_us(self) -> float:
        """Median."""
        return float(np.median(self.latency_s)) * 1e6

    @property
    def interval_us(self) -> float:
        """Median."""
        return float(np.median(self.interval_s)) * 1e6


def read(row: Mapping[str, Any], outputs: npt.NDArray[Any], expected: npt.NDArray[Any]) -> Processor:
    """A row as the driver reports it.

    Args:
        outputs: (N, *output shape) integers of the C++.
        expected: those of the golden executor.
    """
    if row.get("missing"):
        return Processor(row["runtime"], row["processor"], missing=str(row["missing"]))
    common = (
        str(row["runtime"]), str(row["processor"]), str(row["version"]), int(row["threads"]),
        tuple(map(float, row["latency_s"])), tuple(map(float, row["interval_s"])),
    )  # fmt: skip
    if "same_class" in row:
        return Processor(*common, same_class=int(row["same_class"]))
    return Processor(*common, int(outputs.size), int(np.count_nonzero(outputs != expected)))
