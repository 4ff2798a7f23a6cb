# SPDX-License-Identifier: Apache-2.0
"""A factor and a shift per channel: a batch norm, or with integer factors the multiply-shift of a requantisation."""

import numpy as np

from hls.templates.unit import Array, Unit, rom_style, words
from hwsim.design import Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow
from hwsim.fpga.multipliers import multiplier, parts


def scale(
    name: str,
    layer: str,
    wires: tuple[str, str],
    params: tuple[Array, Array],
    formats: tuple[FixedPoint, FixedPoint, FixedPoint],
    exact: FixedPoint,
    folding: Folding,
    beats: int,
) -> Unit:
    """x · scale + shift, ``pe`` channels per beat.

    Args:
        wires: in and out.
        params: scale and shift, (channels,) integers each, in the order in which channels arrive, again and again.
        formats: of the input, the scale and the shift.
        exact: a signed format that holds every result, at the finer of the binary points of product and shift.
        folding: ``pe`` divides the channels; ``multiplier`` says where products are computed.
        beats: per image.

    Raises:
        UnsupportedError: the folding's memory cannot start with a content.
    """
    (factor, offset), (source, factor_format, offset_format) = params, formats
    blocks = len(factor) // folding.pe
    products = multiplier(source.width, factor_format.width, folding.multiplier)
    in_dsp = products.rows_per_dsp > 0
    files = f"{name}_scales.mem", f"{name}_shifts.mem"
    aligned = offset.astype(np.int64) << (exact.frac - offset_format.frac)
    parameters: dict[str, int | str] = {
        "LANES": folding.pe,
        "BLOCKS": blocks,
        "IN_WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "S_WIDTH": factor_format.width,
        "S_SIGNED": int(factor_format.signed),
        "SHIFT": exact.frac - source.frac - factor_format.frac,
        "OUT_WIDTH": exact.width,
        "DSP": int(in_dsp),
        "MEMORY": rom_style(layer, folding.memory, "factors"),
        "SCALE_FILE": f'"{files[0]}"',
        "SHIFT_FILE": f'"{files[1]}"',
    }
    memories = {
        files[0]: words(factor.reshape(blocks, -1), factor_format.width),
        files[1]: words(aligned.reshape(blocks, -1), exact.width),
    }
    count = parts(source) * parts(factor_format) if in_dsp else 1
    timing = dataflow.scale(beats, 1 if in_dsp else products.steps, count)
    return Unit(name, "scale", layer, parameters, timing, (wires[0],), (wires[1],), memories)
