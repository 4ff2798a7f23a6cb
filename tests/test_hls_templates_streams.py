# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rtl_efforts import PLAIN, REPLACED
from rtl_units import WIRES, alone, behind_a_fork, corners, meets_contract, stream

from hls.dataflow import Dataflow
from hls.emit import write
from hls.rtl_compile import Effort
from hls.rtl_sim import Stalls, simulate
from hls.templates.streams import add, fifo, width_converter
from hwsim.fixed import FixedPoint
from hwsim.fpga.dataflow import conversion_steps

FORMAT = FixedPoint(5, 0)
needs_simulator = pytest.mark.needs("verilator", "g++")


def fifo_alone(depth: int, module: str = "fifo") -> Dataflow:
    unit = replace(fifo("b", "conv", WIRES, 2 * FORMAT.width, 10, depth), module=module)
    return alone(unit, stream("a", FORMAT, 2, 10), stream("b", FORMAT, 2, 10))


@needs_simulator
@pytest.mark.parametrize(
    ("depth", "effort"),
    [
        (3, PLAIN),
        (40, PLAIN),
        (5, REPLACED),
        *(pytest.param(depth, PLAIN, marks=pytest.mark.slow) for depth in (1, 16, 32, 33, 64)),
        *(pytest.param(depth, REPLACED, marks=pytest.mark.slow) for depth in (1, 2, 8, 33)),
    ],
)
def test_a_fifo_passes_everything_in_order(depth: int, effort: Effort, tmp_path: Path, rtl_cache: Path) -> None:
    values = corners(FORMAT, (16, 20))
    meets_contract(fifo_alone(depth), values, values, tmp_path, rtl_cache, effort)


@needs_simulator
def test_a_fifo_in_memory_is_one_in_registers_in_every_cycle(tmp_path: Path, rtl_cache: Path) -> None:
    values = corners(FORMAT, (80, 20))
    dataflows = [fifo_alone(40, module) for module in ("fifo_memory", "fifo_short")]
    for dataflow in dataflows:
        write(dataflow, tmp_path / dataflow.units[0].module)
    for index, pattern in enumerate(((0.0, 0.5), (0.5, 0.5), (0.5, 0.4), (0.1, 0.2), (0.2, 0.1))):
        memory, registers = (
            simulate(one, tmp_path / one.units[0].module, values, Stalls(*pattern, index), cache=rtl_cache)
            for one in dataflows
        )
        np.testing.assert_array_equal(memory.values, values)
        np.testing.assert_array_equal(memory.in_cycles, registers.in_cycles)
        np.testing.assert_array_equal(memory.out_cycles, registers.out_cycles)


@needs_simulator
@pytest.mark.parametrize(
    ("lanes", "effort"),
    [
        *(((2, 6), effort) for effort in (PLAIN, REPLACED)),
        *(((6, 2), effort) for effort in (PLAIN, REPLACED)),
        *(
            pytest.param(pair, effort, marks=pytest.mark.slow)
            for pair in ((1, 2), (12, 1), (3, 3))
            for effort in (PLAIN, REPLACED)
        ),
    ],
)
def test_a_width_converter_keeps_the_order(
    lanes: tuple[int, int], effort: Effort, tmp_path: Path, rtl_cache: Path
) -> None:
    values = corners(FORMAT, (8, 24))
    unit = width_converter("b", "conv", WIRES, FORMAT.width, lanes, 24 // lanes[0])
    ins, outs = stream("a", FORMAT, lanes[0], 24 // lanes[0]), stream("b", FORMAT, lanes[1], 24 // lanes[1])
    meets_contract(alone(unit, ins, outs), values, values, tmp_path, rtl_cache, effort)


@needs_simulator
@pytest.mark.parametrize("count", [3, pytest.param(2, marks=pytest.mark.slow)])
def test_what_a_fork_gives_adds_up(count: int, tmp_path: Path, rtl_cache: Path) -> None:
    exact = FixedPoint(5, 0)
    values = corners(FixedPoint(3, 0), (8, 12))
    unit = add("b", "add", tuple(f"t{i}" for i in range(count)), "b", exact, 2, 6)
    dataflow = behind_a_fork(unit, stream("a", exact, 2, 6), stream("b", exact, 2, 6))
    meets_contract(dataflow, values, count * values, tmp_path, rtl_cache)


def test_lanes_convert_directly_or_by_way_of_a_common_multiple_or_divisor() -> None:
    pairs = (2, 64), (64, 2), (4, 6), (3, 3), (2, 3), (49, 64), (10, 4), (6, 10)
    assert [conversion_steps(*pair) for pair in pairs] == [
        (2, 64), (64, 2), (4, 12, 6), (3,), (2, 6, 3), (49, 1, 64), (10, 20, 4), (6, 30, 10),
    ]  # fmt: skip


def test_words_put_the_first_value_in_the_low_bits() -> None:
    from hls.templates.unit import words

    assert words(np.array([[1, -1], [-8, 7]]), 4) == ("f1", "78")
    assert words(np.array([[1, 0, 1]]), 1) == ("5",)
    assert words(np.array([[-1]]), 62) == ("3fffffffffffffff",)
