# SPDX-License-Identifier: Apache-2.0
"""Designs for many networks of one shape at once, whose widths and bits a search still chooses.

:func:`hwsim.fpga.folding.choose` finds a very good folding of one network in tens of milliseconds and more. A search
asks for thousands of networks. Here every stage comes in variants, and for each variant, weighting of the resources
and pace the cheapest folding is looked up. A network's design is the one of these that keeps furthest from all limits:
one folding per stage, whose figures are those of its estimate. What is proven impossible here may still be possible for
``choose``; what is found here can be built.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from hwsim.design import Design, Folding
from hwsim.device import Device
from hwsim.fpga.folding import catalogue_kernel as kernel
from hwsim.fpga.folding.board import allowed_by
from hwsim.fpga.folding.goal import RESOURCES, Goal
from hwsim.fpga.folding.joints import around, conversions, fork
from hwsim.fpga.folding.lanes import connections, lanes_in, lanes_out, narrowest
from hwsim.fpga.folding.options import all_options, fifo_depths
from hwsim.fpga.pipeline import head_share, tail_share
from hwsim.fpga.resources import SHELL, Array
from hwsim.fpga.stages import Pipeline, Stage, pipeline
from hwsim.network import Network

Numbers = npt.NDArray[np.int64]
PACES = 64  # of a table, from the fastest to the slowest that limits of times allow
PARTS = 2  # in which weightings divide their weight among resources
LEAST_WEIGHT = 0.02  # of a resource that a weighting does not name, so that none is wasted
HASTES = (1e-3, 0.05)  # weights of a stage's time, as a share of the slowest pace, among foldings that keep the pace
RANGE = 300.0  # from the slowest pace to the fastest, at most


@dataclass(frozen=True, eq=False)
class Designs:
    """Of networks: rows of the options per stage (networks, stages) and figures by name (networks,)."""

    rows: Numbers
    figures: Mapping[str, Array]


class Catalogue:
    """Designs of networks that differ in the variants of their stages.

    Args:
        network: one of them.
        variants: per stage, in the order of its pipeline; they keep its shape: images, kernels, who reads
            whom, what goes in and out.
        device: an FPGA board.
        mapping: "hls4ml" or "folded".
        limits: amounts by name: resources, ``interval_us`` and ``latency_us``; a resource without one may take
            ``utilisation`` of the device.

    Attributes:
        longer: factor on latencies, 1 at first. Those of "folded" are to first order (:mod:`hwsim.fpga.pipeline`), and
            counted ones are longer.

    Raises:
        InputError: a limit is more than the device has.
    """

    def __init__(
        self, network: Network, variants: Sequence[Sequence[Stage]], device: Device, mapping: str,
        limits: Mapping[str, float],
    ) -> None:  # fmt: skip
        self._stages, self._device, self._mapping = pipeline(network), device, mapping
        self.clock_mhz = float(device["clock_mhz"])
        self._io = "io_stream" if self._stages.has_images or mapping == "folded" else "io_parallel"
        goal = Goal(budgets={name: value for name, value in limits.items() if name in RESOURCES})
        self._board = allowed_by(network, device, self.clock_mhz, goal)
        self._depths = fifo_depths(self._stages, mapping) if self._io == "io_stream" else {}
        self.limits, self.longer = dict(limits), 1.0
        records, self._records = _distinct(variants, self._depths)
        options = all_options(replace(self._stages, stages=records), mapping, self._io, self._depths)
        order = np.lexsort((options.cost.busy, options.stage))
        self._foldings = [options.foldings[row] for row in order.tolist()]
        pairs = [
            (records[stage], folding)
            for stage, folding in zip(options.stage[order].tolist(), self._foldings, strict=True)
        ]
        used = np.stack([getattr(options.cost, name)[order] for name in RESOURCES], axis=1)
        given, taken, self._shape = _joined(network, self._stages, pairs, mapping, self._board.input_cycles)
        self._shape = self._shape._replace(shortest=self._board.shortest, parallel=self._io == "io_parallel")
        self._rows = kernel.Rows(used, options.cost.busy[order], options.cost.depth[order], given, taken)
        self._flat = np.concatenate(self._records)
        self._offsets = np.cumsum([0, *map(len, self._records)])[:-1]
        first = np.append(options.starts, len(order)).astype(np.int64)
        self._table = self._filled(first)

    def find(self, numbers: Numbers) -> Designs:
        """The designs of networks (networks, stages), by the numbers of their stages' variants."""
        records = self._flat[self._offsets + numbers]
        picks, found = np.zeros(records.shape, dtype=np.int64), np.zeros((len(records), kernel.FIGURES))
        counts = np.array([name in self.limits for name in RESOURCES])
        kernel.nearest(records, self._table, self._rows, self._shape, self._bounds(), counts, picks, found)
        figures = dict(zip(RESOURCES, found.T, strict=False))
        figures["interval_us"] = found[:, kernel.INTERVAL] / self.clock_mhz
        figures["latency_us"] = self.longer * (found[:, kernel.LATENCY] + self._board.outside) / self.clock_mhz
        return Designs(picks, figures)

    def design(self, network: Network, rows: Numbers) -> Design:
        """The design of a network whose stages take ``rows``, (stages,)."""
        folding = {
            stage.name: self._foldings[row]
            for stage, row in zip(self._stages.stages, rows.tolist(), strict=True)
            if stage.kind in ("matrix", "depthwise") or self._mapping == "folded"
        }
        backend = "Slimfab" if self._mapping == "folded" else "Vitis"
        return Design(network.hash, self._device.name, self.clock_mhz, self._io, backend, folding, self._depths)

    def _bounds(self) -> Array:
        """(FIGURES,) in units and cycles of the pipeline."""
        interval = self.limits.get("interval_us", np.inf) * self.clock_mhz
        latency = self.limits.get("latency_us", np.inf) * self.clock_mhz / self.longer - self._board.outside
        return np.array([*(self._board.limits[name] for name in RESOURCES), interval, max(latency, 1e-9)])

    def _filled(self, first: Numbers) -> npt.NDArray[np.int32]:
        busy, depth = self._rows.busy, self._rows.depth
        fastest = np.array([max(busy[first[own]].min() for own in self._records)])
        slowest = min(
            busy.max(), *(self.limits.get(name, np.inf) * self.clock_mhz for name in ("interval_us", "latency_us"))
        )
        paces = np.geomspace(max(float(fastest.max()), slowest / RANGE), max(slowest, float(fastest.max())), PACES)
        limits = np.maximum([self._board.limits[name] for name in RESOURCES], 1e-9)
        areas = (self._rows.used / limits) @ _weightings().T
        times = (busy + depth)[:, None] / paces[-1]
        scores = np.concatenate([areas + haste * times for haste in HASTES], axis=1)
        table = np.zeros((len(first) - 1, scores.shape[1], PACES), dtype=np.int32)
        kernel.fill(first, busy, scores, paces, table)
        return table


def _weightings() -> Array:
    """(weightings, resources): all ways to give each resource whole parts of the weight, and a little to the others."""
    parts = [one for one in product(range(PARTS + 1), repeat=len(RESOURCES)) if sum(one) == PARTS]
    return np.array([*parts, [PARTS / len(RESOURCES)] * len(RESOURCES)]) / PARTS + LEAST_WEIGHT


def _distinct(
    variants: Sequence[Sequence[Stage]], depths: Mapping[str, int]
) -> tuple[tuple[Stage, ...], list[Numbers]]:  # fmt: skip
    """Variants that cost the same once, and per stage which of them its variants are."""
    known: dict[object, int] = {}
    records: list[Stage] = []
    numbers = []
    for of_stage in variants:
        own = []
        for stage in of_stage:
            key = replace(stage, name="", tensor="", sources=()), depths.get(stage.tensor)
            if key not in known:
                known[key] = len(records)
                records.append(stage)
            own.append(known[key])
        numbers.append(np.array(own, dtype=np.int64))
    return tuple(records), numbers


def _joined(
    network: Network, stages: Pipeline, pairs: Sequence[tuple[Stage, Folding]], mapping: str, input_cycles: float
) -> tuple[Numbers, Numbers, kernel.Shape]:  # fmt: skip
    """Kinds of lanes given and taken by rows, and what all networks share."""
    outputs = [_output(stage, folding) for stage, folding in pairs]
    gives = sorted(set(outputs))
    places = {kind: place for place, kind in enumerate(gives)}
    given = np.array([places[one] for one in outputs], dtype=np.int64)
    takes, taken = np.unique([lanes_in(stage, folding) for stage, folding in pairs], return_inverse=True)
    parts = _parts(network, stages, gives, takes) if mapping == "folded" else []
    sizes = [len(cells) for *_, cells in parts]
    sources = [[source + 1 for source in stage.sources] or [0] for stage in stages.stages]
    shape = kernel.Shape(
        first=np.cumsum([0, *map(len, sources)]),
        sources=np.array([one for own in sources for one in own], dtype=np.int64),
        head=np.array([head_share(stage) for stage in stages.stages]),
        tail=np.array([tail_share(stage) for stage in stages.stages]),
        lead=np.array([(stage.kind != "global") / stage.pixels_out for stage in stages.stages]),
        givers=np.array([one[0] for one in parts], dtype=np.int64),
        takers=np.array([one[1] for one in parts], dtype=np.int64),
        inward=np.array([one[2] for one in parts], dtype=np.bool_), start=np.cumsum([0, *sizes])[:-1].astype(np.int64),
        width=np.full(len(parts), len(takes)),
        cells=np.concatenate([np.zeros((0, 5)), *(cells for *_, cells in parts)]),
        always=np.array([*(SHELL[name] for name in RESOURCES), 0.0, 0.0]),
        input_cycles=input_cycles, shortest=1.0, parallel=False,
    )  # fmt: skip
    return given, taken.astype(np.int64), shape


def _output(stage: Stage, folding: Folding) -> tuple[int, int, int, int]:
    """Lanes, bits of a value between stages, bits of one that leaves, and values per image."""
    values = stage.channels_out * stage.pixels_out
    return lanes_out(stage, folding), stage.formats.cast_out, stage.output_bits, values


def _parts(
    network: Network, stages: Pipeline, gives: Sequence[tuple[int, int, int, int]], takes: Numbers
) -> list[tuple[int, int, bool, Array]]:  # fmt: skip
    """Giver, taker, whether the giver's kind is that of its input, and cells (kinds given x kinds taken, 5)."""
    channels = network.tensors[network.inputs[0]].shape[0]
    arrives = np.where(channels % takes == 0, takes, 1)
    known = {(lanes, bits) for lanes, bits, *_ in gives}
    steps = {one: conversions(np.array(one[:1]), takes, one[1])[0].reshape(-1, 4) for one in known}
    passed = [values / narrowest(np.array([lanes]), takes).reshape(-1) for lanes, _, _, values in gives]
    between = np.column_stack(
        [np.concatenate([steps[lanes, bits] for lanes, bits, *_ in gives]), np.concatenate(passed)]
    )
    first, parts = -1, []
    for giver, taker, tensor in connections(network):
        if giver >= 0:
            parts.append((giver, taker, False, between))
            continue
        first = taker if first < 0 else first
        cells, _ = conversions(arrives, takes, stages.stages[taker].input_bits)
        cycles = network.tensors[tensor].size / narrowest(arrives, takes)
        parts.append((first, taker, True, np.column_stack([cells.reshape(-1, 4), cycles.reshape(-1)])))
    if len(stages.input_readers) > 1:
        reader = next(taker for giver, taker, _ in connections(network) if giver < 0)
        cells, _ = fork(stages, reader, arrives, stages.stages[reader].input_bits)
        spread = np.repeat(np.column_stack([cells, np.zeros(len(cells))]), len(takes), axis=0)
        parts.append((first, reader, True, spread))
    ends = np.zeros((len(gives), len(takes), 5))
    size = network.tensors[network.outputs[0]].size
    for place, (lanes, _, bits, values) in enumerate(gives):
        if values == size:
            ends[place, :, :4] = around(stages, np.array([lanes]), takes, bits, values)[0]
    parts.append((len(stages.stages) - 1, 0, False, ends.reshape(-1, 5)))
    return parts
