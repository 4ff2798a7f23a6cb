# SPDX-License-Identifier: Apache-2.0
"""One dense layer of hls4ml without reuse and the activation behind it, as Vivado and Vitis HLS report them.

Weights as Keras draws them and hls4ml's default type, ap_fixed<16,6>. What follows from the configuration are DSP
blocks, block RAM, cycles and interval. In 28 regression baselines of hls4ml (github:fastmachinelearning/hls4ml,
test/pytest/baselines) block RAM is exact in all, interval in 27, cycles in 24, and DSP blocks are within the error bars
in 27. LUT and FF of layers that small depend on the tool's version more than on anything else and are not predicted.

* With a single product per output nothing is shared between sums, and constants of two signed digits are multipliers.
* Activations without a formula are tables, one per output, two to a block RAM of two ports.
* io_parallel: a table takes 2 cycles, from Vitis HLS 2023.1 on 3, others none. io_stream: 4 and 2; Vivado HLS overlaps
  them with the next image.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.columns import Prediction
from hwsim.fpga import constant_products
from hwsim.fpga.hls4ml_constants import ACTIVATED
from hwsim.fpga.resources import Array

METRICS = ("dsp", "bram18", "cycles", "ii")
TABLES = ("elu", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh")
FORMULAS = ("leaky_relu", "linear", "prelu", "relu", "thresholded_relu")
FRACTION_BITS = 10.0  # ap_fixed<16,6>
SLOWER_TABLES = 2023.1  # version of Vitis HLS
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ActivatedLayers:
    """Arrays of shape (layers,): ``table`` is whether the activation is one of TABLES, ``version`` the tool's."""

    n_in: Array
    n_out: Array
    table: Mask
    stream: Mask
    vivado: Mask
    version: Array


def cost(layers: ActivatedLayers) -> dict[str, Prediction]:
    """The metrics of METRICS with their error bars, each (layers,)."""
    limit = np.sqrt(6 / (layers.n_in + layers.n_out)) * 2**FRACTION_BITS  # glorot_uniform
    products = constant_products.uniform(layers.n_in, layers.n_out, limit)
    single = layers.n_in == 1
    streamed = np.where(layers.table, 4.0, 2.0)
    lookup = np.where(layers.vivado | (layers.version < SLOWER_TABLES), 2.0, 3.0)
    values = {
        "dsp": products.multipliers - products.small + np.where(single, products.shift_adds, 0.0),
        "bram18": np.where(layers.table, np.ceil(layers.n_out / 2), 0.0),
        "cycles": np.where(layers.stream, streamed, np.where(layers.table, lookup, 0.0)),
        "ii": np.where(layers.stream & ~layers.vivado, streamed, 1.0),
    }
    found = {}
    for metric, value in values.items():
        whole = np.rint(value)
        bar = ACTIVATED.bars[metric] * np.maximum(whole, 1.0)
        found[metric] = Prediction(whole, np.maximum(whole - bar, 0.0), whole + bar)
    return found
