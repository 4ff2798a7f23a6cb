# SPDX-License-Identifier: Apache-2.0
"""Errors of predictions per slice and metric.

Counts – resources, cycles – are whole numbers and compared as such: both sides are rounded first.

* ``mape``    mean of 100 |p - y| / |y| over the rows with y != 0
* ``smape``   mean of 200 |p - y| / (|p| + |y|), 0 / 0 = 0
* ``r2``      1 - sum (p - y)^2 / sum (y - mean y)^2
* ``within_error_bar``   share of rows with low <= y <= high
* ``exact``   share of rows with p == y
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.columns import Prediction
from hwsim.validate.rows import Numbers, Rows
from hwsim.validate.table import METRICS, Table

COUNTS = ("lut", "ff", "dsp", "bram18", "cycles", "ii")
WORST = 3  # rows named per metric


@dataclass(frozen=True)
class Score:
    """How well one metric of one slice is predicted; errors in percent, None where they are not defined."""

    n: int  # rows predicted
    unpredicted: int  # rows the table has a value for and the model has none
    mape: float | None
    smape: float | None
    r2: float | None
    within_error_bar: float | None
    exact: float | None
    worst: tuple[tuple[str, float, float], ...]  # (row, predicted, true), the largest sMAPE first

    def record(self) -> dict[str, Any]:
        """What goes into the JSON file."""
        names = ("n", "unpredicted", "mape", "smape", "r2", "within_error_bar")
        return {name: getattr(self, name) for name in names}


def scores(table: Table, rows: Rows) -> dict[str, dict[str, Score]]:
    """Predict every row and compare: {slice: {metric: score}}, slices in alphabetical order."""
    truth, predicted = table.truth(rows), table.predict(rows)
    slices, labels = table.slices(rows), table.label(rows)
    result: dict[str, dict[str, Score]] = {}
    for name in sorted(set(slices.tolist())):
        chosen = slices == name
        found = {
            metric: score_of(metric, truth[metric][chosen], _select(predicted.get(metric), chosen), labels[chosen])
            for metric in METRICS
            if metric in truth and np.isfinite(truth[metric][chosen]).any()
        }
        result[name] = found
    return result


def score_of(metric: str, truth: Numbers, predicted: Prediction, labels: npt.NDArray[np.str_]) -> Score:
    """The score of one metric over the rows that have a true value."""
    known = np.isfinite(truth)
    given = known & np.isfinite(predicted.value)
    if not given.any():
        return Score(0, int(known.sum()), None, None, None, None, None, ())
    p, y = predicted.value[given], truth[given]
    if metric in COUNTS:
        p, y = np.rint(p), np.rint(y)
    error = np.abs(p - y)
    symmetric = smape_of(p, y)
    nonzero = y != 0
    worst = [index for index in np.argsort(-symmetric, kind="stable")[:WORST] if error[index] > 0]
    # A bar of whole numbers is as wide as the whole numbers it touches.
    slack = 0.5 if metric in COUNTS else 0.0
    inside = (predicted.low[given] - slack <= y) & (y <= predicted.high[given] + slack)
    return Score(
        n=int(given.sum()), unpredicted=int((known & ~given).sum()),
        mape=100 * float((error[nonzero] / np.abs(y[nonzero])).mean()) if nonzero.any() else None,
        smape=float(symmetric.mean()), r2=_r2(p, y),
        within_error_bar=float(inside.mean()), exact=float((error == 0).mean()),
        worst=tuple((str(labels[given][index]), float(p[index]), float(y[index])) for index in worst),
    )  # fmt: skip


def _r2(p: Numbers, y: Numbers) -> float | None:
    with np.errstate(over="ignore"):
        spread, missed = float(((y - y.mean()) ** 2).sum()), float(((p - y) ** 2).sum())
    return 1 - missed / spread if 0 < spread < np.inf and missed < np.inf else None


def smape_of(predicted: Numbers, truth: Numbers) -> Numbers:
    """200 |p - y| / (|p| + |y|) of every row in percent, 0 where both are 0."""
    size = np.abs(predicted) + np.abs(truth)
    return np.asarray(200 * np.abs(predicted - truth) / np.where(size > 0, size, 1.0))


def as_json(result: Mapping[str, Mapping[str, Score]]) -> dict[str, dict[str, dict[str, Any]]]:
    """``{slice: {metric: {n, unpredicted, mape, smape, r2, within_error_bar}}}``."""
    return {name: {metric: score.record() for metric, score in found.items()} for name, found in result.items()}


def _select(predicted: Prediction | None, chosen: npt.NDArray[np.bool_]) -> Prediction:
    if predicted is None:
        nothing = np.full(int(chosen.sum()), np.nan)
        return Prediction(nothing, nothing, nothing)
    return Prediction(predicted.value[chosen], predicted.low[chosen], predicted.high[chosen])
