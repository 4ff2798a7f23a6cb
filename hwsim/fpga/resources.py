# SPDX-License-Identifier: Apache-2.0
"""What the parts of a pipeline occupy on AMD FPGAs with 6-input LUTs, after synthesis.

Every function takes numbers or arrays that broadcast, and returns float arrays.  Constants were fitted to
post-synthesis counts: the RTL matrix-vector units of github:asadalam/FINN_MatrixVector_RTL (Doc/results.ipynb,
Vivado 2020.1 out of context, xczu3eg, 84 designs) with non-negative least squares on the relative error;
leave-one-sweep-out mean error 11 % for LUT (worst sweep 49 %), 25 % for FF (90 % within a factor of 1.9).
"""

import numpy as np
import numpy.typing as npt

Number = float | npt.NDArray[np.float64]
Array = npt.NDArray[np.float64]

MULTIPLY_LUT = 1.24  # LUT per product of one bit by one bit
ADD_LUT = 0.89  # LUT per bit of the sum of two operands
ACCUMULATE_LUT = 0.78  # LUT per accumulator bit
UNIT_LUT = 72.0  # LUT of the control of one unit
UNIT_FF = 61.0  # FF of the control of one unit

# AXI DMA, interconnect and reset of a usual PYNQ design: what remains of the place-and-route report of hls4ml's
# Pynq-Z2 camera demo (20,386 LUT, 30,289 FF in all) next to its accelerator.
SHELL = {"lut": 5000.0, "ff": 7000.0, "dsp": 0.0, "bram18": 6.0}

# Words and bits of an 18-kbit block RAM: AMD UG473 table 1-9 and UG573 (RAMB18); Lattice FPGA-TN-02204 (ECP5, EBR).
BLOCK_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
LUTRAM_BITS = 1024  # memories up to here stay in LUTs (Vivado's default for automatic inference of block RAM)
ROM_BITS = 1024  # ROMs from here on are block RAM (Vitis HLS)
DSP_MIN_BITS = 5  # below, products always go to LUTs
DSP_MIN_SUM = 18  # operand widths that add up to less go to LUTs


def accumulator_bits(weight_bits: Number, input_bits: Number, terms: Number) -> Array:
    """Width that holds a sum of `terms` products without overflow: w + a + ceil(log2(terms))."""
    return np.asarray(weight_bits + input_bits + np.ceil(np.log2(np.maximum(terms, 1))), dtype=np.float64)


def uses_dsp(weight_bits: Number, input_bits: Number) -> npt.NDArray[np.bool_]:
    """Whether HLS puts a variable product of these widths into a DSP block.

    The threshold lies between 8x8 (no DSP in github:fastmachinelearning/hls4ml-live-demo) and 6x16 (DSP in
    github:Dendendelen/wa-hls4ml-search); between the two it is a guess, see `dsp_blocks`.
    """
    narrow = np.minimum(weight_bits, input_bits)
    return np.asarray((narrow >= DSP_MIN_BITS) & (np.add(weight_bits, input_bits) >= DSP_MIN_SUM))


def dsp_unsure(weight_bits: Number, input_bits: Number) -> npt.NDArray[np.bool_]:
    """Widths between the nearest observations on both sides, where the tool's choice is not known."""
    total = np.add(weight_bits, input_bits)
    return np.asarray((np.minimum(weight_bits, input_bits) >= DSP_MIN_BITS) & (total >= 16) & (total < 22))


def dsp_blocks(weight_bits: Number, input_bits: Number) -> Array:
    """DSP blocks of one product where `uses_dsp`: 25x18 multipliers (UG479 DSP48E1; 27x18 in DSP48E2, UG579)."""
    wide = np.maximum(weight_bits, input_bits)
    narrow = np.minimum(weight_bits, input_bits)
    blocks = np.ceil(wide / 25) * np.ceil(narrow / 18)
    return np.where(uses_dsp(weight_bits, input_bits), blocks, 0.0)


def product_lut(weight_bits: Number, input_bits: Number) -> Array:
    """LUTs of one variable product: none in a DSP block."""
    return np.where(uses_dsp(weight_bits, input_bits), 0.0, MULTIPLY_LUT * np.multiply(weight_bits, input_bits))


def bram18(width: Number, depth: Number) -> Array:
    """18-kbit block RAMs of a memory of `depth` words of `width` bits; 0 where it stays in LUTs.

    Aspect ratios of the primitive: UG473 (7 series) table 1-9, UG573 (UltraScale); FINN uses the same ladder.
    """
    w, d = np.broadcast_arrays(np.asarray(width, dtype=np.float64), np.asarray(depth, dtype=np.float64))
    deep = np.select(
        [w <= 1, w <= 2, w <= 4, w <= 9],
        [np.ceil(d / 16384), np.ceil(d / 8192), np.ceil(d / 4096), np.ceil(d / 2048)],
        np.minimum(np.ceil(d / 1024) * np.ceil(w / 18), np.ceil(d / 512) * np.ceil(w / 36)),
    )
    return np.where(w * d <= LUTRAM_BITS, 0.0, deep)


def blocks_of_one_shape(width: Number, depth: Number) -> Array:
    """The fewest blocks, all of one of BLOCK_SHAPES, that hold `depth` words of `width` bits, in rows and columns."""
    each = [np.ceil(np.divide(depth, words)) * np.ceil(np.divide(width, bits)) for words, bits in BLOCK_SHAPES]
    return np.asarray(np.min(np.stack(each), axis=0), dtype=np.float64)


def rom_blocks(width: Number, depth: Number) -> Array:
    """BRAM18 of a ROM as Vitis HLS builds it; 0 below ROM_BITS, where it stays in LUTs.

    Columns of 36, 18, 9, 4, 2 and 1 bits hold 512 words and twice as many with each step (UG573, table 1-7). As many
    columns of 36 bits as are full; the rest, up to 512 words, in one more; up to 1,024 words in columns of 18 bits; of
    more words in columns of 9, 4, 2 and 1 bits that are all full, or all alike where there is no column of 36. Exact
    for 700 of the 703 weight ROMs in the reports of github:Dendendelen/wa-hls4ml-search, of 384 to 1,280 words, and one
    bit off for the others; exact for all 341 layers with reuse of github:HeRCLab/N-TORC, of 2 to 512 words.
    """
    w, d = np.broadcast_arrays(np.asarray(width, dtype=np.float64), np.asarray(depth, dtype=np.float64))
    blocks = [np.ceil(d / (512 * 2**step)) for step in range(6)]
    rest = np.mod(w, 36)
    narrow = tuple(zip((9, 4, 2, 1), blocks[2:], strict=True))
    alike = np.min([np.ceil(rest / bits) * column for bits, column in narrow], axis=0)
    filled, left = np.zeros_like(rest), rest
    for bits, column in narrow:
        filled, left = filled + np.floor(left / bits) * column, np.mod(left, bits)
    deep = np.where(d <= 1024, np.ceil(rest / 18), np.where(w < 36, alike, filled))
    total = np.floor(w / 36) * blocks[0] + np.where(d <= 512, np.ceil(rest / 36), deep)
    return np.where(w * d < ROM_BITS, 0.0, total)


def lutram(width: Number, depth: Number) -> Array:
    """LUTs of a memory that `bram18` leaves in LUTs: 64 bits each (UG474, RAM64X1S)."""
    bits = np.multiply(width, depth)
    return np.where(bits <= LUTRAM_BITS, np.ceil(np.divide(depth, 64)) * width, 0.0)


def mux_lut(width: Number, ways: Number) -> Array:
    """LUTs of a multiplexer: a 6-input LUT selects one of four bits."""
    return np.multiply(width, np.maximum(np.asarray(ways, dtype=np.float64) - 1, 0.0)) / 4


def shift_lut(width: Number, depth: Number) -> Array:
    """LUTs of a shift register, 32 stages per LUT (UG474, SRLC32E)."""
    return np.multiply(width, np.ceil(np.divide(depth, 32)))


def fifo(width: Number, depth: Number) -> tuple[Array, Array, Array]:
    """LUT, FF and BRAM18 of a stream FIFO.

    Shift registers up to 32 deep, memory above; control 2 ceil(log2 depth) LUTs (FINN, StreamingFIFO).
    """
    deep = np.asarray(np.greater(depth, 32))
    pointer = 2 * np.ceil(np.log2(np.maximum(depth, 2)))
    blocks = np.where(deep, bram18(width, depth), 0.0)
    storage = np.where(deep, lutram(width, depth), shift_lut(width, depth))
    return pointer + storage, pointer + np.asarray(width, dtype=np.float64), blocks
