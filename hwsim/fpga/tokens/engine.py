# SPDX-License-Identifier: Apache-2.0
"""Images through a pipeline: the cycle in which every beat passes, exactly."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError
from hwsim.fpga.tokens.stages import Fork, Node, Pattern, Pipe, Pipeline, Queue, Schedule, Window

Cycles = npt.NDArray[np.int64]

START = 1  # cycles from the end of the reset to the first one in which a design works (hls/rtl/control.sv)
_SPARE = 4


@dataclass(frozen=True, eq=False)
class Outside:
    """What stands at both ends of a pipeline, from the cycle in which its reset ends.

    ``gaps[k]`` is how many cycles after beat k - 1 was taken, or the reset ended, the source goes on pausing;
    ``ready[c]`` whether the receiver is ready in cycle c. None, or what lies behind the arrays' ends: no pause. Image n
    is not offered before ``n · pace`` cycles have passed.
    """

    gaps: Cycles | None = None
    ready: npt.NDArray[np.bool_] | None = None
    pace: int = 0


@dataclass(frozen=True, eq=False)
class Flow:
    """When beats passed: ``in_cycles`` (images, beats in) and ``out_cycles`` (images, beats out) at both ends.

    ``queues`` has, for every FIFO by name, the cycles in which each beat came and left, and ``rooms``, for every buffer
    of rows or vectors, from which cycle on each row or vector was there, and the room of each row of windows or vector
    was free again. Where ``circle`` names nodes, each of them waits for the next and the last one for the first: a
    deadlock. Then cycles are only those of the beats that passed, one row.
    """

    in_cycles: Cycles
    out_cycles: Cycles
    queues: dict[str, tuple[Cycles, Cycles]]
    rooms: dict[str, tuple[Cycles, Cycles]] = field(default_factory=dict, repr=False)
    circle: tuple[str, ...] = ()
    beats: int = field(default=0, repr=False)

    @property
    def latency(self) -> int:
        """Cycles from the first beat in to the last beat out of the first image."""
        return int(self.out_cycles[0, -1] - self.in_cycles[0, 0])

    @property
    def interval(self) -> int | None:
        """Cycles between the last beats of the last two images; None for one image."""
        return int(self.out_cycles[-1, -1] - self.out_cycles[-2, -1]) if len(self.out_cycles) > 1 else None

    def occupancy(self) -> dict[str, int]:
        """The most beats that each FIFO held at once."""
        return {name: peak(*cycles) for name, cycles in self.queues.items()}


def peak(came: Cycles, left: Cycles) -> int:
    """The most beats that are in a FIFO at once, counted behind each cycle; both arrays in order."""
    if len(came) == 0:
        return 0
    return int((np.arange(1, len(came) + 1) - np.searchsorted(left, came, side="right")).max())


def simulate(pipeline: Pipeline, images: int, outside: Outside | None = None) -> Flow:
    """Stream images through a pipeline.

    Args:
        images: at least 1.
        outside: pauses at both ends; none by default.

    Raises:
        InputError: no image.
    """
    return Simulation(pipeline, images, outside).run(images)


class Simulation:
    """A pipeline at work, image after image; ``nodes`` and ``heap`` are those of the kernel.

    Args:
        most_images: how many it will ever be asked for.
        outside: pauses at both ends; none by default.

    Raises:
        InputError: no image.
    """

    def __init__(self, pipeline: Pipeline, most_images: int, outside: Outside | None = None) -> None:
        if most_images < 1:
            raise InputError(f"images: got {most_images}; expected at least 1; stream one")
        self.pipeline = pipeline
        self.nodes, self.heap = _Layout(pipeline, most_images, outside or Outside()).finish()
        self._scratch = [np.zeros(len(self.nodes) + 1, dtype=np.int64) for _ in range(3)]

    def run(self, images: int) -> Flow:
        """Go on until so many images have passed; cycles of these and of those before.

        No image depends on a later one, so that the answer is the same whatever was asked for before.
        """
        from hwsim.fpga.tokens.driver import run

        self.nodes[0]["limit"] = images * self.pipeline.beats_in
        run(self.nodes, self.heap, *self._scratch)
        return self._flow(images)

    def _flow(self, images: int) -> Flow:
        pipeline, nodes, heap, trail = self.pipeline, self.nodes, self.heap, self._scratch[2]
        source, sink = nodes[0], nodes[-1]
        ins = heap[source["PUSHES"] :][: source["sent"]]
        outs = heap[sink["POPS"] :][: sink["taken"]]
        done = sink["taken"] >= images * pipeline.beats_out and source["sent"] == images * pipeline.beats_in
        rows = images if done else 1
        circle = () if done else tuple(pipeline.nodes[u - 1].name if u else "source" for u in trail[1 : trail[0] + 1])
        queues, rooms = {}, {}
        for number, node in enumerate(pipeline.nodes, 1):
            stage, one = node.stage, nodes[number]
            if isinstance(stage, Queue) and stage.latency == 1:
                queues[node.name] = heap[one["PUSHES"] :][: one["taken"]], heap[one["POPS"] :][: one["sent"]]
            elif isinstance(stage, Window | Schedule):
                kept, freed = int(stage.kept.sum()) if isinstance(stage, Window) else 0, one["started"]
                ready = images * kept if kept else one["taken"] // one["period"]
                rooms[node.name] = heap[one["READY"] :][:ready], heap[one["FREED"] :][:freed]
        beats = int(heap[0])
        return Flow(ins.reshape(rows, -1), outs.reshape(rows, -1), queues, rooms, circle, beats)


class _Layout:
    """Records and heap of a pipeline: constants and arrays of every node, for so many images."""

    def __init__(self, pipeline: Pipeline, images: int, outside: Outside) -> None:
        from hwsim.fpga.tokens import kernel

        self.kernel, self.pipeline, self.images, self.outside = kernel, pipeline, images, outside
        self.nodes = np.zeros(len(pipeline.nodes) + 2, dtype=kernel.NODE)
        self.parts: list[tuple[int, Any]] = []
        self.patterns: dict[int, tuple[int, ...]] = {}
        self.size = 1
        self.beats = pipeline.beats

    def put(self, values: Any) -> int:
        """The place in the heap of an array."""
        self.parts.append((self.size, values))
        return self.room(len(values))

    def room(self, count: int) -> int:
        """The place of ``count`` numbers to be filled in, all 0."""
        place, self.size = self.size, self.size + count
        return place

    def finish(self) -> tuple[Any, Cycles]:
        """Records and heap."""
        nodes, pipeline, kernel = self.nodes, self.pipeline, self.kernel
        nodes["last"], nodes["free"], nodes["TURNS"], nodes["slot"], nodes["inputs"] = -1, START, -1, -1, 1
        for number, node in enumerate(pipeline.nodes, 1):
            self.fill(nodes[number], node)
            nodes[number]["GIVERS"] = self.put([pipeline.givers[wire] + 1 for wire in node.inputs])
        self.ends()
        for wire, giver in pipeline.givers.items():
            taker, port = pipeline.takers[wire]
            nodes[giver + 1]["next"], nodes[giver + 1]["port"] = taker + 1, port
        for number, node in enumerate(pipeline.nodes, 1):
            if isinstance(node.stage, Fork):
                takers = [pipeline.takers[wire] for wire in node.outputs]
                readers = [number for taker, port in takers for number in (taker + 1, port)]
                nodes[number]["READERS"], nodes[number]["kind"] = self.put(readers), kernel.FORK
                nodes[number]["inputs"], nodes[number]["TAKEN"] = len(takers), self.put([-1] * len(takers))
        heap = np.zeros(self.size, dtype=np.int64)
        for place, values in self.parts:
            heap[place : place + len(values)] = values
        return nodes, heap

    def ends(self) -> None:
        """The source and the sink."""
        source, sink = self.nodes[0], self.nodes[-1]
        source["kind"], sink["kind"] = self.kernel.SOURCE, self.kernel.SINK
        source["row_beats"], source["pace"] = self.pipeline.beats_in, self.outside.pace
        source["limit"] = self.images * self.pipeline.beats_in
        source["PUSHES"], sink["POPS"] = self.room(source["limit"]), self.room(self.images * self.pipeline.beats_out)
        if self.outside.gaps is not None:
            gaps = np.zeros(source["limit"], dtype=np.int64)
            given = self.outside.gaps[: len(gaps)]
            gaps[: len(given)] = given
            source["period"], source["GAPS"] = 1, self.put(gaps)
        if self.outside.ready is not None:
            sink["period"], sink["READY"] = len(self.outside.ready), self.put(self.outside.ready)
        sink["GIVERS"] = self.put([self.pipeline.givers[self.pipeline.result] + 1])

    def fill(self, one: Any, node: Node) -> None:
        """The constants and arrays of a stage."""
        fillers = {Pipe: self.pipe, Queue: self.queue, Window: self.window, Schedule: self.schedule}
        filler: Any = fillers.get(type(node.stage))
        if filler is not None:
            filler(one, node)

    def pipe(self, one: Any, node: Node) -> None:
        """See :class:`Pipe`."""
        stage = node.stage
        assert isinstance(stage, Pipe)
        each = stage.pattern
        one["kind"], one["latency"], one["period"] = self.kernel.PIPE, stage.latency, each.beats_in
        one["BEFORE"], one["GIVES"], one["AFTER"], one["SPACING"], one["SILENT"], most = self.pattern(each)
        self.ring(one, most)
        one["inputs"] = len(node.inputs)
        one["OFFERS"], one["TAKEN"] = self.put([-1] * len(node.inputs)), self.put([-1] * len(node.inputs))
        if stage.turns:
            one["TURNS"] = self.put(stage.turns)

    def pattern(self, each: Pattern) -> tuple[int, ...]:
        """The places of a pattern's arrays, which many pipes share, and the most beats that it gives at once."""
        if id(each) not in self.patterns:
            firing = each.before + each.gives + each.after
            arrays = each.before, each.gives, each.after, each.spacing, _silent(firing > 0)
            self.patterns[id(each)] = (*(self.put(values) for values in arrays), int(firing.max()))
        return self.patterns[id(each)]

    def ring(self, one: Any, batch: int) -> None:
        """Room for the beats that are on their way at once."""
        size = 1 << (2 * batch + 2 * int(one["latency"]) + _SPARE).bit_length()
        one["mask"], one["TICKS"], one["WAITS"] = size - 1, self.room(size), self.room(size)

    def queue(self, one: Any, node: Node) -> None:
        """See :class:`Queue`; of FIFOs all beats are kept."""
        stage = node.stage
        assert isinstance(stage, Queue)
        one["kind"], one["depth"], one["latency"] = self.kernel.QUEUE, stage.depth, stage.latency
        beats = self.images * self.beats[node.inputs[0]] if stage.latency else stage.depth
        size = 1 << (beats + _SPARE).bit_length()
        one["mask"], one["PUSHES"], one["POPS"] = size - 1, self.room(size), self.room(size)

    def window(self, one: Any, node: Node) -> None:
        """See :class:`Window`."""
        stage = node.stage
        assert isinstance(stage, Window)
        one["kind"], one["latency"], one["period"] = self.kernel.WINDOW, stage.latency, len(stage.rows)
        one["ROWS"], one["KEPT"] = self.put(stage.rows), self.put(stage.kept)
        one["out_rows"], one["row_beats"] = stage.out_rows, stage.beats_per_row
        one["buffer"], one["extent"], one["given_up"] = stage.buffer_rows, stage.extent, stage.given_up
        one["limit"] = self.images * stage.out_rows
        one["READY"] = self.room((self.images + 1) * int(stage.kept.sum()))
        one["FREED"] = self.put(np.full(self.images * stage.out_rows, -1))
        self.ring(one, stage.beats_per_row)

    def schedule(self, one: Any, node: Node) -> None:
        """See :class:`Schedule`."""
        stage = node.stage
        assert isinstance(stage, Schedule)
        one["kind"], one["latency"], one["period"] = self.kernel.SCHEDULE, stage.latency, stage.beats
        one["depth"], one["steps"], one["release"] = stage.depth, stage.steps, stage.release
        one["ENDS"], one["row_beats"] = self.put(stage.ends), len(stage.ends)
        vectors = self.images * self.beats[node.inputs[0]] // stage.beats + 1
        one["READY"], one["FREED"] = self.room(vectors), self.put(np.full(vectors, -1))
        self.ring(one, len(stage.ends))


def _silent(gives: npt.NDArray[np.bool_]) -> Cycles:
    """For every beat of a period, how many from it on give nothing, up to the end of the period."""
    place = np.arange(len(gives))
    following = np.minimum.accumulate(np.where(gives, place, len(gives))[::-1])[::-1]
    return following - place
