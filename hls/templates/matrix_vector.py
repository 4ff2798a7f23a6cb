# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector products: dense layers, and convolutions behind a sliding window."""

import numpy as np

from hls.templates.unit import Array, Unit, words
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
    name: str,
    layer: str,
    wires: tuple[str, str],
    matrix: Array,
    bias: Array,
    formats: tuple[FixedPoint, FixedPoint, FixedPoint],
    exact: FixedPoint,
    lanes: tuple[int, int],
    vectors: int,
) -> Unit:
    """A product with an integer matrix plus a bias.

    Args:
        wires: in and out.
        matrix: (mh, mw) integers, columns in the order in which the inputs arrive.
        bias: (mh,) integers.
        formats: of the input, the matrix and the bias.
        exact: a format that holds every exact result, at the finest of the binary points; see :func:`accumulator`.
        lanes: (pe, simd); pe divides mh and simd divides mw.
        vectors: products per image.
    """
    (mh, mw), (pe, simd) = matrix.shape, lanes
    source, weight, offset = formats
    blocks = matrix.reshape(mh // pe, pe, mw // simd, simd).transpose(0, 2, 1, 3).reshape(-1, pe * simd)
    aligned = (bias.astype(np.int64) << (exact.frac - offset.frac)).reshape(-1, pe)
    files = f"{name}_weights.mem", f"{name}_biases.mem"
    parameters: dict[str, int | str] = {
        "MW": mw,
        "MH": mh,
        "PE": pe,
        "SIMD": simd,
        "IN_WIDTH": source.width,
        "IN_SIGNED": int(source.signed),
        "W_WIDTH": weight.width,
        "W_SIGNED": int(weight.signed),
        "ACC_WIDTH": exact.width,
        "SHIFT": exact.frac - source.frac - weight.frac,
        "WEIGHT_FILE": f'"{files[0]}"',
        "BIAS_FILE": f'"{files[1]}"',
    }
    memories = {files[0]: words(blocks, weight.width), files[1]: words(aligned, exact.width)}
    timing = dataflow.matrix_vector(mw, mh, pe, simd, vectors)
    return Unit(name, "matrix_vector", layer, parameters, timing, (wires[0],), (wires[1],), memories)
