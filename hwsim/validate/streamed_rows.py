# SPDX-License-Identifier: Apache-2.0
"""Rows of tables that are layers of streamed hls4ml networks whose strategy is not stated, as in N-TORC's.

DSP blocks, block RAM and cycles of dense, one-dimensional convolutional (kernel 3) and LSTM layers in the resource
strategy with reuse; LUT and FF are not modelled. All are the formulas of folded dense layers for the matrices inside:
n_in x n_out, 3 n_in x n_out, and n_in x 4 n_out beside n_out x 4 n_out. The other numbers were read from the reports of
github:HeRCLab/N-TORC (Vivado HLS 2019.1, 4 ns), where DSP and BRAM18 are exact for all layers with reuse.
"""

from collections.abc import Callable

import numpy as np

from hwsim.columns import Prediction
from hwsim.fpga.hls4ml import nearest_legal_reuse
from hwsim.fpga.hls4ml_dense import DenseLayers, counts
from hwsim.validate.rows import Numbers, Rows

NOT_STATED = "not stated"
STREAM_VALUES = 16.0  # channels of the images in front of dense layers
CYCLES_BAR = 0.125  # relative: 95 % of N-TORC's 94 dense layers, the most uncertain ones
Figures = dict[str, Numbers]  # dsp, bram18, cycles


def predict(rows: Rows) -> dict[str, Prediction]:
    """DSP, BRAM18 and cycles of the rows that are such layers, NaN for all others; each (rows,)."""
    stated = ("weight_bits", "reuse_factor", "n_in", "n_out")
    known = np.char.startswith(rows.text("strategy"), NOT_STATED) & np.isin(rows.text("layer_type"), list(KINDS))
    known &= np.logical_and.reduce([rows.text(name) != "" for name in stated])
    known &= ~np.isin(rows.text("reuse_factor"), ("1", "1.0"))
    found = {metric: np.full(len(rows), np.nan) for metric in ("dsp", "bram18", "cycles")}
    for kind, figures in KINDS.items():
        chosen = known & (rows.text("layer_type") == kind)
        for metric, value in figures(rows.where(chosen)).items():
            found[metric][chosen] = value
    bars = {"cycles": CYCLES_BAR}
    return {
        metric: Prediction(value, value * (1 - bars.get(metric, 0.0)), value * (1 + bars.get(metric, 0.0)))
        for metric, value in found.items()
    }


def matrix(rows: Rows, n_in: Numbers, n_out: Numbers) -> tuple[Numbers, Figures]:
    """Reuse factor, DSP and BRAM18 of one matrix of every row.

    hls4ml takes the legal reuse factor nearest to the one asked for; trained weights use half of their bits.
    """
    bits = rows.number("weight_bits")
    reuse = nearest_legal_reuse(n_in, n_out, rows.number("reuse_factor"))
    layers = DenseLayers(n_in, n_out, bits, 2 ** (bits / 2 - 1) - 1, reuse, np.ones(len(rows), dtype=np.bool_))
    found = counts(layers, "folded")
    return reuse, {"dsp": found["dsp"], "bram18": found["bram18"]}


def _dense(rows: Rows) -> Figures:
    n_in, n_out = rows.number("n_in"), rows.number("n_out")
    reuse, found = matrix(rows, n_in, n_out)
    # Longer vectors are flattened images, which arrive pixel by pixel; a single output follows another dense layer.
    flattened = (n_in > 2 * STREAM_VALUES) & (n_out > 1)
    return {**found, "cycles": reuse + 6 + np.where(flattened, n_in / STREAM_VALUES + 6, 0.0)}


def _conv(rows: Rows) -> Figures:
    n_in = rows.number("n_in")
    reuse, found = matrix(rows, 3 * n_in, rows.number("n_out"))
    # Lengths are stated before the pooling by 2 in front of every layer but the first; padding adds two positions.
    length = rows.number("seq_len") / np.where(n_in > 1, 2.0, 1.0)
    return {**found, "cycles": (length + 2) * (reuse + 10)}


def _lstm(rows: Rows) -> Figures:
    n_in, units = rows.number("n_in"), rows.number("n_out")
    of_input, first = matrix(rows, n_in, 4 * units)
    of_state, second = matrix(rows, units, 4 * units)
    steps = rows.number("seq_len")
    return {
        "dsp": first["dsp"] + second["dsp"] + 3 * units,  # gates by candidate, state and output
        "bram18": first["bram18"] + second["bram18"] + 2 * units + 1,  # tables of the activations
        "cycles": steps * (np.maximum(of_input, of_state) + 21 + n_in / 2) + 1,
    }


KINDS: dict[str, Callable[[Rows], Figures]] = {"dense": _dense, "conv1d_k3": _conv, "lstm": _lstm}
