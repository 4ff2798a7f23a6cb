# SPDX-License-Identifier: Apache-2.0
"""Which foldings hls4ml can build, and the nearest one it can.

A weighted layer is a matrix of ``n_in`` rows and ``n_out`` columns (a convolution: n_in = kernel area × input
channels). The reuse factor says how often one multiplier is used per output position.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hwsim.design import Design, Folding
from hwsim.errors import UnsupportedError
from hwsim.network import Layer, Network
from hwsim.ops import WEIGHTED, is_depthwise

# Vivado and Vitis HLS stop unrolling a loop of more iterations ("Stop unrolling loop … because … larger than 4096").
MAX_UNROLL = 4096


@dataclass(frozen=True)
class Matrix:
    """The size of a weighted layer in hls4ml, and the kind of code that multiplies it.

    A ``depthwise`` layer keeps one column per channel: n_in = area × n_out. ``parallel`` marks a convolution in
    io_parallel, which has code of its own.
    """

    n_in: int
    n_out: int
    depthwise: bool = False
    parallel: bool = False

    @property
    def products(self) -> int:
        """Multiplications per output position."""
        return self.n_in if self.depthwise else self.n_in * self.n_out


def matrix_of(network: Network, layer: Layer, io_type: str = "io_stream") -> Matrix:
    """The matrix hls4ml builds for a convolution or dense layer.

    Grouped convolutions other than depthwise become dense kernels, dilated ones are filled up with zeros.
    """
    outputs, inputs, *kernel = network.tensors[layer.params["weight"]].shape
    if layer.op == "dense":
        return Matrix(inputs, outputs)
    area = math.prod(step * (extent - 1) + 1 for extent, step in zip(kernel, layer.attrs["dilation"], strict=True))
    depthwise = has_depthwise_layer(network, layer)
    return Matrix(area * inputs * layer.attrs["groups"], outputs, depthwise, io_type == "io_parallel")


def has_depthwise_layer(network: Network, layer: Layer) -> bool:
    """Whether hls4ml's own depthwise layer fits: one filter per channel, no dilation, more than one kernel row."""
    shape = network.tensors[layer.params["weight"]].shape
    return (
        is_depthwise(layer, shape)
        and shape[0] == layer.attrs["groups"]
        and shape[2] > 1
        and tuple(layer.attrs["dilation"]) == (1, 1)
    )


def legal_reuse_factors(matrix: Matrix, strategy: str = "resource") -> Sequence[int]:
    """The reuse factors hls4ml 1.3.0 computes correctly, in ascending order.

    * latency: every number from 1 to n_in * n_out (it only limits multipliers).
    * resource: rf divides n_in * n_out and either is a multiple of n_in, or is smaller and leaves a multiple of n_out
      multipliers (``FPGABackend._validate_reuse_factor``). Others end in classes that do not exist.
    * resource, depthwise: hls4ml validates n_in * n_out, but its loop walks n_in weights in steps of rf and reads
      past their end unless rf divides n_in.
    * resource, convolution in io_parallel: rf <= n_in. Above, the Vivado code asserts, and the Vitis code computes
      something else (nnet_conv2d_resource.h).
    """
    n_in, n_out = matrix.n_in, matrix.n_out
    total = n_in * n_out
    if strategy == "latency":
        return range(1, total + 1)
    if matrix.depthwise:
        return _divisors(n_in)
    most = n_in if matrix.parallel else total
    divisors = [rf for rf in _divisors(total) if rf <= most]
    return [rf for rf in divisors if rf % n_in == 0 or (rf < n_in and total // rf % n_out == 0)]


def _divisors(number: int) -> list[int]:
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})


def nearest(legal: Sequence[int], wanted: int) -> int:
    """The legal number closest to the wanted one; of two as close, the smaller."""
    position = bisect_left(legal, wanted)
    around = legal[max(position - 1, 0) : position + 1]
    return min(around, key=lambda rf: (abs(rf - wanted), rf))


def legal_folding(name: str, matrix: Matrix, folding: Folding) -> tuple[Folding, str]:
    """A folding hls4ml computes correctly, and a note where it differs from the wanted one ("" otherwise).

    Raises:
        UnsupportedError: the strategy is not one of hls4ml's own arithmetic.
    """
    if folding.strategy not in ("latency", "resource"):
        raise UnsupportedError(
            f"{name}: got strategy {folding.strategy}; expected latency or resource; change it in the design"
        )
    legal = legal_reuse_factors(matrix, folding.strategy)
    best = nearest(legal, folding.reuse_factor)
    if best == folding.reuse_factor:
        return folding, ""
    note = (
        f"hls4ml cannot build reuse_factor={folding.reuse_factor} for a {matrix.n_in}x{matrix.n_out} matrix with the "
        f"{folding.strategy} strategy; used {best}"
    )
    return replace(folding, reuse_factor=best), note


def check_unrolling(name: str, matrix: Matrix, folding: Folding) -> None:
    """Refuse a layer whose unrolled loops the HLS compiler would give up on.

    The latency strategy pipelines the whole product, which unrolls it whatever the reuse factor says.

    Raises:
        UnsupportedError: more than MAX_UNROLL multiplications are unrolled; names the smallest legal reuse factor.
    """
    share = 1 if folding.strategy == "latency" else folding.reuse_factor
    count = -(-matrix.products // share)
    if count > MAX_UNROLL:
        raise UnsupportedError(
            f"{name}: reuse_factor={folding.reuse_factor} with the {folding.strategy} strategy unrolls {count} "
            f"multiplications; the HLS compiler stops at {MAX_UNROLL}; use the resource strategy with reuse_factor >= "
            f"{smallest_reuse_factor(matrix)}"
        )


def smallest_reuse_factor(matrix: Matrix) -> int:
    """The smallest legal reuse factor of the resource strategy within MAX_UNROLL; the largest if none is."""
    legal = legal_reuse_factors(matrix)
    return next((rf for rf in legal if matrix.products // rf <= MAX_UNROLL), legal[-1])


def default_folding(network: Network, io_type: str = "io_stream") -> Mapping[str, Folding]:
    """The fastest folding of every weighted layer that the HLS compiler can unroll."""
    matrices = {layer.name: matrix_of(network, layer, io_type) for layer in network.layers if layer.op in WEIGHTED}
    return {name: Folding(reuse_factor=smallest_reuse_factor(matrix)) for name, matrix in matrices.items()}


def default_design(
    network: Network, device: str = "pynq-z2", clock_mhz: float = 100.0, io_type: str = "io_stream"
) -> Design:
    """A Vitis design with :func:`default_folding`: what verification runs when no design was chosen."""
    return Design(network.hash, device, clock_mhz, io_type, folding=default_folding(network, io_type))
