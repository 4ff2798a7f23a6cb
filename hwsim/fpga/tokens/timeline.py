# SPDX-License-Identifier: Apache-2.0
"""When each layer works on which image, and what its FIFOs hold: as numbers, and as a file for a trace viewer.

The file is the JSON of Chrome's trace viewer and of Perfetto (https://ui.perfetto.dev): "Trace Event Format", Google,
with complete events (``X``), counters (``C``) and names (``M``); times in microseconds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwsim import serial
from hwsim.errors import InputError
from hwsim.fpga.tokens.engine import Cycles, Flow
from hwsim.fpga.tokens.stages import Pipeline, Queue

_MOST_POINTS = 2000  # of a counter


@dataclass(frozen=True)
class Span:
    """A layer's work on an image: from the cycle in which its first beat came in to that of its last beat out."""

    layer: str
    image: int
    start: int
    end: int


def spans(pipeline: Pipeline, flow: Flow) -> tuple[Span, ...]:
    """The work of every layer on every image, layer by layer in the order of the pipeline.

    A layer is known by the FIFOs and ends of the pipeline that it reads and fills, so one without a FIFO behind it is
    part of the next one.

    Raises:
        InputError: the pipeline stands still.
    """
    if flow.circle:
        raise InputError(f"{flow.circle[0]}: waits for itself; expected images to pass; deepen the FIFOs")
    images = len(flow.out_cycles)
    starts: dict[str, list[Cycles]] = {}
    ends: dict[str, list[Cycles]] = {}
    _note(starts, _taker(pipeline, pipeline.source), flow.in_cycles[:, 0])
    for node in pipeline.queues:
        came, left = (cycles.reshape(images, -1) for cycles in flow.queues[node.name])
        reader = _taker(pipeline, node.outputs[0])
        if reader != node.layer:
            _note(ends, node.layer, came[:, -1])
            _note(starts, reader, left[:, 0])
    last = pipeline.nodes[pipeline.givers[pipeline.result]]
    if not isinstance(last.stage, Queue):
        _note(ends, last.layer, flow.out_cycles[:, -1])
    layers = dict.fromkeys(node.layer for node in pipeline.nodes if node.layer in starts and node.layer in ends)
    return tuple(
        Span(layer, image, int(min(one[image] for one in starts[layer])), int(max(one[image] for one in ends[layer])))
        for layer in layers
        for image in range(images)
    )


def _note(found: dict[str, list[Cycles]], layer: str, cycles: Cycles) -> None:
    found.setdefault(layer, []).append(cycles)


def _taker(pipeline: Pipeline, wire: str) -> str:
    """The layer that reads a wire; "" behind the last one."""
    number = pipeline.takers[wire][0]
    return pipeline.nodes[number].layer if number < len(pipeline.nodes) else ""


def chrome_trace(pipeline: Pipeline, flow: Flow, clock_mhz: float = 100.0) -> dict[str, Any]:
    """The events of a trace viewer: a line per layer with a bar per image, and a curve per FIFO of the words it holds.

    Curves of very many points are thinned, with the most that was held in between.

    Raises:
        InputError: the clock is not positive, or the pipeline stands still.
    """
    if not clock_mhz > 0:
        raise InputError(f"clock_mhz: got {clock_mhz}; expected a positive number; give the design's clock")
    work = spans(pipeline, flow)
    lines = {layer: number for number, layer in enumerate(dict.fromkeys(span.layer for span in work), 1)}
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "layers"}},
        {"ph": "M", "name": "process_name", "pid": 2, "args": {"name": "FIFOs"}},
    ]
    for layer, line in lines.items():
        events.append({"ph": "M", "name": "thread_name", "pid": 1, "tid": line, "args": {"name": layer}})
    for span in work:
        events.append(
            {
                "ph": "X",
                "name": f"image {span.image}",
                "pid": 1,
                "tid": lines[span.layer],
                "ts": span.start / clock_mhz,
                "dur": (span.end - span.start + 1) / clock_mhz,
                "args": {"first cycle": span.start, "last cycle": span.end},
            }
        )
    for node in pipeline.queues:
        for cycle, words in zip(*held(*flow.queues[node.name]), strict=True):
            counter = {"ph": "C", "name": node.name, "pid": 2, "ts": int(cycle) / clock_mhz}
            events.append({**counter, "args": {"words": int(words)}})
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def held(came: Cycles, left: Cycles, most_points: int = _MOST_POINTS) -> tuple[Cycles, Cycles]:
    """When the number of words in a FIFO changes, and what it is from then on.

    Args:
        most_points: more are thinned: of every few cycles in a row, the one with the most words stays.
    """
    cycles = np.unique(np.concatenate([came, left]))
    words = np.searchsorted(came, cycles, side="right") - np.searchsorted(left, cycles, side="right")
    share = -(-len(cycles) // most_points)
    if share > 1:
        starts = np.arange(0, len(cycles), share)
        chosen = np.array([start + int(np.argmax(words[start : start + share])) for start in starts])
        return cycles[chosen], words[chosen]
    return cycles, words


def write_chrome_trace(path: Path | str, pipeline: Pipeline, flow: Flow, clock_mhz: float = 100.0) -> None:
    """Write :func:`chrome_trace` as a file.

    Raises:
        OutputError: the file cannot be written.
    """
    serial.write_json(path, chrome_trace(pipeline, flow, clock_mhz))
