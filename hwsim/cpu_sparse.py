# SPDX-License-Identifier: Apache-2.0
"""CPUs under a runtime that generates kernels for zeros among the weights: ``cpu:NAME/sparse``.

Runtimes in wide use multiply every weight. Those that do not put neighbouring pixels into the lanes of a vector, since
all pixels see the same weights: then a weight that is zero is a step less, wherever it is.

    1 x 1 convolutions   any zeros, where two thirds of the weights are none            XNNPACK (E. Elsen et al., "Fast
                         Sparse ConvNets", CVPR 2020; README of TensorFlow Lite's XNNPACK delegate, "Sparse inference")
    3 x 3 convolutions   n of the 9 positions of every kernel; filters of the same pattern run together, so that loaded
                         pixels serve several (W. Niu et al., "PatDNN", ASPLOS 2020: filter kernel reorder, load
                         redundancy elimination)
    all but depthwise    blocks of outputs; on dense layers, which have one pixel, outputs fill the lanes instead, and
                         blocks must span a tile of them (XGen's block-punched and block-based pruning)

All of them compute in float. With P vectors of pixels and b outputs at a time, a step loads P pixels, b weights and
where the next pixels are, for P b vector products. Small cores load one vector beside each product, so that a product
takes max(1, (P + b + 1) / (P b)) of its time in a dense kernel. A runtime takes the dense kernel where that is faster.

No published measurement was fitted here: error bars reach from the sparse kernels to those of a dense runtime.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hwsim.cpu import call_us, kernel_times
from hwsim.design import Design
from hwsim.device import Device
from hwsim.errors import InputError
from hwsim.estimate import Estimate, Figure
from hwsim.network import Network
from hwsim.processor import assemble, execution, traffic
from hwsim.sparsity import Pattern, check_layers, unused
from hwsim.workload import REGISTER_TILE, Kernel, workload

PIXEL_VECTORS = 8  # XNNPACK's f32-spmm kernels of 32 pixels, on vectors of four floats
OUTPUTS = 4  # of a block that share loaded pixels: PIXEL_VECTORS times that many sums fill 32 registers
FEWEST_ZEROS = 2 / 3  # among the weights of a 1 x 1 convolution, for XNNPACK to leave them out
NOTE = "sparse kernels: by their mechanism, not fitted to measurements; error bars reach to the dense kernels"


def estimate(
    network: Network, device: Device, batch: int = 1, design: Design | None = None,
    sparsity: Mapping[str, Pattern] | None = None,
) -> Estimate:  # fmt: skip
    """As :func:`hwsim.cpu.estimate`, with kernels that leave out zeros. Traffic stays that of all weights.

    Args:
        sparsity: the pattern of zeros of some layers' weights.

    Raises:
        InputError: a design was given, or a pattern does not go with its layer.
        UnknownNameError: a sparse layer is not in the network.
    """
    name = f"cpu:{device.name}/sparse"
    if design is not None:
        raise InputError(f"{name}: got a design; expected none; designs are for fpga targets")
    patterns = sparsity or {}
    check_layers(network, patterns)
    work = workload(network)
    run = execution(device, work)
    moved = traffic(device, work, run, batch)
    shares, idle = np.ones(len(work.kernels)), dict[str, list[Pattern]]()
    for row, kernel in enumerate(work.kernels):
        if kernel.name in patterns:
            pattern = patterns[kernel.name]
            why = _obstacle(kernel, pattern, run.dtypes[int(run.dtype_index[row])], batch)
            shares[row] = 1.0 if why else min(1.0, pattern.density * _steps(kernel, pattern, batch))
            if why:
                idle.setdefault(why, []).append(pattern)
    times = kernel_times(device, work, run, moved, batch)
    fixed_us = call_us(device, work, run, batch)
    dense = assemble(network, device, batch, work, run, times, moved, fixed_us)
    faster = replace(times, compute=times.compute * shares)
    found = assemble(network, device, batch, work, run, faster, moved, fixed_us)
    remarks = [unused(some, name, why) for why, some in idle.items()]
    used = [NOTE] if (shares < 1).any() else []
    return replace(
        found, target=name, notes=(*found.notes, *used, *remarks),
        latency_us=_up_to(found.latency_us, dense.latency_us),
        interval_us=_up_to(found.interval_us, dense.interval_us), energy_uj=_up_to(found.energy_uj, dense.energy_uj),
    )  # fmt: skip


def _up_to(sparse: Figure, dense: Figure) -> Figure:
    return replace(sparse, high=max(sparse.high, dense.high))


def _steps(kernel: Kernel, pattern: Pattern, batch: int) -> float:
    """Time of a product that is left, in products of the dense kernel."""
    if _pixels(kernel, batch) < PIXEL_VECTORS:
        return 1.0  # a block is a small dense product
    together = OUTPUTS if pattern.kind == "pattern" else min(pattern.rows, OUTPUTS)
    return max(1.0, (PIXEL_VECTORS + together + 1) / (PIXEL_VECTORS * together))


def _pixels(kernel: Kernel, batch: int) -> int:
    """What vectors can be filled with: positions that see the same weights."""
    return kernel.rows * batch


def _obstacle(kernel: Kernel, pattern: Pattern, dtype: str, batch: int) -> str:
    """Why no sparse kernel computes a layer; empty if one does."""
    if dtype == "int8":
        return "sparse kernels compute in float"
    if kernel.kind == "depthwise":
        return "depthwise convolutions have no sparse kernels"
    if pattern.kind == "block":
        wide = pattern.rows % REGISTER_TILE == 0 or _pixels(kernel, batch) >= PIXEL_VECTORS
        return "" if wide else f"with one pixel, blocks must span {REGISTER_TILE} outputs"
    if pattern.kind == "pattern":
        return ""
    if kernel.kind != "pointwise":
        return "only 1 x 1 convolutions have kernels for zeros anywhere"
    zeros = 1 - pattern.density
    return "" if zeros >= FEWEST_ZEROS - 1e-9 else "kernels for zeros anywhere want two thirds to be zero"
