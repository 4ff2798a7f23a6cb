# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector products: dense layers, and all convolutions behind a sliding window."""

from hls.templates.operands import Operands
from hls.templates.unit import Unit
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import dataflow

# The accumulator crosses into a cast, whose intermediate values have at most 64 bits.
MAX_ACCUMULATOR_BITS = 62


def accumulator(layer: str, exact: FixedPoint) -> FixedPoint:
    """The signed format of the accumulator that holds every exact result.

    Raises:
        UnsupportedError: more than 62 bits.
    """
    width = exact.width + (not exact.signed)
    if width > MAX_ACCUMULATOR_BITS:
        raise UnsupportedError(
            f"{layer}: its exact result needs {width} bits; expected at most {MAX_ACCUMULATOR_BITS}; narrow its input "
            "or its weights"
        )
    return FixedPoint(width, exact.frac)


def matrix_vector(
    name: str, layer: str, wires: tuple[str, str], operands: Operands, folding: Folding, vectors: int, parallel: int = 1
) -> Unit:
    """Products with integer matrices plus a bias; the matrices take turns, one vector each.

    Args:
        wires: in and out.
        folding: ``pe`` divides the rows of a matrix and ``simd`` its columns.
        vectors: per image.
        parallel: vectors that arrive side by side in a beat, each for an equal part of ``pe`` rows; with more than
            one, all rows of a matrix are computed at a time.

    Raises:
        UnsupportedError: see :meth:`hls.templates.operands.Operands.parameters`.
    """
    count, rows, columns = operands.matrices.shape
    weights, biases = f"{name}_weights.mem", f"{name}_biases.mem"
    blocks = operands.blocks(folding.pe, folding.simd)
    blocks = blocks.reshape(-1, blocks.shape[-1])
    parameters: dict[str, int | str] = {
        "MW": columns,
        "MH": rows,
        "MATRICES": count,
        "PARALLEL": parallel,
        **operands.parameters(layer, folding, columns // folding.simd, len(blocks)),
        "WEIGHT_FILE": f'"{weights}"',
        "BIAS_FILE": f'"{biases}"',
    }
    memories = {weights: operands.weight_lines(blocks, folding), biases: operands.bias_lines(folding.pe)}
    steps = operands.multiplier(folding).steps
    timing = dataflow.matrix_vector(columns, rows, folding.pe, folding.simd, vectors, steps)
    return Unit(name, "matrix_vector", layer, parameters, timing, (wires[0],), (wires[1],), memories)
