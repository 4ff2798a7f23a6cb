# SPDX-License-Identifier: Apache-2.0
"""Fit LUT and flip-flop factors of FINN's matrix-vector units, and errors on sweeps that were left out.

    python benchmarks/finn_mvu.py TABLE.csv

TABLE has the columns of `hwsim.validate`'s finn_mvu_synth. Factors are not negative and fitted to relative errors; of
parts whose size is known by definition they are pulled towards 1 by as much as one row pulls. This is done once with
all rows (printed as they stand in hwsim/fpga/finn_mvu.py, and compared with what stands there) and once per sweep
without its rows and without the units that another sweep has in common with it. Beside the errors stand those of
gradient-boosted trees under the same split, by sweep and by the slices of `hwsim.validate`.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.optimize import nnls
from sklearn.ensemble import GradientBoostingRegressor

from hwsim.fpga import finn_mvu
from hwsim.fpga.finn_mvu import Terms, ff_terms, lut_terms
from hwsim.fpga.linear import BAR_SHARE, share_of
from hwsim.validate.finn_mvu_synth import FINN_MVU_SYNTH, units_of
from hwsim.validate.rows import Rows, read_rows
from hwsim.validate.scores import smape_of

ROUNDS = 20  # of reweighting, from squared towards absolute errors
SMALL = 0.03  # relative errors below it weigh alike
FREE = {"lut": ("unit", "rows"), "ff": ("unit",)}  # factors without a size by definition
SHIPPED = {"lut": (finn_mvu.LUT_FACTORS, finn_mvu.LUT_ERROR), "ff": (finn_mvu.FF_FACTORS, finn_mvu.FF_ERROR)}


def main() -> None:
    """Print factors and errors."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("table", type=Path)
    rows = read_rows(parser.parse_args().table)
    units = units_of(rows)
    for resource, terms_of in (("lut", lut_terms), ("ff", ff_terms)):
        for kind in ("hls", "rtl"):
            study(rows, resource, kind, terms_of(units, kind))


def study(rows: Rows, resource: str, kind: str, terms: Terms) -> None:
    """Factors, error bar and left-out errors of one resource of one kind of unit."""
    truth = rows.number(resource)
    known = (rows.text("impl") == kind) & np.isfinite(truth)
    found = {name: round(float(value), 3) for name, value in fitted(terms, truth, known, FREE[resource]).items()}
    ours, trees = left_out(rows, terms, truth, known, FREE[resource])
    off = np.exp(np.abs(np.log(ours[known] / truth[known])))
    bar = round(share_of(off), 2)
    print(f"{resource} {kind}: {found}, {BAR_SHARE:.0%} within a factor of {bar}")
    factors, bars = SHIPPED[resource]
    same = factors[kind] == found and bars[kind] == bar
    print("  as in the package" if same else f"  the package has {factors[kind]}, {bars[kind]}")
    for title, groups in (("without", rows.text("sweep")), ("slice", FINN_MVU_SYNTH.slices(rows)), ("all", None)):
        for name in sorted(set(groups[known].tolist())) if groups is not None else [""]:
            test = known & (groups == name) if groups is not None else known
            print(f"  {title:8} {name:32} {test.sum():3} units: sMAPE {error(ours, truth, test):5.1f} %, "
                  f"trees {error(trees, truth, test):5.1f} %")  # fmt: skip


def error(predicted: np.ndarray, truth: np.ndarray, rows: np.ndarray) -> float:
    """Mean sMAPE of the rows, %."""
    return float(smape_of(predicted[rows], truth[rows]).mean())


def left_out(
    rows: Rows, terms: Terms, truth: np.ndarray, known: np.ndarray, free: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Predictions of every sweep by factors, and by trees, that were fitted without it."""
    same = np.array(["/".join(key) for key in zip(*(rows.text(name).tolist() for name in (
        "type", "IFMC", "OFMC", "K", "PE", "SIMD")), strict=True)])  # fmt: skip
    sweep = rows.text("sweep")
    ours, trees = np.full(len(truth), np.nan), np.full(len(truth), np.nan)
    for name in sorted(set(sweep[known].tolist())):
        test = known & (sweep == name)
        train = known & (sweep != name) & ~np.isin(same, same[test])
        ours[test] = total(terms, fitted(terms, truth, train, free))[test]
        trees[test] = trees_of(rows, truth, train, test)
    return ours, trees


def fitted(terms: Terms, truth: np.ndarray, rows: np.ndarray, free: tuple[str, ...]) -> dict[str, float]:
    """Non-negative factors of the terms that make relative errors small, between squared and absolute ones."""
    matrix = np.stack([term[rows] for term in terms.values()], axis=1) / truth[rows][:, None]
    pulled = np.array([float(name not in free) for name in terms])
    weight = np.ones(len(matrix))
    for _ in range(ROUNDS):
        found, _ = nnls(np.vstack([matrix * weight[:, None], np.diag(pulled)]), np.concatenate([weight, pulled]))
        weight = 1 / np.sqrt(np.maximum(np.abs(matrix @ found - 1), SMALL))
    return dict(zip(terms, found.tolist(), strict=True))


def total(terms: Terms, factors: dict[str, float]) -> np.ndarray:
    """The sum of all terms."""
    return np.sum([factor * terms[name] for name, factor in factors.items()], axis=0)


def trees_of(rows: Rows, truth: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """What gradient-boosted trees say of the rows to test."""
    names = ("weight_bits", "input_bits", "IFMC", "OFMC", "K", "PE", "SIMD")
    features = np.stack([rows.number(name) for name in names], axis=1)
    model = GradientBoostingRegressor(random_state=0).fit(features[train], np.log(truth[train]))
    return np.exp(model.predict(features[test]))


if __name__ == "__main__":
    main()
