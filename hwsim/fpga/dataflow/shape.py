# SPDX-License-Identifier: Apache-2.0
"""What only moves values: concatenation, padding, upsampling."""

from collections.abc import Sequence

from hwsim.fpga.dataflow.timing import Timing

CONCAT_STEPS = 1  # hls/rtl/concat.sv
PAD_STEPS = 1  # hls/rtl/pad.sv
UPSAMPLE_STEPS = 3  # two of the memory, one of the choice (hls/rtl/upsample.sv)


def concat(pixels: int, blocks: Sequence[int]) -> Timing:
    """Images of ``pixels`` pixels, of which the i-th has ``blocks[i]`` beats per pixel; beats in are those of all."""
    beats = pixels * sum(blocks)
    return Timing(beats, beats, beats - 1 + CONCAT_STEPS, beats)


def pad(blocks: int, image: tuple[int, int], padding: tuple[int, int, int, int]) -> Timing:
    """An image of (rows, columns) and ``blocks`` beats per pixel with zeros around it: top, left, bottom, right."""
    (rows, columns), (top, left, bottom, right) = image, padding
    width = left + columns + right
    beats = (top + rows + bottom) * width * blocks
    leading = (top * width + left) * blocks  # leave before the first beat is taken
    return Timing(rows * columns * blocks, beats, beats - leading - 1 + PAD_STEPS, beats)


def upsample(beats_in: int, factor: tuple[int, int]) -> Timing:
    """``beats_in`` beats, each of them repeated for ``factor`` (rows, columns)."""
    beats = beats_in * factor[0] * factor[1]
    return Timing(beats_in, beats, beats - 1 + UPSAMPLE_STEPS, beats)
