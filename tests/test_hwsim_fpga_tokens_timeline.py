# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import pytest

from hwsim.errors import InputError
from hwsim.fpga.tokens import Fork, Node, Pipe, Pipeline, Queue, pattern, simulate
from hwsim.fpga.tokens.timeline import Span, chrome_trace, held, spans, write_chrome_trace


def two_layers(depth: int = 2) -> Pipeline:
    """Registers, then a sum of every two, which waits in a FIFO of its own first."""
    nodes = (
        Node("a", Pipe(2, pattern([1])), ("x",), ("x1",), layer="scale"),
        Node("a_fifo", Queue(depth), ("x1",), ("x2",), layer="scale"),
        Node("b_vector", Queue(depth), ("x2",), ("x3",), layer="pool"),
        Node("b", Pipe(1, pattern([0, 1])), ("x3",), ("x4",), layer="pool"),
        Node("b_fifo", Queue(depth), ("x4",), ("y",), layer="pool"),
    )
    return Pipeline(nodes, "x", "y", 4, 2)


def test_a_layer_works_from_its_first_beat_in_to_its_last_beat_out() -> None:
    pipeline = two_layers()
    flow = simulate(pipeline, 2)
    # In at 1 to 4, through two registers at 3 to 6, two FIFOs at 4 to 7 and 5 to 8; sums at 7 and 9.
    assert flow.out_cycles.tolist() == [[8, 10], [12, 14]]
    assert spans(pipeline, flow)[:2] == (Span("scale", 0, 1, 6), Span("scale", 1, 5, 10))
    assert spans(pipeline, flow)[2:] == (Span("pool", 0, 4, 9), Span("pool", 1, 8, 13))


def test_a_trace_has_a_bar_per_image_and_a_curve_per_fifo(tmp_path: Path) -> None:
    pipeline = two_layers()
    flow = simulate(pipeline, 2)
    write_chrome_trace(tmp_path / "trace.json", pipeline, flow, clock_mhz=50.0)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert names == {1: "scale", 2: "pool"}
    bars = [(event["tid"], event["name"], event["ts"], event["dur"]) for event in events if event["ph"] == "X"]
    assert bars[0] == (1, "image 0", 1 / 50, 6 / 50)
    assert len(bars) == 4
    words = [event["args"]["words"] for event in events if event["ph"] == "C" and event["name"] == "a_fifo"]
    assert (max(words), words[-1]) == (flow.occupancy()["a_fifo"], 0)


def test_curves_of_many_points_keep_their_peaks() -> None:
    came = np.arange(0, 4000, 4)
    left = came + 2
    came[500] -= 3  # two words for a moment
    cycles, words = held(came, left)
    assert len(cycles) == 2000
    cycles, words = held(came, left, most_points=100)
    assert len(cycles) <= 100
    assert words.max() == held(came, left)[1].max() == 2


def test_nothing_passes_and_no_time_passes() -> None:
    late = Pipe(1, pattern([0, 0, 1], [0, 0, 2]))
    nodes = (
        Node("fork", Fork(), ("x",), ("a", "b"), layer="l"),
        Node("wait", Queue(1), ("a",), ("c",), layer="l"),
        Node("late", late, ("b",), ("d",), layer="m"),
        Node("sum", Pipe(1, pattern([1])), ("c", "d"), ("y",), layer="n"),
    )
    stuck = Pipeline(tuple(nodes), "x", "y", 3, 3)
    flow = simulate(stuck, 1)
    with pytest.raises(InputError, match="source: waits for itself; expected images to pass; deepen the FIFOs"):
        spans(stuck, flow)
    with pytest.raises(InputError, match="clock_mhz: got -1; expected a positive number"):
        chrome_trace(two_layers(), simulate(two_layers(), 1), -1)
