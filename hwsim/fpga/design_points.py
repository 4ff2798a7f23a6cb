# SPDX-License-Identifier: Apache-2.0
"""Very many foldings of one network at once: the figures of an estimate as arrays, without its error bars and notes.

Every legal folding of every stage is costed once; a design point is then one row of that table per stage, and its
figures are sums, maxima and the recurrence of pipeline.py over the stages. ``benchmarks/design_points.py`` counts how
many a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim.design import MEMORIES, MULTIPLIERS, STRATEGIES, Design, Folding
from hwsim.device import Device
from hwsim.errors import InputError
from hwsim.fpga import pipeline as first_order
from hwsim.fpga.folded import COUNTED
from hwsim.fpga.folding import Goal, Options, all_options, chain_fifo_depths, safe_fifo_depths
from hwsim.fpga.folding.board import allowed_by
from hwsim.fpga.folding.joints import Joints, joints
from hwsim.fpga.folding.lanes import converters
from hwsim.fpga.resources import SHELL, Array
from hwsim.fpga.stages import Pipeline, pipeline
from hwsim.network import Network

Rows = npt.NDArray[np.intp]

CHUNK = 4096  # points at a time: what they need stays in the cache
FIELDS = ("pe", "simd", "reuse_factor", "strategy", "multiplier", "memory")
_WORDS: Mapping[str, tuple[str, ...]] = {"strategy": STRATEGIES, "multiplier": MULTIPLIERS, "memory": MEMORIES}


@dataclass(frozen=True, eq=False)
class Points:
    """Figures of design points, (points,) each, in the units of :class:`hwsim.estimate.Estimate`.

    ``cycles`` are to first order, with the DMA; see :mod:`hwsim.fpga.pipeline`.
    """

    cycles: Array
    ii: Array
    latency_us: Array
    interval_us: Array
    energy_uj: Array
    power_w: Array
    lut: Array
    ff: Array
    dsp: Array
    bram18: Array


class DesignSpace:
    """Every legal folding of every stage of a network on a board.

    Args:
        mapping: "hls4ml" (io_stream) or "folded".
        clock_mhz: the device's default clock if None.
    """

    def __init__(self, network: Network, device: Device, mapping: str, clock_mhz: float | None = None) -> None:
        self.stages: Pipeline = pipeline(network)
        self.options: Options = all_options(self.stages, mapping, "io_stream")
        self.clock_mhz = device["clock_mhz"] if clock_mhz is None else clock_mhz
        self._network, self._device, self._mapping = network, device, mapping
        self._board = allowed_by(network, device, self.clock_mhz, Goal())
        told = self.stages, self.options.stage, self.options.foldings
        self._converters = converters(network, *told) if mapping == "folded" else []
        self._joints = joints(*told, self._converters) if mapping == "folded" else Joints()
        self._ends = np.append(self.options.starts[1:], len(self.options.stage))

    def random(self, count: int, seed: int) -> Rows:
        """(count, stages) rows of the options, all as likely."""
        rng = np.random.default_rng(seed)
        return rng.integers(self.options.starts, self._ends, (count, len(self._ends)), dtype=np.intp)

    def find(self, foldings: Mapping[str, Array]) -> Rows:
        """(points, stages) rows of the options with these foldings.

        Args:
            foldings: (points, stages) numbers by field of :class:`hwsim.design.Folding`; words by their place in
                STRATEGIES, MULTIPLIERS and MEMORIES of hwsim/design.py. A field in which the options of a stage do not
                differ is not looked at, nor one that is not named.

        Raises:
            InputError: a stage has no such option.
        """
        columns = [self._rows_of(number, foldings) for number in range(len(self._ends))]
        return np.stack(columns, axis=1)

    def design(self, rows: Rows) -> Design:
        """The design of one point, (stages,) rows."""
        depths = (chain_fifo_depths if self._mapping == "folded" else safe_fifo_depths)(self.stages)
        folding = {stage.name: self.options.foldings[row]
                   for stage, row in zip(self.stages.stages, rows.tolist(), strict=True)
                   if stage.kind in ("matrix", "depthwise") or self._mapping == "folded"}  # fmt: skip
        backend = "Slimfab" if self._mapping == "folded" else "Vitis"
        return Design(self._network.hash, self._device.name, self.clock_mhz, "io_stream", backend, folding, depths)

    def evaluate(self, rows: Rows) -> Points:
        """The figures of (points, stages) rows, batch 1."""
        parts = [self._evaluate(rows[start : start + CHUNK]) for start in range(0, max(len(rows), 1), CHUNK)]
        return Points(*(np.concatenate([getattr(part, name) for part in parts]) for name in Points.__annotations__))

    def _evaluate(self, rows: Rows) -> Points:
        cost, board, is_hls4ml = self.options.cost, self._board, self._mapping == "hls4ml"
        by_stage = np.ascontiguousarray(rows.T)
        busy, depth = cost.busy[by_stage].T, cost.depth[by_stage].T
        timing = first_order.Timing(busy, depth)
        interval = first_order.interval(timing)
        for one in self._converters:
            interval = np.maximum(interval, one.between(by_stage[one.giver], by_stage[one.taker]))
        spacing = np.maximum(interval, board.shortest)
        inside = first_order.latency(self.stages, timing, board.input_cycles)
        latency = inside + board.outside
        energy = board.watts * latency / self.clock_mhz + board.dynamic_uj
        beside = dict(zip(COUNTED, self._joints.cells(by_stage), strict=True))
        sums = {name: getattr(cost, name)[by_stage].sum(axis=0) + beside[name] + SHELL[name] for name in SHELL}
        return Points(
            cycles=np.maximum(inside, spacing), ii=spacing if is_hls4ml else interval,
            latency_us=latency / self.clock_mhz, interval_us=spacing / self.clock_mhz,
            energy_uj=energy, power_w=energy / latency * self.clock_mhz, **sums,
        )  # fmt: skip

    def _rows_of(self, number: int, foldings: Mapping[str, Array]) -> Rows:
        """(points,) rows of one stage's options."""
        start, end = int(self.options.starts[number]), int(self._ends[number])
        options = [self._numbers(folding) for folding in self.options.foldings[start:end]]
        told = [name for name in FIELDS if name in foldings and len({option[name] for option in options}) > 1]
        known = np.array([[option[name] for name in told] for option in options]).reshape(end - start, len(told))
        asked = np.stack([np.asarray(foldings[name])[:, number] for name in told], axis=1) if told else None
        if asked is None:
            (points,) = {len(column) for column in foldings.values()}
            return np.full(points, start, dtype=np.intp)
        # One number per folding: fields are digits.
        base = max(int(known.max(initial=0)), int(asked.max(initial=0))) + 1
        scale = base ** np.arange(len(told))
        keys, wanted = known @ scale, asked @ scale
        order = np.argsort(keys)
        place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
        found = order[place]
        wrong = np.flatnonzero(keys[found] != wanted)
        if len(wrong):
            got = ", ".join(f"{name}={value}" for name, value in zip(told, asked[wrong[0]].tolist(), strict=True))
            raise InputError(
                f"{self.stages.stages[number].name}: got {got}; expected one of its {len(keys)} legal foldings; see "
                "DesignSpace.options"
            )
        return found + start

    @staticmethod
    def _numbers(folding: Folding) -> dict[str, int]:
        words = {name: known.index(getattr(folding, name)) for name, known in _WORDS.items()}
        return {"pe": folding.pe, "simd": folding.simd, "reuse_factor": folding.reuse_factor, **words}
