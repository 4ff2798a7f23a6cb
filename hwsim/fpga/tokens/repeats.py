# SPDX-License-Identifier: Apache-2.0
"""Whether images go on as they did: a proof from what stages hold between two images.

Every event is a function of earlier ones that does not depend on when they were, but for their distance. So if
registers stand behind the last image as they stood before it, ``shift`` cycles later, and if the room that its beats
found is there as early, or was and will be there before it is wanted, the next image passes everything ``shift`` cycles
behind it, and so do all that follow.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hwsim.fpga.tokens.engine import Cycles, Flow, Simulation
from hwsim.fpga.tokens.stages import Pipeline, Queue, Schedule, Window


@dataclass(frozen=True, eq=False)
class Registers:
    """How registers stand when everything has passed: cycles that matter to what comes, and waits to be counted."""

    cycles: Cycles
    waits: Cycles


def registers(simulation: Simulation) -> Registers:
    """The registers of a simulation that has run."""
    from hwsim.fpga.tokens import kernel

    nodes, heap = simulation.nodes, simulation.heap
    kind, last, waited = nodes["kind"], nodes["last"], nodes["waited"]
    clocked = (kind == kernel.PIPE) | (kind == kernel.WINDOW) | (kind == kernel.SCHEDULE)
    windows = kind == kernel.WINDOW
    cycles = [
        np.maximum(last + 1 + waited, nodes["free"])[clocked],
        last[(kind == kernel.QUEUE) | (kind == kernel.SOURCE)],
        np.maximum(nodes["written"] + 1, nodes["slot"])[windows],
    ]
    waits = [np.zeros(0, dtype=np.int64)]
    for one in np.flatnonzero(clocked & (nodes["seen"] < nodes["given"])):
        node = nodes[one]
        places = np.arange(node["seen"], node["given"]) & node["mask"]
        each = heap[node["WAITS"] + places]
        cycles.append(heap[node["TICKS"] + places][each > 0] + node["latency"] + node["waited"])
        waits.append(each[each > 0])
    return Registers(np.concatenate(cycles), np.concatenate(waits))


def goes_on(pipeline: Pipeline, flow: Flow, before: Registers, behind: Registers, shift: int) -> bool:
    """Whether all images that follow the last one pass everything ``shift`` cycles behind the one before.

    Args:
        flow: of at least two images.
        before: registers before the last image.
        behind: and behind it.
    """
    return (
        all(not isinstance(node.stage, Queue) or node.stage.latency or node.stage.depth == 1 for node in pipeline.nodes)
        and len(before.cycles) == len(behind.cycles)
        and np.array_equal(before.cycles + shift, behind.cycles)
        and np.array_equal(before.waits, behind.waits)
        and all(_has_room(room, len(flow.out_cycles), shift) for room in _rooms(pipeline, flow))
    )


def followed(flow: Flow, shift: int) -> Flow:
    """A flow with one more image, ``shift`` cycles behind the last one."""
    images = len(flow.out_cycles)

    def longer(cycles: Cycles) -> Cycles:
        return np.append(cycles, cycles[-(len(cycles) // images) :] + shift)

    ins, outs = (np.vstack([cycles, cycles[-1:] + shift]) for cycles in (flow.in_cycles, flow.out_cycles))
    queues = {name: (longer(came), longer(left)) for name, (came, left) in flow.queues.items()}
    return Flow(ins, outs, queues, beats=flow.beats)


@dataclass(frozen=True, eq=False)
class _Room:
    """Places that are taken, given up, and taken again.

    ``wanted`` is the cycle, or an earlier one, in which each place is taken in the last image, ``free`` from when on it
    was free again, (images, places). ``whose`` says which place each one has been, counted from the last image's first.
    """

    wanted: Cycles
    free: Cycles
    whose: Cycles


def _rooms(pipeline: Pipeline, flow: Flow) -> Iterator[_Room]:
    images = len(flow.out_cycles)
    for node in pipeline.nodes:
        stage, each = node.stage, pipeline.beats[node.inputs[0]]
        if isinstance(stage, Queue) and stage.latency == 1:
            came, left = flow.queues[node.name]
            places = min(each, stage.depth)  # others are taken and given up by the same image
            free = left.reshape(images, each)[:, -places:] + 1
            whose = np.arange(each) - stage.depth if stage.depth > each else np.arange(places) - places
            yield _Room(came[-each:][: len(whose)], free, whose)
        elif isinstance(stage, Window):
            ready, freed = flow.rooms[node.name]
            kept = int(stage.kept.sum())
            image, row = np.divmod(np.arange(kept) - stage.buffer_rows, kept)
            whose = image * stage.out_rows + np.minimum(row // stage.given_up, stage.out_rows - 1)
            # A row is begun when the row before it is there, or later.
            yield _Room(ready[-kept - 1 : -1], freed.reshape(images, -1), whose)
        elif isinstance(stage, Schedule):
            ready, freed = flow.rooms[node.name]
            vectors = each // stage.beats
            beat = np.arange(each)
            begun = ready[-vectors - 1 : -1][beat // stage.beats] + beat % stage.beats
            yield _Room(begun, freed.reshape(images, -1), (beat - stage.depth) // stage.beats)


def _has_room(room: _Room, images: int, shift: int) -> bool:
    """Whether the next images find room as the last one did.

    For every place: what the last image found, and what images to come will find, are equally late, or neither the last
    image nor those to come wait for it.
    """
    free = room.free
    if free[-1, -1] < 0:  # not yet known, but it follows from the registers
        free = free.copy()
        free[-1, -1] = free[-2, -1] + shift
    ages = np.arange(images)
    free = free[::-1] + ages[:, None] * shift  # as if all were rooms of the last image, which comes first
    alike = np.cumprod(free == free[0], axis=0).sum(axis=0) - 1  # with how many images before it, the last one agrees
    image, place = np.divmod(room.whose, free.shape[1])
    before = -image
    found = free.max(axis=0)[place] - before * shift
    was_there = before < images
    fine = (before == 0) | (found < room.wanted) | (was_there & (alike[place] >= before))
    return bool(np.all(fine | (~was_there & (found <= room.wanted))))
