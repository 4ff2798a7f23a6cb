# SPDX-License-Identifier: Apache-2.0
"""Formulas of whole hls4ml perceptrons: worked examples, laws, and constants that a fit finds again."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from hwsim.fpga import calibrate_mlp
from hwsim.fpga.calibrate_mlp import calibrate, calibrate_pruning, left_out_networks, predict
from hwsim.fpga.hls4ml_constants import MLP
from hwsim.fpga.hls4ml_mlp import METRICS, Mlps, assumed_nonzero, cost, counts, products

SCALE = MLP.constants["scale"]
Made = tuple[tuple[int, ...], float, float, float, bool]  # widths, density, reuse, clock in ns, multipliers in LUTs


def mlps(*made: Made) -> Mlps:
    """Networks of 8-bit weights with one integer bit and 8-bit inputs."""
    pairs = [list(pairwise(widths)) for widths, *_ in made]
    design = np.repeat(np.arange(len(made)), [len(one) for one in pairs])
    n_in, n_out = np.array([pair for one in pairs for pair in one], dtype=np.float64).T
    _, density, reuse, clock, in_luts = zip(*made, strict=True)
    eight = np.full(len(n_in), 8.0)
    return Mlps(
        design, n_in, n_out, np.rint(n_in * n_out * np.array(density)[design]), eight, eight - 1, eight,
        np.array(reuse, dtype=np.float64)[design], np.array(clock), np.array(in_luts),
    )  # fmt: skip


def one(metric: str, *made: Made) -> float:
    return float(cost(mlps(*made))[metric].value[0])


def test_pipelined_cycles_by_hand() -> None:
    # sums of 32 and 16 terms are trees of 5 and 4 levels; a softmax of 8 classes takes 12; three layers 3 x 3 - 1 calls
    assert one("cycles", ((32, 16, 16, 8), 1.0, 1, 5.0, False)) == 5 + 4 + 4 + 12 + 8
    # a faster clock adds two registers to every multiplier, one to every ReLU, four to this softmax
    assert one("cycles", ((32, 16, 16, 8), 1.0, 1, 3.33, False)) == 5 + 4 + 4 + 6 + 2 + 16 + 8
    assert one("ii", ((32, 16, 16, 8), 1.0, 1, 5.0, False)) == 1


def test_pruning_lowers_what_hls4ml_allows() -> None:
    # 64 x 32 / 100 = 20.5 rounded up, less 1,024 zeros / 100 rounded down; 32 x 4 / 100 rounded up; softmax of 4
    assert one("dsp", ((64, 32, 4), 0.5, 100, 5.0, False)) == 21 - 10 + 2 + 4


def test_multipliers_in_luts_cost_62_each() -> None:
    network = ((64, 32, 4), 0.5, 1.0, 5.0)
    dsp = one("dsp", (*network, False)) - 4  # without the softmax's
    softmax = 366 * 4
    assert one("dsp", (*network, True)) == 0
    assert one("lut", (*network, True)) - one("lut", (*network, False)) == pytest.approx(62 * dsp + softmax, abs=64)


def test_long_sums_are_chains() -> None:
    tree, chain = (one("cycles", ((n, 16, 4), 1.0, 1, 5.0, False)) for n in (60, 62))
    assert chain - tree == round(62 / 2.18) - 6


def test_wider_weights_are_more_multipliers() -> None:
    narrow, wide = (products(mlps(((40, 40, 40), 1.0, 1, 5.0, False)), {"hidden": s, "output": s}) for s in (0.5, 2.0))
    assert (wide.multipliers > narrow.multipliers).all()
    assert narrow.nonzero.tolist() == pytest.approx([1600, 1600])


def test_designs_are_independent_of_their_neighbours() -> None:
    made: list[Made] = [((32, 16, 8), 0.7, 2, 5.0, False), ((100, 5), 1.0, 100, 3.33, True)]
    together = cost(mlps(*made))
    for index, design in enumerate(made):
        for metric, figure in cost(mlps(design)).items():
            assert figure.value[0] == together[metric].value[index], metric


def test_cost_has_bars() -> None:
    found = cost(mlps(((32, 16, 8), 0.7, 2, 5.0, False)))
    assert set(found) == set(METRICS)
    assert all(figure.low[0] <= figure.value[0] <= figure.high[0] for figure in found.values())


def designs() -> tuple[Mlps, np.ndarray]:
    shapes = [(32, 16, 8), (160, 64, 32, 10), (16, 64, 32, 32, 5), (250, 40, 6)]
    made = [(shape, 0.7, reuse, clock, in_luts) for shape, reuse, clock, in_luts in
            product(shapes, (1, 2, 100), (3.33, 5.0), (False, True))]  # fmt: skip
    return mlps(*made), np.array([str(one[0]) for one in made])


def test_calibration_finds_the_constants_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate_mlp, "SCALES", {"hidden": [1.0, 1.25, 1.5], "output": [2.0, 2.5]})
    made, networks = designs()
    known = {"scale": {"hidden": 1.25, "output": 2.0}, "lut": MLP.constants["lut"], "ff": MLP.constants["ff"]}
    found = calibrate(made, predict(made, known), networks)
    assert found.constants["scale"] == known["scale"]
    assert found.constants["lut"] == pytest.approx(known["lut"], rel=0.01)
    assert found.constants["ff"] == pytest.approx(known["ff"], rel=0.01)
    assert max(found.bars.values()) < 0.01
    assert found.range["n_in"] == (16, 250)


def test_a_network_that_differs_shows_when_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate_mlp, "SCALES", {"hidden": [1.25], "output": [2.5]})
    made, networks = designs()
    truth = predict(made, MLP.constants)
    odd = networks == networks[0]
    truth["lut"] = np.where(odd, 3 * truth["lut"], truth["lut"])
    error = np.abs(left_out_networks(made, truth, networks)["lut"] / truth["lut"] - 1)
    assert error[odd].min() > 0.5
    assert counts(made, SCALE)["bram18"].tolist()[:1] == [8]


def test_pruning_by_size_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate_mlp, "SCALES", {"hidden": [1.25], "output": [2.5]})
    made, networks = designs()
    known = {"one": 1.1, "decade": -0.15}
    pruned = replace(made, nonzero=assumed_nonzero(made.n_in, made.n_out, known))
    found = calibrate_pruning(pruned, predict(pruned, MLP.constants), networks)
    assert found.constants["density"] == pytest.approx(known, abs=0.01)
    assert found.bars["lut"] < 0.03
