# SPDX-License-Identifier: Apache-2.0
"""Tables of MLPerf Tiny submissions: latency in us of four networks on microcontrollers, CPUs and FPGA boards.

A row on a processor is predicted from rows of other networks of the same submission, which say how fast it is, and from
other submissions – of the same runtime, else of the same submitter, else of the same core – which say what a product
of one kind costs beside one of another. Rows on FPGAs are predicted by the models of their generators from the designs
in ``fpga_board_measurements.csv`` beside the table. What accelerators compute is not predicted.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from hwsim.columns import Column
from hwsim.nonnegative import solve_relative
from hwsim.validate import tiny_networks
from hwsim.validate.boards import BOARDS
from hwsim.validate.rows import Numbers, Rows, Texts, read_rows
from hwsim.validate.table import Prediction, Table

BOARD_TABLE = "fpga_board_measurements.csv"
FPGA_FLOWS = ("hls4ml-finn", "hls4ml", "fpgaconvnet")  # submitters whose numbers are those of programmable logic
ERROR = 2.5  # factor; nineteen of twenty rows are within it, those of microcontrollers within 1.5
FEWEST = 2  # other submissions that say what kinds of products cost
ROUNDS = 4  # of scales and prices in turn
DIFFERENT = 1.3  # ratio of latencies beyond which an order is asked for
CORE = re.compile(r"Cortex\W*(M\d+|A\d+)")


@dataclass(frozen=True, eq=False)
class Submission:
    """Rows of one system and number type: positions in the table, and what others may have in common with it."""

    rows: npt.NDArray[np.intp]
    is_float: bool
    runtime: str
    submitter: str
    core: str


def submissions(rows: Rows) -> list[Submission]:
    """Submissions on processors alone, with known networks."""
    names = (
        "version",
        "submitter",
        "system",
        "proc_freq",
        "benchmark",
        "accelerator",
        "framework",
        "processor",
        "quant",
        "implementation",
    )
    groups: dict[tuple[str, ...], list[int]] = {}
    table = list(zip(*(rows.text(name).tolist() for name in names), strict=True))
    latency = rows.number("latency_ms")
    # Not every submission says what computes; another one of the same system may.
    accelerated = {row[2] for row in table if row[5]}
    for index, (version, submitter, system, clock, benchmark, _, _, _, quant, variant) in enumerate(table):
        known = np.isfinite(latency[index]) and benchmark in tiny_networks.BENCHMARKS
        if known and system not in accelerated and submitter not in FPGA_FLOWS:
            is_float = str("float" in system or quant == "FP16" or "fp32" in variant)
            groups.setdefault((version, submitter, system, clock, is_float), []).append(index)
    found = []
    for (version, submitter, *_, is_float), members in groups.items():
        framework, processor = table[members[0]][6:8]
        core = CORE.search(processor.replace("®", ""))
        found.append(Submission(
            np.array(members, dtype=np.intp), is_float == "True", f"{version} {framework}" if framework else "",
            f"{version} {submitter}", core[1] if core else processor,
        ))  # fmt: skip
    return found


def predict_processors(rows: Rows) -> Numbers:
    """Latency of every row in us by rows of other networks and of other submissions, (rows,)."""
    counts = np.array([tiny_networks.counts(name) for name in rows.text("benchmark").tolist()])
    time_us, benchmark = rows.number("latency_ms") * 1e3, rows.text("benchmark")
    found = submissions(rows)

    @cache
    def prices(peers: tuple[int, ...]) -> Column:
        return common_prices([found[peer].rows for peer in peers], counts, time_us)

    predicted = np.full(len(rows), np.nan)
    for position, own in enumerate(found):
        peers = peers_of(position, found)
        if len(peers) < FEWEST:
            continue
        base = counts @ prices(peers)
        for index in own.rows:
            others = own.rows[benchmark[own.rows] != benchmark[index]]
            if len(others):
                predicted[index] = base[index] * np.exp(np.mean(np.log(time_us[others] / base[others])))
    return predicted


def peers_of(position: int, found: Sequence[Submission]) -> tuple[int, ...]:
    """Positions of the submissions that have most in common with one, and are enough."""
    own = found[position]
    others = [
        (index, one) for index, one in enumerate(found)
        if index != position and one.is_float == own.is_float and len(one.rows) > FEWEST
    ]  # fmt: skip
    alike = [
        tuple(index for index, one in others if own.runtime and one.runtime == own.runtime),
        tuple(index for index, one in others if one.submitter == own.submitter),
        tuple(index for index, one in others if own.core and one.core == own.core),
    ]
    return next((peers for peers in alike if len(peers) >= FEWEST), tuple(index for index, _ in others))


def common_prices(members: Sequence[npt.NDArray[np.intp]], counts: Column, time_us: Numbers) -> Column:
    """Prices of work, up to a factor, that submissions of any speed have in common, (terms,)."""
    scales, price = np.ones(len(members)), np.ones(counts.shape[1])
    every = np.concatenate(members)
    for _ in range(ROUNDS):
        scale = np.concatenate([np.full(len(rows), one) for rows, one in zip(members, scales, strict=True)])
        price = solve_relative(counts[every], time_us[every] / scale)
        scales = np.array([np.exp(np.mean(np.log(time_us[rows] / (counts[rows] @ price + 1e-9)))) for rows in members])
    return price


def predict_boards(rows: Rows) -> Numbers:
    """Latency of the rows on FPGAs in us by the models of their generators, (rows,); NaN where no design is known."""
    predicted = np.full(len(rows), np.nan)
    path = rows.folder / BOARD_TABLE
    if not path.is_file():
        return predicted
    designs = read_rows(path)
    latency = BOARDS.predict(designs)["latency"].value
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in designs.text("board").tolist()]
    networks = designs.text("network").tolist()
    for index in range(len(rows)):
        if rows.text("submitter")[index] not in FPGA_FLOWS:
            continue
        board = re.sub(r"[^a-z0-9]", "", str(rows.text("system")[index]).lower())
        design, benchmark = str(rows.text("implementation")[index]), str(rows.text("benchmark")[index])
        wanted = design.lower() if design else f" {benchmark} "
        chosen = [place for place, (at, name) in enumerate(zip(plain, networks, strict=True))
                  if at == board and wanted in name.lower() and np.isfinite(latency[place])]  # fmt: skip
        if chosen:
            predicted[index] = latency[chosen[0]]
    return predicted


def _truth(rows: Rows) -> Mapping[str, Numbers]:
    return {"latency": rows.number("latency_ms") * 1e3}


def _predict(rows: Rows) -> Mapping[str, Prediction]:
    processors, boards = predict_processors(rows), predict_boards(rows)
    value = np.where(np.isfinite(boards), boards, processors)
    return {"latency": Prediction(value, value / ERROR, value * ERROR)}


def _slices(rows: Rows) -> Texts:
    return np.char.add("mlperf_tiny/", rows.text("benchmark"))


def _labels(rows: Rows) -> Texts:
    names = zip(*(rows.text(name).tolist() for name in ("version", "submitter", "system")), strict=True)
    return np.array([" ".join(each) for each in names], dtype=np.str_)


def order(predicted: Numbers, truth: Numbers, pairs: Iterator[tuple[int, int]]) -> tuple[int, int]:
    """How many pairs of rows that differ by more than DIFFERENT are in the right order, and how many there are."""
    right = total = 0
    for one, other in pairs:
        ratio = truth[one] / truth[other]
        if max(ratio, 1 / ratio) > DIFFERENT:
            total += 1
            right += bool((predicted[one] > predicted[other]) == (ratio > 1))
    return right, total


def _report(rows: Rows) -> Iterator[str]:
    predicted, truth, benchmark = _predict(rows)["latency"].value, _truth(rows)["latency"], rows.text("benchmark")
    known = np.flatnonzero(np.isfinite(predicted) & np.isfinite(truth)).tolist()
    same = [(a, b) for a, b in itertools.combinations(known, 2) if benchmark[a] == benchmark[b]]
    boards = int(np.isfinite(predict_boards(rows)).sum())
    yield f"{len(known)} rows predicted, {boards} of them on FPGAs; order of pairs beyond {DIFFERENT} : 1:"
    for name, pairs in (("of one network", iter(same)), ("of any two", itertools.combinations(known, 2))):
        right, total = order(predicted, truth, pairs)
        yield f"  {name}: {right} of {total} pairs right" + (f" ({100 * right / total:.1f} %)" if total else "")


MLPERF_TINY = Table(
    name="mlperf_tiny",
    required=(
        "version", "submitter", "system", "benchmark", "implementation", "latency_ms", "processor", "proc_freq",
        "accelerator", "framework", "quant",
    ),
    truth=_truth,
    predict=_predict,
    slices=_slices,
    label=_labels,
    report=lambda rows: list(_report(rows)),
)  # fmt: skip
