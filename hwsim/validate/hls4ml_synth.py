# SPDX-License-Identifier: Apache-2.0
"""Tables of hls4ml designs by layer: columns of Vivado and Vitis HLS estimates beside the layer's configuration.

Slices are "data set/strategy", with "rf1" for layers without reuse whatever their strategy; layers whose strategy is
not stated go by their type.
"""

from collections.abc import Mapping

import numpy as np

from hwsim.fpga import hls4ml_dense
from hwsim.validate.rows import Rows, Texts
from hwsim.validate.table import Prediction, Table, truth_columns

STRATEGIES = ("latency", "resource")
BAR = 1.3  # factor either way; cycles and interval are exact


def _slices(rows: Rows) -> Texts:
    strategy, kind = rows.text("strategy"), rows.text("layer_type")
    named = np.where(np.isin(strategy, STRATEGIES), strategy, kind)
    whole = np.isin(strategy, STRATEGIES) & np.isin(rows.text("reuse_factor"), ("1", "1.0"))
    return np.char.add(np.char.add(rows.text("dataset"), "/"), np.where(whole, "rf1", named))


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    # Networks list several reuse factors in one cell; only layers have one.
    known = (rows.text("layer_type") == "dense") & np.isin(rows.text("strategy"), STRATEGIES)
    dense = rows.where(known)
    layers = hls4ml_dense.DenseLayers(
        dense.number("n_in"), dense.number("n_out"), dense.number("weight_bits"), dense.number("reuse_factor"),
        dense.text("strategy") == "resource",
    )  # fmt: skip
    result = {}
    for metric, found in hls4ml_dense.cost(layers).items():
        factor = 1.0 if metric in ("cycles", "ii") else BAR
        value = np.full(len(rows), np.nan)
        value[known] = found
        result[metric] = Prediction(value, value / factor, value * factor)
    return result


HLS4ML_SYNTH = Table(
    name="hls4ml_synth",
    required=(
        "dataset", "design", "layer_type", "n_in", "n_out", "weight_bits", "reuse_factor", "strategy",
        "lat_max_cycles", "ii_max_cycles", "lut", "ff", "dsp", "bram18",
    ),
    truth=truth_columns({"lut": "lut", "ff": "ff", "dsp": "dsp", "bram18": "bram18", "cycles": "lat_max_cycles",
                         "ii": "ii_max_cycles"}),
    predict=_predict,
    slices=_slices,
    label=lambda rows: rows.text("design"),
)  # fmt: skip
