# SPDX-License-Identifier: Apache-2.0
"""The constants and error bars of hwsim/fpga/hls4ml_streamed.py, from layers whose HLS reports are known."""

from collections.abc import Mapping, Sequence

import numpy as np

from hwsim.fpga.hls4ml_streamed import METRICS, StreamedLayers, structure, terms, unrolled
from hwsim.fpga.linear import Calibration, error_bar, evaluate, fit, left_out
from hwsim.fpga.resources import Array

FITTED = ("lut", "ff")
PARAMETERS = ("n_in", "n_out", "weight_bits", "reuse")
Truth = Mapping[str, Array]  # what HLS reported, by metric, each (layers,)


def calibrate(layers: StreamedLayers, truth: Truth) -> Calibration:
    """Constants of all layers of one kind that have reuse; error bars are those of layers whose shape had no part in
    the fit.
    """
    held_out = left_out_shapes(layers, truth)
    used = ~unrolled(layers)
    part = layers.only(used)
    return Calibration(
        {metric: fit(terms(part, metric), truth[metric][used]) for metric in FITTED},
        {metric: error_bar(held_out[metric][used], truth[metric][used]) for metric in METRICS},
        {name: (float(getattr(part, name).min()), float(getattr(part, name).max())) for name in PARAMETERS},
    )


def calibrate_unrolled(kinds: Sequence[tuple[StreamedLayers, Truth]]) -> Calibration:
    """Error bars of layers without reuse, of all kinds together; they have no constants of their own."""
    bars = {}
    for metric in METRICS:
        predicted = [left_out_shapes(layers, truth)[metric][unrolled(layers)] for layers, truth in kinds]
        known = [truth[metric][unrolled(layers)] for layers, truth in kinds]
        bars[metric] = error_bar(np.concatenate(predicted), np.concatenate(known))
    return Calibration({}, bars, {})


def left_out_shapes(layers: StreamedLayers, truth: Truth) -> dict[str, Array]:
    """Predictions of every layer by constants fitted to layers with reuse of other shapes, by metric."""
    shapes = layers.n_in + 1j * layers.n_out
    result = {metric: np.rint(value) for metric, value in structure(layers).items()}
    used = ~unrolled(layers)
    for metric in FITTED:
        columns = terms(layers, metric)
        fitted = {name: column[used] for name, column in columns.items()}
        result[metric] = np.full(len(shapes), np.nan)
        result[metric][used] = left_out(fitted, truth[metric][used], shapes[used])
        for index in np.flatnonzero(~used):
            others = shapes[used] != shapes[index]
            constants = fit({name: column[others] for name, column in fitted.items()}, truth[metric][used][others])
            result[metric][index] = evaluate({name: column[[index]] for name, column in columns.items()}, constants)[0]
        result[metric] = np.rint(result[metric])
    return result
