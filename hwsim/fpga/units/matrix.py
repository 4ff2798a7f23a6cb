# SPDX-License-Identifier: Apache-2.0
"""The module matrix_vector: multipliers, adder trees, accumulators, and memories of weights, biases and inputs."""

from collections.abc import Mapping

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Array, Cells, Parameters, bits, number, tree

PORT = 25.0  # bits of the wide operand of a DSP48E1
LEAST_OPERAND, LEAST_PRODUCT = 2.0, 9.0  # bits of products in DSP blocks
BIAS_BITS = 8.0  # of a bias that differ, the accumulator's others being copies of its sign or zero
# LUTs per LUT counted in the source, fitted to yosys's netlists (benchmarks/template_resources.py matrix_vector --fit).
FACTORS: Mapping[str, float] = {
    "weights": 1.08, "vector": 0.46, "biases": 0.27, "replay": 0.69, "packed": 1.24, "overlaps": 0.81,
    "small": 1.11, "pairs": 0.68, "pair_sums": 0.96, "tree": 1.01, "accumulate": 1.52, "output": 0.62,
    "control": 0.95,
}  # fmt: skip


def matrix_vector(parameters: Parameters) -> Cells:
    """Resources of units; see hls/rtl/matrix_vector.sv for the parameters."""
    terms = lut_terms(parameters)
    lut = sum(FACTORS[name] * term for name, term in terms.items())
    return Cells(np.asarray(lut, dtype=np.float64), dsp(parameters), bram18(parameters))


def dsp(parameters: Parameters) -> Array:
    """One block per column and up to ROWS_PER_DSP rows that meet the same input."""
    parallel, simd = number(parameters, "PARALLEL"), number(parameters, "SIMD")
    return np.asarray(parallel * simd * sum(count * used for count, used, _ in _packs(parameters)), dtype=np.float64)


def _packs(parameters: Parameters) -> tuple[tuple[Array, Array, Array], ...]:
    """Packs of rows per column and vector: how many, whether each is a DSP block, and bits of its product's operands.

    yosys computes products of small operands in LUTs even where the source asks for blocks (synth_xilinx: mul2dsp with
    operands of at least 2 bits and products of at least 9).
    """
    step, rows = _rows_per_dsp(parameters), number(parameters, "PE") / number(parameters, "PARALLEL")
    x = number(parameters, "IN_WIDTH") + 1 - number(parameters, "IN_SIGNED")
    w = number(parameters, "W_WIDTH") + 1 - number(parameters, "W_SIGNED")
    whole = np.floor(rows / np.maximum(step, 1.0))
    rest = rows - whole * np.maximum(step, 1.0)
    packs = []
    for count, together in ((whole, step), (rest > 0, rest)):
        packed = (np.maximum(together, 1.0) - 1) * number(parameters, "SPACING") + w
        used = (step > 0) & (number(parameters, "IN_WIDTH") >= LEAST_OPERAND) & (packed + x >= LEAST_PRODUCT)
        packs.append(
            (
                np.asarray(count, dtype=np.float64),
                np.asarray(used, dtype=np.float64),
                packed * number(parameters, "IN_WIDTH"),
            )
        )
    return tuple(packs)


def bram18(parameters: Parameters) -> Array:
    """Blocks of the three memories."""
    return np.asarray(sum(blocks for _, blocks in _memories(parameters).values()), dtype=np.float64)


def lut_terms(parameters: Parameters) -> Mapping[str, Array]:
    """LUTs of every part, as counted in the source."""
    pe, simd, x, w, acc = (number(parameters, name) for name in ("PE", "SIMD", "IN_WIDTH", "W_WIDTH", "ACC_WIDTH"))
    folds, blocks = number(parameters, "MW") / simd, number(parameters, "MH") / pe
    words = number(parameters, "MATRICES") * folds * blocks
    rows = pe / number(parameters, "PARALLEL")
    memories = _memories(parameters)
    lanes = number(parameters, "PARALLEL") * simd * x
    step = _rows_per_dsp(parameters)
    shared = np.where(step > 0, pe * simd * (1 - np.ceil(rows / np.maximum(step, 1.0)) / rows), 0.0)
    overlapping = np.where(number(parameters, "SPACING") < x + w, shared, 0.0)
    small = sum(count * (1 - used) * size for count, used, size in _packs(parameters))
    narrow, wide = np.minimum(x, w), np.maximum(x, w)
    pairs = np.where(step > 0, 0.0, np.ceil(narrow / 2)) * pe * simd
    return {
        "weights": memories["weights"][0],
        "vector": memories["vector"][0],
        "biases": memories["biases"][0],
        "replay": np.where(blocks > 1, lanes, 0.0),
        "packed": shared * (w + 1),
        "overlaps": overlapping * 7,
        "small": np.where(step > 0, number(parameters, "PARALLEL") * simd * small * 2, 0.0),
        "pairs": pairs * (wide + 2) * np.where(narrow > 1, 2, 1),
        "pair_sums": np.where(step > 0, 0.0, pe * simd * tree(np.ceil(narrow / 2), x + w, False)),
        "tree": pe * tree(simd, x + w, True),
        # A sum of one step has a bias, of few bits, and nothing to add to.
        "accumulate": pe * np.where(folds > 1, acc, np.minimum(acc, BIAS_BITS + 1)),
        "output": pe * acc,
        "control": bits(folds) + bits(blocks) + bits(words) + 12,
    }


def _rows_per_dsp(parameters: Parameters) -> Array:
    """Rows that share a block; as many as fit its wide operand at most (hls/rtl/multiply.sv)."""
    w, spacing = number(parameters, "W_WIDTH"), number(parameters, "SPACING")
    fit = np.where(w < PORT, 1 + np.floor((PORT - 1 - w) / np.maximum(spacing, 1.0)), 1.0)
    return np.minimum(number(parameters, "ROWS_PER_DSP"), fit)


def _memories(parameters: Parameters) -> Mapping[str, tuple[Array, Array]]:
    """LUTs and blocks of the weights, the buffer of inputs and the biases."""
    pe, simd = number(parameters, "PE"), number(parameters, "SIMD")
    folds, blocks = number(parameters, "MW") / simd, number(parameters, "MH") / pe
    row_blocks = number(parameters, "MATRICES") * blocks
    style = np.atleast_1d(np.asarray(parameters["MEMORY"], dtype=np.str_))
    plain = np.full(pe.shape, "auto")
    vector = memory.ram(number(parameters, "PARALLEL") * simd * number(parameters, "IN_WIDTH"), folds,
                        number(parameters, "VECTOR_BANK"))  # fmt: skip
    return {
        "weights": memory.rom(pe * simd * number(parameters, "W_WIDTH"), row_blocks * folds,
                              number(parameters, "WEIGHT_BANK"), style),
        "vector": (np.where((blocks > 1) & (folds > 1), vector[0], 0.0), np.where(blocks > 1, vector[1], 0.0)),
        "biases": memory.rom(pe * np.minimum(number(parameters, "ACC_WIDTH"), BIAS_BITS), row_blocks, row_blocks,
                             plain),
    }  # fmt: skip
