# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rtl_efforts import PLAIN, REPLACED
from rtl_units import WIRES, alone, corners, meets_contract, stream

from hls.rtl_compile import Effort
from hls.templates.max_pool import max_pool
from hls.templates.ram import bank_words
from hls.templates.sliding_window import expect_padding, sliding_window
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow import Window, smallest_buffer

pytestmark = [pytest.mark.needs("verilator", "g++")]
SAME, NONE = (1, 1, 1, 1), (0, 0, 0, 0)


def window(
    rows: int, columns: int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int, int, int],
    blocks: int = 1, dilation: tuple[int, int] = (1, 1),
) -> Window:  # fmt: skip
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    out_rows = (rows + padding[0] + padding[2] - span[0]) // stride[0] + 1
    out_columns = (columns + padding[1] + padding[3] - span[1]) // stride[1] + 1
    return Window(blocks, rows, columns, kernel, stride, dilation, padding, out_rows, out_columns)


# window, lanes, groups of a pixel's beats, value of the padding
CASES = {
    "3x3, same": (window(5, 4, (3, 3), (1, 1), SAME, 2), 2, 1, 0),
    "pool 2x2": (window(5, 6, (2, 2), (2, 2), NONE, 3), 1, 3, -4),
    "two groups of two beats": (window(4, 3, (2, 3), (1, 1), (1, 1, 0, 1), 4), 1, 2, 3),
    "1x1 with stride 2": (window(5, 5, (1, 1), (2, 2), NONE), 3, 1, 0),
}
SLOW = {
    "3x3, stride 2, padded on two sides": (window(7, 8, (3, 3), (2, 2), (0, 0, 1, 1), 2), 1, 1, 0),
    "3x3 pool, stride 2, padded": (window(6, 6, (3, 3), (2, 2), SAME, 2), 2, 2, -4),
    "dilated, uneven": (window(9, 7, (3, 2), (1, 2), (2, 1, 2, 0), 1, (2, 3)), 1, 1, 0),
    "rows below the last window": (window(8, 5, (2, 3), (3, 1), NONE, 1), 2, 1, 0),
    "the whole image": (window(4, 3, (4, 3), (1, 1), NONE, 2), 1, 2, -4),
    "one row": (window(1, 9, (1, 3), (1, 1), (0, 1, 0, 1)), 1, 1, 0),
    "stride above the kernel": (window(9, 9, (2, 2), (4, 4), NONE, 1), 1, 1, 0),
    "5x5, same": (window(6, 6, (5, 5), (1, 1), (2, 2, 2, 2), 1), 1, 1, 0),
    "one pixel": (window(1, 1, (3, 3), (1, 1), SAME, 2), 1, 1, 0),
}


def expected_windows(shape: Window, lanes: int, groups: int, pad: int, images: np.ndarray) -> np.ndarray:
    """(N, values in stream order), by slicing; images are (N, rows, columns, channels)."""
    top, left, bottom, right = shape.padding
    padded = np.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=pad)
    parts = []
    for oy in range(shape.out_rows):
        for ox in range(shape.out_columns):
            y, x = oy * shape.stride[0], ox * shape.stride[1]
            ys = [y + k * shape.dilation[0] for k in range(shape.kernel[0])]
            xs = [x + k * shape.dilation[1] for k in range(shape.kernel[1])]
            taps = padded[:, ys][:, :, xs].reshape(len(images), -1, groups, shape.blocks // groups * lanes)
            parts.append(taps.transpose(0, 2, 1, 3).reshape(len(images), -1))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize(
    ("name", "effort"),
    [
        *((name, PLAIN) for name in CASES),
        *((name, REPLACED) for name in list(CASES)[:3]),
        *(pytest.param(name, PLAIN, marks=pytest.mark.slow) for name in SLOW),
        *(pytest.param(name, REPLACED, marks=pytest.mark.slow) for name in [*list(CASES)[3:], *SLOW]),
    ],
)
def test_bits_and_cycles(name: str, effort: Effort, tmp_path: Path, rtl_cache: Path) -> None:
    shape, lanes, groups, pad = {**CASES, **SLOW}[name]
    fmt = FixedPoint(3, 0)
    values = corners(fmt, (9, shape.rows * shape.columns * shape.blocks * lanes))
    images = values.reshape(9, shape.rows, shape.columns, shape.blocks * lanes)
    expected = expected_windows(shape, lanes, groups, pad, images)
    unit = sliding_window("b", "conv", WIRES, shape, fmt, lanes, pad, groups)
    ins, outs = stream("a", fmt, lanes, shape.beats_in), stream("b", fmt, lanes, expected.shape[1] // lanes)
    run = meets_contract(alone(unit, ins, outs), values, expected, tmp_path, rtl_cache, effort)
    assert run.interval == max(shape.beats_in + shape.padding_rows, expected.shape[1] // lanes)


@pytest.mark.slow
def test_a_line_buffer_in_banks_bits_and_cycles(tmp_path: Path, rtl_cache: Path) -> None:
    shape, lanes, fmt = window(5, 4, (3, 3), (1, 1), SAME, 2), 2, FixedPoint(3, 0)
    values = corners(fmt, (9, 5 * 4 * 2 * lanes))
    expected = expected_windows(shape, lanes, 1, 0, values.reshape(9, 5, 4, 2 * lanes))
    unit = sliding_window("b", "conv", WIRES, shape, fmt, lanes)
    assert int(unit.parameters["BUFFER_ROWS"]) * 8 % 32 != 0  # the last bank is smaller than the others
    unit = replace(unit, parameters={**unit.parameters, "BANK": 32})
    ins, outs = stream("a", fmt, lanes, shape.beats_in), stream("b", fmt, lanes, expected.shape[1] // lanes)
    meets_contract(alone(unit, ins, outs), values, expected, tmp_path, rtl_cache)


@pytest.mark.parametrize(
    ("width", "depth", "words"),
    [
        (32, 1536, 512),  # three blocks of 512 x 36, where 2048 x 9 takes four
        (64, 768, 1024),  # four blocks either way: no choice between banks
        (8, 10_000, 2048),
        (1, 20, 16384),
    ],
)
def test_banks_have_the_shape_that_takes_the_fewest_blocks(width: int, depth: int, words: int) -> None:
    assert bank_words(width, depth) == words


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        (window(8, 8, (1, 1), (2, 2), NONE), 1),  # rows that no window reads are not stored; 8 cycles pass meanwhile
        (window(9, 9, (2, 2), (4, 4), NONE), 2),
    ],
)
def test_rows_that_no_window_reads_take_no_memory(shape: Window, rows: int) -> None:
    assert smallest_buffer(shape) == rows


@pytest.mark.parametrize("signed", [True, False])
def test_max_pool_bits_and_cycles(signed: bool, tmp_path: Path, rtl_cache: Path) -> None:
    fmt, lanes, taps, windows = FixedPoint(4, 1, signed), 2, 3, 5
    values = corners(fmt, (8, taps * windows * lanes))
    expected = values.reshape(8, windows, taps, lanes).max(axis=2).reshape(8, -1)
    unit = max_pool("b", "pool", WIRES, fmt, lanes, taps, windows)
    ins, outs = stream("a", fmt, lanes, taps * windows), stream("b", fmt, lanes, windows)
    meets_contract(alone(unit, ins, outs), values, expected, tmp_path, rtl_cache)


def test_groups_that_do_not_divide_are_refused() -> None:
    shape = window(5, 5, (2, 2), (1, 1), NONE, 6)
    with pytest.raises(UnsupportedError, match=r"^conv: groups=4 must divide 6 beats per pixel; nearest: 3, 6$"):
        sliding_window("b", "conv", WIRES, shape, FixedPoint(3, 0), 1, groups=4)


def test_padding_as_wide_as_the_kernel_is_refused() -> None:
    shape = window(5, 5, (2, 2), (1, 1), (0, 2, 0, 0))
    expected = r"^conv: got padding \(0, 2, 0, 0\) around a window of 2x2; expected less than the window's extent"
    with pytest.raises(UnsupportedError, match=expected):
        expect_padding("conv", shape)
