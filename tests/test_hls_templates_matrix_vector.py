# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from rtl_units import WIRES, alone, corners, meets_contract, stream

from hls.templates.matrix_vector import accumulator, matrix_vector
from hls.templates.unit import expect_divisor
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format

pytestmark = [pytest.mark.needs("verilator", "g++")]

# mw, mh, pe, simd, vectors per image, input, weight, bias
CASES = {
    "folded both ways, bias on a finer grid": (
        (12, 6, 2, 3, 2), FixedPoint(5, 2), FixedPoint(4, 3), FixedPoint(6, 7),
    ),
    "unfolded, unsigned input": ((5, 3, 3, 5, 3), FixedPoint(4, 2, False), FixedPoint(3, 1), FixedPoint(5, 1)),
    "one multiplier, unsigned weights": ((4, 4, 1, 1, 1), FixedPoint(3, 0), FixedPoint(3, 0, False), FixedPoint(3, 0)),
}  # fmt: skip
SLOW = {
    "columns unfolded": ((8, 4, 1, 8, 2), FixedPoint(8, 4), FixedPoint(8, 7), FixedPoint(16, 11)),
    "rows unfolded, one column at a time": ((7, 5, 5, 1, 2), FixedPoint(8, 4), FixedPoint(2, 1), FixedPoint(4, 2)),
    "wide": ((6, 2, 1, 2, 2), FixedPoint(16, 8), FixedPoint(16, 8), FixedPoint(32, 20)),
    "single bits": ((16, 4, 2, 4, 2), FixedPoint(1, 0, False), FixedPoint(1, 0, False), FixedPoint(1, 0)),
}


@pytest.mark.parametrize("name", [*CASES, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_bits_and_cycles(name: str, tmp_path: Path, rtl_cache: Path) -> None:
    (mw, mh, pe, simd, vectors), source, weight, offset = {**CASES, **SLOW}[name]
    rng = np.random.default_rng(1)
    matrix = rng.integers(weight.min_int, weight.max_int + 1, (mh, mw))
    matrix[0], matrix[-1] = weight.min_int, weight.max_int
    bias = rng.integers(offset.min_int, offset.max_int + 1, mh)
    bias[0], bias[-1] = offset.max_int, offset.min_int
    values = corners(source, (9, vectors * mw))

    frac = max(source.frac + weight.frac, offset.frac)
    products = values.reshape(-1, mw) @ matrix.T << (frac - source.frac - weight.frac)
    expected = products + (bias << (frac - offset.frac))
    # The bound is over all inputs, so it comes from the sums of positive and of negative terms.
    ends = [np.minimum(matrix * source.min_int, matrix * source.max_int).sum(1),
            np.maximum(matrix * source.min_int, matrix * source.max_int).sum(1)]  # fmt: skip
    exact = [(end << (frac - source.frac - weight.frac)) + (bias << (frac - offset.frac)) for end in ends]
    acc = accumulator("fc", smallest_format(int(exact[0].min()), int(exact[1].max()), frac))

    formats, lanes = (source, weight, offset), (pe, simd)
    unit = matrix_vector("b", "fc", WIRES, matrix, bias, formats, acc, lanes, vectors)
    ins, outs = stream("a", source, simd, vectors * mw // simd), stream("b", acc, pe, vectors * mh // pe)
    run = meets_contract(alone(unit, ins, outs), values, expected.reshape(len(values), -1), tmp_path, rtl_cache)
    assert run.interval == vectors * (mw // simd) * (mh // pe)  # FINN's formula


def test_accumulator_is_signed_and_bounded() -> None:
    assert accumulator("fc", FixedPoint(7, 2, False)) == FixedPoint(8, 2)
    with pytest.raises(UnsupportedError, match=r"^fc: its exact result needs 63 bits; expected at most 62; narrow"):
        accumulator("fc", FixedPoint(63, 0))


@pytest.mark.parametrize(
    ("pe", "channels", "nearest"), [(12, 64, "8, 16"), (3, 2, "2"), (5, 7, "1, 7"), (100, 64, "64")]
)
def test_a_folding_that_does_not_divide_is_refused(pe: int, channels: int, nearest: str) -> None:
    expected = f"^conv2: pe={pe} must divide {channels} output channels; nearest: {nearest}$"
    with pytest.raises(UnsupportedError, match=expected):
        expect_divisor("conv2", "pe", pe, channels, "output channels")
