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
from hls.templates.matrix_vector import accumulator, matrix_vector
from hls.templates.operands import Operands
from hls.templates.unit import expect_divisor
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga.multipliers import multiplier

pytestmark = [pytest.mark.needs("verilator", "g++")]

INT8, UINT8 = FixedPoint(8, 0), FixedPoint(8, 0, False)


def check(
    parts: Operands, folding: Folding, vectors: int, folder: Path, cache: Path, parallel: int = 1,
    values: np.ndarray | None = None, effort: Effort = PLAIN,
) -> None:  # fmt: skip
    """The contract of a matrix_vector with these operands; ``vectors`` per image."""
    _, rows, columns = parts.matrices.shape
    if values is None:
        values = corners(parts.source, (9, vectors * columns * parallel))
    expected = results(parts, values.reshape(len(values), vectors, columns * parallel), parallel)
    unit = matrix_vector("b", "fc", WIRES, parts, folding, vectors, parallel)
    beats = vectors * columns // folding.simd, vectors * rows // folding.pe
    ins, outs = (
        stream("a", parts.source, folding.simd * parallel, beats[0]),
        stream("b", parts.exact, folding.pe, beats[1]),
    )
    run = meets_contract(alone(unit, ins, outs), values, expected, folder, cache, effort)
    assert run.interval == vectors * (columns // folding.simd) * (rows // folding.pe)  # FINN's formula


# matrices, rows, columns, vectors per image, parallel vectors, folding, input, weight, bias
CASES = {
    "two groups, rows and columns folded, bias on a finer grid": (
        (2, 6, 12, 4, 1), Folding(2, 3), FixedPoint(5, 2), FixedPoint(4, 3), FixedPoint(6, 7),
    ),
    "pairs in DSP blocks, an odd row left over": (
        (1, 3, 5, 3, 1), Folding(3, 5), FixedPoint(8, 2, False), FixedPoint(8, 1), FixedPoint(5, 1),
    ),
    "two channels side by side with two filters each": (
        (3, 4, 9, 6, 2), Folding(4, 1, memory="block"), FixedPoint(6, 4), FixedPoint(5, 7), FixedPoint(8, 4),
    ),
    "weights in three banks of block RAM": (
        (5, 8, 35, 5, 1), Folding(1, 1), FixedPoint(3, 2), FixedPoint(30, 3), FixedPoint(6, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("effort", [PLAIN, REPLACED], ids=["plain", "fast"])
@pytest.mark.parametrize("name", CASES)
def test_bits_and_cycles(name: str, effort: Effort, tmp_path: Path, rtl_cache: Path) -> None:
    (count, rows, columns, vectors, parallel), folding, source, weight, offset = CASES[name]
    matrices = filled(weight, (count, rows, columns), np.random.default_rng(1))
    check(operands(matrices, source, weight, offset, 2), folding, vectors, tmp_path, rtl_cache, parallel, effort=effort)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_bits_and_cycles_of_random_units(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, rtl_cache: Path
) -> None:
    def number(largest: int) -> int:
        return data.draw(st.integers(1, largest))

    source, weight, offset = data.draw(formats(1, 20)), data.draw(formats(1, 10)), data.draw(formats(1, 16))
    count, pe, simd, seed = number(3), number(4), number(5), number(99)
    rows, columns = pe * number(3), simd * number(4)
    parallel = pe if columns // simd and simd == 1 and rows == pe and data.draw(st.booleans()) else 1
    words = {"multiplier": ("auto", "lut", "dsp"), "memory": ("auto", "logic", "distributed", "block")}
    folding = Folding(pe, simd, **{key: data.draw(st.sampled_from(known)) for key, known in words.items()})
    matrices = filled(weight, (count, rows, columns), np.random.default_rng(seed))
    parts = operands(matrices, source, weight, offset, seed)
    vectors, folder = count * number(2), tmp_path_factory.mktemp("unit")
    for effort in (PLAIN, REPLACED):
        check(parts, folding, vectors, folder, rtl_cache, parallel, effort=effort)


@pytest.mark.parametrize(
    ("source", "weight", "where"),
    [
        (INT8, INT8, "dsp"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                (UINT8, INT8, "dsp"), (INT8, UINT8, "dsp"), (UINT8, UINT8, "dsp"), (INT8, INT8, "lut"),
                (UINT8, FixedPoint(7, 0), "lut"), (FixedPoint(5, 0), UINT8, "lut"), (FixedPoint(1, 0), INT8, "dsp"),
                (INT8, FixedPoint(1, 0), "lut"), (FixedPoint(4, 0), FixedPoint(4, 0), "dsp"),
                (FixedPoint(4, 0, False), FixedPoint(4, 0), "dsp"), (FixedPoint(4, 0), FixedPoint(4, 0, False), "dsp"),
                (FixedPoint(4, 0, False), FixedPoint(4, 0, False), "dsp"), (FixedPoint(3, 0), FixedPoint(3, 0), "dsp"),
                (FixedPoint(2, 0, False), FixedPoint(2, 0), "dsp"), (FixedPoint(2, 0), FixedPoint(2, 0), "dsp"),
                (FixedPoint(8, 0), FixedPoint(4, 0), "dsp"), (FixedPoint(8, 0, False), FixedPoint(2, 0), "dsp"),
                (FixedPoint(1, 0), FixedPoint(1, 0), "dsp"), (FixedPoint(17, 0), FixedPoint(4, 0), "dsp"),
            ]
        ),
    ],
)  # fmt: skip
def test_every_weight_times_every_input(
    source: FixedPoint, weight: FixedPoint, where: str, tmp_path: Path, rtl_cache: Path
) -> None:
    """All products of two formats, with rows in every neighbourhood of ends that shares a DSP block."""
    shared = max(1, multiplier(source.width, weight.width, where).rows_per_dsp)
    rng = np.random.default_rng(0)
    every = np.arange(weight.min_int, weight.max_int + 1)
    ends = rng.choice([weight.min_int, weight.max_int, max(weight.min_int, -1), 0], 16 * shared)
    rows = np.concatenate([rng.permutation(every), ends, ends[::-1], np.zeros(-len(every) % shared, dtype=np.int64)])
    inputs = np.arange(source.min_int, source.max_int + 1)
    if len(inputs) > 256:
        inputs = np.concatenate([inputs[:20], inputs[-20:], np.arange(-20, 20), rng.choice(inputs, 200)])
    parts = operands(rows.reshape(1, -1, 1), source, weight, FixedPoint(1, 0), 0)
    check(parts, Folding(shared, 1, multiplier=where), 1, tmp_path, rtl_cache, values=np.tile(inputs, 2)[:, np.newaxis])


def test_deep_memories_are_divided_into_banks() -> None:
    parts = operands(np.zeros((1, 1400, 1), dtype=np.int64), INT8, FixedPoint(30, 0), INT8, 0)
    for memory, bank, lines in (("block", 512, 512), ("logic", 1400, 1400)):
        unit = matrix_vector("b", "fc", WIRES, parts, Folding(memory=memory), 1)
        assert (unit.parameters["WEIGHT_BANK"], len(unit.memories["b_weights.mem"])) == (bank, lines)


def test_weights_that_nothing_could_write_are_not_kept_in_ultraram() -> None:
    parts = operands(np.zeros((1, 1, 1), dtype=np.int64), INT8, INT8, INT8, 0)
    expected = r"^fc: got memory 'ultra' for weights; expected auto, logic, distributed, block; UltraRAM cannot start"
    with pytest.raises(UnsupportedError, match=expected):
        matrix_vector("b", "fc", WIRES, parts, Folding(memory="ultra"), 1)


def test_accumulator_is_signed_and_bounded() -> None:
    assert accumulator("fc", FixedPoint(7, 2, False)) == FixedPoint(8, 2)
    with pytest.raises(UnsupportedError, match=r"^fc: its exact result needs 63 bits; expected at most 62; narrow"):
        accumulator("fc", FixedPoint(63, 0))


@pytest.mark.parametrize(
    ("pe", "channels", "nearest"), [(12, 64, "8, 16"), (3, 2, "2"), (5, 7, "1, 7"), (100, 64, "64")]
)
def test_a_folding_that_does_not_divide_is_refused(pe: int, channels: int, nearest: str) -> None:
    expected = f"^conv2: pe={pe} must divide {channels} output channels; nearest: {nearest}$"
    with pytest.raises(UnsupportedError, match=expected):
        expect_divisor("conv2", "pe", pe, channels, "output channels")
