# SPDX-License-Identifier: Apache-2.0
"""Constants of the resource models from a table of synthesised designs, and how well they carry over to other shapes.

    python benchmarks/resource_model.py TABLE.csv [--no-baseline]

TABLE.csv is a table of hls4ml designs by layer (see `python -m hwsim.validate`). The first lines are the constants,
error bars and calibrated ranges as hwsim/fpga/hls4ml_constants.py keeps them. Then, for every slice and metric, the
sMAPE in percent of three predictions of the same rows: by constants fitted to other shapes, by the constants of
all rows, and by a gradient-boosted tree (scikit-learn, default settings, log of the counts) trained on other shapes.
A regime with a single shape is split by weight bits instead. "exact" is the share of rows whose first prediction is
the truth.
"""

import argparse
import os
import sys
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np
import numpy.typing as npt

from hwsim.errors import SlimfabError
from hwsim.fpga.calibrate_dense import calibrate, left_out_shapes
from hwsim.fpga.hls4ml_dense import METRICS, DenseLayers, cost, regime
from hwsim.fpga.linear import Calibration
from hwsim.validate.hls4ml_synth import HLS4ML_SYNTH, dense_layers, slices
from hwsim.validate.rows import read_rows
from hwsim.validate.scores import smape_of
from hwsim.validate.table import recognise

Array = npt.NDArray[np.float64]
DIGITS = 4  # of the constants


def main() -> int:
    """Print constants and errors."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--no-baseline", action="store_true", help="without the boosted tree")
    given = parser.parse_args()
    try:
        rows = read_rows(given.table)
        recognise(rows, (HLS4ML_SYNTH,), str(given.table))
    except SlimfabError as error:
        print(error, file=sys.stderr)
        return 2
    known, layers = dense_layers(rows)
    dense = rows.where(known)
    truth = {metric: np.rint(column) for metric, column in HLS4ML_SYNTH.truth(dense).items()}
    print_constants(calibrate(layers, truth))
    held_out, shipped = left_out_shapes(layers, truth), cost(layers)
    trees = {} if given.no_baseline else {metric: boosted(layers, truth[metric]) for metric in METRICS}
    names = slices(dense)
    print(f"\n{'slice':28} {'metric':8} {'n':>4} {'left out':>9} {'exact':>7} {'all rows':>9} {'tree':>9}")
    for name in np.unique(names).tolist():
        for metric in METRICS:
            own, y = names == name, truth[metric]
            ours = held_out[metric]
            figures = [smape(ours[own], y[own]), 100 * float((ours[own] == y[own]).mean()),
                       smape(shipped[metric].value[own], y[own]),
                       smape(trees[metric][own], y[own]) if trees else np.nan]  # fmt: skip
            print(f"{name:28} {metric:8} {own.sum():4} " + " ".join(
                f"{figure:{width}.2f}" for figure, width in zip(figures, (9, 7, 9, 9), strict=True)))  # fmt: skip
    return 0


def print_constants(found: dict[str, Calibration]) -> None:
    """The calibrations as a Python literal."""
    for kind, one in found.items():
        constants = {metric: {term: rounded(value) for term, value in terms.items()}
                     for metric, terms in one.constants.items()}  # fmt: skip
        bars = {metric: rounded(value) for metric, value in one.bars.items()}
        print(f"{kind!r}: {Calibration(constants, bars, one.range)!r},")


def rounded(value: float) -> float:
    """With DIGITS significant digits, and no rounding noise around 0."""
    return float(f"{value:.{DIGITS}g}") if abs(value) > 1e-9 else 0.0


def smape(predicted: Array, truth: Array) -> float:
    """Mean over the rows that are predicted."""
    given = np.isfinite(predicted)
    return float(smape_of(np.rint(predicted[given]), truth[given]).mean()) if given.any() else float("nan")


def boosted(layers: DenseLayers, truth: Array) -> Array:
    """Predictions of a gradient-boosted tree trained on the other shapes of all regimes."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    features = np.stack([layers.n_in, layers.n_out, layers.weight_bits, layers.reuse,
                         layers.n_in * layers.n_out / layers.reuse, layers.resource], axis=1)  # fmt: skip
    shapes, kinds = layers.n_in + 1j * layers.n_out, regime(layers)
    alone = {kind for kind in np.unique(kinds).tolist() if len(np.unique(shapes[kinds == kind])) == 1}
    groups = [f"{shape} {bits}" if kind in alone else f"{shape}"
              for shape, bits, kind in zip(shapes, layers.weight_bits, kinds, strict=True)]  # fmt: skip
    labels = np.array(groups)
    predicted = np.full(len(truth), np.nan)
    for group in np.unique(labels):
        own = labels == group
        tree = HistGradientBoostingRegressor(random_state=0).fit(features[~own], np.log1p(truth[~own]))
        predicted[own] = np.expm1(tree.predict(features[own]))
    return predicted


if __name__ == "__main__":
    sys.exit(main())
