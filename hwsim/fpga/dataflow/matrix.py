# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector products: dense layers and all convolutions."""

from hwsim.fpga.dataflow.timing import Timing

MATRIX_STEPS = 5  # three registers up to the operands, the accumulator and a FIFO (hls/rtl/multiply_accumulate.sv)


def matrix_vector(mw: int, mh: int, pe: int, simd: int, vectors: int = 1, multiply: int = 4) -> Timing:
    """``vectors`` products of an mh × mw matrix, ``pe`` rows and ``simd`` columns at a time.

    FINN's (mh / pe) · (mw / simd) cycles per vector (FINN, MVAU get_exp_cycles), behind the registers of ours.

    Args:
        multiply: cycles of a product; see :class:`hwsim.fpga.multipliers.Multiplier`.
    """
    beats = vectors * (mw // simd)
    interval = beats * (mh // pe)
    return Timing(beats, vectors * (mh // pe), interval - 1 + matrix_steps(simd, multiply), interval)


def matrix_steps(simd: int, multiply: int) -> int:
    """Cycles from the last operands of a sum to the sum: registers, product, adder tree, accumulator, FIFO."""
    return MATRIX_STEPS + multiply + (simd - 1).bit_length()
