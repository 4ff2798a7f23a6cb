# SPDX-License-Identifier: Apache-2.0
"""Modules that compute with the values of a beat: cast, add, max_pool, argmax, accumulate, divide."""

import numpy as np

from hwsim.fpga.units import memory
from hwsim.fpga.units.cells import Parameters, Parts, bits, counter, number, ones, tree, tree_registers, wrap

FEW = 3  # blocks whose sums stay in registers (hls/rtl/accumulate.sv)
HALF_EVEN = 2  # the rounding RND_CONV


def cast(parameters: Parameters) -> Parts:
    """Per lane a choice between value and bounds, what decides ties, and inverters of the comparison with the bound.

    The sum of rounding takes carry cells alone. One bound alone is the reset of a register.
    """
    lanes, source, width, out, left, right, rounding, low, high = (
        number(parameters, name)
        for name in ("LANES", "IN_WIDTH", "WIDTH", "OUT_WIDTH", "LEFT", "RIGHT", "ROUNDING", "LOW", "HIGH")
    )
    has_low, has_high = number(parameters, "HAS_LOW") > 0, number(parameters, "HAS_HIGH") > 0
    kept = np.maximum(np.minimum(out, width - 1 + number(parameters, "IN_SIGNED")) - left, 1.0)
    chosen, bounded = has_high & has_low, has_high | has_low
    rounds = (rounding > 0) & (right > 0)
    even = (rounding == HALF_EVEN) & (right > 1)
    compared = np.maximum(source + left - right, 1.0)  # bits that are no copies of the sign
    above = np.where(has_low & (low != 0), ones(-low, compared), 0.0)
    below = np.where(has_high, compared - ones(high, compared), 0.0)
    return Parts(
        lut={
            "control": np.ones_like(lanes),
            "choice": np.where(chosen, lanes * kept, 0.0),
            "reset": np.where(bounded, lanes, 0.0),
            "low": lanes * above,
            "high": lanes * below,
            "ties": np.where(even, lanes * np.ceil((right + 1) / 5), 0.0),
            "round": np.where(rounds, lanes, 0.0),
        },
        ff={
            "control": np.full_like(lanes, 2.0),
            "values": lanes * (2 * kept + np.where(has_low, 1.0, 0.0) + np.where(has_high, 1.0, 0.0)),
        },
    )


def add(parameters: Parameters) -> Parts:
    """Adder trees, one per lane."""
    count, lanes, width = (number(parameters, name) for name in ("COUNT", "LANES", "WIDTH"))
    return Parts(
        lut={"control": np.ones_like(count), "streams": count, "sums": lanes * tree(count, width, False)},
        ff={"control": np.ceil(np.log2(count)), "sums": lanes * tree_registers(count, width, False)},
    )


def max_pool(parameters: Parameters) -> Parts:
    """A comparison per lane."""
    lanes, width, taps = (number(parameters, name) for name in ("LANES", "WIDTH", "TAPS"))
    return Parts(
        lut={
            "control": np.ones_like(lanes),
            "compare": lanes * width,
            "lanes": lanes,
            "taps": counter(taps),
            "wrap": wrap(taps),
        },
        ff={"control": np.ones_like(lanes), "best": lanes * width, "taps": counter(taps)},
    )


def argmax(parameters: Parameters) -> Parts:
    """A tree of comparisons and choices, and where there are several beats a comparison with the best so far."""
    lanes, blocks, x, out = (number(parameters, name) for name in ("LANES", "BLOCKS", "IN_WIDTH", "OUT_WIDTH"))
    pairs, several = lanes - 1, np.where(blocks > 1, 1.0, 0.0)
    root = np.where(lanes > 1, x, 0.0)
    return Parts(
        lut={
            "control": np.ones_like(lanes),
            "compare": (pairs + several) * x,
            "comparisons": pairs + several,
            "choice": (pairs - (1 - several) * np.where(lanes > 1, 1.0, 0.0)) * x,
            "places": tree(lanes, np.zeros_like(lanes), True),
            "place": several * out,
            "base": several * counter(blocks),
        },
        ff={
            "nodes": tree_registers(lanes, x, False) - (1 - several) * root,
            "places": tree_registers(lanes, np.zeros_like(lanes), True),
            "flags": np.ceil(np.log2(lanes)) + 1,
            "best": several * x + out,
            "base": several * out,
        },
    )


def accumulate(parameters: Parameters) -> Parts:
    """An adder per lane, and sums of several blocks in registers or a memory."""
    blocks, pixels = number(parameters, "BLOCKS"), number(parameters, "PIXELS")
    word = number(parameters, "LANES") * number(parameters, "ACC_WIDTH")
    stored = blocks > FEW
    sums = memory.ram(word, blocks, number(parameters, "BANK"))
    counters = counter(pixels) + counter(blocks)
    shifted = np.where((blocks > 1) & ~stored, (blocks - 1) * word, 0.0)
    return Parts(
        lut={
            "control": np.ones_like(word),
            "sums": word,
            "counters": counters,
            "wrap": wrap(pixels) + wrap(blocks),
            "ahead": np.where(stored, bits(blocks) + sums.lut, 0.0),
        },
        ff={
            "control": np.full_like(word, 2.0),
            "sums": word + shifted,
            "counters": counters,
            "ahead": np.where(stored, 2 * bits(blocks) + sums.ff, 0.0),
        },
        lutram=np.where(stored, sums.lutram, 0.0),
        bram18=np.where(stored, sums.bram18, 0.0),
    )


def divide(parameters: Parameters) -> Parts:
    """An addition per bit of the quotient, and the dividend and quotient that travel beside the remainder."""
    lanes, width, divisor, out, offset = (
        number(parameters, name) for name in ("LANES", "WIDTH", "DIVISOR", "OUT_WIDTH", "OFFSET")
    )
    # Bits of the remainder below the divisor's lowest one only travel along, to decide ties.
    whole_divisor = divisor.astype(np.int64)
    low = ones(np.asarray((whole_divisor & -whole_divisor) - 1, dtype=np.float64), bits(divisor))
    remainder = bits(divisor) + 1 - low
    even = number(parameters, "ROUNDING") == HALF_EVEN
    rounds = np.where(number(parameters, "ROUNDING") > 0, 1.0, 0.0)
    whole = width - (bits(divisor) - 1)
    steps = whole + rounds
    # Three registers in a row are a shift register: of the dividend's bits, the quotient's, and those below.
    travelling = np.maximum(whole - 2, 0.0) + np.maximum(steps - 2, 0.0) + np.where(even, low, 0.0)
    return Parts(
        lut={
            "control": np.ones_like(lanes),
            "steps": lanes * steps * (remainder - 1),
            "signs": lanes * steps,
            "offset": lanes * ones(divisor * offset, width),
            "result": lanes * ones(-offset, out),
            "ties": lanes * np.where(even, np.ceil(remainder / 5) + np.ceil(low / 5), 0.0),
        },
        ff={
            "flags": steps + 2,
            "lanes": lanes,
            "remainders": lanes * steps * remainder,
            "dividend": lanes * remainder,
            "result": lanes * out,
        },
        lutram=lanes * travelling,
    )
