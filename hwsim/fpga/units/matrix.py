# SPDX-License-Identifier: Apache-2.0
"""The modules matrix_vector and sparse_matrix_vector: multipliers, adder trees, accumulators, and their memories."""

from dataclasses import dataclass

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Array, Parameters, Parts, Terms, bits, counter, number, style, tree, tree_registers
from hwsim.fpga.units.memory import Memory

PORT = 25.0  # bits of the wide operand of a DSP48E1
LEAST_OPERAND, LEAST_PRODUCT = 2.0, 9.0  # bits of products in DSP blocks
BIAS_BITS = 8.0  # of a bias that differ where it is not told, the accumulator's others being copies of its sign or zero
DSP_STEPS = 4.0  # registers of a product in a DSP block (hls/rtl/product_dsp.sv)


@dataclass(frozen=True, eq=False)
class _Unit:
    """The parameters that both modules have, (units,); ``vectors`` arrive side by side."""

    pe: Array
    simd: Array
    vectors: Array
    x: Array
    w: Array
    acc: Array
    step: Array
    spacing: Array
    folds: Array
    blocks: Array
    in_dsp: Array
    narrow_signed: Array

    @property
    def rows(self) -> Array:
        """Rows that meet the same inputs."""
        return self.pe / self.vectors

    @property
    def lanes(self) -> Array:
        """Bits of the inputs of one cycle."""
        return self.vectors * self.simd * self.x


def matrix_vector(parameters: Parameters) -> Parts:
    """Resources of units; see hls/rtl/matrix_vector.sv for the parameters.

    BIAS_BITS, which is none of them, says how many bits of biases differ.
    """
    unit = _unit(parameters, number(parameters, "PARALLEL"))
    row_blocks = number(parameters, "MATRICES") * unit.blocks
    words = row_blocks * unit.folds
    weights, biases = _weights(parameters, unit, words), _biases(parameters, unit, row_blocks)
    vector = memory.ram(unit.lanes, unit.folds, number(parameters, "VECTOR_BANK"), one_address=True)
    again = unit.blocks > 1
    # Three registers in a row are a shift register, but for the one that a DSP block needs beside it.
    shifted = ~again & (unit.in_dsp == 0)
    inputs = np.where(again, 3 * unit.lanes + vector.ff + 2, np.where(shifted, 0.0, 3 * unit.lanes))
    counters = counter(unit.folds) + counter(unit.blocks) + counter(words)
    lut, ff = _arithmetic(unit, row_blocks)
    return Parts(
        lut={
            **lut,
            "counters": counters,
            "weights": weights.lut,
            "biases": biases.lut,
            "replay": np.where(again, unit.lanes, 0.0) + np.where(again & (unit.folds > 1), vector.lut, 0.0),
        },
        ff={
            **ff,
            "counters": counters,
            "weights": _behind_memory(weights, unit),
            "biases": biases.ff,
            "inputs": inputs,
        },
        lutram=np.where(again, vector.lutram, np.where(shifted, unit.lanes, 0.0)),
        dsp=_blocks(parameters, unit),
        bram18=weights.bram18 + biases.bram18 + np.where(again, vector.bram18, 0.0),
    )


def sparse_matrix_vector(parameters: Parameters) -> Parts:
    """Resources of units; see hls/rtl/sparse_matrix_vector.sv for the parameters, and matrix_vector for BIAS_BITS."""
    unit = _unit(parameters, np.ones_like(number(parameters, "PE")))
    steps, depth = number(parameters, "STEPS"), number(parameters, "DEPTH")
    weights, biases = _weights(parameters, unit, steps), _biases(parameters, unit, unit.blocks)
    column = bits(unit.folds)
    plain = np.full(unit.pe.shape, "auto")
    schedule = memory.rom(column + 1, steps, number(parameters, "SCHEDULE_BANK"), plain)
    vectors = memory.ram(unit.lanes, depth, number(parameters, "VECTOR_BANK"))
    counters = counter(unit.folds) + 4 * bits(depth) + bits(depth / unit.folds + 1) + counter(steps)
    lut, ff = _arithmetic(unit, unit.blocks)
    return Parts(
        lut={
            **lut,
            "counters": counters,
            "weights": weights.lut,
            "biases": biases.lut,
            "schedule": schedule.lut,
            "vectors": vectors.lut,
        },
        ff={
            **ff,
            "counters": counters,
            "weights": _behind_memory(weights, unit),
            "biases": biases.ff,
            "schedule": schedule.ff,
            "inputs": vectors.ff,
        },
        lutram=vectors.lutram + counter(steps),
        dsp=_blocks(parameters, unit),
        bram18=weights.bram18 + biases.bram18 + schedule.bram18 + vectors.bram18,
    )


def _unit(parameters: Parameters, vectors: Array) -> _Unit:
    pe, simd, x, w, acc, spacing = (
        number(parameters, name) for name in ("PE", "SIMD", "IN_WIDTH", "W_WIDTH", "ACC_WIDTH", "SPACING")
    )
    # As many rows as fit a block's wide operand at most (hls/rtl/multiply.sv).
    fit = np.where(w < PORT, 1 + np.floor((PORT - 1 - w) / np.maximum(spacing, 1.0)), 1.0)
    step = np.minimum(number(parameters, "ROWS_PER_DSP"), fit)
    folds, blocks = number(parameters, "MW") / simd, number(parameters, "MH") / pe
    in_dsp = np.asarray(step > 0, dtype=np.float64)
    signed = np.where(x < w, number(parameters, "IN_SIGNED"), number(parameters, "W_SIGNED"))
    return _Unit(pe, simd, vectors, x, w, acc, step, spacing, folds, blocks, in_dsp, signed)


def _packs(parameters: Parameters, unit: _Unit) -> tuple[tuple[Array, Array, Array], ...]:
    """Packs of rows per column and vector: how many, whether each is a DSP block, and bits of its product's operands.

    yosys computes products of small operands in LUTs even where the source asks for blocks (synth_xilinx: mul2dsp with
    operands of at least 2 bits and products of at least 9).
    """
    x = unit.x + 1 - number(parameters, "IN_SIGNED")
    w = unit.w + 1 - number(parameters, "W_SIGNED")
    whole = np.floor(unit.rows / np.maximum(unit.step, 1.0))
    rest = unit.rows - whole * np.maximum(unit.step, 1.0)
    packs = []
    for count, together in ((whole, unit.step), (np.where(rest > 0, 1.0, 0.0), rest)):
        packed = (np.maximum(together, 1.0) - 1) * unit.spacing + w
        used = (unit.step > 0) & (unit.x >= LEAST_OPERAND) & (packed + x >= LEAST_PRODUCT)
        packs.append((count, np.where(used, 1.0, 0.0), packed * unit.x))
    return tuple(packs)


def _blocks(parameters: Parameters, unit: _Unit) -> Array:
    """One DSP block per column and up to ROWS_PER_DSP rows that meet the same input."""
    packs = np.asarray(sum(count * used for count, used, _ in _packs(parameters, unit)))
    return np.asarray(unit.vectors * unit.simd * packs, dtype=np.float64)


def _arithmetic(unit: _Unit, row_blocks: Array) -> tuple[Terms, Terms]:
    """LUTs and flip-flops of products, sums, flags and the FIFO behind them (hls/rtl/multiply_accumulate.sv)."""
    products, width = unit.pe * unit.simd, unit.x + unit.w
    narrow, wide = np.minimum(unit.x, unit.w), np.maximum(unit.x, unit.w)
    pairs, in_luts = np.ceil(narrow / 2), 1 - unit.in_dsp
    half = (narrow % 2) * (1 - unit.narrow_signed)  # the last bit of an odd number is a pair without an addition
    packs = np.ceil(unit.rows / np.maximum(unit.step, 1.0)) * unit.vectors * unit.simd
    shared = np.where(unit.in_dsp > 0, products - packs, 0.0)  # products above the lowest of their block
    overlapping = np.where(unit.spacing < width, shared, 0.0)
    steps = 3 + np.where(unit.in_dsp > 0, DSP_STEPS, 1 + np.ceil(np.log2(pairs))) + np.ceil(np.log2(unit.simd))
    control = np.ones_like(products)
    lut = {
        "control": control,
        "enables": counter(row_blocks),
        "packed": shared * (unit.w + 1),
        "apart": shared * width,
        "overlaps": overlapping * 4,
        "pairs": in_luts * products * ((pairs - half) * (wide + 2) * np.where(narrow > 1, 2.0, 1.0) + half * wide),
        "pair_sums": in_luts * products * tree(pairs, width, False),
        "tree": unit.pe * tree(unit.simd, width, True),
        "accumulate": unit.pe * np.where(unit.folds > 1, unit.acc, np.minimum(unit.acc, width)),
        "output": unit.pe * unit.acc,
    }
    ff = {
        "control": control,
        "flags": steps,
        "rows": counter(row_blocks),
        "operands": unit.in_dsp * packs * unit.x,
        "products": unit.in_dsp * products * width,
        "overlaps": overlapping,
        "pairs": in_luts * products * pairs * (wide + 2),
        "pair_sums": in_luts * products * tree_registers(pairs, width, False),
        "sums": unit.pe * (tree_registers(unit.simd, width, True) + 3 * unit.acc),
    }
    return lut, ff


def _behind_memory(weights: Memory, unit: _Unit) -> Array:
    """Registers of weights: the last one goes into a DSP block that has one row alone."""
    alone = (unit.in_dsp > 0) & ((unit.step == 1) | (unit.rows == 1)) & (unit.w < PORT)
    return np.where(alone, np.maximum(weights.ff - unit.pe * unit.simd * unit.w, 0.0), weights.ff)


def _weights(parameters: Parameters, unit: _Unit, words: Array) -> Memory:
    width, bank = unit.pe * unit.simd * unit.w, number(parameters, "WEIGHT_BANK")
    return memory.rom(width, words, bank, style(parameters), third=True)


def _biases(parameters: Parameters, unit: _Unit, row_blocks: Array) -> Memory:
    told = number(parameters, "BIAS_BITS") if "BIAS_BITS" in parameters else np.full(unit.pe.shape, BIAS_BITS)
    width = unit.pe * np.minimum(unit.acc, told)
    return memory.rom(width, row_blocks, np.maximum(row_blocks, 1.0), np.full(unit.pe.shape, "auto"))
