# SPDX-License-Identifier: Apache-2.0
"""Blocks of zero weights: which are left out of a matrix unit's schedule, and whether that makes a layer faster."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.design import Folding
from hwsim.fpga import dataflow
from hwsim.fpga.dataflow import Window

ON_THE_WAY = 3  # words that come until the last step of a vector has left its memory (hls/rtl/sparse_matrix_vector.sv)

Blocks = npt.NDArray[np.intp]


def scheduled_blocks(matrix: npt.NDArray[Any], pe: int, simd: int) -> tuple[Blocks, Blocks]:
    """The blocks of ``pe`` rows by ``simd`` columns that are computed, in order.

    Those that hold a weight other than zero, and the first one of a row of blocks that has none.

    Args:
        matrix: (rows, columns) weights.

    Returns:
        the row block and the column block of every step, (steps,) each.
    """
    rows, columns = matrix.shape
    kept = (matrix != 0).reshape(rows // pe, pe, columns // simd, simd).any(axis=(1, 3))
    kept[:, 0] |= ~kept.any(axis=1)
    row_blocks, column_blocks = np.nonzero(kept)
    return row_blocks, column_blocks


def skips_zeros(matrix: npt.NDArray[Any], folding: Folding, window: Window | None = None) -> bool:
    """Whether a layer leaves out blocks of zero weights: if that shortens the interval of its matrix and its window.

    A block is ``pe`` rows by ``simd`` columns of one kernel position. Zeros in blocks of other sizes count as far as
    they fill such blocks: blocks of f filters by c channels do so entirely where ``pe`` divides f and ``simd`` divides
    c. Where zeros are left out, a vector is stored as a whole, and read from its window once.

    Args:
        matrix: (rows, columns) weights, the columns in the order in which inputs arrive.
        window: what stands in front; None for a layer of one vector per image.
    """
    (rows, columns), vectors = matrix.shape, 1 if window is None else window.out_rows * window.out_columns
    steps = len(scheduled_blocks(matrix, folding.pe, folding.simd)[0])
    shape = (columns, rows, folding.pe, folding.simd)
    every = dataflow.matrix_vector(*shape, vectors).interval
    some = dataflow.sparse_matrix_vector(*shape, steps, vectors).interval
    if window is not None:
        every = max(every, dataflow.sliding_window(window, rows // folding.pe).interval)
        some = max(some, dataflow.sliding_window(window).interval)
    return some < every
