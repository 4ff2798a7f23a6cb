# SPDX-License-Identifier: Apache-2.0
"""Accumulator types that lose nothing.

hls4ml computes into ``accum_t`` and casts once to ``result_t``. With an accumulator that holds every result exactly,
that cast is the golden executor's cast. The formats come from :func:`hwsim.formats.exact_format`, bounded over the
actual weights.
"""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from hwsim.errors import FormatError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format, smallest_format
from hwsim.network import Layer, Network

Array = npt.NDArray[Any]


def plain(fmt: FixedPoint) -> FixedPoint:
    """The same bits with truncation and wrapping, ap_fixed's defaults: for values known to fit."""
    return FixedPoint(fmt.width, fmt.frac, fmt.signed)


def exact(network: Network, layer: Layer, weights: Mapping[str, Array]) -> FixedPoint:
    """The narrowest type that holds every result of a layer.

    Products and partial sums may leave it: they wrap, and wrapping arithmetic modulo 2**width still ends at the
    right sum.

    Raises:
        UnsupportedError: more than 63 bits are needed.
    """
    try:
        return exact_format(network, layer, weights)
    except FormatError as error:
        raise UnsupportedError(str(error)) from None


def mean(layer: Layer, source: FixedPoint, result: FixedPoint, count: int) -> FixedPoint:
    """The accumulator with which hls4ml's average pooling rounds like the exact rational mean.

    hls4ml sums into the accumulator and divides, keeping the accumulator's F fractional bits and dropping the rest
    towards zero (``operator/`` of its ap_fixed.h); then it casts to the result with f fractional bits. With
    s fractional bits in the source, the mean is ``m = a / (count * 2**s)`` for an integer a. The cast changes its
    answer only at boundaries ``b = k / 2**(f+1)`` (grid points and ties between them). If m is not such a b,

        |m - b| >= 1 / (count * 2**max(s, f+1))

    because both are multiples of that number. Take F = max(s, f+1) + ceil(log2(count)): the distance is then at
    least 2**-F, and b is on the accumulator's grid, so truncation cannot carry m onto or past b; and if m is a
    boundary, the division is exact. So rounding the truncated quotient equals rounding the mean, in every mode.

    Raises:
        UnsupportedError: the sum needs more than 63 bits.
    """
    frac = max(source.frac, result.frac + 1) + (count - 1).bit_length()
    scale = count << (frac - source.frac)
    try:
        return smallest_format(source.min_int * scale, source.max_int * scale, frac)
    except FormatError as error:
        raise UnsupportedError(f"{layer.name}: the mean over {count} values: {error}") from None
