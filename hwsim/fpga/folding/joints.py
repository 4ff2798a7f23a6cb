# SPDX-License-Identifier: Apache-2.0
"""Resources of what stands between PE x SIMD stages and around them: width converters, registers for the processor.

Unlike the units of a stage they depend on two foldings at a time: converters on the lanes of both their ends, the block
of registers and counters on those of the first and the last stage. So their cells are tables over kinds of lanes. Where
several stages read the network's input, it is forked, and each of them has a FIFO for a whole image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import numpy as np

from hwsim.design import Folding
from hwsim.fpga.dataflow import MIN_DEPTH, conversion_steps
from hwsim.fpga.folded import COUNTED
from hwsim.fpga.folding.lanes import Converter, converters, lanes_in, lanes_out
from hwsim.fpga.folding.relaxation import Index
from hwsim.fpga.resources import Array
from hwsim.fpga.stages import Pipeline
from hwsim.fpga.units import Parameters, resources
from hwsim.fpga.units.constants import BARS
from hwsim.network import Network

UNITS_PER_STAGE = 5  # that hold a frame each, about: the monitor keeps a stamp for each
MOST_STAMPS = 1024  # hls/verilog.py


@dataclass(frozen=True, eq=False)
class Joint:
    """Cells by kinds of lanes of two stages, (given, taken, COUNTED); ``given`` and ``taken`` say an option's kind."""

    giver: int
    taker: int
    given: Index
    taken: Index
    cells: Array
    errors: Array


@dataclass(frozen=True, eq=False)
class Joints:
    """Everything between and around the stages of design points; each point is a row of the options per stage."""

    parts: tuple[Joint, ...] = ()

    def cells(self, rows: Index) -> Array:
        """Cells of points, (COUNTED, …), whose options are ``rows`` of (stages, …)."""
        return self._sum(rows, "cells")

    def errors(self, rows: Index) -> Array:
        """How far the cells may be off, in the same shape."""
        return self._sum(rows, "errors")

    @cached_property
    def least(self) -> Array:
        """(COUNTED,) cells that no point has less of."""
        found = [part.cells.min(axis=(0, 1)) for part in self.parts]
        return np.asarray(sum(found, np.zeros(len(COUNTED))))

    def _sum(self, rows: Index, name: str) -> Array:
        total = np.zeros((*np.shape(rows)[1:], len(COUNTED)))
        for part in self.parts:
            total += getattr(part, name)[part.given[rows[part.giver]], part.taken[rows[part.taker]]]
        return np.moveaxis(total, -1, 0)


def joints(stages: Pipeline, stage: Index, foldings: Sequence[Folding], between: Sequence[Converter]) -> Joints:
    """The cells of converters and of what is around them, for all options.

    Args:
        stage: (options,) which stage an option is of.
        foldings: (options,) the options.
        between: the converters of the same options (:func:`hwsim.fpga.folding.lanes.converters`).
    """
    if not stages.stages:
        return Joints()
    tables: dict[tuple[bytes, bytes, int], tuple[Array, Array]] = {}
    parts = []
    for one in between:
        key = one.gives.tobytes(), one.takes.tobytes(), one.value_bits
        if key not in tables:
            tables[key] = conversions(one.gives, one.takes, one.value_bits)
        parts.append(Joint(one.giver, one.taker, one.given, one.taken, *tables[key]))
    parts.append(_around(stages, stage, foldings))
    if len(stages.input_readers) > 1:
        source = next(one for one in between if one.of_input)
        parts.append(_fork(stages, source))
    return Joints(tuple(parts))


def joints_of_design(network: Network, stages: Pipeline, foldings: Sequence[Folding]) -> Joints:
    """The cells of one design, with one option per stage: row i of the options is stage i."""
    every = np.arange(len(foldings))
    return joints(stages, every, foldings, converters(network, stages, every, foldings))


def conversions(gives: Index, takes: Index, value_bits: int) -> tuple[Array, Array]:
    """Cells and their errors of the steps from every kind of lanes to every other, (given, taken, COUNTED)."""
    lanes = list(product(gives.tolist(), takes.tolist()))
    steps = [(place, *step) for place, (lanes_given, lanes_taken) in enumerate(lanes)
             for step in pairwise(conversion_steps(lanes_given, lanes_taken))]  # fmt: skip
    place, given, taken = np.array(steps, dtype=np.intp).reshape(-1, 3).T
    width = np.full(len(place), float(value_bits))
    single, errors = _cells("width_converter", {"WIDTH": width, "IN_LANES": given, "OUT_LANES": taken})
    total = np.zeros((2, len(lanes), len(COUNTED)))
    np.add.at(total[0], place, single)
    np.add.at(total[1], place, errors)
    shape = len(gives), len(takes), len(COUNTED)
    return total[0].reshape(shape), total[1].reshape(shape)


def _fork(stages: Pipeline, source: Converter) -> Joint:
    cells, errors = fork(stages, source.taker, source.gives, source.value_bits)
    taken = np.zeros_like(source.taken)
    return Joint(source.giver, source.taker, source.given, taken, cells[:, None], errors[:, None])


def fork(stages: Pipeline, reader: int, lanes: Index, value_bits: int) -> tuple[Array, Array]:
    """Cells of the fork of the network's input and the FIFOs behind it and their errors, (lanes, COUNTED).

    Args:
        reader: one of the stages that read the input.
        lanes: in which the input comes.
    """
    one, readers, wide = stages.stages[reader], float(len(stages.input_readers)), lanes.astype(np.float64)
    values = float(one.rows_in * one.columns_in * one.channels_in)
    split = _cells("stream_fork", {"COUNT": np.full(wide.shape, readers)})
    fifos = _cells("fifo", {"WIDTH": wide * value_bits, "DEPTH": np.maximum(values / wide, MIN_DEPTH)})
    cells, errors = (own + readers * each for own, each in zip(split, fifos, strict=True))
    return cells, errors


def _around(stages: Pipeline, stage: Index, foldings: Sequence[Folding]) -> Joint:
    """The modules control and frame_last, by the lanes of the first stage and of the last one."""
    pairs = [(stages.stages[index], folding) for index, folding in zip(stage.tolist(), foldings, strict=True)]
    gives, given = np.unique([lanes_out(one, folding) for one, folding in pairs], return_inverse=True)
    takes, taken = np.unique([lanes_in(one, folding) for one, folding in pairs], return_inverse=True)
    last = stages.stages[-1]
    values = last.pixels_out * last.channels_out
    cells, errors = around(stages, gives, takes, last.output_bits, values)
    return Joint(len(stages.stages) - 1, 0, given, taken, cells, errors)


def around(stages: Pipeline, gives: Index, takes: Index, output_bits: int, values: int) -> tuple[Array, Array]:
    """Cells of control and frame_last and their errors, (given by the last stage, taken by the first, COUNTED).

    Args:
        output_bits, values: of the network's result.
    """
    first = stages.stages[0]
    lanes = np.broadcast_arrays(gives[:, None].astype(np.float64), takes.astype(np.float64))
    out, into = lanes[0].ravel(), lanes[1].ravel()
    stamps = min(1 << (UNITS_PER_STAGE * len(stages.stages)).bit_length(), MOST_STAMPS)
    units = {
        "control": {
            "BEATS_IN": np.maximum(np.ceil(first.rows_in * first.columns_in * first.channels_in / into), 1.0),
            "OUT_BYTES": np.ceil(out * output_bits / 8), "STAMPS": np.full(out.shape, float(stamps)),
        },
        "frame_last": {"BEATS": np.maximum(np.ceil(values / out), 1.0)},
    }  # fmt: skip
    found = [_cells(module, parameters) for module, parameters in units.items()]
    shape = len(gives), len(takes), len(COUNTED)
    cells, errors = (np.sum([one[side] for one in found], axis=0).reshape(shape) for side in (0, 1))
    return cells, errors


def _cells(module: str, parameters: Parameters) -> tuple[Array, Array]:
    """Cells of units and their errors, (units, COUNTED)."""
    found = resources(module, parameters)
    cells = np.stack([getattr(found, name) for name in COUNTED], axis=-1)
    return cells, cells * np.array([BARS[module][name] for name in COUNTED])
