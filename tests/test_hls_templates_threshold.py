# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pointwise_units import CONTRACT, divisors, formats, one_layer
from rtl_units import WIRES, meets_contract

from hls.templates.threshold import distances, threshold
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint

needs_simulator = pytest.mark.needs("verilator", "g++")
Format = FixedPoint


def meets(
    shape: tuple[int, int, int], steps: int, pe: int, source: Format, reached: Format, start: Format, slope: Format,
    tmp_path: Path, rtl_cache: Path,
) -> None:  # fmt: skip
    channels = shape[0]
    params = {"thresholds": ((channels, steps), reached), "start": ((channels,), start), "slope": ((channels,), slope)}
    dataflow, values, expected = one_layer("threshold", shape, source, params, Folding(pe), "threshold")
    run = meets_contract(dataflow, values, expected, tmp_path, rtl_cache)
    assert run.interval == np.prod(shape) // pe


@needs_simulator
def test_bits_and_cycles(tmp_path: Path, rtl_cache: Path) -> None:
    formats = Format(6, 2), Format(8, 3), Format(5, 1), Format(3, 2)
    meets((6, 2, 1), 15, 2, *formats, tmp_path, rtl_cache)


@pytest.mark.slow
@needs_simulator
@CONTRACT
@given(st.data(), st.integers(1, 6), st.integers(1, 3), st.integers(1, 17), formats(), formats(), formats(), formats())
def test_bits_and_cycles_of_any_staircase(
    tmp_path: Path, rtl_cache: Path, data: st.DataObject, channels: int, columns: int, steps: int,
    source: Format, reached: Format, start: Format, slope: Format,
) -> None:  # fmt: skip
    pe = data.draw(st.sampled_from(divisors(channels)))
    meets((channels, 1, columns), steps, pe, source, reached, start, slope, tmp_path, rtl_cache)


@given(formats(), formats(fracs=(-60, 90)), st.integers(0, 2**20))
def test_a_distance_says_from_where_on_a_threshold_is_reached(source: Format, reached: Format, seed: int) -> None:
    rng = np.random.default_rng(seed)
    thresholds = rng.integers(reached.min_int, reached.max_int + 1, (1, 5))
    inputs = range(source.min_int, source.max_int + 1)
    for threshold_int, distance in zip(thresholds[0].tolist(), distances(thresholds, reached, source)[0], strict=True):
        expected = [x * 2**200 >= threshold_int * 2 ** (200 + source.frac - reached.frac) for x in inputs]
        assert [place >= distance for place in range(len(inputs))] == expected


def test_a_symmetric_input_is_measured_from_the_integer_it_leaves_out() -> None:
    symmetric = FixedPoint(4, 0, True, "TRN", "SAT_SYM")
    assert distances(np.array([[-8, -7, 0]]), Format(4, 0), symmetric).tolist() == [[0, 1, 8]]


def test_what_has_no_hardware_is_refused() -> None:
    one, none = np.zeros(2, dtype=int), np.zeros((2, 0), dtype=int)
    four = (Format(4, 0),) * 4
    with pytest.raises(UnsupportedError, match=r"^act: got no thresholds; expected at least one per channel; remove"):
        threshold("b", "act", WIRES, (none, one, one), four, Format(5, 0), Folding(), 2)
    wide = (Format(63, 0), *four[1:])
    with pytest.raises(UnsupportedError, match=r"^act: got an input of 63 bits; expected at most 62; narrow its for"):
        threshold("b", "act", WIRES, (one[:, None], one, one), wide, Format(5, 0), Folding(), 2)
