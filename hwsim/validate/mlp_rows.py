# SPDX-License-Identifier: Apache-2.0
"""Rows of tables that are whole multilayer perceptrons of hls4ml, read from their text columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from hwsim.fpga.hls4ml_mlp import Mlps, assumed_nonzero
from hwsim.validate.rows import Mask, Numbers, Texts

LAYER = r"dense\((\d+)->(\d+),rf(\d+)\)"
WEIGHT = r"weight\d+_t=ap_u?fixed<(\d+),(-?\d+)"
INPUT = r"input_t=ap_u?fixed<(\d+),"
FORCED = "LUT_reuse"  # in the name of a project whose multipliers were forced into LUTs
# This project's report is a copy of its neighbour's with multipliers in DSP blocks.
MISFILED = "jet_tagging/hls4ml_prj/LUT_reuse1"


@dataclass(frozen=True, eq=False)
class MlpRows:
    """The text columns that describe projects, (rows,); ``nonzero`` is None where the table does not count weights."""

    name: Texts
    topology: Texts
    types: Texts
    strategy: Texts
    io_type: Texts
    nonzero: Texts | None
    clock_ns: Numbers

    def read(self) -> tuple[Mask, Mlps]:
        """The rows that are perceptrons in the latency strategy, as a mask (rows,), and their configurations."""
        whole = re.compile(f"{LAYER}( -> {LAYER})*")
        layers = [re.findall(LAYER, text) if whole.fullmatch(text) else [] for text in self.topology.tolist()]
        types = [re.findall(WEIGHT, text) for text in self.types.tolist()]
        inputs = [re.findall(INPUT, text) for text in self.types.tolist()]
        counted = [re.findall(r"\d+", text) for text in self.nonzero.tolist()] if self.nonzero is not None else layers
        known = np.array([
            len(found) > 0 and len(found) == len(typed) == len(count) and len(read) > 0
            and "0" not in {*read, *chain(*found), *(width for width, _ in typed)}
            for found, typed, count, read in zip(layers, types, counted, inputs, strict=True)
        ])  # fmt: skip
        known &= (self.strategy == "latency") & (self.io_type == "io_parallel")
        known &= ~np.char.endswith(self.name, MISFILED) & (self.clock_ns > 0) & (self.clock_ns < np.inf)
        chosen = np.flatnonzero(known).tolist()
        design = np.repeat(np.arange(len(chosen)), [len(layers[row]) for row in chosen])
        n_in, n_out, reuse = _columns([layers[row] for row in chosen], 3)
        width, whole_bits = _columns([types[row] for row in chosen], 2)
        if self.nonzero is None:
            nonzero = assumed_nonzero(n_in, n_out)
        else:
            (nonzero,) = _columns([[(count,) for count in counted[row]] for row in chosen], 1)
            nonzero = np.clip(nonzero, 1.0, n_in * n_out)
        input_bits = np.array([float(inputs[row][0]) for row in chosen], dtype=np.float64)
        return known, Mlps(
            design, n_in, n_out, nonzero, width, width - whole_bits, input_bits[design], reuse, self.clock_ns[known],
            np.char.find(self.name[known], FORCED) >= 0,
        )  # fmt: skip


def _columns(rows: Sequence[Sequence[tuple[str, ...]]], count: int) -> Numbers:
    """The numbers of all layers of all designs, (count, layers)."""
    numbers = np.array([one for row in rows for one in row], dtype=np.float64)
    return numbers.reshape(-1, count).T
