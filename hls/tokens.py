# SPDX-License-Identifier: Apache-2.0
"""A dataflow as stages of :mod:`hwsim.fpga.tokens`, which knows the cycles of every module, but not this package."""

from collections.abc import Mapping
from dataclasses import replace

from hls.dataflow import Dataflow
from hls.templates.unit import Unit
from hwsim.errors import NetworkError
from hwsim.fpga import outline
from hwsim.fpga.dataflow import MIN_DEPTH
from hwsim.fpga.tokens.stages import Pipeline


def pipeline(dataflow: Dataflow) -> Pipeline:
    """The stages of a dataflow, named like its units; what a module has behind its first stage is ``NAME.out``."""
    source, result = dataflow.input, dataflow.output
    units = tuple(_outline(unit) for unit in dataflow.units)
    return outline.stages(units, (source.wire, source.beats), (result.wire, result.beats))


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


def _outline(unit: Unit) -> outline.Unit:
    """Of a unit, what says when beats pass."""
    numbers = {name: value for name, value in unit.parameters.items() if isinstance(value, int)}
    turns: tuple[int, ...] = ()
    if unit.module == "concat":
        packed = int(str(unit.parameters["BEATS"]).split("h")[1], 16)
        turns = tuple(packed >> 16 * port & 0xFFFF for port in range(numbers["COUNT"]))
    if unit.module == "sparse_matrix_vector":
        turns = _row_block_ends(unit, numbers)
    wires = unit.inputs, unit.outputs
    return outline.Unit(unit.name, unit.module, unit.layer, numbers, unit.timing, *wires, turns)


def _row_block_ends(unit: Unit, numbers: dict[str, int]) -> tuple[int, ...]:
    """The steps of a schedule that are the last of their row block: the highest bit of each of its words."""
    (lines,) = (lines for name, lines in unit.memories.items() if name.endswith("_schedule.mem"))
    beats = numbers["MW"] // numbers["SIMD"]
    width = max(1, (beats - 1).bit_length()) + 1
    steps, bank = numbers["STEPS"], numbers["SCHEDULE_BANK"]
    # Banks stand side by side in a line.
    words = [int(lines[step % bank], 16) >> step // bank * width for step in range(steps)]
    return tuple(step for step, word in enumerate(words) if word >> width - 1 & 1)
