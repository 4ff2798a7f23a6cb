# SPDX-License-Identifier: Apache-2.0
"""The module scale: products of parts of 17 bits in DSP blocks, or all in LUTs, and their sum with the shift."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Array, Parameters, Parts, Terms, counter, number, style
from hwsim.fpga.units.matrix import LEAST_OPERAND, LEAST_PRODUCT
from hwsim.fpga.units.products import SHIFT_REGISTER, Words, product_lut, words_of

PART = 17.0  # bits of an operand's part in scale.sv
COUNTS = ("DSP blocks", "LUTs of sums", "LUTs of products", "registers", "shift registers")
Mask = npt.NDArray[np.bool_]


def scale(parameters: Parameters) -> Parts:
    """Resources of units; see hls/rtl/scale.sv for the parameters.

    SHIFT_BITS, which is none of them, says how many bits of shifts differ.
    """
    lanes, blocks, x, s, out = (
        number(parameters, name) for name in ("LANES", "BLOCKS", "IN_WIDTH", "S_WIDTH", "OUT_WIDTH")
    )
    told = number(parameters, "SHIFT_BITS") if "SHIFT_BITS" in parameters else x
    factors = memory.rom(lanes * s, blocks, blocks, style(parameters))
    shifts = memory.rom(lanes * np.minimum(out, told), blocks, blocks, style(parameters))
    lut, ff, shifted, dsp = _arithmetic(parameters)
    in_dsp, one = number(parameters, "DSP") > 0, np.ones_like(lanes)
    return Parts(
        lut={"control": one, "blocks": counter(blocks), "memories": factors.lut + shifts.lut, **lut},
        ff={
            "control": 4 * one,
            "blocks": counter(blocks),
            # A DSP block has the last register of its factor and of what it adds, and both of x.
            "memories": np.where(in_dsp, 0.5, 1.0) * (factors.ff + shifts.ff),
            **ff,
        },
        lutram=shifted,
        dsp=dsp,
        bram18=factors.bram18 + shifts.bram18,
    )


def _arithmetic(parameters: Parameters) -> tuple[Terms, Terms, Array, Array]:
    """LUTs, registers, shift registers and DSP blocks of products and sums of all lanes."""
    names = ("LANES", "BLOCKS", "IN_WIDTH", "IN_SIGNED", "S_WIDTH", "S_SIGNED", "OUT_WIDTH", "DSP")
    columns = np.broadcast_arrays(*(number(parameters, name) for name in names))
    lanes, blocks, x, x_signed, s, s_signed, out, asked = columns
    words, in_dsp = words_of(blocks), asked > 0
    made = product_lut(x, s, x_signed, s_signed, words)
    in_luts = np.where(in_dsp, 0.0, lanes)
    signed = (x_signed > 0) | (s_signed > 0)
    x_parts, s_parts = _parts(x, x_signed), _parts(s, s_signed)
    counts = np.zeros((len(COUNTS), *lanes.shape))
    for cut in np.unique(np.stack([x_parts, s_parts]), axis=1).T.tolist():
        own = (x_parts == cut[0]) & (s_parts == cut[1])
        operands = _Operands(x[own], s[own], x_signed[own] > 0, s_signed[own] > 0, out[own], words.of(own))
        counts[:, own] = _lane(operands, int(cut[0]), int(cut[1]))
    dsp, sums, small, registers, shifted = counts * np.where(in_dsp, lanes, 0.0)
    lut = {
        "parts": sums,
        "small": small,
        "pairs": in_luts * (made.pairs_lut + made.signs_lut),
        "pair_sums": in_luts * made.sums_lut,
        "sums": in_luts * np.where(signed, out, np.minimum(out, x + s)),
    }
    ff = {
        "inputs": 2 * in_luts * x,
        "parts": registers,
        "pairs": in_luts * made.pairs_ff,
        "pair_sums": in_luts * made.sums_ff,
        "sums": in_luts * out,
    }
    # Which block it is reaches the shifts some cycles later.
    later = np.where(made.levels + 1 >= SHIFT_REGISTER, counter(blocks), 0.0)
    return lut, ff, shifted + in_luts * made.shifted + np.where(in_dsp, 0.0, later), dsp


def _parts(width: Array, signed: Array) -> Array:
    whole = width + 1 - signed
    return np.where(whole == 1, 1.0, np.floor((whole + PART - 2) / PART))


@dataclass(frozen=True, eq=False)
class _Operands:
    """Operands and results of units, (units,)."""

    x: Array
    s: Array
    x_signed: Mask
    s_signed: Mask
    out: Array
    words: Words


@dataclass(frozen=True, eq=False)
class _Term:
    """A number on its way through the sum: its lowest bit, the bit above its highest, and in how many registers in a
    row outside of DSP blocks it was. A product in a block can be added to another number there, or wait a cycle."""

    low: Array
    high: Array
    age: Array
    in_dsp: Mask


def _lane(units: _Operands, x_parts: int, s_parts: int) -> Array:
    """COUNTS of a lane in DSP blocks, (counts, units), of units that cut their operands into as many parts."""
    zero = np.zeros_like(units.x)
    terms = [_Term(zero, units.out, zero, zero > 0)]  # the shift
    dsp, small, registers = zero.copy(), zero.copy(), zero.copy()
    for j, k in product(range(x_parts), range(s_parts)):
        x = units.x - PART * j if j == x_parts - 1 else zero + PART
        s = units.s - PART * k if k == s_parts - 1 else zero + PART
        x_signed, s_signed = units.x_signed & (j == x_parts - 1), units.s_signed & (k == s_parts - 1)
        signed = x_signed | s_signed
        # Beside a number with a sign, one without has a sign bit too.
        left, right = x + (signed & ~x_signed), s + (signed & ~s_signed)
        large = (np.minimum(left, right) >= LEAST_OPERAND) & (left + right >= LEAST_PRODUCT)
        low = zero + PART * (j + k)
        high = np.where(signed, units.out, np.minimum(low + x + s, units.out))
        terms.append(_Term(low, high, np.where(large, 0.0, 1.0), large))
        dsp += large
        small += np.where(large, 0.0, product_lut(x, s, zero, zero, units.words).lut)
        registers += np.where(large, 0.0, 2 * x + s)  # the operands, which no block holds
    sums, waiting, shifted = _sum(terms, units.out)
    return np.stack([dsp, sums, small, registers + waiting, shifted])


def _sum(terms: list[_Term], out: Array) -> tuple[Array, Array, Array]:
    """LUTs, registers and shift registers of an adder tree; the first sum is computed in the block of its product."""
    lut, ff, shifted = (np.zeros_like(out) for _ in range(3))
    nowhere = out < 0

    def end(term: _Term) -> None:
        width, long = term.high - term.low, term.age >= SHIFT_REGISTER
        ff[:] += np.where(long, 0.0, width * term.age)
        shifted[:] += np.where(long, width, 0.0)

    inside = terms[1].in_dsp
    while len(terms) > 1:
        above = []
        for left, right in zip(terms[::2], terms[1::2], strict=False):
            both = np.minimum(left.high, right.high) - np.maximum(left.low, right.low)
            lut += np.where(inside, 0.0, np.maximum(both, 0.0))
            end(left)
            end(right)
            high = np.minimum(np.maximum(left.high, right.high) + 1, out)
            above.append(_Term(np.minimum(left.low, right.low), high, np.where(inside, 0.0, 1.0), nowhere))
            inside = nowhere
        if len(terms) % 2:
            last = terms[-1]
            above.append(_Term(last.low, last.high, last.age + np.where(last.in_dsp, 0.0, 1.0), nowhere))
        terms = above
    end(terms[0])
    return lut, ff, shifted
