# SPDX-License-Identifier: Apache-2.0
"""GPUs: matrix tiles dealt to the cores in waves, against L2 and DRAM bandwidth, plus a launch per kernel.

A layer is a matrix product of ``rows * batch`` by ``columns``; it is cut into tiles of ``tile.m * tile.n`` outputs,
and long reductions are split into chunks, so a kernel takes whole waves of tiles over the cores (NVIDIA, "Matrix
Multiplication Background User's Guide", sections tile and wave quantisation).  Depthwise layers do not use the
matrix units: their efficiency is relative to them and therefore small.  Tensor cores take channels in multiples of
``tensor_align_bytes``; what is between is padded with zeros (ibid., tensor core requirements).

Kernels run inside one engine or CUDA graph.  ``gpu:NAME/eager`` is a framework that launches every operation alone:
activations are kernels of their own then, and the processor's launches set the pace of small ones.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hwsim.columns import Column
from hwsim.design import Design
from hwsim.device import Device
from hwsim.errors import InputError
from hwsim.estimate import Estimate
from hwsim.network import Network
from hwsim.processor import Execution, Traffic, assemble, execution, fixed_us, traffic
from hwsim.roofline import Times, roofline
from hwsim.sparsity import Pattern, check_layers, remarks
from hwsim.workload import KINDS, Workload, workload

GB_S = 1e3  # bytes per us
LAUNCH_US = 8.0  # of one operation by a framework, where a device states none: 5 to 10 us on current hosts
DENSE = KINDS.index("dense")
CHUNK = 256  # longest reduction one core does alone before it is shared (CUTLASS split-K and stream-K)


def estimate(network: Network, device: Device, batch: int = 1, design: Design | None = None) -> Estimate:
    """Latency, energy and memory traffic of a network on a GPU.

    Raises:
        InputError: a design was given; only FPGAs take one.
    """
    if design is not None:
        raise InputError(f"gpu:{device.name}: got a design; expected none; designs are for fpga targets")
    work = workload(network)
    run = execution(device, work)
    moved = traffic(device, work, run, batch)
    times = kernel_times(device, work, run, moved, batch)
    return assemble(network, device, batch, work, run, times, moved, fixed_us(device, work, run, batch))


def estimate_sparse(network: Network, device: Device, batch: int, sparsity: Mapping[str, Pattern]) -> Estimate:
    """As :func:`estimate`, with zeros among the weights of some layers.

    Tensor cores from Ampere on select n of m products, which a device states by ``sparsity.n`` and ``sparsity.m``
    (NVIDIA A100 whitepaper, "Fine-grained structured sparsity": 2 of 4, at twice the rate); a note says where
    another pattern saves nothing.  Traffic stays that of all weights, so the gain is what arithmetic gains.

    Raises:
        UnknownNameError: a sparse layer is not in the network.
    """
    check_layers(network, sparsity)
    work = workload(network)
    run = execution(device, work)
    moved = traffic(device, work, run, batch)
    used = {name: pattern for name, pattern in sparsity.items() if _selects(device, pattern)}
    idle = [pattern for name, pattern in sparsity.items() if name not in used]
    share = device.get("sparsity.n", 1.0) / device.get("sparsity.m", 1.0)
    matrix = work.kind_index < KINDS.index("depthwise")
    dense = np.array([kernel.name not in used for kernel in work.kernels]) | ~(matrix | (work.kind_index == DENSE))
    rate = run.rate / np.where(dense, 1.0, share)
    times = kernel_times(device, work, replace(run, rate=rate), moved, batch)
    found = assemble(network, device, batch, work, run, times, moved, fixed_us(device, work, run, batch))
    return replace(found, notes=(*found.notes, *remarks(idle, "gpu", f"gpu:{device.name}")))


def _selects(device: Device, pattern: Pattern) -> bool:
    """Whether the device's matrix units leave out the zeros of a pattern."""
    n, m = device.get("sparsity.n", 0.0), device.get("sparsity.m", 0.0)
    return m > 0 and pattern.kind == "n:m" and pattern.m % m == 0 and pattern.density <= n / m * (1 + 1e-9)


def estimate_eager(network: Network, device: Device, batch: int = 1, design: Design | None = None) -> Estimate:
    """As :func:`estimate`, every operation launched alone.

    Raises:
        InputError: a design was given; only FPGAs take one.
    """
    if design is not None:
        raise InputError(f"gpu:{device.name}/eager: got a design; expected none; designs are for fpga targets")
    work = workload(network)
    run = execution(device, work)
    alone = np.array([len(kernel.fused) for kernel in work.kernels], dtype=np.float64)
    moved = traffic(device, work, run, batch)
    # What is not fused is read and written once more, where it fits through the cache.
    again = 2 * alone * work.column("outputs") * run.bytes_per_element * batch
    spilled = np.where(again > device["cache_kib"] * 1024 * alone, again, 0.0)
    moved = Traffic(moved.cache + again, moved.dram + spilled)
    times = kernel_times(device, work, run, moved, batch)
    launch = device.get("overhead_us.launch", LAUNCH_US) * (1 + alone)
    busy = np.maximum(times.compute, times.memory)
    paced = Times(times.compute, times.memory, np.maximum(times.overhead, launch - busy))
    found = assemble(network, device, batch, work, run, paced, moved, fixed_us(device, work, run, batch))
    note = f"eager: {len(work.kernels) + int(alone.sum())} launches, not fused; a CUDA graph saves most of them"
    return replace(found, target=f"gpu:{device.name}/eager", notes=(*found.notes, note))


def kernel_times(device: Device, work: Workload, run: Execution, moved: Traffic, batch: int) -> Times:
    """Where the time of every kernel of a batch goes, in us."""
    return roofline(
        executed_macs(device, work, batch), run.rate,
        [(moved.cache, device["bandwidth_gb_s.cache"] * GB_S), (moved.dram, device["bandwidth_gb_s.dram"] * GB_S)],
        device["overhead_us.op"],
    )  # fmt: skip


def executed_macs(device: Device, work: Workload, batch: int) -> Column:
    """MACs of every kernel as if all cores were busy during all waves, shape (kernels,)."""
    cores = device["cores"]
    # Multiples in elements of the type that each kernel runs in; 1 where there are no tensor cores.
    align = np.maximum(device.get("tensor_align_bytes", 1.0) / execution(device, work).bytes_per_element, 1.0)
    reduction = np.ceil(work.column("channels") / align) * align * work.column("taps")
    tiles = (np.ceil(work.column("rows") * batch / device["tile.m"])
             * np.ceil(work.column("columns") / device["tile.n"]) * work.column("groups"))  # fmt: skip
    chunks = tiles * np.maximum(1.0, reduction / CHUNK)
    per_chunk = device["tile.m"] * device["tile.n"] * np.minimum(reduction, CHUNK)
    tiled = np.ceil(chunks / cores) * cores * per_chunk
    depthwise = work.kind_index == KINDS.index("depthwise")
    moves = work.kind_index == KINDS.index("move")
    return np.where(moves, 0.0, np.where(depthwise, work.column("macs") * batch, tiled))
