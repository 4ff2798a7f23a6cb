# SPDX-License-Identifier: Apache-2.0
"""What a pipeline is made of, as data: how every unit takes and gives beats, and how units are joined.

A *beat* passes a wire in the one cycle in which the giver offers it and the taker is ready. No unit looks at values, so
what it does with its n-th beat is known beforehand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import NetworkError

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pattern:
    """What a unit does with the beats it takes, again and again; arrays of one entry per beat of a period.

    A unit *fires* once per tick of its own clock, which stands still while its output waits. With beat i it fires
    ``before[i]`` times while the beat is offered and then takes it; that firing gives a beat where ``gives[i]`` is 1.
    Then come ``after[i]`` beats without another one taken, ``spacing[i]`` ticks apart.
    """

    before: Counts
    gives: Counts
    after: Counts
    spacing: Counts

    @property
    def beats_in(self) -> int:
        """Beats taken in a period."""
        return len(self.gives)

    @property
    def beats_out(self) -> int:
        """Beats given in a period."""
        return int((self.before + self.gives + self.after).sum())


def pattern(
    gives: Sequence[int] | Counts,
    after: Sequence[int] | Counts | int = 0,
    spacing: int = 1,
    before: Sequence[int] | Counts | int = 0,
) -> Pattern:
    """A pattern; numbers stand for every beat of the period."""
    shape = np.shape(gives)
    arrays = (np.asarray(one, dtype=np.int64) for one in (before, gives, after, spacing))
    return Pattern(*(np.broadcast_to(one, shape).copy() for one in arrays))


@dataclass(frozen=True, eq=False)
class Pipe:
    """Registers that all wait while the last one holds a beat that is not taken, so that gaps between beats stay.

    ``latency`` is the ticks from a firing to the cycle in which its beat is offered. ``turns`` is, for a unit with
    several inputs, whose beat is taken next, one entry per beat of the pattern; empty where every firing takes a beat
    of each input at once.
    """

    latency: int
    pattern: Pattern
    turns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Queue:
    """First in, first out: ``depth`` beats, offered ``latency`` cycles after they came."""

    depth: int
    latency: int = 1


@dataclass(frozen=True)
class Fork:
    """The same beat to several readers, each of which takes it when it is ready."""


@dataclass(frozen=True, eq=False)
class Window:
    """A buffer of rows, written row by row and read window by window.

    ``rows`` has one entry per row of the padded image: ``line`` beats or, for padding, 0; ``kept[i]`` is 1 where the
    row takes one of ``buffer_rows`` slots. Row n of windows gives ``beats_per_row`` beats and needs
    ``extent`` kept rows beyond the ``given_up`` that each row of windows before it gave up; the last row of windows of
    an image gives up all ``extent``.
    """

    latency: int
    rows: Counts
    kept: Counts
    out_rows: int
    beats_per_row: int
    buffer_rows: int
    extent: int
    given_up: int


@dataclass(frozen=True, eq=False)
class Schedule:
    """Vectors of ``beats`` are stored whole, in room for ``depth`` beats, then ``steps`` steps read them in any order.

    ``ends`` are the steps of a vector behind which a beat is given. ``release`` ticks after its last step a vector
    gives up its room.
    """

    latency: int
    beats: int
    depth: int
    steps: int
    ends: Counts
    release: int


Stage = Pipe | Queue | Fork | Window | Schedule


@dataclass(frozen=True, eq=False)
class Node:
    """One stage between wires; ``layer`` is whom it belongs to, ``kind`` what it is called there."""

    name: str
    stage: Stage
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    kind: str = ""
    layer: str = ""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Nodes in topological order between one wire in and one out, with the beats that pass there per image.

    ``givers``, ``takers`` (node and which of its inputs) and ``beats`` per image, of every wire, follow from these.

    Raises:
        NetworkError: a wire has not one giver and one taker, the nodes are out of order, as in a cycle, an image is no
            whole number of a node's periods, or a stage has no room.
    """

    nodes: tuple[Node, ...]
    source: str
    result: str
    beats_in: int
    beats_out: int
    givers: dict[str, int] = field(init=False, repr=False)
    takers: dict[str, tuple[int, int]] = field(init=False, repr=False)
    beats: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        givers: dict[str, int] = {self.source: -1}
        takers: dict[str, tuple[int, int]] = {}
        forked: set[str] = set()
        for number, node in enumerate(self.nodes):
            _check(node)
            if isinstance(node.stage, Fork):
                if forked.intersection(node.inputs):
                    raise NetworkError(
                        f"{node.name}: got a fork behind a fork; expected one; let the first give to all"
                    )
                forked |= set(node.outputs)
            for port, wire in enumerate(node.inputs):
                if wire not in givers:
                    raise NetworkError(
                        f"{node.name}: reads {wire}, which nothing before it gives; expected nodes in topological "
                        "order; order them, and cut cycles"
                    )
                self._join(takers, wire, (number, port), "readers")
            for wire in node.outputs:
                self._join(givers, wire, number, "givers")
        if self.result not in givers:
            raise NetworkError(f"{self.result}: nothing gives the result; expected one node; name another wire")
        self._join(takers, self.result, (len(self.nodes), 0), "readers")
        unread = sorted(set(givers) - set(takers))
        if unread:
            raise NetworkError(f"{unread[0]}: nothing reads it; expected one reader; remove its giver")
        beats = self._count()
        given = beats[self.result]
        if given != self.beats_out:
            raise NetworkError(f"{self.result}: got {self.beats_out} beats per image; expected {given}; say so")
        object.__setattr__(self, "beats", beats)
        object.__setattr__(self, "givers", givers)
        object.__setattr__(self, "takers", takers)

    @staticmethod
    def _join(ends: dict[str, Any], wire: str, end: Any, what: str) -> None:
        if wire in ends:
            raise NetworkError(f"{wire}: got two {what}; expected one; put a fork between them")
        ends[wire] = end

    @property
    def queues(self) -> tuple[Node, ...]:
        """The FIFOs, which are the nodes with a depth that can be chosen."""
        return tuple(node for node in self.nodes if isinstance(node.stage, Queue) and node.stage.latency == 1)

    def _count(self) -> dict[str, int]:
        beats = {self.source: self.beats_in}
        for node in self.nodes:
            beats |= dict.fromkeys(node.outputs, _given(node, beats))
        return beats


def _check(node: Node) -> None:
    """Refuse what no hardware does.

    Raises:
        NetworkError: no room, or no delay behind a register.
    """
    stage = node.stage
    if isinstance(stage, Queue) and stage.depth < 1:
        raise NetworkError(f"{node.name}: got depth {stage.depth}; expected at least 1; deepen it")
    if isinstance(stage, Pipe | Window | Schedule) and stage.latency < 1:
        raise NetworkError(
            f"{node.name}: got latency {stage.latency}; expected at least 1; leave out what has no register"
        )
    if isinstance(stage, Window) and stage.buffer_rows < stage.extent:
        raise NetworkError(
            f"{node.name}: got {stage.buffer_rows} rows; expected at least {stage.extent}; buffer a window"
        )
    if isinstance(stage, Schedule) and stage.depth < stage.beats:
        raise NetworkError(f"{node.name}: got room for {stage.depth}; expected at least {stage.beats}; store a vector")


def busy(stage: Stage, beats: int) -> int:
    """Cycles per image that a stage is at work if nothing waits: images cannot follow each other faster.

    Args:
        beats: per image that it takes, of its first input.
    """
    if isinstance(stage, Pipe):
        each = stage.pattern
        share = stage.turns.count(0) if stage.turns else each.beats_in
        return beats // share * int((each.before + 1 + each.after * each.spacing).sum())
    if isinstance(stage, Window):
        return max(int(np.maximum(stage.rows, 1).sum()), stage.out_rows * stage.beats_per_row)
    return beats // stage.beats * max(stage.beats, stage.steps) if isinstance(stage, Schedule) else beats


def _given(node: Node, beats: Mapping[str, int]) -> int:
    """Beats per image that a node gives on each of its wires.

    Raises:
        NetworkError: an image ends within a period of the node, or its inputs do not fit together.
    """
    stage, first = node.stage, beats[node.inputs[0]]
    if isinstance(stage, Window):
        return _whole(node, first, int(stage.rows.sum()), stage.out_rows * stage.beats_per_row)
    if isinstance(stage, Schedule):
        return _whole(node, first, stage.beats, len(stage.ends))
    if not isinstance(stage, Pipe):
        return first
    shares = [stage.turns.count(port) if stage.turns else stage.pattern.beats_in for port in range(len(node.inputs))]
    each = [_whole(node, beats[wire], n, stage.pattern.beats_out) for wire, n in zip(node.inputs, shares, strict=True)]
    if len(set(each)) > 1:
        got = ", ".join(f"{beats[wire]} of {wire}" for wire in node.inputs)
        raise NetworkError(f"{node.name}: got {got} beats per image; expected shares of {shares}; join what fits")
    return each[0]


def _whole(node: Node, beats: int, period: int, given: int) -> int:
    if beats % period:
        raise NetworkError(
            f"{node.name}: got {beats} beats per image; expected a multiple of {period}; let images end with its period"
        )
    return beats // period * given
