# SPDX-License-Identifier: Apache-2.0
"""What an array of processing elements has to do for a network: loop bounds and data of every kernel, as columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.columns import Column, columns, per_network
from hwsim.network import Layer, Network
from hwsim.workload import Kernel, workload

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Loops:
    """Loop bounds of one kernel for one inference: ``k`` and ``c`` are per group; of kernels without products, 1."""

    groups: int
    k: int
    c: int
    oy: int
    ox: int
    fy: int
    fx: int
    stride_y: int
    stride_x: int


@dataclass(frozen=True, eq=False)
class Problem:
    """All kernels of a network in execution order; columns have shape (kernels,).

    ``from_outside`` and ``to_outside`` mark kernels that read inputs and write outputs of the network, which lie in
    DRAM.
    """

    kernels: tuple[Kernel, ...]
    loops: dict[str, Column]
    macs: Column
    weights: Column
    inputs: Column
    outputs: Column
    from_outside: Flags
    to_outside: Flags

    @property
    def multiplies(self) -> Flags:
        """Kernels that run on the array; the others only move data."""
        return np.asarray(self.macs > 0)


@per_network
def problem(network: Network) -> Problem:
    """The kernels of a network, remembered by the network's hash."""
    work = workload(network)
    layers = [network.layer(kernel.name) for kernel in work.kernels]
    last = [network.layer(kernel.fused[-1] if kernel.fused else kernel.name) for kernel in work.kernels]
    return Problem(
        kernels=work.kernels,
        loops=columns(Loops, [_loops(network, layer) for layer in layers]),
        macs=work.column("macs"), weights=work.column("weights"),
        inputs=work.column("inputs"), outputs=work.column("outputs"),
        from_outside=np.array([_touches(network, layer.inputs, network.inputs) for layer in layers], dtype=bool),
        to_outside=np.array([_touches(network, layer.outputs, network.outputs) for layer in last], dtype=bool),
    )  # fmt: skip


def _loops(network: Network, layer: Layer) -> Loops:
    dims = ops.loop_dims(network, layer)
    groups = int(layer.attrs.get("groups", 1)) if dims else 1
    stride = layer.attrs.get("stride", (1, 1)) if layer.op == "conv2d" else (1, 1)
    return Loops(
        groups, dims.get("K", 1) // groups, dims.get("C", 1), dims.get("OY", 1), dims.get("OX", 1),
        dims.get("FY", 1), dims.get("FX", 1), stride[0], stride[1],
    )  # fmt: skip


def _touches(network: Network, tensors: tuple[str, ...], outside: tuple[str, ...]) -> bool:
    """Whether one of the tensors is outside, directly or behind layers that only rename it."""
    names = set(tensors)
    for layer in network.layers:
        if layer.op in ("flatten", "input", "output") and (names & {*layer.inputs, *layer.outputs}):
            names |= {*layer.inputs, *layer.outputs}
    return bool(names & set(outside))
