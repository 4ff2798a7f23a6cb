# SPDX-License-Identifier: Apache-2.0
"""Images without end: what the first ones show of all that follow."""

from dataclasses import dataclass

import numpy as np

from hwsim.fpga.tokens.engine import Flow, Outside, Simulation, simulate
from hwsim.fpga.tokens.repeats import followed, goes_on, registers
from hwsim.fpga.tokens.stages import Pipeline, Queue, Schedule, Window, busy

MOST_IMAGES = 256  # simulated before a pipeline counts as not settled
_LONGEST_PERIOD = 16  # images
_DOUBLED = 3  # how often more images are tried at a given pace


@dataclass(frozen=True, eq=False)
class Steady:
    """A pipeline at work for ever: the receiver never pauses, and images come as fast as they can be kept up with.

    After the simulated images, every ``period`` images pass both ends and every FIFO as the ``period`` before,
    ``shift`` cycles later, and so do all that follow: the same state has the same future. Where that did not come about
    within the simulated images, as while a deep FIFO fills up slowly, or where the pipeline stands still, ``settled``
    is False, and the shift is that of the second half of the images.
    """

    flow: Flow
    settled: bool
    period: int
    shift: int

    @property
    def latency(self) -> int:
        """Cycles from the first beat in to the last beat out of the first image."""
        return self.flow.latency

    @property
    def interval(self) -> float:
        """Cycles between images: the mean over a period, within which images may come in bursts."""
        return self.shift / self.period

    def cycles(self, images: int) -> int:
        """Cycles from the first beat in to the last beat out of so many images that come at this pace.

        Images that come as soon as they are taken may be through a cycle earlier (:func:`simulate` follows them).
        """
        ends = self.flow.out_cycles[:, -1]
        beyond = max(0, -(-(images - len(ends)) // self.period))
        return int(ends[images - 1 - beyond * self.period] + beyond * self.shift - self.flow.in_cycles[0, 0])


def slowest(pipeline: Pipeline) -> int:
    """Cycles per image of the stage that takes longest; no images follow each other faster."""
    beats = pipeline.beats
    return max((busy(node.stage, beats[node.inputs[0]]) for node in pipeline.nodes), default=1)


def keeps_pace(pipeline: Pipeline, pace: int) -> Flow | None:
    """Images that come every ``pace`` cycles, up to where each passes everything as the one before: so it goes on.

    None where that does not come about soon, or the pipeline stands still.
    """
    memory = _memory(pipeline)
    most = (memory + 2) << _DOUBLED
    simulation = Simulation(pipeline, most + 1, Outside(pace=pace))
    flow, behind = simulation.run(1), registers(simulation)
    for images in range(2, most + 1):
        flow, before = simulation.run(images), behind
        if flow.circle:
            return None
        interval, behind = _shift(flow, 1), registers(simulation)
        if goes_on(pipeline, flow, before, behind, interval):
            return _settled(flow, pace) if interval == pace else None
        intervals = np.diff(flow.out_cycles[:, -1])
        if images > memory + 2 and np.all(intervals[-memory - 1 :] > pace):
            return None  # it falls behind, image by image
    return None


def _settled(flow: Flow, pace: int) -> Flow:
    """The flow up to two images that are alike, so that what it holds is what there is for ever."""
    passed = (flow.in_cycles, flow.out_cycles, *(cycles for pair in flow.queues.values() for cycles in pair))
    rows = (cycles.reshape(len(flow.out_cycles), -1) for cycles in passed)
    return flow if all(np.array_equal(row[-1], row[-2] + pace) for row in rows) else followed(flow, pace)


def steady(pipeline: Pipeline, most_images: int = MOST_IMAGES) -> Steady:
    """Stream images until everything repeats: at the pace of the slowest stage, or else as fast as they are taken.

    Args:
        most_images: give up after so many.
    """
    pace = slowest(pipeline)
    kept = keeps_pace(pipeline, pace)
    return _unpaced(pipeline, most_images) if kept is None else Steady(kept, True, 1, pace)


def _unpaced(pipeline: Pipeline, most_images: int) -> Steady:
    memory = _memory(pipeline)
    images = memory + 2
    while True:
        flow = simulate(pipeline, images)
        if flow.circle:
            return Steady(flow, False, 1, 0)
        for period in range(1, min(_LONGEST_PERIOD, images - memory) + 1):
            if _repeats(flow, memory, period):
                return Steady(flow, True, period, _shift(flow, period))
        if images >= most_images:
            return Steady(flow, False, images // 2, _shift(flow, images // 2))
        images = min(2 * images, most_images)


def _shift(flow: Flow, period: int) -> int:
    """Cycles from the end of an image to that of the last one, which comes ``period`` images later."""
    return int(flow.out_cycles[-1, -1] - flow.out_cycles[-1 - period, -1])


def _memory(pipeline: Pipeline) -> int:
    """Images that any one stage holds at the most: an image does not depend on what lies further back."""
    beats, held = pipeline.beats, 1
    for node in pipeline.nodes:
        stage = node.stage
        if isinstance(stage, Queue | Schedule):
            held = max(held, -(-stage.depth // beats[node.inputs[0]]))
        elif isinstance(stage, Window):
            held = max(held, -(-stage.buffer_rows // int(stage.kept.sum())))
    return held


def _repeats(flow: Flow, memory: int, period: int) -> bool:
    """Whether the last images passed everything as those ``period`` before them, all by as many cycles later."""
    images, shift = len(flow.out_cycles), _shift(flow, period)
    passed = (flow.out_cycles, flow.in_cycles, *(cycles for pair in flow.queues.values() for cycles in pair))
    rows = (cycles.reshape(images, -1) for cycles in passed)
    return all(np.all(row[-memory:] - row[-memory - period : -period] == shift) for row in rows)
