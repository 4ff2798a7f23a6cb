# SPDX-License-Identifier: Apache-2.0
import builtins
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matrix_units import filled, formats, operands, results
from pointwise_units import CONTRACT
from rtl_units import WIRES, alone, corners, meets_contract, stream

from hls.rtl_compile import lint
from hls.templates.operands import Operands
from hls.templates.unrolled import unrolled
from hwsim.errors import ToolMissing, UnsupportedError
from hwsim.fixed import FixedPoint

needs_da4ml = pytest.mark.needs("da4ml")
needs_simulator = pytest.mark.needs("verilator", "g++", "da4ml")
Format = FixedPoint


def some(shape: tuple[int, int], source: Format, weight: Format, offset: Format, seed: int, zeros: float) -> Operands:
    rng = np.random.default_rng(seed)
    matrix = filled(weight, shape, rng) * (rng.random(shape) >= zeros)
    return operands(matrix[np.newaxis], source, weight, offset, seed)


def meets(parts: Operands, vectors: int, tmp_path: Path, rtl_cache: Path) -> None:
    _, rows, columns = parts.matrices.shape
    values = corners(parts.source, (9, vectors * columns))
    unit = unrolled("b", "fc", WIRES, parts, vectors)
    ins, outs = stream("a", parts.source, columns, vectors), stream("b", parts.exact, rows, vectors)
    expected = results(parts, values.reshape(9, vectors, columns))
    run = meets_contract(alone(unit, ins, outs), values, expected, tmp_path, rtl_cache)
    assert run.interval == vectors


@needs_simulator
def test_bits_and_cycles(tmp_path: Path, rtl_cache: Path) -> None:
    parts = some((6, 9), Format(5, 2), Format(4, 3), Format(6, 7), seed=1, zeros=0.3)
    meets(parts, 3, tmp_path, rtl_cache)


@pytest.mark.slow
@needs_simulator
@CONTRACT
@given(
    st.tuples(st.integers(1, 8), st.integers(1, 12)), st.integers(1, 3), formats(), formats(), formats(),
    st.integers(0, 99), st.sampled_from([0.0, 0.5, 0.9, 1.0]),
)  # fmt: skip
def test_bits_and_cycles_of_any_matrix(
    tmp_path: Path, rtl_cache: Path, shape: tuple[int, int], vectors: int,
    source: Format, weight: Format, offset: Format, seed: int, zeros: float,
) -> None:  # fmt: skip
    meets(some(shape, source, weight, offset, seed, zeros), vectors, tmp_path, rtl_cache)


@needs_da4ml
@pytest.mark.needs("verilator", "iverilog", "yosys")
@pytest.mark.parametrize("signed", [True, False])
def test_three_tools_find_nothing_in_the_module(signed: bool, tmp_path: Path) -> None:
    parts = some((6, 9), Format(5, 2, signed), Format(4, 3), Format(6, 7), seed=1, zeros=0.3)
    parts.matrices[0, 2] = parts.matrices[0, :, 3] = 0  # a row without products, a column that nobody reads
    parts.matrices[0, 4] = np.arange(9) == 1  # a row that is a column,
    parts.matrices[0, 5] = -parts.matrices[0, 4]  # and one that is its opposite
    ((name, text),) = unrolled("adders", "fc", WIRES, parts, 1).sources.items()
    (tmp_path / name).write_text(text)
    assert lint(tmp_path, [name], "adders") == ""
    for command in (
        ["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-o", "out", "-s", "adders", name],
        ["yosys", "-q", "-p", f"read_verilog -sv {name}; hierarchy -check -top adders; proc; check -assert"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout + done.stderr == ""


@needs_da4ml
def test_the_same_weights_give_the_same_text() -> None:
    made = [some((6, 9), Format(5, 2), Format(4, 3), Format(6, 7), seed, zeros=0.3) for seed in (1, 1, 2)]
    first, same, other = (unrolled("b", "fc", WIRES, parts, 1).sources for parts in made)
    assert first == same
    assert first != other


@needs_da4ml
def test_what_is_too_wide_for_da4ml_is_refused() -> None:
    wide = some((1, 2), Format(5, 2), Format(25, 3), Format(6, 7), seed=1, zeros=0)
    with pytest.raises(UnsupportedError, match=r"^fc: got weights of 25 bits; expected at most 24 for an adder tree; "):
        unrolled("b", "fc", WIRES, wide, 1)
    wide = some((1, 2), Format(30, 2), Format(24, 3), Format(6, 5), seed=1, zeros=0)
    with pytest.raises(UnsupportedError, match=r"^fc: got exact results of 55 bits; expected at most 52 for an adder"):
        unrolled("b", "fc", WIRES, wide, 1)


def test_without_da4ml_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("da4ml"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    parts = some((1, 2), Format(5, 2), Format(4, 3), Format(6, 7), seed=1, zeros=0)
    with pytest.raises(ToolMissing, match=r"^da4ml is not installed; fully unrolled layers need it; pip install"):
        unrolled("b", "fc", WIRES, parts, 1)
