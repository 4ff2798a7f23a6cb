# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from rtl_units import WIRES, alone, corners, meets_contract, stream

from hls.templates.depthwise import depthwise
from hls.templates.matrix_vector import accumulator
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format

pytestmark = [pytest.mark.needs("verilator", "g++")]

# channels, taps, pe, windows per image, input, weight, bias
CASES = {
    "folded": ((6, 4, 2, 3), FixedPoint(4, 2), FixedPoint(3, 1), FixedPoint(5, 5)),
    "one tap, unsigned": ((4, 1, 4, 2), FixedPoint(4, 2, False), FixedPoint(3, 1, False), FixedPoint(4, 1)),
    "one channel at a time": ((3, 9, 1, 2), FixedPoint(8, 4), FixedPoint(8, 7), FixedPoint(8, 4)),
}


@pytest.mark.parametrize(
    "name", [name if name == "folded" else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_bits_and_cycles(name: str, tmp_path: Path, rtl_cache: Path) -> None:
    (channels, taps, pe, windows), source, weight, offset = CASES[name]
    rng = np.random.default_rng(1)
    matrix = rng.integers(weight.min_int, weight.max_int + 1, (channels, taps))
    matrix[0], matrix[-1] = weight.min_int, weight.max_int
    bias = rng.integers(offset.min_int, offset.max_int + 1, channels)
    values = corners(source, (9, windows * channels * taps))

    frac = max(source.frac + weight.frac, offset.frac)
    left = frac - source.frac - weight.frac
    aligned = bias << (frac - offset.frac)
    # A block of pe channels arrives tap by tap.
    taps_of = values.reshape(9, windows, channels // pe, taps, pe).transpose(0, 1, 2, 4, 3)
    sums = (taps_of.reshape(9, windows, channels, taps) * matrix).sum(axis=-1)
    expected = ((sums << left) + aligned).reshape(9, -1)
    ends = np.stack([matrix * source.min_int, matrix * source.max_int])
    low, high = (ends.min(0).sum(1) << left) + aligned, (ends.max(0).sum(1) << left) + aligned
    acc = accumulator("conv", smallest_format(int(low.min()), int(high.max()), frac))

    unit = depthwise("b", "conv", WIRES, matrix, bias, (source, weight, offset), acc, pe, windows)
    beats = windows * channels // pe
    dataflow = alone(unit, stream("a", source, pe, beats * taps), stream("b", acc, pe, beats))
    run = meets_contract(dataflow, values, expected, tmp_path, rtl_cache)
    assert run.interval == beats * taps
