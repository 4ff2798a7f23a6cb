# SPDX-License-Identifier: Apache-2.0
"""Multilayer perceptrons of hls4ml in the resource strategy with io_parallel as Vitis HLS reports them.

The parts are known from other designs and only put together here: weight ROMs, multipliers, cycles and interval of
folded dense layers (hwsim/fpga/hls4ml_dense.py), multipliers in LUTs, ReLU and softmax of perceptrons in the latency
strategy (hwsim/fpga/hls4ml_mlp.py). Nothing was fitted: one such project is published
(github:Gabriele-bot/ALVEO-PYNQ_ML, Qkeras_pruned_Dense; Vivado HLS 2020.1), of which interval and DSP blocks are exact,
cycles, LUT and flip-flops within 5 % and block RAM within 20 %. The error bars (hwsim/fpga/calibrate_fixed.py) are no
narrower than that, nor than those of the parts.
"""

from collections.abc import Mapping

import numpy as np

from hwsim.columns import Prediction
from hwsim.fpga.hls4ml import nearest_legal_reuse
from hwsim.fpga.hls4ml_constants import DENSE, MLP, RESOURCE_MLP
from hwsim.fpga.hls4ml_dense import DSP_BITS, DenseLayers, counts, terms
from hwsim.fpga.hls4ml_mlp import LUT_PRODUCT, METRICS, SUM_BITS, Mlps, around
from hwsim.fpga.linear import evaluate
from hwsim.fpga.resources import Array

#: The error bars of what the parts are known from: sums around multipliers from perceptrons, the others from layers.
PARTS: Mapping[str, float] = {**MLP.bars, **{name: DENSE["folded"].bars[name] for name in ("bram18", "ii")}}


def cost(mlps: Mlps) -> dict[str, Prediction]:
    """Cycles, interval and resources of every design with their error bars, by metric; each (designs,)."""
    values = _values(mlps)
    found = {}
    for metric in METRICS:
        whole = np.rint(values[metric])
        bar = RESOURCE_MLP.bars[metric] * np.maximum(whole, 1.0)
        found[metric] = Prediction(whole, np.maximum(whole - bar, 0.0), whole + bar)
    return found


def _values(mlps: Mlps) -> dict[str, Array]:
    reuse = nearest_legal_reuse(mlps.n_in, mlps.n_out, mlps.reuse)
    # Trained weights are taken to need all of their bits.
    layers = DenseLayers(mlps.n_in, mlps.n_out, mlps.weight_bits, 2 ** (mlps.weight_bits - 1) - 1, reuse,
                         np.ones(len(reuse), dtype=np.bool_))  # fmt: skip
    each = counts(layers, "folded")
    multipliers = np.ceil(mlps.n_in * mlps.n_out / reuse)
    narrow = mlps.weight_bits < DSP_BITS
    in_luts = LUT_PRODUCT * mlps.weight_bits * mlps.input_bits * multipliers
    in_dsp = evaluate(terms(layers, "folded", "lut"), DENSE["folded"].constants["lut"])
    held = np.where(narrow, mlps.weight_bits, SUM_BITS) * multipliers
    classes = mlps.n_out[mlps.is_last]
    longest = np.zeros(len(classes))
    np.maximum.at(longest, mlps.design, each["ii"])
    return {
        "lut": mlps.per_design(np.where(narrow, in_luts, in_dsp)) + around(mlps, "lut"),
        "ff": mlps.per_design(held + SUM_BITS * mlps.n_out) + around(mlps, "ff"),
        "dsp": mlps.per_design(each["dsp"]) + classes,
        "bram18": mlps.per_design(each["bram18"]) + classes,
        "cycles": mlps.per_design(each["cycles"]),
        "ii": longest,
    }
