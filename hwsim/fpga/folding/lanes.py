# SPDX-License-Identifier: Apache-2.0
"""Between stages of other lanes stand width converters (hls/rtl/width_converter.sv), and they too take cycles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.design import Folding
from hwsim.fpga.dataflow import conversion_steps
from hwsim.fpga.folding.relaxation import Index
from hwsim.fpga.folding.search import Problem
from hwsim.fpga.resources import Array
from hwsim.fpga.stages import INVISIBLE, Pipeline, Stage
from hwsim.network import Network


@dataclass(frozen=True, eq=False)
class Converter:
    """What stands between the lanes of two stages: ``cycles`` per image by kinds of lanes given and taken.

    ``given`` and ``taken`` say of every option which kind it has, ``gives`` and ``takes`` how many lanes a kind is, and
    ``value_bits`` how wide one value is. The network's input is given by the first stage that reads it.
    """

    giver: int
    taker: int
    given: Index
    taken: Index
    gives: Index
    takes: Index
    value_bits: int
    cycles: Array
    of_input: bool = False

    def between(self, giver: Index | np.intp, taker: Index | np.intp) -> Array:
        """Cycles per image between options of the two stages, rows of the options."""
        found: Array = self.cycles[self.given[giver], self.taken[taker]]
        return found


def slowest(between: Sequence[Converter], rows: Index) -> float:
    """Cycles per image of the slowest converter of a choice, (stages,) rows of the options."""
    return max((float(one.between(rows[one.giver], rows[one.taker])) for one in between), default=0.0)


def matched(asked: Problem, picks: Index, between: Sequence[Converter], interval: float) -> Index:
    """A choice within the same limits whose converters are no slower than ``interval``, as far as single changes lead.

    Lanes that have no small common multiple meet in a common divisor, which may take longer than both stages.
    """
    while True:
        late = [one for one in between if _cycles(asked, picks, one) > interval]
        better = [
            changed
            for stage in sorted({stage for one in late for stage in (one.giver, one.taker)})
            for changed in _changes(asked, picks, stage, interval)
            if sum(_cycles(asked, changed, one) > interval for one in between) < len(late)
        ]
        if not better:
            return picks
        picks = min(better, key=lambda one: float(asked.sums(one).max()))


def _changes(asked: Problem, picks: Index, stage: int, interval: float) -> Iterator[Index]:
    """The choices with another option of one stage that fit and are no slower."""
    for option in np.flatnonzero(asked.present[stage] & (asked.busy[stage] <= interval)):
        changed = np.where(np.arange(len(picks)) == stage, option, picks)
        if asked.fits(changed):
            yield changed


def _cycles(asked: Problem, picks: Index, one: Converter) -> float:
    rows = asked.rows[[one.giver, one.taker], picks[[one.giver, one.taker]]]
    return float(one.between(rows[0], rows[1]))


def converters(
    network: Network, stages: Pipeline, stage: Index, foldings: Sequence[Folding]
) -> list[Converter]:  # fmt: skip
    """The converters between stages; the input comes in the lanes that its first reader takes, if they divide it.

    Args:
        stage: (options,) which stage an option is of.
        foldings: (options,) the options.
    """
    pairs = [(stages.stages[index], folding) for index, folding in zip(stage.tolist(), foldings, strict=True)]
    gives, given = np.unique([lanes_out(one, folding) for one, folding in pairs], return_inverse=True)
    takes, taken = np.unique([lanes_in(one, folding) for one, folding in pairs], return_inverse=True)
    channels = network.tensors[network.inputs[0]].shape[0]
    arrives = np.where(channels % takes == 0, takes, 1)
    fewest, of_input = narrowest(gives, takes), narrowest(arrives, takes)
    first, found = -1, []
    for giver, index, tensor in connections(network):
        values = network.tensors[tensor].size
        if giver >= 0:
            width = stages.stages[giver].formats.cast_out
            found.append(Converter(giver, index, given, taken, gives, takes, width, values / fewest))
            continue
        first = index if first < 0 else first
        width = stages.stages[index].input_bits
        found.append(Converter(first, index, taken, taken, arrives, takes, width, values / of_input, True))
    return found


def connections(network: Network) -> list[tuple[int, int, str]]:
    """Who gives whom which tensor, by the numbers of stages; -1 gives the network's input."""
    position: dict[str, int] = {}
    found = []
    for layer in network.layers:
        if layer.op in INVISIBLE:
            position[layer.output] = position[layer.inputs[0]] if layer.inputs else -1
            continue
        index = position[layer.output] = len({place for place in position.values() if place >= 0})
        found += [(position[tensor], index, tensor) for tensor in layer.inputs]
    return found


def narrowest(gives: Index, takes: Index) -> Array:
    """The fewest lanes between so many and so many others, (given, taken)."""
    fewest = [[min(conversion_steps(lanes, to)) for to in takes.tolist()] for lanes in gives.tolist()]
    return np.array(fewest, dtype=np.float64)


def lanes_in(stage: Stage, folding: Folding) -> int:
    """Values per beat in front of a stage; a depthwise layer takes as many channels as it computes side by side."""
    if stage.kind not in ("matrix", "depthwise"):
        return folding.pe
    return folding.simd * (max(1, folding.pe // stage.mh) if stage.kind == "depthwise" else 1)


def lanes_out(stage: Stage, folding: Folding) -> int:
    """Values per beat behind a stage."""
    return 1 if stage.op == "argmax" else folding.pe
