# SPDX-License-Identifier: Apache-2.0
"""Pixel times against a loop that moves one pixel after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.fpga.pixels import PixelStage, busy, departures, same_padding, served

sizes = st.integers(1, 7)


def loop(stage: PixelStage, arrived: list[float]) -> list[float]:
    """The same, pixel by pixel."""
    (top, left), (high, wide) = stage.padding, stage.kernel
    rows = max((stage.rows_out - 1) * stage.stride[0] + high, stage.rows_in + top)
    columns = max((stage.columns_out - 1) * stage.stride[1] + wide, stage.columns_in + left)
    taken, free = {}, -np.inf
    for row in range(rows):
        for column in range(columns):
            inner = min(row - top, stage.rows_in - 1), min(column - left, stage.columns_in - 1)
            there = arrived[inner[0] * stage.columns_in + inner[1]] - stage.take if min(inner) >= 0 else 0.0
            free = max(free, there) + stage.take
            taken[row, column] = free
    out, free = [], -np.inf
    for row in range(stage.rows_out):
        for column in range(stage.columns_out):
            free = max(free, taken[row * stage.stride[0] + high - 1, column * stage.stride[1] + wide - 1]) + stage.work
            out.append(free + stage.depth)
    return out


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.data())
def test_pixels_are_served_in_order(needs, data):
    work = data.draw(st.lists(st.integers(0, 9), min_size=len(needs), max_size=len(needs)))
    free, expected = 0.0, []
    for need, each in zip(needs, work, strict=True):
        free = max(free, need) + each
        expected.append(free)
    assert served(np.array(needs, float), np.array(work, float)).tolist() == expected


@given(sizes, sizes, st.integers(1, 3), st.integers(1, 2), st.integers(0, 9), st.integers(0, 3))
def test_windows_are_those_of_the_loop(rows, columns, kernel, stride, work, depth):
    (rows_out, top), (columns_out, left) = same_padding(rows, kernel, stride), same_padding(columns, kernel, stride)
    stage = PixelStage(rows, columns, rows_out, columns_out, work, 2, depth, (kernel, kernel), (stride, stride),
                       (top, left))  # fmt: skip
    arrivals = np.arange(rows * columns) * 3.0
    assert departures([stage], arrivals)[0].tolist() == loop(stage, arrivals.tolist())


def test_input_is_taken_in_turn_with_its_padding():
    # 2 x 2 pixels that are all there, a 3 x 3 window around each: 16 padded pixels, of which 4 complete a window.
    stage = PixelStage(2, 2, 2, 2, 100, 1, 0, (3, 3), (1, 1), (1, 1), "in_turn")
    assert departures([stage], np.zeros(4))[0].tolist() == [110, 210, 312, 412]


def test_rows_are_read_in_step_with_the_windows():
    # 4 x 4 pixels, 3 x 3 windows: the first row of outputs waits for the fourth row of inputs.
    stage = PixelStage(4, 4, 2, 2, 9, 1, 0, (3, 3), order="rows")
    arrivals = np.repeat([0.0, 0.0, 0.0, 1000.0], 4)
    assert departures([stage], arrivals)[0].tolist() == [1012, 1021, 1030, 1039]
    plain = PixelStage(4, 4, 2, 2, 9, 1, 0, (3, 3))
    assert departures([plain], arrivals)[0][0] < 100


def test_values_follow_each_other_without_waiting_for_the_pixel():
    wide = PixelStage(1, 2, 1, 2, 8, 8, 3, order="values")  # 8 values in, 8 values out
    assert departures([wide], np.array([20.0, 28.0]))[0].tolist() == [23, 31]
    narrow = PixelStage(1, 2, 1, 2, 8, 1, 3, order="values")  # all values at once in, one by one out
    assert departures([narrow], np.array([20.0, 21.0]))[0].tolist() == [30, 38]


def test_branches_wait_for_each_other():
    slow, fast = PixelStage(1, 2, 1, 2, 50), PixelStage(1, 2, 1, 2, 1)
    add = PixelStage(1, 2, 1, 2, 1, sources=(0, 1))
    assert departures([slow, fast, add], np.zeros(2))[2].tolist() == [51, 101]


def test_busy_cycles():
    assert busy(PixelStage(4, 4, 2, 2, 9, 1)) == 36
    assert busy(PixelStage(4, 4, 2, 2, 1, 1)) == 16


def test_bad_stages_are_refused():
    with pytest.raises(InputError, match="unknown order 'window'"):
        PixelStage(1, 1, 1, 1, 1, order="window")
    with pytest.raises(InputError, match="at least one pixel"):
        PixelStage(0, 1, 1, 1, 1)
    with pytest.raises(InputError, match="got 2 pixels; expected 1 x 3"):
        departures([PixelStage(1, 3, 1, 3, 1)], np.zeros(2))
