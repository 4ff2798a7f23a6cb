# SPDX-License-Identifier: Apache-2.0
"""Products of operators without a layer, from shapes: counted by hand, and unknown where a shape is."""

import pytest

from hwsim.importers.products import onnx_macs, torch_macs


@pytest.mark.parametrize(
    ("op", "attrs", "inputs", "output", "macs"),
    [
        ("Conv", {}, [(2, 4, 9), (6, 2, 3)], (2, 6, 7), 2 * 6 * 7 * 2 * 3),
        ("QLinearConv", {}, [(1, 4, 5, 5), (), (), (6, 4, 3, 3)], (1, 6, 3, 3), 6 * 9 * 36),
        ("ConvTranspose", {}, [(1, 4, 5, 5), (4, 6, 2, 2)], (1, 6, 10, 10), 4 * 25 * 6 * 4),
        ("Gemm", {"transA": 1}, [(3, 5), (3, 7)], (5, 7), 5 * 7 * 3),
        ("MatMul", {}, [(2, 8, 5, 3), (2, 8, 3, 4)], (2, 8, 5, 4), 2 * 8 * 5 * 4 * 3),
        ("GRU", {}, [(9, 2, 3), (1, 12, 3), (1, 12, 4)], (9, 1, 2, 4), 9 * 2 * (36 + 48)),
        ("Einsum", {"equation": "bij, bjk -> bik"}, [(2, 3, 4), (2, 4, 5)], (2, 3, 5), 2 * 3 * 4 * 5),
        ("Einsum", {"equation": "ij->ji"}, [(3, 4)], (4, 3), 0),
        ("Einsum", {"equation": "...ij,jk"}, [(2, 3, 4), (4, 5)], (2, 3, 5), None),
        ("Erf", {}, [(2, 3)], (2, 3), 0),
        ("Conv", {}, [(2, 4, 9), ()], (2, 6, 7), None),
        ("SomethingElse", {}, [(2, 3)], (2, 3), None),
    ],
)
def test_of_onnx(op: str, attrs: dict, inputs: list, output: tuple, macs: int | None) -> None:
    assert onnx_macs(op, attrs, inputs, output) == macs


@pytest.mark.parametrize(
    ("op", "args", "output", "macs"),
    [
        ("matmul", [(2, 5, 3), (3, 4)], (2, 5, 4), 2 * 5 * 4 * 3),
        ("addmm", [(4,), (5, 3), (3, 4)], (5, 4), 5 * 4 * 3),
        ("conv1d", [(2, 4, 9), (6, 2, 3)], (2, 6, 7), 2 * 6 * 7 * 6),
        ("conv_transpose2d", [(1, 4, 5, 5), (4, 6, 2, 2)], (1, 6, 10, 10), 4 * 25 * 6 * 4),
        ("scaled_dot_product_attention", [(1, 2, 7, 8), (1, 2, 9, 8), (1, 2, 9, 6)], (1, 2, 7, 6), 2 * 7 * 9 * 14),
        ("gru", [(2, 9, 3), (1, 2, 4), [(12, 3), (12, 4), (12,), (12,)]], (2, 9, 4), 2 * 9 * 84),
        ("einsum", ["ij,jk->ik", [(3, 4), (4, 5)]], (3, 5), 60),
        ("upsample_bilinear2d", [(1, 2, 3, 3)], (1, 2, 6, 6), 0),
        ("matmul", [], (3,), None),
        ("something_else", [(2, 3)], (2, 3), None),
    ],
)
def test_of_torch(op: str, args: list, output: tuple, macs: int | None) -> None:
    assert torch_macs(op, args, output) == macs
