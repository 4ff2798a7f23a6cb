# SPDX-License-Identifier: Apache-2.0
"""Constants of the hls4ml resource models from a table of synthesised designs, and how well they carry over.

    python benchmarks/resource_model.py TABLE.csv [--no-baseline]

TABLE.csv is a table of hls4ml designs by layer or of whole projects (see `python -m hwsim.validate`). The first lines
are the constants, error bars and calibrated ranges as hwsim/fpga/hls4ml_constants.py keeps them. Then, for every slice
and metric, the sMAPE in percent of three predictions of the same rows: by constants fitted to other groups, by the
constants in the package, and by a gradient-boosted tree (scikit-learn, default settings, log of the counts) trained on
other groups. Groups are layer shapes – where a regime has a single shape, weight bits – and networks. "exact" is the
share of rows whose first prediction is the truth, "in bar" the share of rows around whose first prediction the
package's error bar holds the truth: of rows that are not in the table it should be BAR_SHARE or more.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy loads

import numpy as np
import numpy.typing as npt

from hwsim.columns import Prediction
from hwsim.errors import SlimfabError
from hwsim.fpga import (
    calibrate_dense,
    calibrate_fixed,
    calibrate_mlp,
    calibrate_streamed,
    hls4ml_activation,
    hls4ml_dense,
    hls4ml_mlp,
    hls4ml_resource_mlp,
    hls4ml_streamed,
)  # fmt: skip
from hwsim.fpga.hls4ml_constants import ACTIVATED, DENSE, MLP, MLP_PRUNING, RESOURCE_MLP, STREAMED, STREAMED_UNROLLED
from hwsim.fpga.linear import BAR_SHARE, Calibration
from hwsim.validate import hls4ml_projects, hls4ml_synth
from hwsim.validate.baseline_rows import activated_layers
from hwsim.validate.rows import Rows, read_rows
from hwsim.validate.scores import smape_of
from hwsim.validate.streamed_rows import streamed_layers
from hwsim.validate.table import recognise

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.str_]
METRICS = hls4ml_dense.METRICS
DIGITS = 4  # of the constants
SHIPPED = {
    **DENSE, **STREAMED, "MLP": MLP, "MLP_PRUNING": MLP_PRUNING, "STREAMED_UNROLLED": STREAMED_UNROLLED,
    "ACTIVATED": ACTIVATED, "RESOURCE_MLP": RESOURCE_MLP,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Study:
    """The rows a model covers: what is true, what is predicted, and what a tree may know; arrays by row."""

    slices: Labels
    groups: Labels
    truth: Mapping[str, Array]
    held_out: Mapping[str, Array]
    shipped: Mapping[str, Prediction]
    features: Array
    calibrations: Mapping[str, Calibration]


def main() -> int:
    """Print constants and errors."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--no-baseline", action="store_true", help="without the boosted tree")
    given = parser.parse_args()
    studies = {"hls4ml_synth": (of_layers, of_streams, of_activated), "hls4ml_projects": (of_projects, of_folded)}
    try:
        rows = read_rows(given.table)
        kind = recognise(rows, (hls4ml_synth.HLS4ML_SYNTH, hls4ml_projects.HLS4ML_PROJECTS), str(given.table))
        found = [study for make in studies[kind.name] for study in make(rows)]
    except SlimfabError as error:
        print(error, file=sys.stderr)
        return 2
    for study in found:
        print_constants(study.calibrations)
    print(f"\nerror bars hold {BAR_SHARE:.0%} of rows whose group was left out")
    print(f"{'slice':34} {'metric':8} {'n':>4} {'left out':>9} {'exact':>7} {'in bar':>7} {'package':>9} {'tree':>9}")
    for study in found:
        print("\n".join(lines(study, not given.no_baseline)))
    return 0


def of_layers(rows: Rows) -> Iterator[Study]:
    """Single dense layers."""
    known, layers = hls4ml_synth.dense_layers(rows)
    dense = rows.where(known)
    truth = {metric: np.rint(column) for metric, column in hls4ml_synth.HLS4ML_SYNTH.truth(dense).items()}
    shapes, kinds = dense_shapes(layers), hls4ml_dense.regime(layers)
    alone = [kind for kind in np.unique(kinds).tolist() if len(np.unique(shapes[kinds == kind])) == 1]
    bits = np.char.add(shapes, layers.weight_bits.astype(str))
    features = np.stack([layers.n_in, layers.n_out, layers.weight_bits, layers.reuse,
                         layers.n_in * layers.n_out / layers.reuse, layers.resource], axis=1)  # fmt: skip
    yield Study(
        hls4ml_synth.slices(dense), np.where(np.isin(kinds, alone), bits, shapes), truth,
        calibrate_dense.left_out_shapes(layers, truth),
        hls4ml_dense.cost(layers), features,
        calibrate_dense.calibrate(layers, truth),
    )  # fmt: skip


def dense_shapes(layers: hls4ml_dense.DenseLayers) -> Labels:
    """Names of the layers' shapes."""
    return np.array([f"{n:g}x{m:g} " for n, m in zip(layers.n_in, layers.n_out, strict=True)])


def of_streams(rows: Rows) -> Iterator[Study]:
    """Layers of streamed networks, a study per kind of layer."""
    pairs = []
    for known, layers in streamed_layers(rows):
        if not known.any():
            continue
        chosen = rows.where(known)
        table = hls4ml_synth.HLS4ML_SYNTH.truth(chosen)
        truth = {metric: np.rint(table[metric]) for metric in hls4ml_streamed.METRICS}
        shapes = np.array([f"{n:g}x{m:g}" for n, m in zip(layers.n_in, layers.n_out, strict=True)])
        length = np.nan_to_num(layers.length)
        pairs.append((layers, truth))
        found = {layers.kind: calibrate_streamed.calibrate(layers, truth)}
        if layers.kind == hls4ml_streamed.KINDS[-1]:
            found["STREAMED_UNROLLED"] = calibrate_streamed.calibrate_unrolled(pairs)
        yield Study(
            hls4ml_synth.slices(chosen), shapes, truth, calibrate_streamed.left_out_shapes(layers, truth),
            hls4ml_streamed.cost(layers),
            np.stack([layers.n_in, layers.n_out, length, layers.reuse], axis=1), found,
        )  # fmt: skip


def of_activated(rows: Rows) -> Iterator[Study]:
    """Dense layers with an activation; nothing is fitted, so that every prediction is one of a row left out."""
    known, layers = activated_layers(rows)
    if not known.any():
        return
    chosen = rows.where(known)
    table = hls4ml_synth.HLS4ML_SYNTH.truth(chosen)
    truth = {metric: np.rint(table[metric]) for metric in hls4ml_activation.METRICS}
    found = hls4ml_activation.cost(layers)
    columns = layers.n_in, layers.n_out, layers.table, layers.stream, layers.vivado, layers.version
    features = np.stack(columns, axis=1)
    yield Study(
        hls4ml_synth.slices(chosen), np.array([str(row) for row in features.tolist()]), truth,
        {metric: figure.value for metric, figure in found.items()}, found, features,
        {"ACTIVATED": calibrate_fixed.calibrate_activated(layers, truth)},
    )  # fmt: skip


def of_folded(rows: Rows) -> Iterator[Study]:
    """Perceptrons in the resource strategy; nothing is fitted, and they are too few for a tree."""
    known, mlps = hls4ml_projects.mlps(rows, "resource")
    if not known.any():
        return
    chosen = rows.where(known)
    truth = {metric: np.rint(column) for metric, column in hls4ml_projects.HLS4ML_PROJECTS.truth(chosen).items()}
    found = hls4ml_resource_mlp.cost(mlps)
    yield Study(
        hls4ml_projects.slices(chosen), hls4ml_projects.networks(chosen), truth,
        {metric: figure.value for metric, figure in found.items()}, found,
        np.zeros((len(chosen), 0)), {"RESOURCE_MLP": calibrate_fixed.calibrate_resource_mlps(mlps, truth)},
    )  # fmt: skip


def of_projects(rows: Rows) -> Iterator[Study]:
    """Whole multilayer perceptrons in the latency strategy whose weights are counted."""
    rows = rows.where(rows.text("nnz") != "")
    known, mlps = hls4ml_projects.mlps(rows)
    found = rows.where(known)
    truth = {metric: np.rint(column) for metric, column in hls4ml_projects.HLS4ML_PROJECTS.truth(found).items()}
    groups = hls4ml_projects.networks(found)
    features = np.stack([
        mlps.dense_layers, mlps.per_design(mlps.n_in * mlps.n_out), mlps.reuse[mlps.is_last], mlps.clock_ns,
        mlps.lut_multipliers, mlps.n_out[mlps.is_last], mlps.per_design(mlps.nonzero),
    ], axis=1)  # fmt: skip
    yield Study(
        hls4ml_projects.slices(found), groups, truth, calibrate_mlp.left_out_networks(mlps, truth, groups),
        hls4ml_mlp.cost(mlps), features, {"MLP": calibrate_mlp.calibrate(mlps, truth, groups)},
    )  # fmt: skip
    # As in tables that do not say how many weights are zero.
    pruned = replace(mlps, nonzero=hls4ml_mlp.assumed_nonzero(mlps.n_in, mlps.n_out))
    yield Study(
        np.char.add(hls4ml_projects.slices(found), ", uncounted"), groups, truth,
        calibrate_mlp.left_out_pruning(mlps, truth, groups), hls4ml_mlp.cost(pruned, MLP_PRUNING.bars),
        features[:, :-1], {"MLP_PRUNING": calibrate_mlp.calibrate_pruning(mlps, truth, groups)},
    )  # fmt: skip


def lines(study: Study, with_tree: bool) -> Iterator[str]:
    """A line per slice and metric."""
    metrics = [metric for metric in METRICS if metric in study.truth]
    trees = {metric: boosted(study.features, study.truth[metric], study.groups) for metric in metrics if with_tree}
    for name in np.unique(study.slices).tolist():
        for metric in metrics:
            yield line(study, name, metric, trees.get(metric))


def line(study: Study, name: str, metric: str, tree: Array | None) -> str:
    """One line of the table."""
    own, truth, ours, shipped = study.slices == name, study.truth[metric], study.held_out[metric], study.shipped[metric]
    bar = (shipped.high - shipped.value) / np.maximum(shipped.value, 1.0) * np.maximum(ours, 1.0) + 0.5
    figures = [smape(ours[own], truth[own]), 100 * float((ours[own] == truth[own]).mean()),
               100 * float((np.abs(ours - truth)[own] <= bar[own]).mean()), smape(shipped.value[own], truth[own]),
               np.nan if tree is None else smape(tree[own], truth[own])]  # fmt: skip
    return f"{name:34} {metric:8} {own.sum():4} " + " ".join(
        f"{figure:{width}.2f}" for figure, width in zip(figures, (9, 7, 7, 9, 9), strict=True)
    )


def print_constants(found: Mapping[str, Calibration]) -> None:
    """The calibrations as a Python literal, and whether the package has the same."""
    for kind, one in found.items():
        constants = {metric: {term: rounded(value) for term, value in terms.items()}
                     for metric, terms in one.constants.items()}  # fmt: skip
        bars = {metric: rounded(value) for metric, value in one.bars.items()}
        again = Calibration(constants, bars, one.range)
        print(f"{kind!r}: {again!r},  # {'as in the package' if again == SHIPPED[kind] else 'the package differs'}")


def rounded(value: float) -> float:
    """With DIGITS significant digits, and no rounding noise around 0."""
    return float(f"{value:.{DIGITS}g}") if abs(value) > 1e-9 else 0.0


def smape(predicted: Array, truth: Array) -> float:
    """Mean over the rows that are predicted."""
    given = np.isfinite(predicted)
    return float(smape_of(np.rint(predicted[given]), truth[given]).mean()) if given.any() else float("nan")


def boosted(features: Array, truth: Array, groups: Labels) -> Array:
    """Predictions of every group by a gradient-boosted tree trained on the others."""
    from sklearn.ensemble import GradientBoostingRegressor

    predicted = np.full(len(truth), np.nan)
    for group in np.unique(groups):
        own = groups == group
        if own.all() or not features.size:
            continue
        tree = GradientBoostingRegressor(random_state=0).fit(features[~own], np.log1p(truth[~own]))
        predicted[own] = np.expm1(tree.predict(features[own]))
    return predicted


if __name__ == "__main__":
    sys.exit(main())
