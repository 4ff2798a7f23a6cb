# SPDX-License-Identifier: Apache-2.0
"""Energy from operation and access counts: what arithmetic, on-chip memory and DRAM each take.

Table: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, 45 nm at 0.9 V, as
functions of the number of bits by the polynomials that QKeras fitted to it (github:google/qkeras,
qkeras/qtools/config_public.py, qenergy.py).  Numbers are for that technology; they are not rescaled, so the
breakdown is to be read as shares and the sum as an order of magnitude.
"""

from dataclasses import dataclass

import numpy as np

from hwsim.columns import Column
from hwsim.network import Network
from hwsim.workload import Workload, workload

FLOAT_BITS = 32
FLOAT_MULTIPLY_PJ = 3.7  # fp32, Horowitz 2014
FLOAT_ADD_PJ = 0.9  # fp32, Horowitz 2014
DRAM_PJ_PER_BIT = 20.3125  # 1300 pJ per 64 bits, Horowitz 2014 (QKeras dram_rd polynomial)
SRAM_FIT = (9.02427321e-04, -2.68847858e-02, 2.08900804e-01)  # QKeras sram_rd, in log2(bits), pJ per bit
SRAM_SMALLEST = 14.6  # log2(bits) of the fit's minimum (3 KB): smaller memories are not cheaper than that
REGISTER_TILE = 8  # an operand read once serves this many products: weights over positions, inputs over channels


def add_pj(bits: float) -> float:
    """Integer addition: 0.03 pJ at 8 bits, 0.1 pJ at 32 (QKeras fpm_add)."""
    return 0.003125 * bits


def multiply_pj(weight_bits: Column | float, input_bits: Column | float) -> Column:
    """Integer multiplication of different widths: QKeras fpm_mul with x * x read as the product of both widths."""
    mean = np.add(weight_bits, input_bits) / 2
    return np.asarray(0.002994791667 * np.multiply(weight_bits, input_bits) + 0.001041666667 * mean)


def mac_pj(weight_bits: float, input_bits: float) -> float:
    """One multiply-accumulate: the accumulator is as wide as the product; 32 bits and more are floating point."""
    if max(weight_bits, input_bits) >= FLOAT_BITS:
        return FLOAT_MULTIPLY_PJ + FLOAT_ADD_PJ
    return float(multiply_pj(weight_bits, input_bits)) + add_pj(weight_bits + input_bits)


def sram_pj_per_bit(memory_bits: float) -> float:
    """Reading one bit from an SRAM of that size: 5 pJ per 32 bits at 8 KB, 100 pJ per 64 bits at 1 MB."""
    size = max(float(np.log2(max(memory_bits, 2.0))), SRAM_SMALLEST)
    cubic, square, linear = SRAM_FIT
    return ((cubic * size + square) * size + linear) * size


@dataclass(frozen=True, eq=False)
class Breakdown:
    """Energy of every kernel for one inference in uJ, shape (kernels,)."""

    mac_uj: Column
    on_chip_uj: Column
    dram_uj: Column

    @property
    def total_uj(self) -> Column:
        """All three together."""
        return self.mac_uj + self.on_chip_uj + self.dram_uj


def breakdown(network: Network, on_chip_bits: float, batch: int = 1, widest: float = FLOAT_BITS) -> Breakdown:
    """Energy of a network's kernels with one on-chip memory of that size and DRAM behind it.

    Weights come from DRAM once per batch, activations only where they do not fit on chip.  On chip, every operand
    is read once per ``REGISTER_TILE`` products and every result written once.  Numbers of more than ``widest`` bits
    are taken to have that many: float networks are costed as 16-bit integers by ``widest=16``.
    """
    work = workload(network)
    weight_bits, input_bits, output_bits = (
        np.minimum(work.column(name), widest) for name in ("weight_bits", "input_bits", "output_bits")
    )
    weights = work.column("weights") * weight_bits
    inputs = work.column("inputs") * input_bits
    outputs = work.column("outputs") * output_bits
    per_bit = sram_pj_per_bit(on_chip_bits)
    spilled = np.where(inputs + outputs > on_chip_bits, inputs + outputs, 0.0)
    return Breakdown(
        mac_uj=work.column("macs") * _mac_pj(weight_bits, input_bits) * 1e-6,
        on_chip_uj=(_operand_bits(work, weight_bits, input_bits) + inputs + outputs) * per_bit * 1e-6,
        dram_uj=(weights / batch + spilled) * DRAM_PJ_PER_BIT * 1e-6,
    )


def _mac_pj(weight_bits: Column, input_bits: Column) -> Column:
    return np.array([mac_pj(w, a) for w, a in zip(weight_bits.tolist(), input_bits.tolist(), strict=True)])


def _operand_bits(work: Workload, weight_bits: Column, input_bits: Column) -> Column:
    shared_weights = np.minimum(work.column("rows"), REGISTER_TILE)
    shared_inputs = np.minimum(work.column("columns"), REGISTER_TILE)
    macs = work.column("macs")
    return macs / shared_weights * weight_bits + macs / shared_inputs * input_bits
