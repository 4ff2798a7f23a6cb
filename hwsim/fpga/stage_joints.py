# SPDX-License-Identifier: Apache-2.0
"""What stands between PE x SIMD stages and around them: converters of widths, registers for the processor.

Unlike the units of a stage they depend on two foldings at a time, so they are known of whole designs alone.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from hwsim.design import Folding
from hwsim.fpga.dataflow import conversion_steps
from hwsim.fpga.folded import COUNTED
from hwsim.fpga.stages import Pipeline, Stage
from hwsim.fpga.units import resources

UNITS_PER_STAGE = 5  # that hold a frame each, about: the monitor keeps a stamp for each
MOST_STAMPS = 1024  # hls/verilog.py


def joints(stages: Pipeline, foldings: Sequence[Folding]) -> dict[str, float]:
    """Cells between and around the stages of a whole design, by resource.

    Args:
        foldings: one per stage.
    """
    total = dict.fromkeys(COUNTED, 0.0)
    converters = _converters(stages.stages, foldings)
    if converters:
        names = ("WIDTH", "IN_LANES", "OUT_LANES")
        _add(total, "width_converter", dict(zip(names, np.array(converters, dtype=np.float64).T, strict=True)))
    if stages.stages:
        _add(total, "control", _control(stages, foldings))
    return total


def _add(total: dict[str, float], module: str, parameters: Mapping[str, object]) -> None:
    cells = resources(module, parameters)
    for name in COUNTED:
        total[name] += float(getattr(cells, name).sum())


def _converters(stages: Sequence[Stage], foldings: Sequence[Folding]) -> list[tuple[int, int, int]]:
    """(bits of a value, lanes in, lanes out) of every converter between two stages."""
    found = []
    for stage, folding in zip(stages, foldings, strict=True):
        for source in stage.sources:
            producer = stages[source]
            lanes = 1 if producer.op == "argmax" else foldings[source].pe
            steps = conversion_steps(lanes, _lanes_in(stage, folding))
            found += [(producer.formats.cast_out, one, other) for one, other in pairwise(steps)]
    return found


def _lanes_in(stage: Stage, folding: Folding) -> int:
    if stage.kind not in ("matrix", "depthwise"):
        return folding.pe
    return folding.simd * max(1, folding.pe // stage.mh)


def _control(stages: Pipeline, foldings: Sequence[Folding]) -> dict[str, float]:
    """Parameters of hls/rtl/control.sv."""
    first, last = stages.stages[0], stages.stages[-1]
    pixels = first.rows_in * first.columns_in
    lanes = foldings[-1].pe
    frames = UNITS_PER_STAGE * len(foldings)
    return {
        "BEATS_IN": max(1.0, pixels * first.channels_in / _lanes_in(first, foldings[0])),
        "OUT_BYTES": float(-(-lanes * last.output_bits // 8)),
        "STAMPS": float(min(1 << frames.bit_length(), MOST_STAMPS)),
    }
