# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector products and depthwise convolutions."""

from hwsim.fpga.dataflow.timing import Timing

MATRIX_STEPS = 4  # two operand registers, product, accumulator (hls/rtl/matrix_vector.sv, depthwise.sv)


def matrix_vector(mw: int, mh: int, pe: int, simd: int, vectors: int = 1) -> Timing:
    """``vectors`` products of an mh × mw matrix, ``pe`` rows and ``simd`` columns at a time.

    FINN's (mh / pe) · (mw / simd) cycles per vector (FINN, MVAU get_exp_cycles), behind the registers of ours.
    """
    beats = vectors * (mw // simd)
    interval = beats * (mh // pe)
    tree = (simd - 1).bit_length()
    return Timing(beats, vectors * (mh // pe), interval - 1 + MATRIX_STEPS + tree, interval)


def depthwise(channels: int, taps: int, pe: int, windows: int = 1) -> Timing:
    """``windows`` windows of a depthwise convolution, ``pe`` channels at a time and one tap per cycle."""
    blocks = channels // pe
    beats = windows * blocks * taps
    return Timing(beats, windows * blocks, beats - 1 + MATRIX_STEPS, beats)
