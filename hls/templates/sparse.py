# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector products that leave out blocks of zero weights."""

import numpy as np

from hls.templates.operands import Operands
from hls.templates.ram import banked, line_words
from hls.templates.unit import Unit, words
from hwsim.design import Folding
from hwsim.fpga import dataflow
from hwsim.fpga.outline.zeros import ON_THE_WAY, scheduled_blocks


def sparse_matrix_vector(
    name: str, layer: str, wires: tuple[str, str], operands: Operands, folding: Folding, vectors: int
) -> Unit:
    """Products with one integer matrix plus a bias, like :func:`hls.templates.matrix_vector.matrix_vector`.

    Args:
        wires: in and out.
        operands: one matrix.
        folding: ``pe`` divides the rows of the matrix and ``simd`` its columns.
        vectors: per image.

    Raises:
        UnsupportedError: see :meth:`hls.templates.operands.Operands.parameters`.
    """
    (matrix,) = operands.matrices
    rows, columns = matrix.shape
    beats = columns // folding.simd
    depth = 2 * beats + ON_THE_WAY
    row_blocks, column_blocks = scheduled_blocks(matrix, folding.pe, folding.simd)
    steps, address = len(row_blocks), max(1, (beats - 1).bit_length())
    is_last = np.diff(row_blocks, append=-1) != 0
    entries = (column_blocks | is_last.astype(np.int64) << address)[:, np.newaxis]
    schedule_bank = line_words(address + 1, steps)
    blocks = operands.blocks(folding.pe, folding.simd)[0, row_blocks, column_blocks]
    memories = {
        f"{name}_schedule.mem": words(banked(entries, schedule_bank), address + 1),
        f"{name}_weights.mem": operands.weight_lines(blocks, folding),
        f"{name}_biases.mem": operands.bias_lines(folding.pe),
    }
    schedule_file, weight_file, bias_file = (f'"{file}"' for file in memories)
    parameters: dict[str, int | str] = {
        "MW": columns,
        "MH": rows,
        "STEPS": steps,
        "DEPTH": depth,
        **operands.parameters(layer, folding, depth, steps),
        "SCHEDULE_BANK": schedule_bank,
        "SCHEDULE_FILE": schedule_file,
        "WEIGHT_FILE": weight_file,
        "BIAS_FILE": bias_file,
    }
    multiply = operands.multiplier(folding).steps
    timing = dataflow.sparse_matrix_vector(columns, rows, folding.pe, folding.simd, steps, vectors, multiply)
    return Unit(name, "sparse_matrix_vector", layer, parameters, timing, (wires[0],), (wires[1],), memories)
