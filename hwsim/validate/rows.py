# SPDX-License-Identifier: Apache-2.0
"""A CSV file as columns of text and of numbers."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError

Numbers = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a table: texts of shape (rows,) by column name; ``folder`` holds the files that cells name."""

    texts: Mapping[str, Texts]
    folder: Path = Path()

    def __len__(self) -> int:
        return len(next(iter(self.texts.values()))) if self.texts else 0

    def text(self, column: str) -> Texts:
        """The column as it is written."""
        return self.texts[column]

    def number(self, column: str) -> Numbers:
        """The column as numbers; NaN where it is empty.

        Raises:
            InputError: a cell is neither empty nor a number.
        """
        return np.array([_number(cell, row, column) for row, cell in enumerate(self.texts[column])], dtype=np.float64)

    def size(self, column: str, largest: float = 2.0**20) -> Numbers:
        """The column as whole numbers from 1 to `largest`; NaN where it is anything else, such as 0 or infinite.

        Raises:
            InputError: a cell is neither empty nor a number.
        """
        found = self.number(column)
        with np.errstate(invalid="ignore"):  # infinity has no rest
            whole = (found >= 1) & (found <= largest) & (np.mod(found, 1) == 0)
        return np.where(whole, found, np.nan)

    def where(self, mask: Mask) -> "Rows":
        """The rows of a mask of shape (rows,)."""
        return Rows({name: column[mask] for name, column in self.texts.items()}, self.folder)


def read_rows(path: Path) -> Rows:
    """Read a CSV file with a header line.

    Raises:
        InputError: no such file, not UTF-8 text, no rows, a column twice, or a row with more or fewer cells than the
            header. Empty lines are none.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *lines = [line for line in csv.reader(file) if line] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: got {error}; expected a CSV file; check the path") from None
    if not lines:
        raise InputError(f"{path}: got no rows; expected a header line and at least one row; check the file")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"{path}: got column {twice[0]} twice; expected every column once; rename one")
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise InputError(
                f"{path}: row {number} has {len(line)} cells; expected {len(header)} as in the header; check the row"
            )
    columns = zip(*lines, strict=True)  # an array each: all cells of an array are as wide as its widest
    return Rows(
        {name: np.array(cells, dtype=np.str_) for name, cells in zip(header, columns, strict=True)}, path.parent
    )


def _number(cell: str, row: int, column: str) -> float:
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        raise InputError(
            f"{column}: got '{cell}' in row {row + 2}; expected a number or an empty cell; check the table"
        ) from None
