# SPDX-License-Identifier: Apache-2.0
# mypy: disable-error-code="no-any-return"
"""The recurrence: in which cycle every beat passes every wire, without a step for cycles in which nothing passes.

A beat passes when it is offered and its taker is ready. Either is a maximum over earlier events plus a delay, and no
beat depends on a later one of the same wire, so beats can be worked out in any order that has causes before effects.
To hand on one beat, :func:`drive` follows what it waits for – a taker that must first hand on one of its own, the
giver of a taker's other input – and comes back. Where that ends at a beat that waits already, nothing can ever move.

``nodes`` are records of :data:`NODE`, one per stage, with the source in front and the sink last; ``heap`` holds their
arrays. A *tick* of a node is a cycle in which its registers advance: cycle = tick + cycles waited so far.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

PIPE, QUEUE, FORK, WINDOW, SCHEDULE, SOURCE, SINK = range(7)
NOTHING = 1 << 40  # waits for a beat that will never come
PASSED = 0  # where the heap counts the beats that have passed

_NUMBERS = (
    "kind next port inputs latency depth period out_rows row_beats steps buffer extent given_up release mask limit pace"
)
_PLACES = (
    "GIVERS READERS BEFORE GIVES AFTER SPACING SILENT TURNS TICKS WAITS OFFERS TAKEN PUSHES POPS ROWS KEPT ENDS READY "
    "FREED GAPS"
)
_STATE = (
    "last waited sent_waited seen sent given free taken index begun row in_row kept started slot written failed "
    "current busy"
)
#: Fields of a node: numbers of its stage, places of its arrays in the heap, and how far it has got.
NODE = np.dtype([(name, np.int64) for name in f"{_NUMBERS} {_PLACES} {_STATE}".split()])

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function as machine code, compiled when something compiled calls it."""
    return cast(Function, njit(error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """The same for what is called for every beat: part of its caller's code."""
    return cast(Function, njit(error_model="numpy", forceinline=True)(function))


@inlined
def later(one: int, other: int) -> int:
    """The later of two cycles; built-in ``max`` would be a call."""
    return one if one > other else other


@inlined
def until_it_advances(node: Any, heap: Any, cycle: int) -> int:
    """The first cycle from ``cycle`` on in which the node's next tick can be, or -1 where it must hand on a beat first.

    The node waits from the cycle in which a beat is offered to the one before it is taken.
    """
    cycle = later(later(cycle, node.free), node.last + 1 + node.waited)
    while node.seen < node.given:
        place = node.seen & node.mask
        offered = heap[node.TICKS + place] + node.latency + node.waited
        if offered > cycle:
            break
        if node.seen == node.sent:
            return -1
        node.waited += heap[node.WAITS + place]
        node.seen += 1
        node.free = offered + heap[node.WAITS + place]
        cycle = later(later(cycle, node.free), node.last + 1 + node.waited)
    return cycle


@inlined
def give(node: Any, heap: Any, tick: int) -> None:
    """The node fires at a tick, and a beat is on its way."""
    heap[node.TICKS + (node.given & node.mask)] = tick
    node.given += 1
    node.last = tick


@compiled
def take_pipe(nodes: Any, heap: Any, u: int, port: int, cycle: int) -> int:
    """When the pipe takes a beat that is offered from ``cycle`` on; -1 - n where it waits for node n."""
    node = nodes[u]
    if node.inputs > 1:
        if node.TURNS >= 0:
            turn = heap[node.TURNS + node.index]
            if turn != port:
                return -1 - heap[node.GIVERS + turn]
        else:
            if heap[node.TAKEN + port] >= 0:
                passed = heap[node.TAKEN + port]
                heap[node.TAKEN + port] = -1
                return passed
            heap[node.OFFERS + port] = cycle
            for other in range(node.inputs):
                if heap[node.OFFERS + other] < 0:
                    return -1 - heap[node.GIVERS + other]
                cycle = later(cycle, heap[node.OFFERS + other])
    index = node.index
    if node.begun == 0 and heap[node.BEFORE + index] > 0:
        start = until_it_advances(node, heap, cycle)
        if start < 0:
            return -1 - u
        first = start - node.waited
        for number in range(heap[node.BEFORE + index]):
            give(node, heap, first + number)
        node.begun = 1
    start = until_it_advances(node, heap, cycle)
    if start < 0:
        return -1 - u
    node.last = start - node.waited
    if heap[node.GIVES + index] > 0:
        give(node, heap, node.last)
    for _ in range(heap[node.AFTER + index]):
        give(node, heap, node.last + heap[node.SPACING + index])
    node.begun = 0
    node.taken += 1
    node.index = index + 1 if index + 1 < node.period else 0
    if node.inputs > 1 and node.TURNS < 0:
        for other in range(node.inputs):
            heap[node.OFFERS + other] = -1
            heap[node.TAKEN + other] = start
        heap[node.TAKEN + port] = -1
    return start


@inlined
def take_queue(nodes: Any, heap: Any, u: int, cycle: int) -> int:
    """As :func:`take_pipe`, for a FIFO: when it has room."""
    node = nodes[u]
    blocker = node.taken - node.depth
    if blocker >= 0:
        if blocker >= node.sent:
            return -1 - u
        cycle = later(cycle, heap[node.POPS + (blocker & node.mask)] + 1)
    heap[node.PUSHES + (node.taken & node.mask)] = cycle
    node.taken += 1
    return cycle


@compiled
def write_padding(nodes: Any, heap: Any, u: int) -> int:
    """Let a buffer write rows of padding up to the next row of the image; 0, or -1 - n as :func:`take_pipe`."""
    node = nodes[u]
    while heap[node.ROWS + node.row] == 0:
        if node.slot < 0:
            freed = slot_free(nodes, heap, u)
            if freed < 0:
                return freed
            node.slot = freed
        node.written = later(node.written + 1, node.slot)
        end_row(node, heap)
    return 0


@inlined
def end_row(node: Any, heap: Any) -> None:
    """A row is written."""
    if heap[node.KEPT + node.row]:
        heap[node.READY + node.kept] = node.written + 1
        node.kept += 1
    node.slot = -1
    node.in_row = 0
    node.row = node.row + 1 if node.row + 1 < node.period else 0


@compiled
def slot_free(nodes: Any, heap: Any, u: int) -> int:
    """From which cycle on the row to be written has a slot of the buffer."""
    node = nodes[u]
    number = node.kept - node.buffer
    if heap[node.KEPT + node.row] == 0 or number < 0:
        return 0
    rows = (node.out_rows - 1) * node.given_up + node.extent  # kept rows of an image
    out_row = number // rows * node.out_rows + min(number % rows // node.given_up, node.out_rows - 1)
    if heap[node.FREED + out_row] < 0 and (out_row != node.started - 1 or not frees(node, heap)):
        return -1 - u
    return int(heap[node.FREED + out_row])


@compiled
def frees(node: Any, heap: Any) -> bool:
    """Note when the row of windows begun last gives up its slots: one tick behind its last one, and a cycle."""
    cycle = until_it_advances(node, heap, 0)
    if cycle < 0:
        return False
    heap[node.FREED + node.started - 1] = cycle + 1
    return True


@compiled
def take_window(nodes: Any, heap: Any, u: int, cycle: int) -> int:
    """As :func:`take_pipe`, for the writing side of a buffer of rows."""
    node = nodes[u]
    blocked = write_padding(nodes, heap, u)
    if blocked < 0:
        return blocked
    if node.slot < 0:
        freed = slot_free(nodes, heap, u)
        if freed < 0:
            return freed
        node.slot = freed
    node.written = later(later(cycle, node.written + 1), node.slot)
    passed = int(node.written)
    node.in_row += 1
    if node.in_row == heap[node.ROWS + node.row]:
        end_row(node, heap)
    node.taken += 1
    return passed


@compiled
def read_window(nodes: Any, heap: Any, u: int) -> int:
    """Begin the next row of windows; 0, or -1 - n as :func:`take_pipe`."""
    node = nodes[u]
    if node.started == node.limit:
        return -1 - NOTHING
    rows = (node.out_rows - 1) * node.given_up + node.extent
    image, out_row = node.started // node.out_rows, node.started % node.out_rows
    needed = image * rows + out_row * node.given_up + node.extent - 1
    if node.kept <= needed:
        blocked = write_padding(nodes, heap, u)
        if blocked < 0:
            return blocked
        if node.kept <= needed:
            return -1 - heap[node.GIVERS]
    if node.started > 0 and heap[node.FREED + node.started - 1] < 0 and not frees(node, heap):
        return -1 - u
    start = until_it_advances(node, heap, heap[node.READY + needed])
    if start < 0:
        return -1 - u
    first = start - node.waited
    for number in range(node.row_beats):
        give(node, heap, first + number)
    node.started += 1
    return 0


@compiled
def take_schedule(nodes: Any, heap: Any, u: int, cycle: int) -> int:
    """As :func:`take_pipe`, for vectors that are stored whole."""
    node = nodes[u]
    if node.taken >= node.depth:
        vector = (node.taken - node.depth) // node.period
        if heap[node.FREED + vector] < 0 and (vector != node.started - 1 or not releases(node, heap)):
            return -1 - u
        cycle = later(cycle, heap[node.FREED + vector])
    node.taken += 1
    if node.taken % node.period == 0:
        heap[node.READY + node.taken // node.period - 1] = cycle + 1
    return cycle


@compiled
def releases(node: Any, heap: Any) -> bool:
    """Note when the last vector that was begun gives up its room: some ticks behind its last step, and a cycle."""
    tick, waited, seen = node.last + node.release, node.waited, node.seen
    while seen < node.given:
        place = seen & node.mask
        if heap[node.TICKS + place] + node.latency > tick:
            break
        if seen >= node.sent:
            return False
        waited += heap[node.WAITS + place]
        seen += 1
    heap[node.FREED + node.started - 1] = tick + waited + 1
    return True


@compiled
def read_schedule(nodes: Any, heap: Any, u: int) -> int:
    """Begin the steps of the next vector; 0, or -1 - n as :func:`take_pipe`."""
    node = nodes[u]
    if node.started == node.taken // node.period:
        return -1 - heap[node.GIVERS]
    if node.started > 0 and heap[node.FREED + node.started - 1] < 0 and not releases(node, heap):
        return -1 - u
    start = until_it_advances(node, heap, heap[node.READY + node.started])
    if start < 0:
        return -1 - u
    first = start - node.waited
    for number in range(node.row_beats):
        give(node, heap, first + heap[node.ENDS + number])
    node.last = first + node.steps - 1
    node.started += 1
    return 0
