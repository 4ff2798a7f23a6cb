# SPDX-License-Identifier: Apache-2.0
"""The latency of a pipeline as the longest of many paths, each a sum over stages.

:func:`hwsim.fpga.pipeline.latency` is made of maxima and of sums with factors >= 0 of every stage's busy time and
depth. So it is the largest of many linear functions of them, and the one that is largest at one folding is a lower
bound of the latency of every other folding. Such bounds, added where they are needed, let sums alone bound a latency.
"""

from dataclasses import dataclass

import numpy as np

from hwsim.fpga.pipeline import head_share, tail_share
from hwsim.fpga.resources import Array
from hwsim.fpga.stages import Pipeline


@dataclass(frozen=True, eq=False)
class Path:
    """``fixed + busy . busy of the stages + depth . depth of the stages``, in cycles; coefficients are (stages,)."""

    fixed: float
    busy: Array
    depth: Array

    def length(self, busy: Array, depth: Array) -> float:
        """The path's cycles for stages of these busy times and depths, (stages,)."""
        return self.fixed + float(self.busy @ busy + self.depth @ depth)


def longest_path(stages: Pipeline, busy: Array, depth: Array, input_cycles: float) -> Path:
    """The path that is the latency of a streaming pipeline with these busy times and depths, (stages,) in cycles."""
    times = np.concatenate([busy, depth, [1.0]])
    units = np.eye(len(times))
    count = len(busy)
    first, last = [np.zeros(len(times))], [input_cycles * units[-1]]  # the network's input, then stage by stage

    def longest(paths: list[Array]) -> Array:
        return paths[int(np.argmax([path @ times for path in paths]))]

    for index, stage in enumerate(stages.stages):
        sources = [source + 1 for source in stage.sources] or [0]
        in_first = longest([first[source] for source in sources])
        in_last = longest([last[source] for source in sources])
        work, pause = units[index], units[count + index]
        head = head_share(stage)
        leading = work / stage.pixels_out * (stage.kind != "global")
        own_first = (1 - head) * in_first + head * in_last + leading + pause
        first.append(own_first)
        last.append(longest([in_last + tail_share(stage) * work, in_first + work, own_first - pause]) + pause)
    found = longest(last)
    return Path(float(found[-1]), found[:count], found[count:-1])


def parallel_path(stages: Pipeline, input_cycles: float) -> Path:
    """The only path with io_parallel: one stage after the other."""
    ones = np.ones(len(stages.stages))
    return Path(input_cycles, ones, ones)
