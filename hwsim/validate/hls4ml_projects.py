# SPDX-License-Identifier: Apache-2.0
"""Tables of whole hls4ml projects: totals of the HLS report beside topology, precision and pruning.

Predicted are networks of dense layers alone in the latency or the resource strategy with io_parallel. Whether
multipliers were forced into LUTs stands in the project's name only, as ``LUT_reuse…``. Slices are
"hls4ml_projects/strategy", with "rf1" for projects without reuse.
"""

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np

from hwsim.columns import Prediction
from hwsim.fpga import hls4ml_mlp, hls4ml_resource_mlp
from hwsim.fpga.hls4ml_constants import MLP_PRUNING
from hwsim.fpga.hls4ml_mlp import Mlps, cost
from hwsim.validate.mlp_rows import MlpRows
from hwsim.validate.rows import Mask, Rows, Texts
from hwsim.validate.table import Table, truth_columns
from hwsim.validate.text import outside

TRUTH = {
    "lut": "hls_lut",
    "ff": "hls_ff",
    "dsp": "hls_dsp",
    "bram18": "hls_bram18",
    "cycles": "lat_max",
    "ii": "ii_max",
}
OTHERS = ("conv1d", "conv2d", "gru", "lstm")  # layers of projects for which there are no formulas


def strategies(rows: Rows) -> Texts:
    """The strategies of every row in small letters; hls4ml writes them with a capital."""
    return np.char.lower(rows.text("strategies"))


def mlps(rows: Rows, strategy: str = "latency") -> tuple[Mask, Mlps]:
    """The rows that are multilayer perceptrons in a strategy, as a mask (rows,), and their configurations."""
    return MlpRows(
        rows.text("project"), rows.text("topology"), rows.text("weight_types"), strategies(rows),
        rows.text("io_type"), rows.text("nnz"), rows.number("clk_target_ns"),
    ).read(strategy)  # fmt: skip


def _counted(rows: Rows) -> Mask:
    """Whether the weights of every layer are counted."""
    cells = zip(rows.text("nnz").tolist(), rows.text("topology").tolist(), strict=True)
    return np.array([len(re.findall(r"\d+", count)) == text.count("dense(") for count, text in cells], dtype=np.bool_)


def networks(rows: Rows) -> Texts:
    """The network of every row: its topology without the reuse factors."""
    return np.array([re.sub(r",rf\d+", "", text) for text in rows.text("topology").tolist()])


def slices(rows: Rows) -> Texts:
    """The slice of every row."""
    strategy = np.where(strategies(rows) == "", "network", strategies(rows))
    single = np.isin(strategy, ("latency", "resource")) & (rows.text("reuse_factors") == "1")
    return np.char.add("hls4ml_projects/", np.where(single, "rf1", strategy))


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    known, found = mlps(rows)
    folded, folded_found = mlps(rows, "resource")
    of_counted, of_others, of_folded = (
        cost(found),
        cost(found, MLP_PRUNING.bars),
        hls4ml_resource_mlp.cost(folded_found),
    )
    counted = _counted(rows)[known]
    result = {}
    for metric, figure in of_counted.items():
        other = of_others[metric]
        columns = np.full((3, len(rows)), np.nan)
        columns[:, known] = (
            figure.value, np.where(counted, figure.low, other.low), np.where(counted, figure.high, other.high)
        )  # fmt: skip
        columns[:, folded] = of_folded[metric].value, of_folded[metric].low, of_folded[metric].high
        result[metric] = Prediction(*columns)
    return result


def _unpredicted(rows: Rows) -> list[str]:
    """A line on how many rows no formula is for, and why."""
    whole = MlpRows.misfiled(rows.text("project"))
    left = ~(mlps(rows)[0] | mlps(rows, "resource")[0] | whole)
    kinds = [[kind for kind in OTHERS if kind in text] for text in rows.text("topology")[left].tolist()]
    named = Counter(" and ".join(found) or "layers in another notation" for found in kinds)
    reasons = [f"{count} with {kind}" for kind, count in sorted(named.items())]
    reasons += [f"{int(whole.sum())} whose report is a copy of another's"] if whole.any() else []
    return [f"not predicted: {', '.join(reasons)}; formulas are those of dense networks"] if reasons else []


def _label(rows: Rows) -> Texts:
    return np.array(["/".join(text.split("/")[1:2] + text.split("/")[-1:]) for text in rows.text("project").tolist()])


HLS4ML_PROJECTS = Table(
    name="hls4ml_projects",
    required=(
        "project", "topology", "reuse_factors", "strategies", "io_type", "weight_types", "nnz", "clk_target_ns",
        *TRUTH.values(),
    ),
    truth=truth_columns(TRUTH),
    predict=_predict,
    slices=slices,
    label=_label,
    report=lambda rows: [*outside(hls4ml_mlp.outside(mlps(rows)[1]), "networks"), *_unpredicted(rows)],
)  # fmt: skip
