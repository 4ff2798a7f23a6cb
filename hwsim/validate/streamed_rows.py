# SPDX-License-Identifier: Apache-2.0
"""Rows of tables that are layers of streamed hls4ml networks, their strategy not stated, as in N-TORC's."""

import re
from collections.abc import Iterator

import numpy as np

from hwsim.fpga.hls4ml_streamed import KINDS, StreamedLayers
from hwsim.validate.rows import Mask, Numbers, Rows

NOT_STATED = "not stated"
NEEDED = {"dense": (), "conv1d_k3": ("seq_len",), "lstm": ("seq_len",)}  # beside those that all kinds need


def streamed_layers(rows: Rows) -> Iterator[tuple[Mask, StreamedLayers]]:
    """The rows of each kind that are such layers, as a mask (rows,), and their configurations."""
    known = np.char.startswith(rows.text("strategy"), NOT_STATED)
    for kind in KINDS:
        stated = [np.isfinite(rows.size(name)) for name in
                  ("n_in", "n_out", "weight_bits", *NEEDED[kind])]  # fmt: skip
        chosen = known & (rows.text("layer_type") == kind) & np.logical_and.reduce(stated)
        # Of other rows, the reuse factor may be a list.
        chosen[chosen] &= np.isfinite(rows.where(chosen).size("reuse_factor"))
        part = rows.where(chosen)
        yield chosen, StreamedLayers(
            kind, part.number("n_in"), part.number("n_out"), part.number("seq_len"), part.number("weight_bits"),
            _asked(part),
        )  # fmt: skip


def _asked(rows: Rows) -> Numbers:
    """The reuse factor as written: a design's name may end with it ("rf32") beside a column of corrected ones."""
    named = [re.search(r"\brf(\d{1,6})$", name) for name in rows.text("design").tolist()]
    column = rows.number("reuse_factor")
    return np.array([float(found.group(1)) if found and int(found.group(1)) else value
                     for found, value in zip(named, column, strict=True)], dtype=np.float64)  # fmt: skip
