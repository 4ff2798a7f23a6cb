# SPDX-License-Identifier: Apache-2.0
"""Pipelines that go on for ever, or stand still, and how deep their FIFOs must be."""

from dataclasses import replace

import numpy as np
import pytest
from test_hwsim_fpga_tokens import chain, joined

from hwsim.errors import NetworkError
from hwsim.fpga.tokens import (
    Node,
    Outside,
    Pipe,
    Pipeline,
    Queue,
    Stage,
    keeps_pace,
    pattern,
    simulate,
    slowest,
    smallest_depths,
    steady,
    waits_for_itself,
    with_depths,
)

SLOW = Pipe(1, pattern([1], after=2))  # three ticks per beat in


def beside(stage: Stage, pipeline: Pipeline) -> Pipeline:
    """A stage more in front of the branch that the FIFO stands beside."""
    fork, wait, branch, late, total = pipeline.nodes
    more = Node("more", stage, ("d",), ("d1",))
    return replace(pipeline, nodes=(fork, wait, branch, more, replace(late, inputs=("d1",)), total))


def test_what_repeats_is_carried_on() -> None:
    pipeline = chain(3, 9, Queue(5), SLOW)
    found, long = steady(pipeline), simulate(pipeline, 200)
    assert (found.settled, found.interval, found.latency) == (True, 9.0, long.latency)
    assert len(found.flow.out_cycles) < 20
    for images in (1, 2, 3, 50, 200):
        assert found.cycles(images) == long.out_cycles[images - 1, -1] - long.in_cycles[0, 0]


def test_images_come_no_faster_than_they_can_be_kept_up_with() -> None:
    """Four beats come in four cycles, in which the reader takes 2 2/3: the FIFO would fill up, however deep."""
    pipeline = chain(2, 6, Pipe(1, pattern([1], after=1)), Queue(30), Pipe(1, pattern([1, 1], after=[1, 0])))
    found = steady(pipeline)
    assert (found.settled, found.interval, slowest(pipeline)) == (True, 6.0, 6)
    assert found.flow.occupancy() == {"n1": 2}
    assert simulate(pipeline, 500).occupancy() == {"n1": 30}
    assert keeps_pace(pipeline, 5) is None


def test_the_smallest_depths_keep_the_pace_and_no_other_is_smaller() -> None:
    pipeline = joined(16, beats=6)
    pace = steady(pipeline).interval
    depths = smallest_depths(pipeline)
    assert depths["wait"] < 16
    assert steady(with_depths(pipeline, depths)).interval == pace
    for name, depth in depths.items():
        less = steady(with_depths(pipeline, {**depths, name: depth - 1}))
        assert depth == 2 or less.flow.circle or less.interval > pace
    held = steady(with_depths(pipeline, depths)).flow.occupancy()
    assert all(depth <= max(2, held[name] + 1) for name, depth in depths.items())


def test_a_slower_pace_needs_less() -> None:
    pipeline = beside(Pipe(9, pattern([1])), joined(16))
    assert steady(pipeline).interval == 3
    fast, slow = smallest_depths(pipeline), smallest_depths(pipeline, interval=8)
    assert slow["wait"] < fast["wait"]
    assert 3 < steady(with_depths(pipeline, slow)).interval <= 8


def test_images_in_bursts_repeat_after_several() -> None:
    """A FIFO that is too short: four images 3 cycles apart, then a gap."""
    pipeline = with_depths(beside(Pipe(9, pattern([1])), joined(16)), {"wait": 8})
    found, long = steady(pipeline), simulate(pipeline, 100)
    assert (found.settled, found.period, found.interval) == (True, 4, 4.0)
    for images in (1, 5, 17, 50, 99, 100):
        assert found.cycles(images) == long.out_cycles[images - 1, -1] - long.in_cycles[0, 0]


def test_a_proof_for_all_pauses() -> None:
    assert waits_for_itself(joined(16, beats=6)) == ()
    assert waits_for_itself(joined(3, beats=6))[:2] == ("source", "wait")


def test_beats_in_registers_are_no_proof() -> None:
    """Seven beats must wait: four in a FIFO and three in registers, unless gaps between them take places there."""
    pipeline = joined(4, beats=8)
    wait = pipeline.nodes[1]
    behind = Node("registers", Pipe(3, pattern([1])), ("c1",), ("c",))
    longer = replace(pipeline, nodes=(pipeline.nodes[0], replace(wait, outputs=("c1",)), behind, *pipeline.nodes[2:]))
    assert steady(longer).flow.circle == ()
    assert set(waits_for_itself(longer)) >= {"wait", "registers", "late"}
    paused = simulate(longer, 1, Outside(np.arange(8) % 2 * 3))
    assert paused.circle != ()


def test_what_has_no_depths() -> None:
    pipeline = joined(3, beats=6)
    with pytest.raises(NetworkError, match="source: waits for itself by wait, .*; deepen it"):
        smallest_depths(pipeline)
    with pytest.raises(NetworkError, match="nothing: got a depth; expected one of branch, wait; name a FIFO"):
        with_depths(pipeline, {"nothing": 3})
    with pytest.raises(NetworkError, match=r"interval: got 1; expected at least 11; deepen the FIFOs"):
        smallest_depths(joined(16, beats=6), interval=1)


def test_depths_that_are_given_are_simulated() -> None:
    flow = simulate(with_depths(chain(4, 12, Queue(2), SLOW), {"n0": 7}), 3)
    assert flow.occupancy()["n0"] == 7
    assert np.all(np.diff(flow.in_cycles.ravel()) > 0)
