# SPDX-License-Identifier: Apache-2.0
"""A dataflow as stages of :mod:`hwsim.fpga.tokens`, which knows the cycles of every module, but not this package."""

from collections.abc import Mapping
from dataclasses import replace

from hls.dataflow import Dataflow
from hls.templates.streams import MIN_DEPTH
from hls.templates.unit import Unit
from hwsim.errors import NetworkError
from hwsim.fpga.tokens import patterns
from hwsim.fpga.tokens.stages import Node, Pipeline, Stage


def pipeline(dataflow: Dataflow) -> Pipeline:
    """The stages of a dataflow, named like its units; what a module has behind its first stage is ``NAME.out``."""
    nodes: list[Node] = []
    same: dict[str, str] = {}  # wire → the wire that it is, where nothing stands between them
    for unit in dataflow.units:
        stages = unit_stages(unit)
        inputs = tuple(same.get(wire, wire) for wire in unit.inputs)
        if not stages:
            same[unit.outputs[0]] = inputs[0]
            continue
        inner = [(f"{unit.name}.{number}",) for number in range(1, len(stages))]
        names = [unit.name, *(f"{unit.name}.out" for _ in inner)]
        for name, stage, ins, outs in zip(names, stages, [inputs, *inner], [*inner, unit.outputs], strict=True):
            nodes.append(Node(name, stage, ins, outs, unit.module, unit.layer))
    source, result = dataflow.input, dataflow.output
    return Pipeline(tuple(nodes), source.wire, same.get(result.wire, result.wire), source.beats, result.beats)


def with_depths(dataflow: Dataflow, depths: Mapping[str, int]) -> Dataflow:
    """The same hardware with other depths of FIFOs in beats, by name, as from
    :func:`hwsim.fpga.tokens.smallest_depths`; those that are not named stay.

    Raises:
        NetworkError: a name is no FIFO's.
    """
    known = sorted(unit.name for unit in dataflow.units if unit.module == "fifo")
    for name in depths:
        if name not in known:
            raise NetworkError(f"{name}: got a depth; expected one of {', '.join(known)}; name a FIFO")
    units = (
        replace(unit, parameters={**unit.parameters, "DEPTH": max(MIN_DEPTH, depths[unit.name])})
        if unit.name in depths
        else unit
        for unit in dataflow.units
    )
    return replace(dataflow, units=tuple(units))


def unit_stages(unit: Unit) -> tuple[Stage, ...]:
    """The stages of one unit."""
    if unit.sources:  # made for its weights: hls/templates/unrolled.py
        return patterns.pointwise({}, unit.timing)
    numbers = {name: value for name, value in unit.parameters.items() if isinstance(value, int)}
    if unit.module == "concat":
        packed = int(str(unit.parameters["BEATS"]).split("h")[1], 16)
        return patterns.concat(numbers, unit.timing, [packed >> 16 * port & 0xFFFF for port in range(numbers["COUNT"])])
    if unit.module == "sparse_matrix_vector":
        return patterns.sparse_matrix_vector(numbers, unit.timing, _row_block_ends(unit, numbers))
    return patterns.STAGES[unit.module](numbers, unit.timing)


def _row_block_ends(unit: Unit, numbers: dict[str, int]) -> list[int]:
    """The steps of a schedule that are the last of their row block: the highest bit of each of its words."""
    (lines,) = (lines for name, lines in unit.memories.items() if name.endswith("_schedule.mem"))
    beats = numbers["MW"] // numbers["SIMD"]
    width = max(1, (beats - 1).bit_length()) + 1
    steps, bank = numbers["STEPS"], numbers["SCHEDULE_BANK"]
    # Banks stand side by side in a line.
    words = [int(lines[step % bank], 16) >> step // bank * width for step in range(steps)]
    return [step for step, word in enumerate(words) if word >> width - 1 & 1]
