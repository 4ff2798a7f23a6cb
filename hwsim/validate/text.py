# SPDX-License-Identifier: Apache-2.0
"""Scores as lines of text."""

from collections.abc import Iterator, Mapping

import numpy as np

from hwsim.validate.rows import Mask
from hwsim.validate.scores import Score

HEAD = f"{'metric':8} {'n':>5} {'unpredicted':>11} {'MAPE':>7} {'sMAPE':>7} {'R2':>7} {'in bar':>7} {'exact':>7}"


def lines(result: Mapping[str, Mapping[str, Score]]) -> Iterator[str]:
    """One block per slice: a line per metric, and its worst rows as ``row: predicted instead of true``."""
    for name, found in result.items():
        if not found:
            continue
        yield name
        yield f"  {HEAD}  worst rows: predicted / true"
        for metric, score in found.items():
            worst = "; ".join(f"{row}: {p:.5g} / {y:.5g}" for row, p, y in score.worst)
            yield (
                f"  {metric:8} {score.n:5} {score.unpredicted:11} {_percent(score.mape)} {_percent(score.smape)} "
                f"{_ratio(score.r2)} {_share(score.within_error_bar)} {_share(score.exact)}  {worst}".rstrip()
            )
        yield ""


def _percent(value: float | None) -> str:
    return f"{'-':>7}" if value is None else f"{value:6.1f}%"


def _share(value: float | None) -> str:
    return f"{'-':>7}" if value is None else f"{100 * value:6.1f}%"


def _ratio(value: float | None) -> str:
    return f"{'-':>7}" if value is None else f"{value:7.3f}"


def outside(masks: Mapping[str, Mask], rows: str) -> list[str]:
    """A line on how many `rows` lie outside the calibrated range, and in which parameters; none if none do."""
    counts = {name: int(mask.sum()) for name, mask in masks.items() if mask.any()}
    if not counts:
        return []
    total = int(np.logical_or.reduce(list(masks.values())).sum())
    named = ", ".join(f"{name} {count}" for name, count in counts.items())
    return [f"{rows}: {total} outside the calibrated range, where error bars do not hold ({named})"]
