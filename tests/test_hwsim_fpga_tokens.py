# SPDX-License-Identifier: Apache-2.0
"""Small pipelines whose cycles are worked out by hand; tests/test_hls_tokens.py compares with RTL."""

from dataclasses import replace

import numpy as np
import pytest

from hwsim.errors import InputError, NetworkError
from hwsim.fpga.tokens import (
    Fork,
    Node,
    Outside,
    Pipe,
    Pipeline,
    Queue,
    Schedule,
    Stage,
    Window,
    pattern,
    peak,
    simulate,
)


def chain(beats_in: int, beats_out: int, *stages: Stage) -> Pipeline:
    nodes = tuple(Node(f"n{i}", stage, (f"w{i}",), (f"w{i + 1}",)) for i, stage in enumerate(stages))
    return Pipeline(nodes, "w0", f"w{len(stages)}", beats_in, beats_out)


def ready(*cycles: int, last: int = 40) -> Outside:
    """A receiver that is ready in these cycles, and always from ``last`` on."""
    return Outside(ready=np.isin(np.arange(last), cycles))


def test_registers_delay() -> None:
    flow = simulate(chain(3, 3, Pipe(2, pattern([1]))), 2)
    assert flow.in_cycles.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert flow.out_cycles.tolist() == [[3, 4, 5], [6, 7, 8]]
    assert (flow.latency, flow.interval, flow.circle) == (4, 3, ())


def test_a_gap_stays_between_beats_while_registers_wait() -> None:
    """All stop in cycle 4, when the first beat is in the last register and the second is two behind it."""
    outside = Outside(np.array([0, 1]), np.arange(11) > 9)
    flow = simulate(chain(2, 2, Pipe(3, pattern([1]))), 1, outside)
    assert flow.in_cycles.tolist() == [[1, 3]]
    assert flow.out_cycles.tolist() == [[10, 12]]


def test_nothing_is_taken_while_registers_wait() -> None:
    outside = Outside(np.array([0, 2]), np.arange(11) > 9)
    flow = simulate(chain(2, 2, Pipe(3, pattern([1]))), 1, outside)
    assert flow.in_cycles.tolist() == [[1, 10]]
    assert flow.out_cycles.tolist() == [[10, 13]]


def test_a_queue_is_full_until_the_cycle_behind_one_in_which_a_beat_left() -> None:
    flow = simulate(chain(4, 4, Queue(2)), 1, ready(5, 6))
    assert flow.in_cycles.tolist() == [[1, 2, 6, 7]]
    assert flow.out_cycles.tolist() == [[5, 6, 40, 41]]
    assert flow.occupancy() == {"n0": 2}


def test_a_matrix_replays_its_vector() -> None:
    """Two beats in, three beats out; the second and the third are two ticks apart."""
    flow = simulate(chain(2, 3, Pipe(1, pattern([0, 1], [0, 2], 2))), 2)
    assert flow.in_cycles.tolist() == [[1, 2], [7, 8]]
    assert flow.out_cycles.tolist() == [[3, 5, 7], [9, 11, 13]]


def test_padding_in_front_waits_for_a_beat() -> None:
    flow = simulate(chain(1, 4, Pipe(1, pattern([1], after=1, before=2))), 1, Outside(np.array([5])))
    assert flow.in_cycles.tolist() == [[5 + 2]]
    assert flow.out_cycles.tolist() == [[6, 7, 8, 9]]


def test_rows_are_read_when_they_are_there_and_written_when_there_is_room() -> None:
    """Windows of two rows, each read as four beats from a buffer of two."""
    window = Window(1, np.array([3, 3, 3]), np.array([1, 1, 1]), 2, 4, 2, 2, 1)
    flow = simulate(chain(9, 8, window), 1)
    assert flow.in_cycles.tolist() == [[1, 2, 3, 4, 5, 6, 12, 13, 14]]
    assert flow.out_cycles.tolist() == [[8, 9, 10, 11, 16, 17, 18, 19]]


def test_rows_of_padding_take_a_cycle_and_rows_below_none_of_the_room() -> None:
    window = Window(1, np.array([0, 2, 2, 2]), np.array([1, 1, 0, 0]), 1, 3, 2, 2, 2)
    flow = simulate(chain(6, 3, window), 2)
    assert flow.in_cycles.tolist() == [[2, 3, 4, 5, 6, 7], [9, 10, 11, 12, 13, 14]]
    assert flow.out_cycles.tolist() == [[5, 6, 7], [12, 13, 14]]


def test_a_schedule_leaves_steps_out() -> None:
    """Three of four steps, results behind the second and the third, room for one vector."""
    flow = simulate(chain(2, 2, Schedule(4, 2, 2, 3, np.array([1, 2]), 3)), 2)
    assert flow.in_cycles.tolist() == [[1, 2], [9, 10]]
    assert flow.out_cycles.tolist() == [[8, 9], [16, 17]]


def joined(depth: int, beats: int = 2, turns: tuple[int, ...] = ()) -> Pipeline:
    """A branch that gives all beats of an image behind the last one, beside a FIFO."""
    last = np.arange(beats) == beats - 1
    nodes = (
        Node("fork", Fork(), ("x",), ("a", "b")),
        Node("wait", Queue(depth), ("a",), ("c",)),
        Node("branch", Queue(2), ("b",), ("d",)),
        Node("late", Pipe(1, pattern(last, last * (beats - 1))), ("d",), ("e",)),
        Node("sum", Pipe(1, pattern([1] * max(1, len(turns))), turns), ("c", "e"), ("y",)),
    )
    return Pipeline(nodes, "x", "y", beats, beats * (2 if turns else 1))


def test_branches_meet() -> None:
    """The branch takes two beats and needs three ticks, so that its second FIFO is full when the fifth beat comes."""
    flow = simulate(joined(4), 3)
    assert flow.in_cycles.ravel().tolist() == [1, 2, 3, 4, 6, 7]
    assert flow.out_cycles.ravel().tolist() == [5, 6, 8, 9, 11, 12]
    assert flow.occupancy() == {"wait": 3, "branch": 2}


def test_branches_take_turns() -> None:
    flow = simulate(joined(4, turns=(0, 0, 1, 1)), 2)
    assert flow.out_cycles.ravel().tolist() == [3, 4, 5, 6, 7, 8, 9, 10]


def test_a_fork_gives_to_each_reader_by_itself() -> None:
    flow = simulate(joined(1), 1)
    assert flow.in_cycles.tolist() == [[1, 5]]  # a FIFO of one word takes the second beat when the first has left
    assert flow.out_cycles.tolist() == [[5, 7]]


def test_what_waits_for_itself_is_named() -> None:
    flow = simulate(joined(1, beats=3), 2)
    assert flow.circle == ("source", "wait", "late", "branch")
    assert (flow.in_cycles.tolist(), flow.out_cycles.size) == ([[1]], 0)
    assert simulate(joined(2, beats=3), 2).circle == ()


def test_the_most_in_a_queue_is_counted_behind_each_cycle() -> None:
    assert peak(np.array([1, 2, 5]), np.array([2, 6, 7])) == 2
    assert peak(np.array([], dtype=np.int64), np.array([], dtype=np.int64)) == 0


def test_what_no_pipeline_is() -> None:
    a, b = (Node(name, Queue(2), (ins,), (outs,)) for name, ins, outs in (("a", "x", "y"), ("b", "y", "z")))
    with pytest.raises(NetworkError, match="b: reads y, which nothing before it gives; expected nodes in topological"):
        Pipeline((b, a), "x", "z", 1, 1)
    with pytest.raises(NetworkError, match="x: got two readers; expected one; put a fork between them"):
        Pipeline((a, Node("c", Queue(2), ("x",), ("v",))), "x", "y", 1, 1)
    with pytest.raises(NetworkError, match="y: got two givers; expected one"):
        Pipeline((a, Node("c", Queue(2), ("y",), ("y",))), "x", "y", 1, 1)
    with pytest.raises(NetworkError, match="q: nothing gives the result"):
        Pipeline((a,), "x", "q", 1, 1)
    with pytest.raises(NetworkError, match="z: nothing reads it"):
        Pipeline((a, Node("f", Fork(), ("y",), ("z", "u"))), "x", "u", 1, 1)
    odd = Pipe(1, pattern([0, 0, 1]))
    with pytest.raises(NetworkError, match="n0: got 4 beats per image; expected a multiple of 3; let images end"):
        chain(4, 1, odd)
    with pytest.raises(NetworkError, match="w1: got 1 beats per image; expected 2; say so"):
        chain(6, 1, odd)
    with pytest.raises(NetworkError, match=r"sum: got 3 of c, 1 of e beats per image; expected shares of \[1, 1\]"):
        replace(
            joined(4), nodes=(*joined(4).nodes[:3], Node("less", odd, ("d",), ("e",)), joined(4).nodes[4]), beats_in=3
        )
    with pytest.raises(InputError, match="images: got 0; expected at least 1"):
        simulate(chain(1, 1, Queue(2)), 0)


def test_what_no_hardware_does() -> None:
    with pytest.raises(NetworkError, match="n0: got depth 0; expected at least 1; deepen it"):
        chain(1, 1, Queue(0))
    with pytest.raises(NetworkError, match="n0: got latency 0; expected at least 1; leave out what has no register"):
        chain(1, 1, Pipe(0, pattern([1])))
    with pytest.raises(NetworkError, match="n0: got 1 rows; expected at least 2; buffer a window"):
        chain(9, 8, Window(1, np.array([3, 3, 3]), np.array([1, 1, 1]), 2, 4, 1, 2, 1))
    with pytest.raises(NetworkError, match="n0: got room for 3; expected at least 4; store a vector"):
        chain(4, 1, Schedule(4, 4, 3, 3, np.array([2]), 3))
    forks = Node("f", Fork(), ("x",), ("a", "b")), Node("g", Fork(), ("a",), ("c", "d"))
    with pytest.raises(NetworkError, match="g: got a fork behind a fork; expected one; let the first give to all"):
        Pipeline(forks, "x", "b", 1, 1)


def test_runs_of_beats_are_beats_one_by_one() -> None:
    """Windows go into a pipe in runs that give nothing; in front of a fork, where there are none, one by one."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        kernel, rows, line, out, latency = (int(rng.integers(1, most)) for most in (4, 4, 5, 5, 9))
        rows, taps = rows + kernel, int(rng.choice([1, 2, 3, 6]))
        window = Window(
            4, np.full(rows, line), np.ones(rows, np.int64), rows - kernel + 1, out * 6, kernel + 1, kernel, 1
        )
        last, beats = np.arange(taps) == taps - 1, (rows - kernel + 1) * out * 6
        pool = Pipe(latency, pattern(last, last * int(rng.integers(0, 2)), taps))
        given = beats // taps * pool.pattern.beats_out
        nodes = (
            Node("window", window, ("x",), ("w",)),
            Node("pool", pool, ("w",), ("p",)),
            Node("out", Queue(2), ("p",), ("y",)),
        )
        direct = Pipeline(nodes, "x", "y", rows * line, given)
        fork = Node("fork", Fork(), ("w",), ("f",))
        forked = replace(direct, nodes=(nodes[0], fork, replace(nodes[1], inputs=("f",)), nodes[2]))
        outside = Outside(rng.integers(0, 4, 300) * (rng.random(300) < 0.2), rng.random(500) < rng.uniform(0.1, 1.0))
        one, other = simulate(direct, 5, outside), simulate(forked, 5, outside)
        np.testing.assert_array_equal(one.in_cycles, other.in_cycles)
        np.testing.assert_array_equal(one.out_cycles, other.out_cycles)
