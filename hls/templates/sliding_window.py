# SPDX-License-Identifier: Apache-2.0
"""Windows of an image that arrives pixel by pixel."""

from hls.templates.ram import bank_words
from hls.templates.unit import Unit, bits64, expect_divisor
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow
from hwsim.fpga.dataflow import Window


def expect_padding(layer: str, window: Window) -> None:
    """Refuse padding as wide as the kernel, with which a window would see padding alone.

    Raises:
        UnsupportedError: names the padding.
    """
    extents = window.extent, window.dilation[1] * (window.kernel[1] - 1) + 1
    if any(pad >= extent for pad, extent in zip(window.padding, extents * 2, strict=True)):
        raise UnsupportedError(
            f"{layer}: got padding {window.padding} around a window of {extents[0]}x{extents[1]}; expected less than "
            "the window's extent; pad less"
        )


def sliding_window(
    name: str,
    layer: str,
    wires: tuple[str, str],
    window: Window,
    source: FixedPoint,
    lanes: int,
    pad_value: int = 0,
    groups: int = 1,
    passes: int = 1,
) -> Unit:
    """The windows of an image of ``lanes`` channels per beat.

    Args:
        wires: in and out.
        pad_value: the integer that padding holds.
        groups: equal parts of a pixel's beats; divides their number. A window is given group by group, within a group
            position by position, within a position the group's beats. 1 has the channels innermost; as many as beats
            gives all positions of one beat before the next one, for pooling.
        passes: how often the reader goes through each window; it decides how many rows must be buffered.

    Raises:
        UnsupportedError: ``groups`` does not divide the beats of a pixel.
    """
    expect_divisor(layer, "groups", groups, window.blocks, "beats per pixel")
    buffer_rows = dataflow.smallest_buffer(window, passes)
    parameters: dict[str, int | str] = {
        "LANES": lanes,
        "WIDTH": source.width,
        "BLOCKS": window.blocks,
        "ROWS": window.rows,
        "COLUMNS": window.columns,
        "KERNEL_Y": window.kernel[0],
        "KERNEL_X": window.kernel[1],
        "STRIDE_Y": window.stride[0],
        "STRIDE_X": window.stride[1],
        "DILATION_Y": window.dilation[0],
        "DILATION_X": window.dilation[1],
        "PAD_TOP": window.padding[0],
        "PAD_LEFT": window.padding[1],
        "OUT_ROWS": window.out_rows,
        "OUT_COLUMNS": window.out_columns,
        "BUFFER_ROWS": buffer_rows,
        "BANK": bank_words(lanes * source.width, buffer_rows * window.columns * window.blocks),
        "GROUPS": groups,
        "PAD_VALUE": bits64(pad_value),
    }
    timing = dataflow.sliding_window(window, passes)
    return Unit(name, "sliding_window", layer, parameters, timing, (wires[0],), (wires[1],))
