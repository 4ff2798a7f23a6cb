# SPDX-License-Identifier: Apache-2.0
"""Tables of SCALE-Sim results: matrix products on systolic arrays without memory stalls, one per row."""

from collections.abc import Mapping

import numpy as np

from hwsim.systolic import DATAFLOWS, cycles
from hwsim.validate.rows import Rows, Texts
from hwsim.validate.table import Prediction, Table, truth_columns

SIZES = ("M", "N", "K", "array_rows", "array_cols")


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    dataflow = rows.text("dataflow")
    found = np.full(len(rows), np.nan)
    sizes = np.stack([rows.size(name) for name in SIZES])
    whole = np.isfinite(sizes).all(axis=0)
    for name in DATAFLOWS:
        chosen = whole & (dataflow == name)
        m, n, k, height, width = sizes[:, chosen]
        found[chosen] = cycles(m, n, k, height, width, name)
    return {"cycles": Prediction(found, found, found)}


def _labels(rows: Rows) -> Texts:
    cells = zip(*(rows.text(name).tolist() for name in SIZES), strict=True)
    return np.array(["x".join(row) for row in cells], dtype=np.str_)


SCALESIM = Table(
    name="scalesim",
    required=(*SIZES, "dataflow", "cycles"),
    truth=truth_columns({"cycles": "cycles"}),
    predict=_predict,
    slices=lambda rows: np.char.add("scalesim/", rows.text("dataflow")),
    label=_labels,
)
