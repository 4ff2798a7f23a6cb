# SPDX-License-Identifier: Apache-2.0
"""Measured networks by set-up – one board, runtime and benchmark round – and what held-out networks are predicted.

In every set-up the prices of :mod:`hwsim.kernel_terms` are fitted to all networks but one and predict that one, both
its float and its int8 version; a network is what has the same layers, whatever it is called. Where a set-up leaves
prices open, the other devices of the table say in which proportion they stand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.columns import Column
from hwsim.kernel_fit import Measurements, common_shape, left_out, prices
from hwsim.kernel_terms import network_terms
from hwsim.validate.edge_networks import BITS, canonical, read_topologies, uncovered, workload_of
from hwsim.validate.rows import Rows, Texts

DTYPES = {"int8": "int8", "fp32/other": "fp32"}  # as the table writes them
# What a network's name says goes before the column. Signed and unsigned bytes are types of their own: TensorFlow Lite
# gives the former to XNNPACK and computes the latter by kernels of its own.
NAMED = {"-int8-": "int8", "_uint8-": "uint8"}
FEWEST = 5  # networks of a set-up in one number type; prices of fewer say little
CPU = "CPU"


@dataclass(frozen=True, eq=False)
class Setup:
    """The rows of one board, runtime, round and number type: `rows` are positions in the table."""

    device: str
    name: str
    dtype: str
    rows: npt.NDArray[np.intp]
    runs: Measurements
    speed: float  # cores times clock in MHz of the fastest cores; NaN where the table does not say


def counts_of(rows: Rows) -> tuple[Column, Texts]:
    """Counts (rows, prices), NaN where the layers are not known, and a name for what has the same layers (rows,)."""
    layers = read_topologies(rows.folder)
    known: dict[tuple[str, str], Column] = {}
    same: dict[str, str] = {}
    counts: list[Column | None] = []
    names = []
    models = [canonical(name) for name in rows.text("model").tolist()]
    for model, dtype in zip(models, dtypes_of(rows).tolist(), strict=True):
        if model not in layers or dtype not in BITS or uncovered(layers[model]):
            counts.append(None)
            names.append(model)
            continue
        key = (model, dtype)
        if key not in known:
            work = workload_of(layers[model], key[1], model)
            known[key] = network_terms(work, np.full(len(work.kernels), BITS[key[1]] / 8))
        counts.append(known[key])
        names.append(same.setdefault(repr(layers[model]), model))
    width = next((len(each) for each in counts if each is not None), 1)
    filled = [np.full(width, np.nan) if each is None else each for each in counts]
    return np.array(filled).reshape(len(counts), width), np.array(names, dtype=np.str_)


def dtypes_of(rows: Rows) -> Texts:
    """int8, uint8 or fp32 for every row, (rows,); what the table writes where it is none of them."""
    cells = zip(rows.text("model").tolist(), rows.text("dtype").tolist(), strict=True)
    said = [
        next((named for part, named in NAMED.items() if part in model), DTYPES.get(dtype, dtype))
        for model, dtype in cells
    ]
    return np.array(said, dtype=np.str_)


def setups(rows: Rows, time_us: Column) -> list[Setup]:
    """All set-ups with at least FEWEST networks of known layers."""
    counts, networks = counts_of(rows)
    known = np.isfinite(counts[:, 0]) & np.isfinite(time_us) & (time_us > 0)
    columns = [rows.text(name).tolist() for name in ("device", "device_kind", "system", "version")]
    columns.append(dtypes_of(rows).tolist())
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, key in enumerate(zip(*columns, strict=True)):
        if known[index]:
            groups.setdefault(key, []).append(index)
    found = []
    for (device, kind, system, version, dtype), members in groups.items():
        chosen = np.array(members, dtype=np.intp)
        if len(set(networks[chosen].tolist())) < FEWEST:
            continue
        runs = Measurements(counts[chosen], time_us[chosen], networks[chosen])
        speed = np.median([speed_of(rows, index) for index in members])
        found.append(Setup(f"{device}, {kind}", f"{system} {version}", dtype, chosen, runs, float(speed)))
    return found


def speed_of(rows: Rows, index: int) -> float:
    """Cores times clock in MHz of a row's fastest cores, NaN where one is not said."""
    cores, clock = (_first_number(rows.text(name)[index]) for name in ("cpu_cores", "cpu_freq"))
    return cores * clock


def _first_number(text: str) -> float:
    word = text.split(" ")[0]
    return float(word) if word.replace(".", "", 1).isdigit() else float("nan")


def predict_left_out(found: Sequence[Setup], rows: int) -> Column:
    """Time of every row in us by prices of its set-up's other networks, shape (rows,); NaN where not predicted."""
    predicted = np.full(rows, np.nan)
    guesses = guess_by_device(found)
    for setup in found:
        predicted[setup.rows] = left_out(setup.runs, guesses[setup.device, setup.dtype])
    return predicted


def guess_by_device(found: Sequence[Setup]) -> Mapping[tuple[str, str], Column | None]:
    """What all other devices' prices have in common, by device and number type."""
    own: dict[tuple[str, str], list[Column]] = {}
    reference: dict[str, Column] = {}
    for setup in found:
        reference.setdefault(setup.dtype, np.median(setup.runs.counts, axis=0))
        own.setdefault((setup.device, setup.dtype), []).append(prices(setup.runs))
    result = {}
    for device, dtype in own:
        shapes = [
            common_shape(each, reference[dtype]) for key, each in own.items() if key[1] == dtype and key[0] != device
        ]
        result[device, dtype] = common_shape([each for each in shapes if each is not None], reference[dtype])
    return result
