# SPDX-License-Identifier: Apache-2.0
"""Staircases: a start and equal climbs at thresholds, per channel."""

import numpy as np

from hls.templates.unit import Array, Unit, rom_style, words
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow

MAX_INPUT_BITS = 62  # a threshold has one more, and is written as an int64


def threshold(
    name: str,
    layer: str,
    wires: tuple[str, str],
    params: tuple[Array, Array, Array],
    formats: tuple[FixedPoint, FixedPoint, FixedPoint, FixedPoint],
    exact: FixedPoint,
    folding: Folding,
    beats: int,
) -> Unit:
    """start + slope · (how many thresholds x reaches), ``pe`` channels per beat.

    Args:
        wires: in and out.
        params: thresholds (channels, steps), start (channels,) and slope (channels,), channels in the order in which
            they arrive, again and again.
        formats: of the input, the thresholds, the start and the slope.
        exact: a signed format that holds every result, at the finer of the binary points of start and slope.
        folding: ``pe`` divides the channels.
        beats: per image.

    Raises:
        UnsupportedError: there is no threshold, the input has more than 62 bits, or the folding's memory cannot
            start with a content.
    """
    (thresholds, start, slope), (source, steps_format, start_format, slope_format) = params, formats
    channels, steps = thresholds.shape
    if steps < 1:
        raise UnsupportedError(f"{layer}: got no thresholds; expected at least one per channel; remove the layer")
    if source.width > MAX_INPUT_BITS:
        raise UnsupportedError(
            f"{layer}: got an input of {source.width} bits; expected at most {MAX_INPUT_BITS}; narrow its format"
        )
    blocks = channels // folding.pe
    files = {role: f"{name}_{role}.mem" for role in ("thresholds", "slopes", "starts")}
    heights = distances(thresholds, steps_format, source)
    aligned = start.astype(np.int64) << (exact.frac - start_format.frac)
    parameters: dict[str, int | str] = {
        "LANES": folding.pe,
        "BLOCKS": blocks,
        "STEPS": steps,
        "IN_WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "S_WIDTH": slope_format.width,
        "S_SIGNED": int(slope_format.signed),
        "SHIFT": exact.frac - slope_format.frac,
        "OUT_WIDTH": exact.width,
        "MEMORY": rom_style(layer, folding.memory, "thresholds"),
        "THRESHOLD_FILE": f'"{files["thresholds"]}"',
        "SLOPE_FILE": f'"{files["slopes"]}"',
        "START_FILE": f'"{files["starts"]}"',
    }
    memories = {
        files["thresholds"]: words(heights.reshape(blocks, -1), source.width + 1),
        files["slopes"]: words(slope.reshape(blocks, -1), slope_format.width),
        files["starts"]: words(aligned.reshape(blocks, -1), exact.width),
    }
    return Unit(
        name, "threshold", layer, parameters, dataflow.threshold(beats, steps), (wires[0],), (wires[1],), memories
    )


def distances(thresholds: Array, fmt: FixedPoint, source: FixedPoint) -> Array:
    """How far above the smallest integer of ``source`` thresholds of ``fmt`` are first reached: 0 to 2**width.

    An integer reaches a threshold on a finer grid where it reaches the next integer above it.
    """
    left = source.frac - fmt.frac
    exact = thresholds.astype(object)  # a shift to the left may leave 64 bits
    integers = exact << left if left >= 0 else -(-exact >> -left)
    bits = FixedPoint(source.width, source.frac, source.signed)  # without SAT_SYM, which leaves out its smallest
    heights: Array = np.clip(integers, bits.min_int, bits.max_int + 1).astype(np.int64) - bits.min_int
    return heights
