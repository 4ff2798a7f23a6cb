# SPDX-License-Identifier: Apache-2.0
"""Rows of tables that are whole multilayer perceptrons of hls4ml, read from their text columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from hwsim.fpga.hls4ml_mlp import Mlps, assumed_nonzero
from hwsim.validate.rows import Mask, Numbers, Texts

LAYER = r"dense\((\d{1,6})->(\d{1,6}),rf(\d{1,6})\)"
WEIGHT = r"weight\d+_t=ap_u?fixed<(\d{1,2}),(-?\d{1,2})\b"
INPUT = r"input_t=ap_u?fixed<(\d{1,2}),"
FORCED = "LUT_reuse"  # in the name of a project whose multipliers were forced into LUTs
# This project's report is a copy of its neighbour's with multipliers in DSP blocks.
MISFILED = "jet_tagging/hls4ml_prj/LUT_reuse1"


@dataclass(frozen=True, eq=False)
class MlpRows:
    """The text columns that describe projects, (rows,); ``nonzero`` are empty texts where weights are not counted."""

    name: Texts
    topology: Texts
    types: Texts
    strategy: Texts
    io_type: Texts
    nonzero: Texts
    clock_ns: Numbers

    def read(self, strategy: str = "latency") -> tuple[Mask, Mlps]:
        """The rows that are perceptrons in a strategy, as a mask (rows,), and their configurations.

        Where the weights that are not zero are counted for fewer or more layers than there are, their number is assumed
        by the layers' sizes.
        """
        whole = re.compile(f"{LAYER}( -> {LAYER})*")
        layers = [re.findall(LAYER, text) if whole.fullmatch(text) else [] for text in self.topology.tolist()]
        types = [re.findall(WEIGHT, text) for text in self.types.tolist()]
        inputs = [re.findall(INPUT, text) for text in self.types.tolist()]
        known = np.array([
            len(found) > 0 and len(found) == len(typed) and len(read) > 0
            and "0" not in {*read, *chain(*found), *(width for width, _ in typed)}
            for found, typed, read in zip(layers, types, inputs, strict=True)
        ])  # fmt: skip
        known &= (self.strategy == strategy) & (self.io_type == "io_parallel")
        known &= ~self.misfiled(self.name) & (self.clock_ns > 0) & (self.clock_ns < np.inf)
        chosen = np.flatnonzero(known).tolist()
        design = np.repeat(np.arange(len(chosen)), [len(layers[row]) for row in chosen])
        n_in, n_out, reuse = _columns([layers[row] for row in chosen], 3)
        width, whole_bits = _columns([types[row] for row in chosen], 2)
        counts = self.counts()
        listed = [counts[row] if len(counts[row]) == len(layers[row]) else ["nan"] * len(layers[row]) for row in chosen]
        (nonzero,) = _columns([[(count,) for count in counted] for counted in listed], 1)
        nonzero = np.where(np.isnan(nonzero), assumed_nonzero(n_in, n_out), np.clip(nonzero, 1.0, n_in * n_out))
        input_bits = np.array([float(inputs[row][0]) for row in chosen], dtype=np.float64)
        return known, Mlps(
            design, n_in, n_out, nonzero, width, width - whole_bits, input_bits[design], reuse, self.clock_ns[known],
            np.char.find(self.name[known], FORCED) >= 0,
        )  # fmt: skip

    @staticmethod
    def misfiled(names: Texts) -> Mask:
        """Whether a project's report is known to be another's, by its name."""
        return np.char.endswith(names, MISFILED)

    def counts(self) -> list[list[str]]:
        """Numbers of weights that are not zero, by row and layer."""
        return [re.findall(r"\d+", text) for text in self.nonzero.tolist()]


def _columns(rows: Sequence[Sequence[tuple[str, ...]]], count: int) -> Numbers:
    """The numbers of all layers of all designs, (count, layers)."""
    numbers = np.array([one for row in rows for one in row], dtype=np.float64)
    return numbers.reshape(-1, count).T
