# SPDX-License-Identifier: Apache-2.0
"""The constants and error bars of hwsim/fpga/hls4ml_dense.py, from layers whose HLS reports are known."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hwsim.fpga.hls4ml_dense import METRICS, PARAMETERS, REGIMES, DenseLayers, counts, regime, terms
from hwsim.fpga.linear import Calibration, error_bar, fit, left_out
from hwsim.fpga.resources import Array

FITTED = ("lut", "ff")
CONSTANT_PRODUCTS = ("unrolled", "latency")


def calibrate(layers: DenseLayers, truth: Mapping[str, Array]) -> dict[str, Calibration]:
    """Constants, error bars and range of every regime that has layers.

    The error bars are those of layers whose shape had no part in the fit. The regimes of products by constants are
    close relatives with few shapes each: all three get the widest of their bars.

    Args:
        layers: the configurations.
        truth: what HLS reported, by metric, each (layers,).
    """
    held_out = left_out_shapes(layers, truth)
    kinds = regime(layers)
    found = {}
    for kind in REGIMES:
        chosen = kinds == kind
        if chosen.any():
            part = layers.only(chosen)
            found[kind] = Calibration(
                {metric: fit(terms(part, kind, metric), truth[metric][chosen]) for metric in FITTED},
                {metric: error_bar(held_out[metric][chosen], truth[metric][chosen]) for metric in METRICS},
                {name: _ends(getattr(part, name)) for name in PARAMETERS},
            )
    relatives = [found[kind] for kind in CONSTANT_PRODUCTS if kind in found]
    widest = {metric: max((one.bars[metric] for one in relatives), default=0.0) for metric in METRICS}
    return {kind: replace(one, bars=widest) if one in relatives else one for kind, one in found.items()}


def left_out_shapes(layers: DenseLayers, truth: Mapping[str, Array]) -> dict[str, Array]:
    """Predictions of every layer by constants fitted without layers of its shape, by metric.

    A regime with a single shape is split by weight bits instead.
    """
    kinds, shapes = regime(layers), layers.n_in + 1j * layers.n_out
    result = {metric: np.full(len(kinds), np.nan) for metric in METRICS}
    for kind in np.unique(kinds).tolist():
        chosen = kinds == kind
        part = layers.only(chosen)
        groups: npt.NDArray[np.generic] = shapes[chosen]
        if len(np.unique(groups)) == 1:
            groups = part.weight_bits
        for metric, value in counts(part, kind).items():
            result[metric][chosen] = np.rint(value)
        for metric in FITTED:
            result[metric][chosen] = np.rint(left_out(terms(part, kind, metric), truth[metric][chosen], groups))
    return result


def _ends(column: Array) -> tuple[float, float]:
    return float(column.min()), float(column.max())
