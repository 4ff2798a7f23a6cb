# SPDX-License-Identifier: Apache-2.0
"""Tables of hls4ml designs by layer: columns of Vivado and Vitis HLS estimates beside the layer's configuration.

Slices are "data set/strategy", with "rf1" for layers without reuse whatever their strategy; layers whose strategy is
not stated go by their type.
"""

from collections.abc import Mapping

import numpy as np

from hwsim.columns import Prediction
from hwsim.fpga.hls4ml_dense import DenseLayers, cost, untrained_limit
from hwsim.validate.rows import Mask, Numbers, Rows, Texts
from hwsim.validate.table import Table, truth_columns

STRATEGIES = ("latency", "resource")
UNTRAINED = "lecun_uniform"  # the initial weights of Keras, as the precision column tells
TRUTH = {"lut": "lut", "ff": "ff", "dsp": "dsp", "bram18": "bram18", "cycles": "lat_max_cycles", "ii": "ii_max_cycles"}


def dense_layers(rows: Rows) -> tuple[Mask, DenseLayers]:
    """The rows that are single dense layers of untrained weights, as a mask (rows,), and their configurations.

    The reuse factors of wa-hls4ml are listed as hls4ml corrects them for the resource strategy. The latency strategy
    keeps what was written: 1,023 where 1,024 is listed, as its 3 multipliers for 2,048 products show.
    """
    known = (rows.text("layer_type") == "dense") & np.isin(rows.text("strategy"), STRATEGIES)
    known &= np.char.find(rows.text("precision_note"), UNTRAINED) >= 0
    dense = rows.where(known)
    n_in, bits = dense.number("n_in"), dense.number("weight_bits")
    reuse, resource = dense.number("reuse_factor"), dense.text("strategy") == "resource"
    written = np.where(~resource & (reuse == 1024), 1023.0, reuse)
    return known, DenseLayers(n_in, dense.number("n_out"), bits, untrained_limit(n_in, bits), written, resource)


def slices(rows: Rows) -> Texts:
    """The slice of every row."""
    strategy, kind = rows.text("strategy"), rows.text("layer_type")
    stated = np.isin(strategy, STRATEGIES)
    whole = stated & np.isin(rows.text("reuse_factor"), ("1", "1.0"))
    named = np.where(whole, "rf1", np.where(stated, strategy, kind))
    return np.char.add(np.char.add(rows.text("dataset"), "/"), named)


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    known, layers = dense_layers(rows)
    return {metric: _spread(found, known) for metric, found in cost(layers).items()}


def _spread(found: Prediction, known: Mask) -> Prediction:
    """Predictions of some rows as those of all rows, (rows,)."""

    def spread(column: Numbers) -> Numbers:
        whole = np.full(len(known), np.nan)
        whole[known] = column
        return whole

    return Prediction(spread(found.value), spread(found.low), spread(found.high))


HLS4ML_SYNTH = Table(
    name="hls4ml_synth",
    required=(
        "dataset", "design", "layer_type", "n_in", "n_out", "weight_bits", "precision_note", "reuse_factor", "strategy",
        *TRUTH.values(),
    ),
    truth=truth_columns(TRUTH),
    predict=_predict,
    slices=slices,
    label=lambda rows: rows.text("design"),
)  # fmt: skip
