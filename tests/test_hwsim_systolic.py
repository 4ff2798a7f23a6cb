# SPDX-License-Identifier: Apache-2.0
"""Systolic cycles against an array that is followed event by event, and against published SCALE-Sim results."""

from pathlib import Path

import numpy as np
import pytest
from cost_networks import Draft
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.systolic import DATAFLOWS, cycles, network_cycles, products
from hwsim.validate import read_rows, recognise, scores
from hwsim.validate.tables import TABLES

side, extent = st.integers(1, 4), st.integers(1, 7)

# M, N, K, rows, columns, dataflow, cycles: results of SCALE-Sim in github:PrincetonUniversity/LLMCompass,
# systolic_array_model/look_up_table_*.csv, and of scalesim 3.0.0 for conv3 of AlexNet (13 x 13 x 256, 384 filters).
PUBLISHED = (
    (13, 256, 128, 32, 32, "os", 1519),
    (15, 64, 32, 16, 16, "os", 247),
    (7, 256, 64, 32, 32, "os", 1007),
    (121, 384, 2304, 32, 32, "ws", 185759),
)


def followed(m: int, n: int, k: int, rows: int, columns: int, dataflow: str) -> int:
    """The number of the last cycle, counted from 0.

    A stationary operand enters one row per cycle. Value t of the other then enters row r in cycle t + r and reaches
    column c in cycle t + r + c of the fold; the next fold begins behind the last of them.
    """
    over_rows, over_columns, streamed = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[dataflow]
    clock = 0
    for _ in range(0, over_rows, rows):
        for _ in range(0, over_columns, columns):
            clock += 0 if dataflow == "os" else rows
            clock += 1 + int(np.add.outer(np.add.outer(np.arange(streamed), np.arange(rows)), np.arange(columns)).max())
    return clock - 1


@settings(max_examples=40, deadline=None)
@given(extent, extent, extent, side, side, st.sampled_from(DATAFLOWS))
def test_cycles_are_those_of_an_array_followed_event_by_event(m, n, k, rows, columns, dataflow):
    assert cycles(m, n, k, rows, columns, dataflow) == followed(m, n, k, rows, columns, dataflow)


def test_published_results(tmp_path: Path):
    path = tmp_path / "lut.csv"
    lines = [",".join(map(str, row)) for row in PUBLISHED]
    path.write_text("\n".join(("M,N,K,array_rows,array_cols,dataflow,cycles", *lines)) + "\n", encoding="utf-8")
    rows = read_rows(path)
    found = scores(recognise(rows, TABLES), rows)
    assert found["scalesim/os"]["cycles"].exact == found["scalesim/ws"]["cycles"].exact == 1.0


def test_sizes_broadcast():
    m, rows = np.array([[4], [9]]), np.array([2, 4, 8])
    found = cycles(m, 16, 8, rows, rows, "ws")
    assert found.shape == (2, 3)
    assert found[1, 2] == cycles(9, 16, 8, 8, 8, "ws")


def test_layers_of_a_network_are_products():
    draft = Draft(3, 8, 8)
    draft.conv(4)
    draft.depthwise(stride=2)
    draft.layer("flatten")
    draft.dense(10)
    work = products(draft.network())
    assert list(zip(work.m.tolist(), work.n.tolist(), work.k.tolist(), work.count.tolist(), strict=True)) == [
        (64, 4, 27, 1), (16, 1, 9, 4), (1, 10, 64, 1)
    ]  # fmt: skip
    assert work.macs.sum() == draft.network().macs()
    each = cycles(work.m, work.n, work.k, 4, 4, "os") * work.count
    assert network_cycles(draft.network(), [4, 8], [4, 8], "os").tolist()[0] == each.sum()


def test_bad_sizes_and_dataflows_are_refused():
    with pytest.raises(InputError, match="unknown dataflow 'wss'"):
        cycles(1, 1, 1, 1, 1, "wss")
    with pytest.raises(InputError, match="size below 1"):
        cycles(0, 1, 1, 1, 1, "os")
