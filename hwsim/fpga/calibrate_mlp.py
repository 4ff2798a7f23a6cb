# SPDX-License-Identifier: Apache-2.0
"""The constants and error bars of hwsim/fpga/hls4ml_mlp.py, from designs whose HLS reports are known."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hwsim.fpga.hls4ml_mlp import METRICS, Mlps, assumed_nonzero, counts, known, terms
from hwsim.fpga.linear import Calibration, Constants, error_bar, evaluate, fit
from hwsim.fpga.resources import Array

# Deviations of weights over Glorot's that are tried. Above 3 the weights of an output layer fill their format anyway.
SCALES = {"hidden": np.arange(0.8, 2.01, 0.05), "output": np.arange(0.8, 3.01, 0.1)}


def calibrate(mlps: Mlps, truth: Mapping[str, Array], networks: npt.NDArray[np.generic]) -> Calibration:
    """Constants of all designs; error bars are those of designs whose network had no part in the fit.

    Args:
        mlps: the designs.
        truth: what HLS reported, by metric, each (designs,).
        networks: the network of every design, (designs,).
    """
    held_out = left_out_networks(mlps, truth, networks)
    bars = {metric: error_bar(held_out[metric], truth[metric]) for metric in METRICS}
    parameters = ("n_in", "n_out", "weight_bits", "input_bits", "reuse", "clock_ns")
    ends = {name: (float(getattr(mlps, name).min()), float(getattr(mlps, name).max())) for name in parameters}
    return Calibration(_constants(mlps, truth, np.ones(len(mlps.clock_ns), dtype=bool)), bars, ends)


def left_out_networks(
    mlps: Mlps, truth: Mapping[str, Array], networks: npt.NDArray[np.generic]
) -> dict[str, Array]:  # fmt: skip
    """Predictions of every design by constants fitted without designs of its network, by metric."""
    result = {metric: np.full(len(networks), np.nan) for metric in METRICS}
    for network in np.unique(networks):
        own = networks == network
        if not own.all():
            for metric, value in predict(mlps, _constants(mlps, truth, ~own)).items():
                result[metric][own] = value[own]
    return result


def calibrate_pruning(
    mlps: Mlps, truth: Mapping[str, Array], networks: npt.NDArray[np.generic]
) -> Calibration:  # fmt: skip
    """How many weights are pruned by the size of a layer, and the error bars where nothing else is known about it."""
    held_out = left_out_pruning(mlps, truth, networks)
    bars = {metric: error_bar(held_out[metric], truth[metric]) for metric in METRICS}
    return Calibration({"density": _density(mlps, np.ones(len(networks), dtype=bool))}, bars, {})


def left_out_pruning(
    mlps: Mlps, truth: Mapping[str, Array], networks: npt.NDArray[np.generic]
) -> dict[str, Array]:  # fmt: skip
    """As `left_out_networks`, for designs of which nobody counted the zero weights."""
    result = {metric: np.full(len(networks), np.nan) for metric in METRICS}
    for network in np.unique(networks):
        own = networks == network
        if not own.all():
            density = _density(mlps, ~own)
            pruned = replace(mlps, nonzero=assumed_nonzero(mlps.n_in, mlps.n_out, density))
            for metric, value in predict(pruned, _constants(mlps, truth, ~own)).items():
                result[metric][own] = value[own]
    return result


def _density(mlps: Mlps, used: npt.NDArray[np.bool_]) -> dict[str, float]:
    layers = used[mlps.design]
    weights = (mlps.n_in * mlps.n_out)[layers]
    trust = weights**0.25  # the share in a layer of ten weights is mostly chance
    columns = np.stack([trust, trust * np.log10(weights)], axis=1)
    one, decade = np.linalg.lstsq(columns, trust * mlps.nonzero[layers] / weights, rcond=None)[0].tolist()
    return {"one": one, "decade": decade}


def predict(mlps: Mlps, constants: Mapping[str, Constants]) -> dict[str, Array]:
    """All metrics by given constants, each (designs,), in whole numbers."""
    scale = constants["scale"]
    values = counts(mlps, scale)
    for metric in ("lut", "ff"):
        values[metric] = known(mlps, metric, scale) + evaluate(terms(mlps, metric, scale), constants[metric])
    return {metric: np.rint(value) for metric, value in values.items()}


def _constants(mlps: Mlps, truth: Mapping[str, Array], used: npt.NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    scale = _scale(mlps, truth["dsp"], used)
    found = {"scale": scale}
    for metric in ("lut", "ff"):
        columns = {name: column[used] for name, column in terms(mlps, metric, scale).items()}
        found[metric] = fit(columns, truth[metric][used], known(mlps, metric, scale)[used])
    return found


def _scale(mlps: Mlps, dsp: Array, used: npt.NDArray[np.bool_]) -> dict[str, float]:
    """The deviations with the smallest mean relative error of the DSP blocks, where there are any."""
    judged = used & (dsp > 0)
    best, smallest = {"hidden": 1.0, "output": 1.0}, np.inf
    for hidden in SCALES["hidden"]:
        for output in SCALES["output"]:
            scale = {"hidden": round(float(hidden), 3), "output": round(float(output), 3)}
            error = np.abs(counts(mlps, scale)["dsp"][judged] / dsp[judged] - 1).mean() if judged.any() else 0.0
            if error < smallest:
                best, smallest = scale, error
    return best
