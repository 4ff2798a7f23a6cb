# SPDX-License-Identifier: Apache-2.0
"""Windows of an image out of a line buffer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from hwsim.errors import InputError
from hwsim.fpga.dataflow.timing import Timing

WINDOW_STEPS = 4  # registers of the address, the memory (two) and the padding (hls/rtl/sliding_window.sv)
_LONG_AGO = -(1 << 60)
_SETTLED = 10  # images over which the sliding window's schedule is followed


@dataclass(frozen=True)
class Window:
    """The geometry of a sliding window over one image; ``blocks`` is the number of beats per pixel."""

    blocks: int
    rows: int
    columns: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    out_rows: int
    out_columns: int

    @property
    def extent(self) -> int:
        """Rows that one window spans."""
        return self.dilation[0] * (self.kernel[0] - 1) + 1

    @property
    def used_rows(self) -> int:
        """Rows of the padded image that some window reads."""
        return (self.out_rows - 1) * self.stride[0] + self.extent

    @property
    def beats_in(self) -> int:
        """Beats per image in."""
        return self.rows * self.columns * self.blocks

    @property
    def beats_per_row(self) -> int:
        """Beats out per row of windows."""
        return self.out_columns * self.kernel[0] * self.kernel[1] * self.blocks

    @property
    def padding_rows(self) -> int:
        """Rows of padding that windows read."""
        return self.padding[0] + max(0, self.used_rows - self.padding[0] - self.rows)


def sliding_window(window: Window, passes: int = 1) -> Timing:
    """The windows of one image, read from a line buffer of :func:`smallest_buffer` rows.

    Args:
        passes: how often the reader behind goes through each window before it takes the next one.

    The interval includes the reader's passes; the latency is that of the unit by itself.
    """
    latency = _schedule(window, smallest_buffer(window, passes), 1)[0] + WINDOW_STEPS
    return Timing(window.beats_in, window.out_rows * window.beats_per_row, latency, _slower_side(window, passes))


def _slower_side(window: Window, passes: int) -> int:
    """Cycles per image that writing takes by itself or reading takes by itself, whichever is more."""
    return max(window.beats_in + window.padding_rows, window.out_rows * window.beats_per_row * passes)


@lru_cache(maxsize=4096)
def smallest_buffer(window: Window, passes: int = 1) -> int:
    """The fewest buffer rows with which neither side waits longer than the slower side takes by itself.

    Raises:
        InputError: the window lies in the padding alone.
    """
    if window.padding[0] >= window.extent:
        raise InputError(f"window: got padding {window.padding[0]} above; expected less than the kernel's extent")
    settling = _SETTLED // 2
    best = _slower_side(window, passes) * (_SETTLED - 1 - settling)

    def suffices(count: int) -> bool:
        ends = _schedule(window, count, passes)
        return ends[-1] - ends[settling] == best  # over several images: a short buffer can make every other one late

    return _first(suffices, window.extent, 2 * (window.used_rows + window.rows))


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest number for which a condition holds that stays true once it is true."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _schedule(window: Window, buffer_rows: int, passes: int) -> list[int]:
    """When the last window of each image has been read, in cycles after the first beat came in.

    Row by row: a row is written when the one before it is and a slot is free; an output row is read when the one
    before it is and its rows are there. Times are the cycles in which steps end.
    """
    top, used = window.padding[0], window.used_rows
    extent, stride, bottom = window.extent, window.stride[0], top + window.rows
    line = window.columns * window.blocks
    read_cycles = window.beats_per_row * passes
    written_at: list[int] = []  # of every buffered row in order of writing
    freed_at: list[int] = []  # of the same rows, one cycle after their last read was issued
    ends: list[int] = []
    written = -1 - top  # the padding above the first image is there before its first beat
    read = _LONG_AGO
    for _ in range(_SETTLED):
        next_row = 0
        for out_row in range(window.out_rows):
            needed = out_row * stride + extent
            for row in range(next_row, needed):
                is_stored = row % stride < extent
                slot = len(written_at) - buffer_rows
                free = freed_at[slot] if is_stored and slot >= 0 else _LONG_AGO
                written = max(written, free) + (line if top <= row < bottom else 1)
                if is_stored:
                    written_at.append(written)
            next_row = needed
            read = max(read, written_at[-1]) + read_cycles
            freed_at += [read + 1] * (extent if out_row == window.out_rows - 1 else min(extent, stride))
        written += max(0, bottom - used) * line  # rows below the last window
        ends.append(read)
    return ends
