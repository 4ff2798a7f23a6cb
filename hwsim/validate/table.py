# SPDX-License-Identifier: Apache-2.0
"""What a kind of table is, and which kind a CSV is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.columns import Prediction
from hwsim.errors import InputError
from hwsim.validate.rows import Numbers, Rows, Texts

__all__ = ["METRICS", "Prediction", "Table", "recognise", "truth_columns"]

METRICS = ("lut", "ff", "dsp", "bram18", "cycles", "ii", "latency", "energy")


@dataclass(frozen=True)
class Table:
    """A kind of table.

    Args:
        name: what the table is called in messages and in the names of its slices.
        required: the columns it must have; more are allowed.
        truth: what the table says, by metric of METRICS, each (rows,); NaN where it says nothing.
        predict: what a model says of the rows' configurations, by metric. It must not read a column of `truth`,
            unless the model is fitted to the table: then each row's prediction comes from rows of other networks.
        slices: the slice each row belongs to, (rows,), as "data set/slice".
        label: what a row is called among the worst ones, (rows,).
        report: lines about rows together, such as what the layers of a network amount to.
    """

    name: str
    required: tuple[str, ...]
    truth: Callable[[Rows], Mapping[str, Numbers]]
    predict: Callable[[Rows], Mapping[str, Prediction]]
    slices: Callable[[Rows], Texts]
    label: Callable[[Rows], Texts]
    report: Callable[[Rows], Sequence[str]] = lambda rows: ()


def truth_columns(columns: Mapping[str, str]) -> Callable[[Rows], Mapping[str, Numbers]]:
    """The `truth` of a table that states each metric in a column of its own: {metric: column}."""
    return lambda rows: {metric: rows.number(column) for metric, column in columns.items()}


def recognise(rows: Rows, tables: Sequence[Table], where: str = "table") -> Table:
    """The kind of table that `rows` are: the one that requires most of the columns there.

    Raises:
        InputError: some columns of every kind are missing; the message names those of the nearest kind.
    """
    present = set(rows.texts)
    whole = [table for table in tables if present.issuperset(table.required)]
    if whole:
        return max(whole, key=lambda table: len(table.required))
    nearest = max(tables, key=lambda table: np.mean([name in present for name in table.required]))
    missing = [name for name in nearest.required if name not in present]
    raise InputError(
        f"{where}: missing columns {', '.join(missing)}; expected those of {nearest.name}, the nearest of "
        f"{', '.join(table.name for table in tables)}; add them"
    )
