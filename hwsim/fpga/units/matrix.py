# SPDX-License-Identifier: Apache-2.0
"""The modules matrix_vector and sparse_matrix_vector: multipliers, adder trees, accumulators, and their memories."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Array, Parameters, Parts, Terms, bits, counter, number, style, tree, tree_registers
from hwsim.fpga.units.memory import Memory
from hwsim.fpga.units.products import Words, product_lut, words_of

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
    x_signed: Array
    w_signed: Array
    bias_bits: Array
    words: Words  # of weights
    summed: npt.NDArray[np.bool_]  # whether a row's sum has several products in a row

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

    What is known of the memories besides: BIAS_BITS, how many bits of biases differ; WORDS, how many different words of
    weights there are that are not zero, and ZERO_WORDS, how many are zero.
    """
    matrices, blocks = number(parameters, "MATRICES"), number(parameters, "MH") / number(parameters, "PE")
    words = matrices * blocks * number(parameters, "MW") / number(parameters, "SIMD")
    unit = _unit(parameters, number(parameters, "PARALLEL"), words)
    row_blocks = matrices * unit.blocks
    weights, biases = _weights(parameters, unit, words), _biases(unit, row_blocks)
    vector = memory.ram(unit.lanes, unit.folds, number(parameters, "VECTOR_BANK"), one_address=True)
    again = unit.blocks > 1
    # Three registers in a row are a shift register, but for the one that a DSP block needs beside it.
    shifted = ~again & (unit.in_dsp == 0)
    inputs = np.where(again, 3 * unit.lanes + vector.ff + 2, np.where(shifted, 0.0, 3 * unit.lanes))
    counters = counter(unit.folds) + counter(unit.blocks) + counter(words)
    lut, ff, waiting = _arithmetic(unit, row_blocks)
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
        lutram=waiting + np.where(again, vector.lutram, np.where(shifted, unit.lanes, 0.0)),
        dsp=_blocks(parameters, unit),
        bram18=weights.bram18 + biases.bram18 + np.where(again, vector.bram18, 0.0),
    )


def sparse_matrix_vector(parameters: Parameters) -> Parts:
    """Resources of units; see hls/rtl/sparse_matrix_vector.sv for the parameters, and matrix_vector for the others."""
    steps, depth = number(parameters, "STEPS"), number(parameters, "DEPTH")
    unit = _unit(parameters, np.ones_like(steps), steps)
    # A step per row block at least: where there are no more, every step is the first and the last one of a sum.
    unit = replace(unit, summed=steps > unit.blocks)
    weights, biases = _weights(parameters, unit, steps), _biases(unit, unit.blocks)
    column = bits(unit.folds)
    plain = np.full(unit.pe.shape, "auto")
    schedule = memory.rom(column + 1, steps, number(parameters, "SCHEDULE_BANK"), plain)
    vectors = memory.ram(unit.lanes, depth, number(parameters, "VECTOR_BANK"))
    counters = counter(unit.folds) + 4 * bits(depth) + bits(depth / unit.folds + 1) + counter(steps)
    lut, ff, waiting = _arithmetic(unit, unit.blocks)
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
        lutram=waiting + vectors.lutram + counter(steps),
        dsp=_blocks(parameters, unit),
        bram18=weights.bram18 + biases.bram18 + schedule.bram18 + vectors.bram18,
    )


def _unit(parameters: Parameters, vectors: Array, words: Array) -> _Unit:
    pe, simd, x, w, acc, spacing = (
        number(parameters, name) for name in ("PE", "SIMD", "IN_WIDTH", "W_WIDTH", "ACC_WIDTH", "SPACING")
    )
    # As many rows as fit a block's wide operand at most (hls/rtl/multiply.sv).
    fit = np.where(w < PORT, 1 + np.floor((PORT - 1 - w) / np.maximum(spacing, 1.0)), 1.0)
    step = np.minimum(number(parameters, "ROWS_PER_DSP"), fit)
    folds, blocks = number(parameters, "MW") / simd, number(parameters, "MH") / pe
    in_dsp = np.asarray(step > 0, dtype=np.float64)
    signed = number(parameters, "IN_SIGNED"), number(parameters, "W_SIGNED")
    told = number(parameters, "BIAS_BITS") if "BIAS_BITS" in parameters else np.full(pe.shape, BIAS_BITS)
    known = words_of(number(parameters, "WORDS"), number(parameters, "ZERO_WORDS")) if "WORDS" in parameters else None
    return _Unit(
        pe, simd, vectors, x, w, acc, step, spacing, folds, blocks, in_dsp, *signed, np.minimum(acc, told),
        known or words_of(words), folds > 1,
    )  # fmt: skip


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


def _packs_of(unit: _Unit) -> tuple[Array, Array]:
    """DSP blocks' groups of rows, and those of them with several rows, for all columns and vectors."""
    step = np.maximum(unit.step, 1.0)
    whole = np.floor(unit.rows / step)
    rest = unit.rows - whole * step
    several = np.where(step > 1, whole, 0.0) + np.where(rest > 1, 1.0, 0.0)
    each = unit.vectors * unit.simd * unit.in_dsp
    return each * (whole + np.where(rest > 0, 1.0, 0.0)), each * several


def _arithmetic(unit: _Unit, row_blocks: Array) -> tuple[Terms, Terms, Array]:
    """LUTs, flip-flops and shift registers of products, sums, flags and the FIFO (hls/rtl/multiply_accumulate.sv).

    In a DSP block the sum of two rows' weights is the block's own, and a product above the lowest is taken apart by a
    subtraction. Products in LUTs: two LUTs per bit of a pair of partial products, one where only the sign is added.
    """
    products, width = unit.pe * unit.simd, unit.x + unit.w
    made = product_lut(unit.x, unit.w, unit.x_signed, unit.w_signed, unit.words, unit.rows)
    some = 1 - unit.words.zero**unit.w  # of the products are not zero whatever the input
    packs, several = _packs_of(unit)
    shared = unit.in_dsp * products - packs  # products above the lowest of their block
    overlapping = np.where(unit.spacing < width, shared, 0.0)
    in_luts = (1 - unit.in_dsp) * products
    steps = 3 + np.where(unit.in_dsp > 0, DSP_STEPS, 1 + made.levels) + np.ceil(np.log2(unit.simd))
    folded = np.where(unit.folds > 1, 1.0, 0.0)
    waiting, passing = _waiting(unit, made.levels)
    control = np.ones_like(products)
    # One block of columns makes a sum, which a bias alone is added to.
    alone = np.where(unit.bias_bits > 0, np.minimum(unit.acc, width), 0.0)
    lut = {
        "control": control,
        "enables": counter(row_blocks),
        "packed": (shared - several) * (unit.w + 1),
        "apart": shared * width + several,
        "overlaps": overlapping * 4,
        "pairs": in_luts * made.pairs_lut,
        "signs": in_luts * made.signs_lut,
        "pair_sums": in_luts * made.sums_lut,
        "tree": unit.pe * some**2 * (tree(unit.simd, width, True) - (unit.simd - 1)),
        "accumulate": unit.pe * np.where(unit.summed, unit.acc, alone),
        "output": unit.pe * unit.acc,
    }
    ff = {
        "control": control,
        "flags": steps + 2 * folded,
        "rows": counter(row_blocks),
        "operands": packs * unit.x,
        "products": unit.in_dsp * products * width,
        "overlaps": overlapping,
        "pairs": in_luts * made.pairs_ff,
        "pair_sums": in_luts * made.sums_ff,
        "sums": unit.pe * (tree_registers(unit.simd, width, True) - passing + 3 * unit.acc),
    }
    shifted = 2 * folded + 2 * overlapping + in_luts * made.shifted + unit.pe * waiting
    return lut, ff, shifted


def _waiting(unit: _Unit, levels: Array) -> tuple[Array, Array]:
    """Bits of a row's adder tree in shift registers, and the registers that these replace.

    Where the number of terms is odd, the last one waits for a level; three registers in a row are a shift register.
    """
    bits_waiting, replaced = np.zeros_like(unit.simd), np.zeros_like(unit.simd)
    left, run, width = unit.simd, np.zeros_like(unit.simd), unit.x + unit.w
    low = np.where((unit.in_dsp == 0) & (levels > 0), 2.0, 0.0)  # of products in LUTs, a level older than the others
    for level in range(int(np.ceil(np.log2(max(float(unit.simd.max(initial=1.0)), 1.0)))) + 1):
        odd = (left > 1) & (left % 2 > 0)
        ends = ~odd & (run > 0)
        found = np.where(run > 1, width, np.where(run == level, low, 0.0))
        bits_waiting = bits_waiting + np.where(ends, found, 0.0)
        replaced = replaced + np.where(ends, found * (run + 1), 0.0)
        run = np.where(odd, run + 1, 0.0)
        width = np.where(odd, width, unit.x + unit.w + level + 1)
        left = np.ceil(left / 2)
    return bits_waiting, replaced


def _behind_memory(weights: Memory, unit: _Unit) -> Array:
    """Registers of weights: the last one of a DSP block's lowest row goes into the block."""
    inside = np.where(unit.w < PORT, _packs_of(unit)[0] * unit.w, 0.0)
    return np.maximum(weights.ff - inside, 0.0)


def _weights(parameters: Parameters, unit: _Unit, words: Array) -> Memory:
    width, bank = unit.pe * unit.simd * unit.w, number(parameters, "WEIGHT_BANK")
    return memory.rom(width, words, bank, style(parameters), third=True)


def _biases(unit: _Unit, row_blocks: Array) -> Memory:
    return memory.rom(unit.pe * unit.bias_bits, row_blocks, np.maximum(row_blocks, 1.0), np.full(unit.pe.shape, "auto"))
