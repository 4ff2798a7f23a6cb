# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from rtl_efforts import PLAIN, REPLACED
from rtl_units import WIRES, alone, corners, meets_contract, stream

from hls.rtl_compile import Effort
from hls.templates.mean import accumulate, divide
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow import Division

needs_simulator = pytest.mark.needs("verilator", "g++")


@needs_simulator
@pytest.mark.parametrize(
    ("signed", "shape"),
    [
        (True, (3, 2, 1)),  # pixels per sum, beats per pixel, sums per image
        (True, (3, 6, 1)),  # out of a memory
        pytest.param(False, (4, 1, 3), marks=pytest.mark.slow),
        pytest.param(True, (1, 3, 1), marks=pytest.mark.slow),
        pytest.param(False, (2, 4, 2), marks=pytest.mark.slow),
        pytest.param(True, (1, 5, 1), marks=pytest.mark.slow),
    ],
)
def test_sums_bits_and_cycles(signed: bool, shape: tuple[int, int, int], tmp_path: Path, rtl_cache: Path) -> None:
    (pixels, blocks, sums), lanes, source, total = shape, 2, FixedPoint(5, 1, signed), FixedPoint(8, 1)
    values = corners(source, (8, sums * pixels * blocks * lanes))
    expected = values.reshape(8, sums, pixels, blocks * lanes).sum(axis=2).reshape(8, -1)
    unit = accumulate("b", "pool", WIRES, source, total, lanes, shape)
    ins, outs = stream("a", source, lanes, sums * pixels * blocks), stream("b", total, lanes, sums * blocks)
    meets_contract(alone(unit, ins, outs), values, expected, tmp_path, rtl_cache)


# sum, divisor, target
CASES = {
    "49 pixels, ties to even": (FixedPoint(10, 2), 49, FixedPoint(8, 4, True, "RND_CONV")),
    "6 pixels, ties up, coarser": (FixedPoint(9, 5), 6, FixedPoint(8, 3, True, "RND")),
    "9 pixels, down": (FixedPoint(9, 0), 9, FixedPoint(20, 3)),
    "6 pixels, ties to even, same point": (FixedPoint(9, 0), 6, FixedPoint(9, 0, True, "RND_CONV")),
}
IN_DEFAULT = ("49 pixels, ties to even", "6 pixels, ties up, coarser")


@needs_simulator
@pytest.mark.parametrize(
    ("name", "effort"),
    [
        *((name, PLAIN) for name in IN_DEFAULT),
        (IN_DEFAULT[0], REPLACED),
        *(pytest.param(name, PLAIN, marks=pytest.mark.slow) for name in CASES if name not in IN_DEFAULT),
        *(pytest.param(name, REPLACED, marks=pytest.mark.slow) for name in CASES if name != IN_DEFAULT[0]),
    ],
)
def test_quotients_of_every_sum_bits_and_cycles(name: str, effort: Effort, tmp_path: Path, rtl_cache: Path) -> None:
    total, divisor, target = CASES[name]
    values = np.arange(total.min_int, total.max_int + 1).reshape(8, -1)
    quotient = Division.of(total, divisor, target).quotient
    unbounded = FixedPoint(quotient.width, target.frac, True, target.rounding)
    expected = unbounded.cast_ratio(values, divisor, total.frac)
    beats = values.shape[1] // 2
    unit = divide("b", "pool", WIRES, total, divisor, target, 2, beats)
    dataflow = alone(unit, stream("a", total, 2, beats), stream("b", quotient, 2, beats))
    meets_contract(dataflow, values, expected, tmp_path, rtl_cache, effort)


@pytest.mark.parametrize("divisor", [3, 5, 7, 49, 81, 1000])
@pytest.mark.parametrize("width", [4, 17, 40])
def test_the_dividend_is_positive_and_held_over_the_range_of_the_sum(divisor: int, width: int) -> None:
    total = FixedPoint(width, 0)
    parameters = divide("b", "pool", WIRES, total, divisor, FixedPoint(width, 0), 1, 1).parameters
    offset, bits = int(str(parameters["OFFSET"])[4:], 16), int(parameters["WIDTH"])
    assert 0 <= total.min_int + divisor * offset < divisor
    assert total.max_int + divisor * offset < 1 << bits


def test_means_that_are_too_wide_or_rounded_otherwise_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^pool: its mean needs 70 bits on the way to .*; expected at most 62"):
        divide("b", "pool", WIRES, FixedPoint(40, 0), 3, FixedPoint(60, 30), 1, 1)
    with pytest.raises(UnsupportedError, match=r"^pool: .* needs RND_INF; expected TRN, RND, RND_CONV; choose"):
        divide("b", "pool", WIRES, FixedPoint(10, 0), 3, FixedPoint(10, 0, True, "RND_INF"), 1, 1)
