# SPDX-License-Identifier: Apache-2.0
"""Power from a Joulescope's or another meter's CSV file, for boards without sensors of their own.

The first line that is no comment names the columns; needed are a time and either a power or a current and a voltage,
spelled like ``time``, ``current (A)``, ``voltage`` or ``power``. Lines that begin with # are comments.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

from boards.power import Power, Window
from hwsim.errors import InputError, ModelFileError

RAIL = "board supply"


def read_window(path: Path | str) -> Window:
    """The samples of a file.

    Raises:
        ModelFileError: it cannot be read, lacks a column, or holds something else than numbers.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(line for line in file if not line.startswith("#")) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelFileError(f"{path}: cannot read ({error}); export the samples as CSV") from error
    if not lines:
        raise ModelFileError(f"{path}: is empty; expected a line of column names; export the samples as CSV")
    names = [name.split("(")[0].strip().lower() for name in lines[0]]
    if "time" not in names or not ("power" in names or {"current", "voltage"} <= set(names)):
        raise ModelFileError(
            f"{path}: got columns {', '.join(names)}; expected time and power, or time, current and voltage"
        )
    times, watts = [], []
    for number, line in enumerate(lines[1:], 2):
        try:
            row = {name: float(text) for name, text in zip(names, line, strict=True)}
        except ValueError as error:
            raise ModelFileError(
                f"{path}: row {number}: got {','.join(line)!r}; expected {len(names)} numbers"
            ) from error
        if not all(map(math.isfinite, row.values())):
            continue  # a gap: the meter lost samples
        times.append(row["time"])
        watts.append(row["power"] if "power" in names else row["current"] * row["voltage"])
    return Window(tuple(times), tuple(watts))


def power(idle: Path | str, busy: Path | str, inferences_per_s: float, rail: str = RAIL) -> Power:
    """Two files, at rest and at work, as the power of one rail.

    Args:
        busy: any part of the time at work, at a steady rate of inferences.

    Raises:
        ModelFileError: see :func:`read_window`.
        InputError: there are fewer than two samples, or no inference.
    """
    windows = read_window(idle), read_window(busy)
    if min(len(window.watts) for window in windows) < 2 or not inferences_per_s > 0:
        counts = [len(window.watts) for window in windows]
        raise InputError(
            f"{rail}: got {counts} samples and {inferences_per_s:g} inferences per second; expected 2 and > 0; "
            "record longer"
        )
    return Power(rail, windows[:1], windows[1:], (windows[1].seconds * inferences_per_s,))
