# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_units import filled, formats, operands, results
from rtl_efforts import PLAIN, REPLACED
from rtl_units import WIRES, alone, corners, meets_contract, stream

from hls.rtl_compile import Effort
from hls.rtl_sim import Run
from hls.templates.operands import Operands
from hls.templates.sparse import sparse_matrix_vector
from hwsim.design import Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga.outline.zeros import scheduled_blocks

pytestmark = [pytest.mark.needs("verilator", "g++")]

Blocks = np.ndarray  # (row blocks, column blocks) of booleans: those that may hold weights other than zero


def punched(blocks: Blocks, pe: int, simd: int, weight: FixedPoint, seed: int) -> np.ndarray:
    """(1, rows, columns) random weights, all zero where a block is not kept."""
    kept = blocks.repeat(pe, axis=0).repeat(simd, axis=1)
    return np.where(kept, filled(weight, kept.shape, np.random.default_rng(seed)), 0)[np.newaxis]


def check(parts: Operands, folding: Folding, vectors: int, folder: Path, cache: Path, effort: Effort = PLAIN) -> Run:
    """The contract of a unit with these operands; ``vectors`` per image."""
    _, rows, columns = parts.matrices.shape
    values = corners(parts.source, (9, vectors * columns))
    expected = results(parts, values.reshape(len(values), vectors, columns))
    unit = sparse_matrix_vector("b", "fc", WIRES, parts, folding, vectors)
    ins = stream("a", parts.source, folding.simd, vectors * columns // folding.simd)
    outs = stream("b", parts.exact, folding.pe, vectors * rows // folding.pe)
    return meets_contract(alone(unit, ins, outs), values, expected, folder, cache, effort)


# blocks kept, as rows of digits; folding, vectors per image, and the cycles per vector
CASES = {
    "as many steps as beats": (["0100", "1010", "0001"], Folding(2, 3), 3, 4),
    "fewer steps than beats, a row of blocks without any": (["00010", "00000", "10000"], Folding(1, 2), 4, 5),
    "more steps than beats": (["111", "011", "000", "111"], Folding(3, 2, memory="block"), 2, 9),
    "one beat": (["1", "0", "1"], Folding(2, 4, multiplier="lut"), 5, 3),
    "one beat and one step": (["1"], Folding(2, 4), 7, 1),
    "nothing but biases": (["0000", "0000"], Folding(4, 1, memory="logic"), 3, 4),
    "a schedule in banks of block RAM": (["1" * 4099 + "0"], Folding(), 1, 4100),
}


@pytest.mark.parametrize(
    ("name", "effort"),
    [
        *((name, PLAIN) for name in list(CASES)[:3]),
        (list(CASES)[1], REPLACED),
        *(
            pytest.param(name, effort, marks=pytest.mark.slow)
            for name in list(CASES)[3:]
            for effort in (PLAIN, REPLACED)
        ),
    ],
)
def test_bits_and_cycles(name: str, effort: Effort, tmp_path: Path, rtl_cache: Path) -> None:
    digits, folding, vectors, pace = CASES[name]
    blocks = np.array([[digit == "1" for digit in row] for row in digits])
    matrices = punched(blocks, folding.pe, folding.simd, FixedPoint(4, 3), 1)
    parts = operands(matrices, FixedPoint(5, 2), FixedPoint(4, 3), FixedPoint(6, 7), 2)
    assert check(parts, folding, vectors, tmp_path, rtl_cache, effort).interval == vectors * pace


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_bits_and_cycles_of_random_units(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, rtl_cache: Path
) -> None:
    def number(largest: int) -> int:
        return data.draw(st.integers(1, largest))

    source, weight, offset = data.draw(formats(1, 20)), data.draw(formats(1, 10)), data.draw(formats(1, 16))
    pe, simd, shape, seed = number(3), number(4), (number(5), number(7)), number(99)
    blocks = np.random.default_rng(seed).random(shape) < data.draw(st.sampled_from([0.1, 0.25, 0.5, 1.0]))
    words = {"multiplier": ("auto", "lut", "dsp"), "memory": ("auto", "logic", "distributed", "block")}
    folding = Folding(pe, simd, **{key: data.draw(st.sampled_from(known)) for key, known in words.items()})
    parts = operands(punched(blocks, pe, simd, weight, seed), source, weight, offset, seed)
    vectors, folder = number(4), tmp_path_factory.mktemp("unit")
    for effort in (PLAIN, REPLACED):
        check(parts, folding, vectors, folder, rtl_cache, effort)


def test_steps_are_the_blocks_that_hold_weights_and_one_of_every_row_of_blocks_that_holds_none() -> None:
    matrix = np.zeros((6, 6), np.int64)
    matrix[1, 4] = matrix[0, 1] = matrix[4, 2] = -1
    row_blocks, column_blocks = scheduled_blocks(matrix, 2, 2)
    assert list(zip(row_blocks.tolist(), column_blocks.tolist(), strict=True)) == [(0, 0), (0, 2), (1, 0), (2, 1)]
    parts = operands(matrix[np.newaxis], FixedPoint(8, 0), FixedPoint(2, 0), FixedPoint(8, 0), 0)
    unit = sparse_matrix_vector("b", "fc", WIRES, parts, Folding(2, 2), 1)
    assert unit.memories["b_schedule.mem"] == ("0", "6", "4", "5")  # a 3-bit word: last, column block
    assert unit.memories["b_weights.mem"] == ("0c", "30", "00", "03")  # 2 bits each, row after row from the low bits up


def test_nothing_but_memories_depends_on_which_blocks_are_kept() -> None:
    def parameters(digits: list[str]) -> dict[str, int | str]:
        blocks = np.array([[digit == "1" for digit in row] for row in digits])
        matrices = np.ones((1, 2, 1), np.int64) * blocks.repeat(2, axis=1)
        parts = operands(matrices, FixedPoint(8, 0), FixedPoint(2, 0), FixedPoint(8, 0), 0)
        return dict(sparse_matrix_vector("b", "fc", WIRES, parts, Folding(1, 2), 1).parameters)

    assert parameters(["1100", "0001"]) == parameters(["0010", "1010"]) != parameters(["1100", "0011"])


def test_deep_memories_are_divided_into_banks() -> None:
    parts = operands(np.ones((1, 1, 4100), np.int64), FixedPoint(8, 0), FixedPoint(2, 0), FixedPoint(8, 0), 0)
    unit = sparse_matrix_vector("b", "fc", WIRES, parts, Folding(), 1)
    assert (unit.parameters["STEPS"], unit.parameters["SCHEDULE_BANK"]) == (4100, 1024)
    assert len(unit.memories["b_schedule.mem"]) == 1024
