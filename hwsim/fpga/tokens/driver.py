# SPDX-License-Identifier: Apache-2.0
# mypy: disable-error-code="no-any-return"
"""Who hands on what, and what that waits for: see :mod:`hwsim.fpga.tokens.kernel`."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from numba import njit

from hwsim.fpga.tokens.kernel import (
    FORK,
    NOTHING,
    PASSED,
    PIPE,
    QUEUE,
    SCHEDULE,
    SOURCE,
    WINDOW,
    compiled,
    inlined,
    later,
    read_schedule,
    read_window,
    take_pipe,
    take_queue,
    take_schedule,
    take_window,
    until_it_advances,
)


@inlined
def take(nodes: Any, heap: Any, u: int, port: int, cycle: int) -> int:
    """When node u, no fork, takes a beat that is offered from ``cycle`` on; -1 - n where it waits for node n."""
    kind = nodes[u].kind
    if kind == PIPE:
        passed = take_pipe(nodes, heap, u, port, cycle)
    elif kind == QUEUE:
        passed = take_queue(nodes, heap, u, cycle)
    elif kind == WINDOW:
        passed = take_window(nodes, heap, u, cycle)
    elif kind == SCHEDULE:
        passed = take_schedule(nodes, heap, u, cycle)
    else:
        passed = take_sink(nodes[u], heap, cycle)
    if passed >= 0:
        heap[PASSED] += 1
    return passed


@inlined
def take_sink(node: Any, heap: Any, cycle: int) -> int:
    """The result is taken in the first cycle in which the receiver is ready."""
    if node.period > 0:  # cycles of which it is known whether the receiver is ready; behind them, it always is
        while cycle < node.period and heap[node.READY + cycle] == 0:
            cycle += 1
    heap[node.POPS + node.taken] = cycle
    node.taken += 1
    return cycle


@compiled
def take_all(nodes: Any, heap: Any, u: int, cycle: int) -> int:
    """As :func:`take`, for a fork: when the last of its readers has taken the beat.

    Of readers that wait, one that has not been followed in vain is named.
    """
    node = nodes[u]
    last, blocked = 0, 0
    for reader in range(node.inputs):
        passed = heap[node.TAKEN + reader]
        if passed < 0:
            passed = take(nodes, heap, heap[node.READERS + 2 * reader], heap[node.READERS + 2 * reader + 1], cycle)
            if passed >= 0:
                heap[node.TAKEN + reader] = passed
                node.failed = 0
                node.taken += 1
        if passed >= 0:
            last = later(last, passed)
        elif blocked == 0 or node.failed >> node.current & 1:
            blocked, node.current = passed, reader
    if blocked < 0 and node.failed >> node.current & 1:
        node.current = -1
        return -1 - NOTHING
    if blocked < 0:
        return blocked
    for reader in range(node.inputs):
        heap[node.TAKEN + reader] = -1
    return last


@inlined
def offered(nodes: Any, heap: Any, u: int) -> int:
    """From which cycle on node u offers its next beat; -1 - n where that waits for node n."""
    node = nodes[u]
    kind = node.kind
    if kind == QUEUE:
        if node.sent == node.taken:
            return -1 - heap[node.GIVERS]
        return later(heap[node.PUSHES + (node.sent & node.mask)] + node.latency, node.last + 1)
    if kind == SOURCE:
        if node.sent == node.limit:
            return -1 - NOTHING
        gap = heap[node.GAPS + node.sent] if node.period > 0 else 0
        if node.pace > 0 and node.sent % node.row_beats == 0:
            return later(node.last + 1 + gap, node.free + node.sent // node.row_beats * node.pace)
        return later(node.last + 1 + gap, node.free)
    if node.sent == node.given:
        blocked = 0
        if kind == WINDOW:
            blocked = read_window(nodes, heap, u)
        elif kind == SCHEDULE:
            blocked = read_schedule(nodes, heap, u)
        else:
            blocked = -1 - heap[node.GIVERS + (heap[node.TURNS + node.index] if node.TURNS >= 0 else 0)]
        if blocked < 0:
            return blocked
    return int(heap[node.TICKS + (node.sent & node.mask)] + node.latency + node.sent_waited)


@inlined
def hand_on(node: Any, heap: Any, cycle: int, passed: int) -> None:
    """Note that the beat that the node offered from ``cycle`` on has passed."""
    if node.kind == QUEUE:
        heap[node.POPS + (node.sent & node.mask)] = passed
        node.last = passed
        node.sent += 1
    elif node.kind == SOURCE:
        heap[node.PUSHES + node.sent] = passed
        node.last = passed
        node.sent += 1
    else:
        heap[node.WAITS + (node.sent & node.mask)] = passed - cycle
        node.sent_waited += passed - cycle
        node.sent += 1
        see(node, heap)


@inlined
def see(node: Any, heap: Any) -> None:
    """Count the waits that lie before the node's next tick, whatever comes."""
    while node.seen < node.sent:
        place = node.seen & node.mask
        if heap[node.TICKS + place] + node.latency > node.last + 1:
            break
        node.waited += heap[node.WAITS + place]
        node.seen += 1


@compiled
def pass_silently(giver: Any, taker: Any, heap: Any, u: int, cycle: int) -> int:
    """Let a row of windows go into a pipe up to the next beat that makes it fire; -1 - n as :func:`take`.

    Nothing waits meanwhile, so that a beat passes in every cycle: what beat by beat would do, in one step.
    """
    start = until_it_advances(taker, heap, cycle)
    if start < 0:
        return -1 - u
    if start > cycle:
        return 0
    count = min(giver.given - giver.sent, heap[taker.SILENT + taker.index])
    if taker.seen < taker.given:
        count = min(count, heap[taker.TICKS + (taker.seen & taker.mask)] + taker.latency + taker.waited - cycle)
    taker.last = cycle + count - 1 - taker.waited
    taker.taken += count
    taker.index += count
    if taker.index == taker.period:
        taker.index = 0
    see(giver, heap)
    for number in range(giver.sent, giver.sent + count):
        heap[giver.WAITS + (number & giver.mask)] = 0
    if giver.seen == giver.sent:
        first = heap[giver.TICKS + (giver.sent & giver.mask)]
        giver.seen += min(count, max(0, giver.last + 2 - giver.latency - first))
    giver.sent += count
    heap[PASSED] += count
    return count


@compiled
def step(nodes: Any, heap: Any, u: int) -> int:
    """Let node u hand on all beats that it can; -1 - n where it hands on none and waits for node n."""
    node = nodes[u]
    behind = nodes[node.next]
    from_window = node.kind == WINDOW and behind.kind == PIPE and behind.inputs == 1
    moved = False
    while True:
        cycle = offered(nodes, heap, u)
        if cycle < 0:
            behind.current = -1  # it waits for its own beat, not for a reader
            return 0 if moved else cycle
        if from_window and heap[behind.SILENT + behind.index] > 0:
            count = pass_silently(node, behind, heap, node.next, cycle)
            if count < 0:
                return 0 if moved else count
            if count > 0:
                moved = True
                continue
        if behind.kind == FORK:
            passed = take_all(nodes, heap, node.next, cycle)
        else:
            passed = take(nodes, heap, node.next, node.port, cycle)
        if passed < 0:
            return 0 if moved else passed
        hand_on(node, heap, cycle, passed)
        moved = True
        if (node.kind == QUEUE and node.sent == node.taken) or (node.kind == PIPE and node.sent == node.given):
            return 0  # nothing more is there; asking would say so, too


@compiled
def hurry(nodes: Any, heap: Any, u: int) -> None:
    """Let what has come to node u go on as far as it can by itself, which spares much asking later."""
    while nodes[u].busy == 0 and (nodes[u].kind == PIPE or nodes[u].kind == QUEUE):
        node = nodes[u]
        is_there = node.sent < (node.taken if node.kind == QUEUE else node.given)
        if not is_there or step(nodes, heap, u) < 0:
            return
        u = node.next


@compiled
def drive(nodes: Any, heap: Any, first: int, stack: Any, marks: Any, trail: Any) -> bool:
    """Let a node hand on a beat or more, and whatever must pass before; False where that cannot be.

    ``trail`` then holds how many nodes wait for each other in a circle, and these nodes; 0 where a beat is missing.
    """
    top = -1
    follow = first
    trail[0] = 0
    found = 0
    while True:
        if follow >= 0:
            top += 1
            stack[top] = follow
            nodes[follow].busy = 1
            nodes[nodes[follow].next].failed = 0
        u = stack[top]
        found = step(nodes, heap, u)
        if found >= 0:
            nodes[u].busy = 0
            hurry(nodes, heap, nodes[u].next)
            top -= 1
            follow = -1
            if top < 0:
                return True
            continue
        follow = -1 - found
        if follow != NOTHING and nodes[follow].kind == FORK:
            follow = heap[nodes[follow].GIVERS]
        marks[top] = heap[PASSED]
        if follow == NOTHING or nodes[follow].busy:
            note_trail(stack, top, follow, trail)
            top = give_up(nodes, stack, top, marks, heap[PASSED])
            follow = -1
            if top < 0:
                return False


@compiled
def give_up(nodes: Any, stack: Any, top: int, marks: Any, moved: int) -> int:
    """The place on the stack of the node that tries again: behind it something moved, or a fork has other readers."""
    while top >= 0:
        node = nodes[stack[top]]
        behind = nodes[node.next]
        if marks[top] != moved:
            behind.failed = 0
            return top
        if behind.kind == FORK and behind.current >= 0:
            behind.failed |= 1 << behind.current
            return top
        node.busy = 0
        top -= 1
    return top


@inlined
def note_trail(stack: Any, top: int, follow: int, trail: Any) -> None:
    """Keep the nodes on the stack from ``follow`` on."""
    if follow == NOTHING:
        return
    trail[0] = 0
    for place in range(top + 1):
        if stack[place] == follow or trail[0] > 0:
            trail[0] += 1
            trail[trail[0]] = stack[place]


def entry(version: int) -> Callable[[Any, Any, Any, Any, Any], None]:
    """What lets every beat pass that can, as machine code that is kept on disk.

    Numba knows by which file a function was compiled, but not by which others that one calls: ``version``, which stands
    for all their texts, keeps old code from being taken for new.
    """

    def run(nodes: Any, heap: Any, stack: Any, marks: Any, trail: Any) -> None:
        while version and drive(nodes, heap, 0, stack, marks, trail):
            pass
        circle = trail[0]
        moved = circle == 0
        while moved:
            moved = False
            for u in range(len(nodes) - 1):
                if nodes[u].kind != FORK:
                    while drive(nodes, heap, u, stack, marks, trail):
                        moved = True

    return cast(Callable[[Any, Any, Any, Any, Any], None], njit(cache=True, error_model="numpy")(run))


def _version() -> int:
    folder = Path(__file__).parent
    return zlib.crc32(b"".join((folder / name).read_bytes() for name in ("kernel.py", "driver.py"))) or 1


#: ``run(nodes, heap, stack, marks, trail)``; the last three have room for all nodes, and ``trail`` for one more number.
run = entry(_version())
