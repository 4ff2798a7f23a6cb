# SPDX-License-Identifier: Apache-2.0
"""The constants and error bars of hwsim/fpga/hls4ml_streamed.py, from layers whose HLS reports are known."""

from collections.abc import Mapping

import numpy as np

from hwsim.fpga.hls4ml_streamed import METRICS, StreamedLayers, structure, terms
from hwsim.fpga.linear import Calibration, error_bar, fit, left_out
from hwsim.fpga.resources import Array

FITTED = ("lut", "ff")
PARAMETERS = ("n_in", "n_out", "weight_bits", "reuse")


def calibrate(layers: StreamedLayers, truth: Mapping[str, Array]) -> Calibration:
    """Constants of all layers of one kind; error bars are those of layers whose shape had no part in the fit.

    Args:
        layers: the configurations.
        truth: what HLS reported, by metric, each (layers,).
    """
    held_out = left_out_shapes(layers, truth)
    return Calibration(
        {metric: fit(terms(layers, metric), truth[metric]) for metric in FITTED},
        {metric: error_bar(held_out[metric], truth[metric]) for metric in METRICS},
        {name: (float(getattr(layers, name).min()), float(getattr(layers, name).max())) for name in PARAMETERS},
    )


def left_out_shapes(layers: StreamedLayers, truth: Mapping[str, Array]) -> dict[str, Array]:
    """Predictions of every layer by constants fitted without layers of its shape, by metric."""
    shapes = layers.n_in + 1j * layers.n_out
    result = {metric: np.rint(value) for metric, value in structure(layers).items()}
    for metric in FITTED:
        result[metric] = np.rint(left_out(terms(layers, metric), truth[metric], shapes))
    return result
