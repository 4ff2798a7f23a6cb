# SPDX-License-Identifier: Apache-2.0
"""Formulas of streamed hls4ml layers: worked examples, and constants that a fit finds again."""

import numpy as np
import pytest

from hwsim.fpga.calibrate_streamed import calibrate
from hwsim.fpga.hls4ml_constants import STREAMED
from hwsim.fpga.hls4ml_streamed import KINDS, METRICS, StreamedLayers, cost, structure, terms
from hwsim.fpga.linear import evaluate


def layers(kind: str, *rows: tuple[float, ...]) -> StreamedLayers:
    """From (inputs, outputs, length, reuse factor), with 16-bit weights."""
    n_in, n_out, length, reuse = np.array(rows, dtype=np.float64).T
    return StreamedLayers(kind, n_in, n_out, length, np.full(len(n_in), 16.0), reuse)


@pytest.mark.parametrize(
    ("kind", "row", "dsp", "bram18", "cycles"),
    [
        # the nearest divisor of 64 to 30 is 32; 31 weights of 16 bits and one of 8 are 504 bits, by 32
        ("dense", (64, 16, 0, 30), 32, 14, 32 + 6 + 64 / 16 + 6),
        ("dense", (32, 16, 0, 32), 16, 7, 32 + 6),
        # 3 x 8 inputs by 8 outputs; 7 x 16 + 8 bits by 24; 100 positions and two of padding
        ("conv1d_k3", (8, 8, 200, 24), 8, 4, 102 * 34),
        # 8 x 16 and 4 x 16, 3 products of 4 units; 7 x 16 + 8 bits by 16, the other ROM stays in LUTs, 9 tables
        ("lstm", (8, 4, 10, 16), 8 + 4 + 12, 4 + 0 + 9, 10 * (16 + 21 + 4) + 1),
    ],
)
def test_structure_by_hand(kind: str, row: tuple[float, ...], dsp: float, bram18: float, cycles: float) -> None:
    found = structure(layers(kind, row))
    assert [found[metric].tolist() for metric in ("dsp", "bram18", "cycles")] == [[dsp], [bram18], [cycles]]


def test_without_reuse_as_published() -> None:
    """github:HeRCLab/N-TORC, dense layers of 16, 64 and 128 inputs and 16 outputs at 4 ns."""
    found = cost(layers("dense", (16, 16, 0, 1), (64, 16, 0, 1), (128, 16, 0, 1)))
    assert found["cycles"].value.tolist() == [11, 44, 76]
    published = {"dsp": [159, 500, 885], "lut": [58131, 237705, 485118], "ff": [13498, 53871, 113751]}
    for metric, counts in published.items():
        inside = (found[metric].low <= counts) & (counts <= found[metric].high)
        assert inside.all(), metric


def designs(kind: str) -> StreamedLayers:
    sizes = (8, 16, 32, 64, 600) if kind == "dense" else (8, 16, 32)
    return layers(kind, *((n, m, 20, reuse) for n in sizes for m in (8, 16, 32) for reuse in (2, 4, 8, 16, 64, 256)))


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_finds_the_constants_again(kind: str) -> None:
    made = designs(kind)
    truth = {metric: figure.value for metric, figure in cost(made).items()}
    for metric in ("lut", "ff"):
        truth[metric] = evaluate(terms(made, metric), STREAMED[kind].constants[metric])
    found = calibrate(made, truth)
    for metric in ("lut", "ff"):
        assert found.constants[metric] == pytest.approx(STREAMED[kind].constants[metric], rel=1e-6, abs=1e-6), metric
    assert max(found.bars.values()) < 0.01
    assert found.range["reuse"] == (2, 256)


@pytest.mark.parametrize("kind", KINDS)
def test_cost_has_bars_and_less_reuse_is_faster(kind: str) -> None:
    found = cost(layers(kind, (16, 8, 20, 2), (16, 8, 20, 8), (16, 8, 20, 32)))
    assert set(found) == set(METRICS)
    for figure in found.values():
        assert (figure.low <= figure.value).all()
        assert (figure.value <= figure.high).all()
    assert (np.diff(found["cycles"].value) > 0).all()
    assert (np.diff(found["dsp"].value) < 0).all()
    assert (np.diff(found["lut"].value) < 0).all()
