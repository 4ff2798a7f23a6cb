# SPDX-License-Identifier: Apache-2.0
"""Products with constants, unrolled into adders."""

from hwsim.fpga.dataflow.timing import Timing


def unrolled(vectors: int, stages: int) -> Timing:
    """``vectors`` whole vectors through registers, ``stages`` rows of adders with one behind each, and the bias."""
    return Timing(vectors, vectors, vectors - 1 + stages + 2, vectors)
