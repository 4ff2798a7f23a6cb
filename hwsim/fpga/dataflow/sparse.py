# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector products that leave out blocks of zero weights."""

from hwsim.fpga.dataflow.matrix import matrix_steps
from hwsim.fpga.dataflow.timing import Timing

SCHEDULE_STEPS = 2  # the memory of the schedule and the register behind it (hls/rtl/sparse_matrix_vector.sv)


def sparse_matrix_vector(
    mw: int, mh: int, pe: int, simd: int, steps: int, vectors: int = 1, multiply: int = 4
) -> Timing:
    """``vectors`` products of an mh × mw matrix, ``steps`` blocks of ``pe`` rows and ``simd`` columns of each.

    A vector is stored while the one before it is computed, so the slower of the two sets the pace.

    Args:
        steps: the sum, over the rows of blocks, of the number of blocks kept in it, or of 1 where none is.
        multiply: cycles of a product; see :class:`hwsim.fpga.multipliers.Multiplier`.
    """
    beats = mw // simd
    pace = max(beats, steps)
    last_step = beats + (vectors - 1) * pace + steps - 1
    latency = last_step + SCHEDULE_STEPS + matrix_steps(simd, multiply)
    return Timing(vectors * beats, vectors * (mh // pe), latency, vectors * pace)
