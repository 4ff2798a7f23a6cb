# SPDX-License-Identifier: Apache-2.0
"""How deep the FIFOs must be: for the full pace, and for the pipeline never to stand still."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from hwsim.errors import NetworkError
from hwsim.fpga.dataflow import MIN_DEPTH
from hwsim.fpga.tokens.engine import simulate
from hwsim.fpga.tokens.stages import Node, Pipe, Pipeline, Queue, Schedule, Window
from hwsim.fpga.tokens.steady import keeps_pace, steady


def with_depths(pipeline: Pipeline, depths: Mapping[str, int]) -> Pipeline:
    """The same pipeline with other depths of FIFOs, by name.

    Raises:
        NetworkError: a name is no FIFO's.
    """
    known = {node.name for node in pipeline.queues}
    for name in depths:
        if name not in known:
            raise NetworkError(f"{name}: got a depth; expected one of {', '.join(sorted(known))}; name a FIFO")
    nodes = tuple(
        replace(node, stage=Queue(depths[node.name], node.stage.latency))
        if node.name in depths and isinstance(node.stage, Queue)
        else node
        for node in pipeline.nodes
    )
    return _of(pipeline, nodes)


def waits_for_itself(pipeline: Pipeline) -> tuple[str, ...]:
    """Nodes of which each may come to wait for the next, and the last one for the first; () where that can never be.

    Whether a pipeline stands still depends on how many beats its stages can hold, not on when they come, but for
    registers that wait together: gaps between beats take places. Here every such stage holds one beat, which it always
    can. Nothing is left in a pipeline behind an image; so if one image passes, one after the other do, and then so do
    images that come sooner, whatever pauses source and receiver make: all orders in which beats can pass end alike. An
    empty answer is thus a proof. A circle may be out of reach of a source that never pauses.
    """
    narrow = tuple(
        replace(node, stage=replace(node.stage, latency=1))
        if isinstance(node.stage, Pipe | Window | Schedule)
        else node
        for node in pipeline.nodes
    )
    return simulate(_of(pipeline, narrow), 1).circle


def smallest_depths(pipeline: Pipeline, interval: int | None = None) -> dict[str, int]:
    """The depths of all FIFOs with which images follow each other as fast, none of which could be one less.

    Starts at what the FIFOs hold at the most while images come at that pace, and makes one after the other smaller, the
    deepest first; no pauses can make the pipeline stand still. Other choices of which is smaller may be as good.

    Args:
        interval: cycles between images that suffice; those of the pipeline as it is by default.

    Raises:
        NetworkError: the pipeline as it is stands still, or is slower.
    """
    found = steady(pipeline)
    if found.flow.circle:
        raise NetworkError(f"{found.flow.circle[0]}: waits for itself by {', '.join(found.flow.circle[1:])}; deepen it")
    pace = math.ceil(found.interval) if interval is None else interval
    flow = found.flow if found.settled and found.shift == pace and found.period == 1 else keeps_pace(pipeline, pace)
    if flow is None:
        raise NetworkError(
            f"interval: got {pace}; expected at least {found.interval:g}; deepen the FIFOs, or fold less"
        )
    given = {node.name: node.stage.depth for node in pipeline.queues if isinstance(node.stage, Queue)}
    held = flow.occupancy()
    depths = {name: min(depth, max(MIN_DEPTH, held[name] + 1)) for name, depth in given.items()}
    if not _suffices(pipeline, depths, pace):
        depths = given
    for name in sorted(depths, key=lambda one: -depths[one]):
        depths[name] = _least(pipeline, depths, name, pace)
    return depths


def _suffices(pipeline: Pipeline, depths: Mapping[str, int], pace: int) -> bool:
    chosen = with_depths(pipeline, depths)
    return keeps_pace(chosen, pace) is not None and not waits_for_itself(chosen)


def _least(pipeline: Pipeline, depths: Mapping[str, int], name: str, pace: int) -> int:
    """The smallest depth of one FIFO that suffices; deeper FIFOs are never worse but by gaps that stay.

    Depths that keep the pace hardly ever let the pipeline stand still, so the smallest of them is found first.
    """

    def chosen(depth: int) -> Pipeline:
        return with_depths(pipeline, {**depths, name: depth})

    high = depths[name]
    low = _first_near(lambda depth: keeps_pace(chosen(depth), pace) is not None, min(MIN_DEPTH, high), high)
    if low == high or not waits_for_itself(chosen(low)):
        return low
    return _first_near(lambda depth: _suffices(pipeline, {**depths, name: depth}, pace), low + 1, high)


def _first_near(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest number from ``low`` on for which a condition holds, as it does for ``high`` and all between.

    It is usually near ``high``: first in steps that double, then by bisection.
    """
    step = 1
    while low < high and holds(max(low, high - step)):
        high, step = max(low, high - step), 2 * step
    if low < high:
        low = max(low, high - step) + 1
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high


def _of(pipeline: Pipeline, nodes: tuple[Node, ...]) -> Pipeline:
    return Pipeline(nodes, pipeline.source, pipeline.result, pipeline.beats_in, pipeline.beats_out)
