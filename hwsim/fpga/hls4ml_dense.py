# SPDX-License-Identifier: Apache-2.0
"""One dense layer of hls4ml as Vitis HLS reports it, before logic synthesis; arrays over many layers at once.

Resource strategy with a reuse factor above 1 (nnet_dense_resource.h): ``ceil(n_in n_out / rf)`` multipliers, weights
in a ROM of rf words; a multiplier goes to a DSP block where the weight has six bits or more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.fpga.hls4ml import ACCUMULATOR_FF, FOLDED_FF, PRODUCT_FF
from hwsim.fpga.resources import Array, accumulator_bits, bram18


@dataclass(frozen=True, eq=False)
class DenseLayers:
    """Dense layers with inputs of ap_fixed<16,6>; arrays of shape (layers,)."""

    n_in: Array
    n_out: Array
    weight_bits: Array
    reuse: Array
    resource: npt.NDArray[np.bool_]  # the resource strategy; else the latency strategy


INPUT_BITS = 16.0


def cost(layers: DenseLayers) -> Mapping[str, Array]:
    """Cycles and resources by metric, (layers,); NaN where no formula applies."""
    folded = layers.resource & (layers.reuse > 1)
    count = np.ceil(layers.n_in * layers.n_out / layers.reuse)
    w = layers.weight_bits
    sums = accumulator_bits(w, INPUT_BITS, layers.n_in) * layers.n_out
    found = {
        "ff": FOLDED_FF + PRODUCT_FF * count * (w + INPUT_BITS) + ACCUMULATOR_FF * sums,
        "dsp": np.where(w >= 6, count, 0.0),
        "bram18": bram18(count * w, layers.reuse),
        "cycles": layers.reuse + 2,
        "ii": layers.reuse,
    }
    return {metric: np.where(folded, value, np.nan) for metric, value in found.items()}
