# SPDX-License-Identifier: Apache-2.0
"""Fit LUT and flip-flop factors of FINN's matrix-vector units, and errors on sweeps that were left out.

    python benchmarks/finn_mvu.py TABLE.csv

TABLE has the columns of `hwsim.validate`'s finn_mvu_synth. Factors are not negative and fitted to relative errors; of
parts whose size is known by definition they are pulled towards 1 by as much as one row pulls. This is done once with
all rows (printed as they stand in hwsim/fpga/finn_mvu.py) and once per sweep without its rows and without the units
that another sweep has in common with it. Beside the errors stand those of gradient-boosted trees under the same split.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.optimize import nnls
from sklearn.ensemble import GradientBoostingRegressor

from hwsim.fpga.finn_mvu import Terms, ff_terms, lut_terms
from hwsim.validate.finn_mvu_synth import units_of
from hwsim.validate.rows import Rows, read_rows
from hwsim.validate.scores import smape_of

ROUNDS = 20  # of reweighting, from squared towards absolute errors
SMALL = 0.03  # relative errors below it weigh alike
FREE = {"lut": ("unit",), "ff": ("unit", "accumulate")}  # factors without a size by definition


def main() -> None:
    """Print factors and errors."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("table", type=Path)
    rows = read_rows(parser.parse_args().table)
    units = units_of(rows)
    impl, sweep = rows.text("impl"), rows.text("sweep")
    same = np.array(["/".join(key) for key in zip(*(rows.text(name).tolist() for name in (
        "type", "IFMC", "OFMC", "K", "PE", "SIMD")), strict=True)])  # fmt: skip
    for resource, terms_of in (("lut", lut_terms), ("ff", ff_terms)):
        truth = rows.number(resource)
        errors, factors = [], []
        for kind in ("hls", "rtl"):
            terms = terms_of(units, kind)
            known = (impl == kind) & np.isfinite(truth)
            found = fitted(terms, truth, known, FREE[resource])
            print(f"{resource} {kind}: {{" + ", ".join(f'"{name}": {value:.3f}' for name, value in found.items()) + "}")
            for name in sorted(set(sweep[known].tolist())):
                test = known & (sweep == name)
                train = known & (sweep != name) & ~np.isin(same, same[test])
                predicted = total(terms, fitted(terms, truth, train, FREE[resource]))[test]
                trees = trees_of(rows, truth, train, test)
                error = smape_of(predicted, truth[test])
                errors += error.tolist()
                factors += np.exp(np.abs(np.log(predicted / truth[test]))).tolist()
                print(f"  without {name:18} {test.sum():3} units: sMAPE {error.mean():5.1f} %, "
                      f"trees {smape_of(trees, truth[test]).mean():5.1f} %")  # fmt: skip
        print(f"{resource}: left-out sMAPE {np.mean(errors):.1f} %, "
              f"90 % within a factor of {np.quantile(factors, 0.9):.2f}\n")  # fmt: skip


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
