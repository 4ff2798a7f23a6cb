# SPDX-License-Identifier: Apache-2.0
"""Tables of FINN matrix-vector units after synthesis, one unit per row; slices are "data set/impl_type".

``cycles`` are those of a simulation, ``ii`` those between two inferences, which the table gives by FINN's formula.
"""

from collections.abc import Mapping

import numpy as np

from hwsim.fpga import finn_mvu
from hwsim.validate.rows import Rows, Texts
from hwsim.validate.table import Prediction, Table, truth_columns


def units_of(rows: Rows) -> finn_mvu.Units:
    """The units of a table's rows, NaN where a cell is no size; outputs per side are inputs - kernel + 1."""
    kernel, inputs = rows.size("K"), rows.size("IFMC")
    side = rows.size("IFMD") - kernel + 1
    return finn_mvu.Units(
        mw=kernel**2 * inputs, mh=rows.size("OFMC"), pe=rows.size("PE"), simd=rows.size("SIMD"),
        weight_bits=rows.size("weight_bits"), input_bits=rows.size("input_bits"),
        pixels=np.where(side >= 1, side, np.nan) ** 2,
    )  # fmt: skip


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    units, impl = units_of(rows), rows.text("impl")
    sizes = (units.mw, units.mh, units.pe, units.simd, units.weight_bits, units.input_bits)
    sized = np.isfinite(np.sum(sizes, axis=0))
    found = {metric: np.full((3, len(rows)), np.nan) for metric in ("lut", "ff", "cycles", "ii")}
    for kind in finn_mvu.IMPLEMENTATIONS:
        chosen = (impl == kind) & sized
        part = units.only(chosen)
        for metric, value, bar in (("lut", finn_mvu.lut(part, kind), finn_mvu.LUT_ERROR[kind]),
                                   ("ff", finn_mvu.ff(part, kind), finn_mvu.FF_ERROR[kind])):  # fmt: skip
            found[metric][:, chosen] = value, value / bar, value * bar
        cycles, interval = finn_mvu.latency(part), finn_mvu.interval(part)
        found["cycles"][:, chosen] = cycles, cycles - 1, cycles + 1
        found["ii"][:, chosen] = interval, interval, interval
    return {metric: Prediction(*columns) for metric, columns in found.items()}


def _slices(rows: Rows) -> Texts:
    names = zip(rows.text("impl").tolist(), rows.text("type").tolist(), strict=True)
    return np.array([f"finn_mvu_synth/{impl}_{kind}" for impl, kind in names], dtype=np.str_)


def _labels(rows: Rows) -> Texts:
    columns = ("sweep", "K", "IFMC", "OFMC", "PE", "SIMD")
    cells = zip(*(rows.text(name).tolist() for name in columns), strict=True)
    return np.array([" ".join(f"{n}={c}" for n, c in zip(columns, row, strict=True)) for row in cells], dtype=np.str_)


FINN_MVU_SYNTH = Table(
    name="finn_mvu_synth",
    required=("sweep", "impl", "type", "weight_bits", "input_bits", "IFMC", "IFMD", "OFMC", "K", "PE", "SIMD", "lut",
              "ff", "latency_cycles_reported", "cycles_formula"),
    truth=truth_columns({"lut": "lut", "ff": "ff", "cycles": "latency_cycles_reported", "ii": "cycles_formula"}),
    predict=_predict,
    slices=_slices,
    label=_labels,
)  # fmt: skip
