# SPDX-License-Identifier: Apache-2.0
"""One hardware unit alone between two streams, for the contract tests of hls.templates."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rtl_efforts import PLAIN
from token_runs import same_cycles

from hls.beats import pack
from hls.dataflow import Dataflow, Stream
from hls.emit import write
from hls.registers import BY_NAME
from hls.rtl_compile import Effort
from hls.rtl_sim import Run, Stalls, simulate
from hls.templates.streams import stream_fork
from hls.templates.unit import Unit
from hwsim.design import Design
from hwsim.fixed import FixedPoint

PATTERNS = (Stalls(0.3, 0.0, 3), Stalls(0.0, 0.5, 5), Stalls(0.4, 0.6, 7))
WIRES = ("a", "b")


def stream(wire: str, fmt: FixedPoint, lanes: int, beats: int) -> Stream:
    return Stream(wire, fmt, lanes, (lanes, beats, 1), np.arange(lanes * beats))


def alone(unit: Unit, source: Stream, result: Stream) -> Dataflow:
    wires = {one.wire: one.format.width * one.lanes for one in (source, result)}
    return Dataflow("alone", "0" * 16, Design("0" * 16, "none", 100.0), (unit,), wires, source, result)


def behind_a_fork(unit: Unit, source: Stream, result: Stream) -> Dataflow:
    """A unit all of whose inputs come from one stream."""
    width, beats = source.format.width * source.lanes, source.beats
    fork = stream_fork("fork", "fork", source.wire, unit.inputs, width, beats)
    dataflow = alone(unit, source, result)
    return replace(dataflow, units=(fork, unit), wires={**dataflow.wires, **dict.fromkeys(unit.inputs, width)})


def meets_contract(
    dataflow: Dataflow,
    values: np.ndarray,
    expected: np.ndarray,
    folder: Path,
    cache: Path,
    effort: Effort = PLAIN,
) -> Run:
    """Bits and the token level's cycles under every stall pattern, bits and cycles after two resets.

    Values and expected are (images, values); ``effort`` says of which sources.
    """
    write(dataflow, folder / "design")
    timing = dataflow.units[-1].timing  # what stands in front of it, if anything, takes no cycle
    resets = (timing.latency // 2 + 1, timing.latency + timing.interval // 2 + 1)  # in the first image, and later
    run = simulate(dataflow, folder / "design", values, resets=resets, cache=cache, optimise=effort)
    np.testing.assert_array_equal(run.values, expected)
    got = (run.in_cycles.shape[1], run.out_cycles.shape[1], run.latency, run.interval)
    assert got == (timing.beats_in, timing.beats_out, timing.latency, timing.interval)
    counters_agree(dataflow, run)
    same_cycles(dataflow, run, Stalls())
    for pattern in PATTERNS:
        stalled = simulate(dataflow, folder / "design", values, pattern, cache=cache, optimise=effort)
        np.testing.assert_array_equal(stalled.values, expected)
        counters_agree(dataflow, stalled)
        same_cycles(dataflow, stalled, pattern)
    return run


def counters_agree(dataflow: Dataflow, run: Run) -> None:
    """What the design counted is what the harness saw."""
    images = len(run.values)
    latencies = run.out_cycles[:, -1] - run.in_cycles[:, 0]
    expected = {
        "network_low": int(dataflow.network_hash[8:], 16),
        "network_high": int(dataflow.network_hash[:8], 16),
        "status": 1 << next(bit.place for bit in BY_NAME["status"].bits if bit.name == "idle"),
        "frames_in": images,
        "frames_out": images,
        "latency": latencies[-1],
        "latency_max": latencies.max(),
        "interval": run.interval or 0,
        "stall_in": run.stalls[0],
        "stall_out": run.stalls[1],
        "checksum": zlib.crc32(pack(dataflow.output, run.values).tobytes()),
    }
    wrong = {name: (run.counters[name], int(value)) for name, value in expected.items() if run.counters[name] != value}
    assert not wrong, f"counted, expected: {wrong}"


def corners(fmt: FixedPoint, shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """(images, values): all smallest, all largest, 0, −1 or 0, 1, alternating ends, and random images."""
    rng = np.random.default_rng(seed)
    values = rng.integers(fmt.min_int, fmt.max_int + 1, shape)
    for index, value in enumerate((fmt.min_int, fmt.max_int, 0, max(fmt.min_int, -1), min(1, fmt.max_int))):
        values[index] = value
    values[5] = np.where(np.arange(values[5].size) % 2, fmt.min_int, fmt.max_int)
    return values
