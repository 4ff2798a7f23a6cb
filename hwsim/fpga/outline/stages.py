# SPDX-License-Identifier: Apache-2.0
"""Units as stages of :mod:`hwsim.fpga.tokens`."""

from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.fpga.outline.unit import Stream, Unit
from hwsim.fpga.tokens import patterns
from hwsim.fpga.tokens.stages import Node, Pipeline, Stage


@dataclass(frozen=True, eq=False)
class Outline:
    """Units in topological order between the streams at both ends."""

    units: tuple[Unit, ...]
    input: Stream
    output: Stream

    @property
    def interval(self) -> int:
        """Cycles between images that the slowest unit needs."""
        return max(unit.timing.interval for unit in self.units)

    def pipeline(self) -> Pipeline:
        """The units at the token level."""
        return stages(self.units, (self.input.wire, self.input.beats), (self.output.wire, self.output.beats))


def stages(units: Sequence[Unit], source: tuple[str, int], result: tuple[str, int]) -> Pipeline:
    """The stages of units, named like them; what a module has behind its first stage is ``NAME.out``.

    Args:
        units: in topological order.
        source: the wire of the input and its beats per image.
        result: those of the output.
    """
    nodes: list[Node] = []
    same: dict[str, str] = {}  # wire → the wire that it is, where nothing stands between them
    for unit in units:
        found = unit_stages(unit)
        inputs = tuple(same.get(wire, wire) for wire in unit.inputs)
        if not found:
            same[unit.outputs[0]] = inputs[0]
            continue
        inner = [(f"{unit.name}.{number}",) for number in range(1, len(found))]
        names = [unit.name, *(f"{unit.name}.out" for _ in inner)]
        for name, stage, ins, outs in zip(names, found, [inputs, *inner], [*inner, unit.outputs], strict=True):
            nodes.append(Node(name, stage, ins, outs, unit.module, unit.layer))
    wire, beats = result
    return Pipeline(tuple(nodes), source[0], same.get(wire, wire), source[1], beats)


def unit_stages(unit: Unit) -> tuple[Stage, ...]:
    """The stages of one unit."""
    if unit.module == "concat":
        return patterns.concat(unit.numbers, unit.timing, unit.turns)
    if unit.module == "sparse_matrix_vector":
        return patterns.sparse_matrix_vector(unit.numbers, unit.timing, unit.turns)
    # What is made for its weights (hls/templates/unrolled.py) is in no library.
    return patterns.STAGES.get(unit.module, patterns.pointwise)(unit.numbers, unit.timing)
