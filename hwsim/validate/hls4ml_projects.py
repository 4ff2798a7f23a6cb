# SPDX-License-Identifier: Apache-2.0
"""Tables of whole hls4ml projects: totals of the HLS report beside topology, precision and pruning.

Predicted are networks of dense layers alone in the latency strategy with io_parallel. Whether multipliers were forced
into LUTs stands in the project's name only, as ``LUT_reuse…``. Slices are "hls4ml_projects/strategy", with "rf1" for
projects without reuse.
"""

import re
from collections.abc import Mapping

import numpy as np

from hwsim.columns import Prediction
from hwsim.fpga.hls4ml_mlp import Mlps, cost
from hwsim.validate.rows import Mask, Numbers, Rows, Texts
from hwsim.validate.table import Table, truth_columns

TRUTH = {
    "lut": "hls_lut",
    "ff": "hls_ff",
    "dsp": "hls_dsp",
    "bram18": "hls_bram18",
    "cycles": "lat_max",
    "ii": "ii_max",
}
LAYER = r"dense\((\d+)->(\d+),rf(\d+)\)"
WEIGHT = r"weight\d+_t=ap_u?fixed<(\d+),(-?\d+)"
INPUT = r"input_t=ap_u?fixed<(\d+),"
# This project's report is a copy of its neighbour's with multipliers in DSP blocks.
MISFILED = "jet_tagging/hls4ml_prj/LUT_reuse1"


def mlps(rows: Rows) -> tuple[Mask, Mlps]:
    """The rows that are multilayer perceptrons, as a mask (rows,), and their configurations."""
    whole = re.compile(f"{LAYER}( -> {LAYER})*")
    topologies = rows.text("topology").tolist()
    layers = [re.findall(LAYER, text) if whole.fullmatch(text) else [] for text in topologies]
    types = [re.findall(WEIGHT, text) for text in rows.text("weight_types").tolist()]
    inputs = [re.findall(INPUT, text) for text in rows.text("weight_types").tolist()]
    nonzero = [re.findall(r"\d+", text) for text in rows.text("nnz").tolist()]
    known = np.array([
        len(found) > 0 and len(found) == len(of_layers) == len(counted) and len(read) > 0
        for found, of_layers, counted, read in zip(layers, types, nonzero, inputs, strict=True)
    ])  # fmt: skip
    known &= (rows.text("strategies") == "latency") & (rows.text("io_type") == "io_parallel")
    known &= ~np.char.endswith(rows.text("project"), MISFILED)
    chosen, found = np.flatnonzero(known), rows.where(known)
    design = np.repeat(np.arange(len(chosen)), [len(layers[row]) for row in chosen])
    n_in, n_out, reuse = _columns([layers[row] for row in chosen], 3)
    width, whole_bits = _columns([types[row] for row in chosen], 2)
    input_bits = np.array([float(inputs[row][0]) for row in chosen], dtype=np.float64)
    return known, Mlps(
        design, n_in, n_out, _columns([[(count,) for count in nonzero[row]] for row in chosen], 1)[0], width,
        width - whole_bits, input_bits[design], reuse, found.number("clk_target_ns"),
        np.char.find(found.text("project"), "LUT_reuse") >= 0,
    )  # fmt: skip


def _columns(rows: list[list[tuple[str, ...]]], count: int) -> Numbers:
    """The numbers of all layers of all designs, (count, layers)."""
    numbers = np.array([one for row in rows for one in row], dtype=np.float64)
    return numbers.reshape(-1, count).T


def networks(rows: Rows) -> Texts:
    """The network of every row: its topology without the reuse factors."""
    return np.array([re.sub(r",rf\d+", "", text) for text in rows.text("topology").tolist()])


def slices(rows: Rows) -> Texts:
    """The slice of every row."""
    strategy = np.where(rows.text("strategies") == "", "network", rows.text("strategies"))
    single = np.isin(strategy, ("latency", "resource")) & (rows.text("reuse_factors") == "1")
    return np.char.add("hls4ml_projects/", np.where(single, "rf1", strategy))


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    known, found = mlps(rows)
    result = {}
    for metric, figure in cost(found).items():
        columns = np.full((3, len(rows)), np.nan)
        columns[:, known] = figure.value, figure.low, figure.high
        result[metric] = Prediction(*columns)
    return result


def _label(rows: Rows) -> Texts:
    return np.array(["/".join(text.split("/")[1:2] + text.split("/")[-1:]) for text in rows.text("project").tolist()])


HLS4ML_PROJECTS = Table(
    name="hls4ml_projects",
    required=(
        "project", "topology", "reuse_factors", "strategies", "io_type", "weight_types", "nnz", "clk_target_ns",
        *TRUTH.values(),
    ),
    truth=truth_columns(TRUTH),
    predict=_predict,
    slices=slices,
    label=_label,
)  # fmt: skip
