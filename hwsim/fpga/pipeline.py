# SPDX-License-Identifier: Apache-2.0
"""Latency and interval of stages that work at the same time.

The interval is the busy time of the slowest stage.  The latency is neither that nor the sum of all stages: a stage
starts when the first window of its input is there, keeps up with its input or falls behind it, and ends a tail
after the last input.  Per stage, with T the first and last output:

    first = T_in.first + head * (T_in.last - T_in.first) + work per output + depth
    last  = max(T_in.last + tail, T_in.first + busy) + depth

``head`` is the share of the input a stage needs before its first output; ``tail`` the work that is left when the
last input arrives (the output rows that need the last input row).  FIFOs are taken as large enough.  Against the
boards of the MLPerf Tiny submissions this first-order model is within the error bar given in assemble.py.
"""

from dataclasses import dataclass

import numpy as np

from hwsim.fpga.resources import Array
from hwsim.fpga.stages import Pipeline, Stage


@dataclass(frozen=True, eq=False)
class Timing:
    """Cycles of every stage for one inference: ``busy`` in all, ``depth`` from an input to its output."""

    busy: Array
    depth: Array


def head_share(stage: Stage) -> float:
    """Share of the input that must have arrived before the first output can be computed."""
    if stage.kind == "global" or (stage.op == "dense" and stage.rows_in * stage.columns_in > 1 == stage.pixels_out):
        return 1.0
    rows = max(stage.kernel_rows - 1 - stage.pad_top, 0)
    pixels = rows * stage.columns_in + max(stage.kernel_columns - 1, 0)
    return min(1.0, pixels / (stage.rows_in * stage.columns_in))


def tail_share(stage: Stage) -> float:
    """Share of the busy time that is left when the last input has arrived."""
    if stage.kind == "global":
        return 0.0
    if stage.op == "dense" and stage.pixels_out == 1:
        return 1.0
    # Output row r needs input rows up to r * stride - pad + kernel - 1.
    complete = (stage.rows_in - stage.kernel_rows + stage.pad_top) / stage.stride_rows
    waiting = stage.rows_out - int(np.ceil(min(max(complete, 0), stage.rows_out - 1)))
    return ((waiting - 1) * stage.columns_out + 1) / stage.pixels_out


def interval(timing: Timing) -> Array:
    """Cycles between two inferences in steady state; of several design points, see :func:`latency`."""
    found: Array = timing.busy.max(axis=-1, initial=1.0)
    return found


def latency(stages: Pipeline, timing: Timing, input_cycles: float) -> Array:
    """Cycles from the first input to the last output of one inference.

    Args:
        stages: the pipeline.
        timing: busy and depth of every stage in cycles, (..., stages): of one design point or of several.
        input_cycles: how long the network's input takes to arrive.
    """
    points = timing.busy.shape[:-1]
    first, last = [np.zeros(points)], [np.full(points, input_cycles)]  # the network's input; stage i is at i + 1
    end = last[0]
    for index, stage in enumerate(stages.stages):
        busy, depth = timing.busy[..., index], timing.depth[..., index]
        in_first, in_last = _of_latest(first, stage), _of_latest(last, stage)
        begun = in_first + head_share(stage) * (in_last - in_first) + busy / stage.pixels_out * (stage.kind != "global")
        done = np.maximum(np.maximum(in_last + tail_share(stage) * busy, in_first + busy), begun) + depth
        first.append(begun + depth)
        last.append(done)
        end = np.maximum(end, done)
    return end


def _of_latest(times: list[Array], stage: Stage) -> Array:
    """The latest of a stage's inputs."""
    sources = [source + 1 for source in stage.sources] or [0]
    found = times[sources[0]]
    for source in sources[1:]:
        found = np.maximum(found, times[source])
    return found
