# SPDX-License-Identifier: Apache-2.0
"""Tables of hls4ml designs by layer: columns of Vivado and Vitis HLS estimates beside the layer's configuration.

Slices are "data set/strategy", with "rf1" for layers without reuse whatever their strategy; layers whose strategy is
not stated go by their type.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from hwsim.columns import Prediction
from hwsim.fpga import hls4ml_activation, hls4ml_dense, hls4ml_mlp, hls4ml_resource_mlp, hls4ml_streamed
from hwsim.fpga.hls4ml import nearest_legal_reuse
from hwsim.fpga.hls4ml_constants import MLP_PRUNING
from hwsim.fpga.hls4ml_dense import DenseLayers, untrained_limit
from hwsim.fpga.hls4ml_mlp import Mlps
from hwsim.validate.baseline_rows import activated_layers
from hwsim.validate.mlp_rows import MlpRows
from hwsim.validate.rows import Mask, Rows, Texts
from hwsim.validate.streamed_rows import streamed_layers
from hwsim.validate.table import Table, truth_columns
from hwsim.validate.text import outside

STRATEGIES = ("latency", "resource")
UNTRAINED = "lecun_uniform"  # the initial weights of Keras, as the precision column tells
WRITTEN = (512.0, 1023.0)  # reuse factors of wa-hls4ml above 1
TRUTH = {"lut": "lut", "ff": "ff", "dsp": "dsp", "bram18": "bram18", "cycles": "lat_max_cycles", "ii": "ii_max_cycles"}


def strategies(rows: Rows) -> Texts:
    """The strategy of every row in small letters; hls4ml writes it with a capital."""
    return np.char.lower(rows.text("strategy"))


def dense_layers(rows: Rows) -> tuple[Mask, DenseLayers]:
    """The rows that are single dense layers of untrained weights, as a mask (rows,), and their configurations.

    The reuse factors of wa-hls4ml are listed as hls4ml corrects them for the resource strategy. The latency strategy
    keeps what was written, 512 or 1,023, wherever these are corrected to what is listed: its 4 and 3 multipliers for
    2,048 products show it.
    """
    known = (rows.text("layer_type") == "dense") & np.isin(strategies(rows), STRATEGIES)
    known &= np.char.find(rows.text("precision_note"), UNTRAINED) >= 0
    for name in ("n_in", "n_out", "weight_bits", "reuse_factor"):
        # Of other rows, the reuse factor may be a list.
        known[known] &= np.isfinite(rows.where(known).size(name))
    dense = rows.where(known)
    n_in, n_out, bits = (dense.number(name) for name in ("n_in", "n_out", "weight_bits"))
    reuse, resource = dense.number("reuse_factor"), strategies(dense) == "resource"
    for asked in WRITTEN:
        corrected = nearest_legal_reuse(n_in, n_out, np.full(len(n_in), asked))
        reuse = np.where(~resource & (reuse == corrected), asked, reuse)
    return known, DenseLayers(n_in, n_out, bits, untrained_limit(n_in, bits), reuse, resource)


def slices(rows: Rows) -> Texts:
    """The slice of every row."""
    strategy, kind = strategies(rows), rows.text("layer_type")
    stated = np.isin(strategy, STRATEGIES)
    whole = stated & np.isin(rows.text("reuse_factor"), ("1", "1.0"))
    named = np.where(whole, "rf1", np.where(stated, strategy, kind))
    return np.char.add(np.char.add(rows.text("dataset"), "/"), named)


def mlps(rows: Rows, strategy: str = "latency") -> tuple[Mask, Mlps]:
    """The rows that are whole perceptrons; how many of their weights are pruned is assumed by the layers' sizes."""
    clock = np.full(len(rows), np.nan)
    whole = rows.text("layer_type") == "network"
    clock[whole] = rows.where(whole).number("clk_target_ns")
    return MlpRows(
        rows.text("design"), rows.text("topology"), rows.text("precision_note"), strategies(rows),
        rows.text("io_type"), np.full(len(rows), ""), clock,
    ).read(strategy)  # fmt: skip


def _parts(rows: Rows) -> Iterator[tuple[Mask, Mapping[str, Prediction]]]:
    """The rows each model covers, and what it says of them."""
    known, layers = dense_layers(rows)
    yield known, hls4ml_dense.cost(layers)
    whole, networks = mlps(rows)
    yield whole, hls4ml_mlp.cost(networks, MLP_PRUNING.bars)
    whole, networks = mlps(rows, "resource")
    yield whole, hls4ml_resource_mlp.cost(networks)
    for known, streamed in streamed_layers(rows):
        yield known, hls4ml_streamed.cost(streamed)
    known, activated = activated_layers(rows)
    yield known, hls4ml_activation.cost(activated)


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    columns = {metric: np.full((3, len(rows)), np.nan) for metric in TRUTH}
    for known, found in _parts(rows):
        for metric, figure in found.items():
            columns[metric][:, known] = figure.value, figure.low, figure.high
    return {metric: Prediction(*column) for metric, column in columns.items()}


def _report(rows: Rows) -> list[str]:
    layers, networks = hls4ml_dense.outside(dense_layers(rows)[1]), hls4ml_mlp.outside(mlps(rows)[1])
    return [*outside(layers, "dense layers"), *outside(networks, "networks")]


HLS4ML_SYNTH = Table(
    name="hls4ml_synth",
    required=(
        "dataset", "design", "topology", "layer_type", "n_in", "n_out", "seq_len", "weight_bits", "precision_note",
        "reuse_factor", "strategy", "io_type", "clk_target_ns", *TRUTH.values(),
    ),
    truth=truth_columns(TRUTH),
    predict=_predict,
    slices=slices,
    label=lambda rows: rows.text("design"),
    report=_report,
)  # fmt: skip
