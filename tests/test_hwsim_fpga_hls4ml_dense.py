# SPDX-License-Identifier: Apache-2.0
"""Formulas of single hls4ml layers: worked examples, laws, and constants that a fit finds again."""

import numpy as np
import pytest

from hwsim.fpga.calibrate_dense import calibrate, left_out_shapes
from hwsim.fpga.hls4ml_constants import DENSE
from hwsim.fpga.hls4ml_dense import METRICS, REGIMES, DenseLayers, cost, outside, regime, untrained_limit


def layers(*rows: tuple[float, float, float, float, bool]) -> DenseLayers:
    """From (inputs, outputs, weight bits, reuse factor, resource strategy); weights drawn as Keras does."""
    n_in, n_out, bits, reuse, resource = np.array(rows, dtype=np.float64).T
    return DenseLayers(n_in, n_out, bits, untrained_limit(n_in, bits), reuse, resource > 0)


def one(metric: str, *row: float) -> float:
    n_in, n_out, bits, reuse, resource = row
    return float(cost(layers((n_in, n_out, bits, reuse, bool(resource))))[metric].value[0])


def test_every_layer_has_its_regime() -> None:
    made = layers((64, 32, 8, 64, True), (64, 32, 8, 1, True), (64, 32, 8, 1, False), (64, 32, 8, 64, False))
    assert regime(made).tolist() == ["folded", "unrolled", "latency", "latency"]


@pytest.mark.parametrize(
    ("row", "cycles", "ii", "dsp"),
    [
        ((128, 64, 8, 512, 1), 514, 512, 16),  # 8,192 products by 16 multipliers
        ((128, 64, 4, 512, 1), 514, 512, 0),  # weights of 4 bits need no DSP block
        ((128, 64, 4, 256, 1), 257, 256, 0),  # two outputs per multiplier: no table to read
        ((128, 64, 6, 512, 1), 514, 512, 15),  # the weight in the ROM's top bits is small: its product is in LUTs
        ((64, 32, 4, 1, 1), 1, 2, 0),
        ((64, 32, 4, 1, 0), 1, 1, 0),
        ((64, 32, 4, 512, 0), 2, 3, 0),  # no multipliers that could be shared
    ],
)
def test_counts_by_hand(row: tuple[float, ...], cycles: int, ii: int, dsp: int) -> None:
    assert (one("cycles", *row), one("ii", *row), one("dsp", *row)) == (cycles, ii, dsp)


def test_products_take_turns_at_the_multipliers() -> None:
    multipliers = 64 * 32 / 256
    products = 2 + (one("cycles", 64, 32, 12, 256, 0) - 2) * multipliers
    assert one("dsp", 64, 32, 12, 256, 0) == multipliers
    assert one("dsp", 64, 32, 12, 1, 0) == pytest.approx(products, rel=0.02)


def test_cost_has_bars_around_whole_numbers() -> None:
    made = layers((64, 96, 8, 512, True), (64, 32, 8, 1, False), (64, 32, 10, 100, False), (96, 32, 6, 1, True))
    found = cost(made)
    assert set(found) == set(METRICS)
    for figure in found.values():
        assert (figure.low <= figure.value).all()
        assert (figure.value <= figure.high).all()
        assert (figure.value == np.rint(figure.value)).all()


def test_layers_do_not_depend_on_their_neighbours() -> None:
    rows = [(64.0, 96.0, 8.0, 512.0, True), (64.0, 32.0, 8.0, 1.0, False), (96.0, 32.0, 6.0, 1.0, True)]
    together = cost(layers(*rows))
    for index, row in enumerate(rows):
        for metric, figure in cost(layers(row)).items():
            assert figure.value[0] == together[metric].value[index]


@pytest.mark.parametrize(("reuse", "resource"), [(1, True), (1, False), (64, False), (128, True)])
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8, 10, 16])
def test_more_outputs_never_cost_less_and_nothing_is_free(bits: int, reuse: int, resource: bool) -> None:
    outputs = (16, 32, 64, 96, 128, 256, 512)
    for n_in in (16, 64, 256):
        found = cost(layers(*((n_in, n_out, bits, reuse, resource) for n_out in outputs)))
        for metric in ("lut", "ff", "dsp", "bram18"):
            assert (np.diff(found[metric].value) >= 0).all(), (metric, n_in)
        assert (found["lut"].value >= n_in * np.array(outputs) / reuse).all()
        assert (found["ff"].value > 0).all()


def test_outside_names_the_parameter() -> None:
    found = outside(layers((64, 64, 8, 512, True), (1024, 64, 8, 512, True)))
    assert [name for name, mask in found.items() if mask[0]] == []
    assert [name for name, mask in found.items() if mask[1]] == ["n_in"]


def designs() -> DenseLayers:
    shapes = [(n, m) for n in (32, 64, 96) for m in (32, 64, 128, 256)]
    folded = [(n, m, b, n * k, True) for n, m in shapes for b in (2, 4, 6, 8, 12) for k in (2, 4, 8)]
    rest = [(n, m, b, rf, bool(res)) for n, m in shapes for b in (2, 4, 6, 8, 10, 12) for rf, res in
            ((1, 1), (1, 0), (256, 0))]  # fmt: skip
    return layers(*folded, *rest)


def test_calibration_finds_the_constants_again() -> None:
    made = designs()
    truth = {metric: figure.value for metric, figure in cost(made).items()}
    found = calibrate(made, truth)
    assert set(found) == set(REGIMES)
    for kind, calibration in found.items():
        assert calibration.constants["lut"] == pytest.approx(DENSE[kind].constants["lut"], rel=0.02, abs=1.0), kind
        assert calibration.constants["ff"] == pytest.approx(DENSE[kind].constants["ff"], rel=0.05, abs=1.0), kind
        assert max(calibration.bars.values()) < 0.01, kind  # the truth is rounded to whole numbers


def test_calibrated_range_is_that_of_the_designs() -> None:
    made = designs()
    found = calibrate(made, {metric: figure.value for metric, figure in cost(made).items()})
    assert found["folded"].range == {
        "n_in": (32, 96), "n_out": (32, 256), "weight_bits": (2, 12), "reuse": (64, 768)
    }  # fmt: skip


def test_a_wrong_shape_shows_when_it_is_left_out() -> None:
    made = designs()
    truth = {metric: figure.value for metric, figure in cost(made).items()}
    odd = (made.n_in == 96) & (made.n_out == 32)
    truth["lut"] = np.where(odd, 2 * truth["lut"], truth["lut"])
    error = np.abs(left_out_shapes(made, truth)["lut"] / truth["lut"] - 1)
    assert error[odd].min() > 0.4
