# SPDX-License-Identifier: Apache-2.0
"""Error bars of formulas in which nothing is fitted, from designs whose HLS reports are known."""

from collections.abc import Mapping

import numpy as np

from hwsim.columns import Prediction
from hwsim.fpga import hls4ml_activation, hls4ml_resource_mlp
from hwsim.fpga.hls4ml_activation import ActivatedLayers
from hwsim.fpga.hls4ml_mlp import Mlps
from hwsim.fpga.linear import Calibration, error_bar
from hwsim.fpga.resources import Array

Truth = Mapping[str, Array]  # what HLS reported, by metric, each (designs,)


def calibrate_activated(layers: ActivatedLayers, truth: Truth) -> Calibration:
    """Of dense layers with an activation."""
    ends = {name: (float(column.min()), float(column.max()))
            for name, column in (("n_in", layers.n_in), ("n_out", layers.n_out))}  # fmt: skip
    return Calibration({}, _bars(hls4ml_activation.cost(layers), truth), ends)


def calibrate_resource_mlps(mlps: Mlps, truth: Truth) -> Calibration:
    """Of perceptrons in the resource strategy, which are put together of parts: no narrower than the parts' own bars.

    So few are published that an error bar of their own would say nothing.
    """
    own, parts = _bars(hls4ml_resource_mlp.cost(mlps), truth), hls4ml_resource_mlp.PARTS
    return Calibration({}, {metric: max(bar, parts[metric]) for metric, bar in own.items()}, {})


def _bars(predicted: Mapping[str, Prediction], truth: Truth) -> dict[str, float]:
    found = {}
    for metric, figure in predicted.items():
        known = np.isfinite(truth[metric])
        found[metric] = error_bar(figure.value[known], truth[metric][known])
    return found
