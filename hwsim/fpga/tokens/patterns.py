# SPDX-License-Identifier: Apache-2.0
"""The modules of ``hls/rtl`` as stages: what each does with its beats, from its parameters.

Every function has the module's name and answers with the stages that stand one behind the other in it. Their ticks,
cycles and orders are those of the ``.sv`` file of the same name.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hwsim.fpga.dataflow import Timing
from hwsim.fpga.tokens.stages import Counts, Fork, Pipe, Queue, Schedule, Stage, Window, pattern

#: Parameters of a module, as numbers.
Numbers = Mapping[str, int]

WINDOW_STEPS = 4  # registers of address, memory and padding (hls/rtl/sliding_window.sv)
RELEASE_STEPS = 3  # from the last step of a vector to its room (hls/rtl/sparse_matrix_vector.sv)
UPSAMPLE_STEPS = 3  # hls/rtl/upsample.sv
#: A FIFO of two words behind registers that wait while it is full acts as one more register and one place.
PLACE = Queue(1, 0)
EACH = pattern([1])  # a beat for every beat


def pointwise(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """A beat out for every beat in: casts, thresholds, scales, tables, divisions, unrolled products, sums."""
    return (Pipe(timing.latency - timing.beats_in + 1, EACH),)


def fifo(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """First in, first out."""
    return (Queue(numbers["DEPTH"]),)


def stream_fork(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """Every beat to several readers."""
    return (Fork(),)


def width_converter(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """One beat for several, or several for one; nothing where both sides are equally wide."""
    lanes_in, lanes_out = numbers["IN_LANES"], numbers["OUT_LANES"]
    if lanes_in == lanes_out:
        return ()
    if lanes_in < lanes_out:
        return (Pipe(1, pattern(_last_of(lanes_out // lanes_in))),)
    return (Pipe(1, pattern([1], lanes_in // lanes_out - 1)),)


def max_pool(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """A beat for the last of every TAPS."""
    return (Pipe(1, pattern(_last_of(numbers["TAPS"]))),)


def argmax(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """A beat for the last of every BLOCKS, behind a tree over the lanes."""
    return (Pipe((numbers["LANES"] - 1).bit_length() + 1, pattern(_last_of(numbers["BLOCKS"]))),)


def accumulate(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """Beats for the last pixel of every PIXELS."""
    return (Pipe(1, pattern(np.repeat(_last_of(numbers["PIXELS"]), numbers["BLOCKS"]))),)


def concat(numbers: Numbers, timing: Timing, blocks: Sequence[int] = ()) -> tuple[Stage, ...]:
    """The inputs take turns: so many beats of each."""
    turns = tuple(port for port, count in enumerate(blocks) for _ in range(count))
    return (Pipe(1, pattern([1] * len(turns)), turns),)


def pad(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """Beats of padding where they belong; those above the image wait for its first beat."""
    blocks, rows, columns = numbers["BLOCKS"], numbers["ROWS"], numbers["COLUMNS"]
    top, left, bottom, right = (numbers[side] for side in ("TOP", "LEFT", "BOTTOM", "RIGHT"))
    width = left + columns + right
    before, after = np.zeros((2, rows, columns, blocks), dtype=np.int64)
    before[0, 0, 0] = (top * width + left) * blocks
    after[:, -1, -1] = (right + left) * blocks
    after[-1, -1, -1] = (right + bottom * width) * blocks
    return (Pipe(1, pattern(np.ones_like(after.ravel()), after.ravel(), 1, before.ravel())),)


def upsample(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """Pixels again within their row, rows again behind it."""
    blocks, columns = numbers["BLOCKS"], numbers["COLUMNS"]
    factor_y, factor_x = numbers["FACTOR_Y"], numbers["FACTOR_X"]
    after = np.zeros((columns, blocks), dtype=np.int64)
    after[:, -1] = (factor_x - 1) * blocks
    after[-1, -1] += (factor_y - 1) * columns * factor_x * blocks
    return (Pipe(UPSAMPLE_STEPS, pattern(np.ones_like(after.ravel()), after.ravel())),)


def matrix_vector(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """A vector is taken while the first rows are computed, and replayed for the others."""
    column_blocks, row_blocks = numbers["MW"] // numbers["SIMD"], numbers["MH"] // numbers["PE"]
    gives = _last_of(column_blocks)
    latency = timing.latency - timing.interval + 1
    return Pipe(latency, pattern(gives, gives * (row_blocks - 1), column_blocks)), PLACE


def sparse_matrix_vector(numbers: Numbers, timing: Timing, ends: Sequence[int] = ()) -> tuple[Stage, ...]:
    """Vectors are stored whole, and read step by step; ``ends`` are the last steps of the row blocks."""
    beats, steps = numbers["MW"] // numbers["SIMD"], numbers["STEPS"]
    vectors = timing.beats_in // beats
    last_step = beats + (vectors - 1) * max(beats, steps) + steps - 1
    places = np.asarray(ends, dtype=np.int64)
    return Schedule(timing.latency - last_step, beats, numbers["DEPTH"], steps, places, RELEASE_STEPS), PLACE


def sliding_window(numbers: Numbers, timing: Timing) -> tuple[Stage, ...]:
    """Rows in, windows out. Rows that no window reads are taken and forgotten; rows of padding take one cycle."""
    kernel, stride, dilation = (numbers[f"{name}_Y"] for name in ("KERNEL", "STRIDE", "DILATION"))
    extent, out_rows = dilation * (kernel - 1) + 1, numbers["OUT_ROWS"]
    used, bottom = (out_rows - 1) * stride + extent, numbers["PAD_TOP"] + numbers["ROWS"]
    row = np.arange(max(used, bottom))
    in_image = (row >= numbers["PAD_TOP"]) & (row < bottom)
    is_kept = (row % stride < extent) & (row < used)
    beats_per_row = numbers["OUT_COLUMNS"] * kernel * numbers["KERNEL_X"] * numbers["BLOCKS"]
    lines = in_image * (numbers["COLUMNS"] * numbers["BLOCKS"])
    rows, kept = lines.astype(np.int64), is_kept.astype(np.int64)
    buffer_rows, given_up = numbers["BUFFER_ROWS"], min(extent, stride)
    return (Window(WINDOW_STEPS, rows, kept, out_rows, beats_per_row, buffer_rows, extent, given_up),)


def _last_of(count: int) -> Counts:
    return np.asarray(np.arange(count) == count - 1, dtype=np.int64)


#: Stages of a module from its parameters and its timing; concat and sparse_matrix_vector want more, see there.
STAGES: Mapping[str, Callable[[Numbers, Timing], tuple[Stage, ...]]] = {
    **dict.fromkeys(("add", "cast", "divide", "lookup", "scale", "threshold"), pointwise),
    "accumulate": accumulate,
    "argmax": argmax,
    "fifo": fifo,
    "matrix_vector": matrix_vector,
    "max_pool": max_pool,
    "pad": pad,
    "sliding_window": sliding_window,
    "stream_fork": stream_fork,
    "upsample": upsample,
    "width_converter": width_converter,
}
