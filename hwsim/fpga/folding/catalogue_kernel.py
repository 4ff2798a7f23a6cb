# SPDX-License-Identifier: Apache-2.0
# mypy: disable-error-code="no-any-return"
"""The inner loops of :mod:`hwsim.fpga.folding.catalogue`, as machine code: some ten microseconds per network.

``table`` says which row of the options a record takes at a weighting of the resources and a pace, (records, weightings,
paces); ``rows`` of numbers are those of :class:`Rows`, ``shape`` is what all networks of the catalogue share.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

FIGURES = 6  # lut, ff, dsp, bram18, interval and latency in cycles, the latter without the DMA around
INTERVAL, LATENCY = 4, 5


class Rows(NamedTuple):
    """Options, one row each: resources (rows, 4), cycles, and the kinds of lanes on either side."""

    used: Any
    busy: Any
    depth: Any
    given: Any
    taken: Any


class Shape(NamedTuple):
    """What does not depend on widths and bits: who reads whom, and which units stand between and around stages.

    Sources of stage i are ``sources[first[i] : first[i + 1]]``, 0 for the network's input, else the stage's number + 1.
    A joint reads ``cells`` (…, 4 resources and cycles) at ``start + width x kind of its giver + kind of its taker``;
    the giver's kind is that of its input where ``inward``.
    """

    first: Any
    sources: Any
    head: Any
    tail: Any
    lead: Any
    givers: Any
    takers: Any
    inward: Any
    start: Any
    width: Any
    cells: Any
    always: Any
    input_cycles: float
    shortest: float
    parallel: bool


@njit(cache=True, error_model="numpy")
def fill(first: Any, busy: Any, scores: Any, paces: Any, table: Any) -> None:
    """The row of the least score among those that keep a pace; else the fastest, by score among equals.

    Args:
        first: (records + 1,) where the rows of a record start, which are sorted by ``busy``.
        scores: (rows, weightings).
        table: (records, weightings, paces), to be filled.
    """
    for record in range(len(first) - 1):
        start, end = first[record], first[record + 1]
        for weighting in range(scores.shape[1]):
            best, row = start, start + 1
            while row < end and busy[row] <= busy[start]:
                if scores[row, weighting] < scores[best, weighting]:
                    best = row
                row += 1
            for pace in range(len(paces)):
                while row < end and busy[row] <= paces[pace]:
                    if scores[row, weighting] < scores[best, weighting]:
                        best = row
                    row += 1
                table[record, weighting, pace] = best


@njit(cache=True, error_model="numpy")
def figures(picked: Any, rows: Rows, shape: Shape, begun: Any, done: Any, found: Any) -> None:
    """The figures of a design whose stages take the rows ``picked``; ``begun`` and ``done`` (stages + 1,) are scratch.

    Latencies are those of :func:`hwsim.fpga.pipeline.latency`.
    """
    found[:] = shape.always
    found[INTERVAL] = 1.0
    begun[0], done[0] = 0.0, shape.input_cycles
    end = shape.input_cycles
    for stage in range(len(picked)):
        row = picked[stage]
        busy, depth = rows.busy[row], rows.depth[row]
        for resource in range(4):
            found[resource] += rows.used[row, resource]
        found[INTERVAL] = max(found[INTERVAL], busy)
        in_first, in_last = 0.0, 0.0
        for place in range(shape.first[stage], shape.first[stage + 1]):
            in_first = max(in_first, begun[shape.sources[place]])
            in_last = max(in_last, done[shape.sources[place]])
        own = in_first + shape.head[stage] * (in_last - in_first) + busy * shape.lead[stage]
        last = max(max(in_last + shape.tail[stage] * busy, in_first + busy), own) + depth
        begun[stage + 1], done[stage + 1] = own + depth, last
        end = end + busy + depth if shape.parallel else max(end, last)
    found[LATENCY] = end
    for joint in range(len(shape.givers)):
        giver, taker = picked[shape.givers[joint]], picked[shape.takers[joint]]
        kind = rows.taken[giver] if shape.inward[joint] else rows.given[giver]
        place = shape.start[joint] + shape.width[joint] * kind + rows.taken[taker]
        for resource in range(4):
            found[resource] += shape.cells[place, resource]
        found[INTERVAL] = max(found[INTERVAL], shape.cells[place, 4])
    found[INTERVAL] = max(found[INTERVAL], shape.shortest)
    for resource in range(4):
        found[resource] = np.rint(found[resource])


@njit(cache=True, error_model="numpy")
def _shares(found: Any, limits: Any, counts: Any) -> tuple[float, float]:
    """The largest share of a limit of resources and of times; a resource that does not count does beyond its limit."""
    area = time = 0.0
    for resource in range(4):
        share = found[resource] / limits[resource] if limits[resource] > 0 else (np.inf if found[resource] > 0 else 0.0)
        if counts[resource] or share > 1:
            area = max(area, share)
    for figure in (INTERVAL, LATENCY):
        time = max(time, found[figure] / limits[figure])
    return area, time


@njit(cache=True, error_model="numpy")
def nearest(
    records: Any, table: Any, rows: Rows, shape: Shape, limits: Any, counts: Any, picks: Any, found: Any
) -> None:
    """Per network the design whose largest share of a limit is smallest, among those of the table.

    Along the paces resources fall and times rise, so that the smallest share of a weighting lies where they cross. What
    cannot beat the weightings before it is left after a look or two.

    Args:
        records: (networks, stages).
        limits: (FIGURES,); ``counts``: whether a figure's share counts within its limit.
        picks, found: (networks, stages) rows and (networks, FIGURES), to be filled.
    """
    stages = records.shape[1]
    picked = np.zeros(stages, dtype=np.int64)
    begun, done = np.zeros(stages + 1), np.zeros(stages + 1)
    own = np.zeros(FIGURES)
    for network in range(len(records)):
        least, at = np.inf, table.shape[2] // 2
        for weighting in range(table.shape[1]):
            low, high, pace = -1, table.shape[2], at
            while high - low > 1:
                for stage in range(stages):
                    picked[stage] = table[records[network, stage], weighting, pace]
                figures(picked, rows, shape, begun, done, own)
                area, time = _shares(own, limits, counts)
                if max(area, time) < least:
                    least, at = max(area, time), pace
                    picks[network], found[network] = picked, own
                elif min(area, time) >= least:
                    break  # a slower pace takes more time, a faster one more area
                low, high = (low, pace) if time >= area else (pace, high)
                pace = (low + high) // 2
