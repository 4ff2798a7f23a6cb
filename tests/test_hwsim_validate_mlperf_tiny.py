# SPDX-License-Identifier: Apache-2.0
"""MLPerf Tiny: the networks' published sizes, and made-up submissions that follow known prices."""

import csv

import numpy as np
import pytest

from hwsim.validate import read_rows, recognise, scores
from hwsim.validate.mlperf_tiny import MLPERF_TINY, order, predict_processors, submissions
from hwsim.validate.tables import TABLES
from hwsim.validate.tiny_networks import BENCHMARKS, TERMS, counts

PRICE_US = dict(zip(TERMS, (50.0, 0.02, 0.05, 0.03), strict=True))


def submission(system, factor=1.0, networks=tuple(BENCHMARKS), **changes):
    price = np.array(list(PRICE_US.values()))
    rows = []
    for name in networks:
        row = dict.fromkeys(MLPERF_TINY.required, "") | {
            "version": "v1.0", "submitter": f"{system}-maker", "system": system, "benchmark": name,
            "framework": "quick", "latency_ms": float(counts(name) @ price) * factor / 1e3,
            "processor": "Arm Cortex-M4", "proc_freq": "100 MHz",
        }  # fmt: skip
        rows.append(row | changes)
    return rows


def table(folder, rows):
    path = folder / "tiny.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, MLPERF_TINY.required)
        writer.writeheader()
        writer.writerows(rows)
    return read_rows(path)


@pytest.mark.parametrize(
    # Products of the reference networks: arXiv:2106.07597 and github:mlcommons/tiny, benchmark/training
    ("name", "products"),
    [("ad", 264_192), ("ic", 12_501_632), ("kws", 2_656_768), ("vww", 7_489_664)],
)
def test_networks_have_their_published_products(name, products):
    assert counts(name)[1:].sum() == products


def test_an_unknown_benchmark_has_no_counts():
    assert np.isnan(counts("sww")).all()


def test_rows_are_predicted_from_other_networks_and_submissions(tmp_path):
    rows = table(tmp_path, [*submission("a"), *submission("b", 2.0), *submission("c", 7.0)])
    assert recognise(rows, TABLES) is MLPERF_TINY
    assert predict_processors(rows) == pytest.approx(rows.number("latency_ms") * 1e3, rel=1e-3)
    assert scores(MLPERF_TINY, rows)["mlperf_tiny/ic"]["latency"].mape < 0.1


def test_a_row_has_no_part_in_its_own_prediction(tmp_path):
    given = [*submission("a"), *submission("b", 2.0), *submission("c", 7.0)]
    clean = predict_processors(table(tmp_path, given))
    given[1]["latency_ms"] *= 100
    assert predict_processors(table(tmp_path, given))[1] == clean[1]


def test_what_accelerators_compute_is_not_predicted(tmp_path):
    given = [*submission("a"), *submission("b", 2.0), *submission("c"), *submission("d", accelerator="NE16"),
             *submission("d", version="v1.1")]  # fmt: skip
    rows = table(tmp_path, given)
    assert np.isnan(predict_processors(rows)[12:]).all()  # the later one does not say what computes
    assert len(submissions(rows)) == 3


def test_a_single_network_says_not_how_fast_a_system_is(tmp_path):
    rows = table(tmp_path, [*submission("a"), *submission("b"), *submission("c", networks=("ic",))])
    assert np.isnan(predict_processors(rows)[-1])


def test_float_and_integer_rows_are_apart(tmp_path):
    rows = table(tmp_path, [*submission("a"), *submission("a", 3.0, quant="FP16")])
    assert [one.is_float for one in submissions(rows)] == [False, True]


def test_orders_are_counted_where_latencies_differ():
    truth = np.array([10.0, 12.0, 20.0, 40.0])
    predicted = np.array([1.0, 0.5, 3.0, 2.0])
    pairs = [(0, 1), (0, 2), (2, 3)]  # a ratio of 1.2 counts for nothing, the last pair is in the wrong order
    assert order(predicted, truth, iter(pairs)) == (1, 2)


def test_the_summary_counts_pairs(tmp_path):
    text = "\n".join(
        MLPERF_TINY.report(table(tmp_path, [*submission("a"), *submission("b", 2.0), *submission("c", 7.0)]))
    )
    assert "12 rows predicted, 0 of them on FPGAs" in text
    assert "of one network: 12 of 12 pairs right (100.0 %)" in text
