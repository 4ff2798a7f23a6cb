# SPDX-License-Identifier: Apache-2.0
"""What a processor has to do for a network: its layers fused into kernels as runtimes fuse them.

A convolution, dense layer, pooling or addition takes the activations, batch norms and requantisations behind it
along (TensorFlow Lite, ONNX Runtime and TensorRT all do); input, output and flatten cost nothing.  The same
kernels feed the CPU, GPU and energy models, as columns of numbers so that the models are array arithmetic.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.columns import Column, columns, per_network
from hwsim.network import Layer, Network

FREE = ("input", "output", "flatten")
UNCOUNTED = (*FREE, ops.OPAQUE)  # no kernels; of opaque layers nobody knows them, and estimates list them
EPILOGUES = ("batch_norm", "relu", "clip", "requantise", "leaky_relu", "sigmoid", "tanh", "gelu", "silu",
             "hard_sigmoid", "hard_swish")  # fmt: skip
HEADS = ("conv2d", "dense", "max_pool2d", "avg_pool2d", "global_avg_pool", "global_max_pool", "add", "batch_norm")
KINDS = ("conv", "pointwise", "depthwise", "dense", "move")  # move: no multiplications, only data
REGISTER_TILE = 8  # output channels computed together by usual matrix kernels (ruy, XNNPACK, oneDNN: 8 or more)


@dataclass(frozen=True)
class Kernel:
    """One launch.  Sizes are elements of one inference; bits are the widths of the numbers.

    As a matrix product it has ``rows`` output positions, ``columns`` output channels and a reduction over
    ``channels * taps``, the last two per group.  ``padded_macs`` counts whole register tiles.  What it writes is an
    image of ``out_channels`` whose lines are ``out_width`` long; ``window`` is what a convolution sees, (y, x).
    ``epilogue`` are the operators of ``fused``; ``reads`` are the rows of the kernels that made its inputs, -1 for
    inputs of the network.
    """

    name: str
    op: str
    kind: str
    fused: tuple[str, ...]
    macs: int
    padded_macs: int
    rows: int
    columns: int
    channels: int
    taps: int
    groups: int
    weights: int
    weight_bits: int
    inputs: int
    input_bits: int
    outputs: int
    output_bits: int
    out_channels: int = 1
    out_width: int = 1
    window: tuple[int, int] = (1, 1)
    epilogue: tuple[str, ...] = ()
    reads: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Workload:
    """All kernels of a network in execution order, and the same as columns."""

    kernels: tuple[Kernel, ...]
    input_bits: int
    output_bits: int

    def column(self, name: str) -> Column:
        """One number of every kernel as an array of shape (kernels,)."""
        return self._columns[name]

    def totals(self, column: Column) -> Column:
        """The sum of a column over all kernels of the network, at every kernel, shape (kernels,)."""
        return np.full_like(column, column.sum())

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return columns(Kernel, self.kernels)

    @cached_property
    def kind_index(self) -> npt.NDArray[np.intp]:
        """Position of every kernel's kind in KINDS."""
        return np.array([KINDS.index(kernel.kind) for kernel in self.kernels], dtype=np.intp)

    @cached_property
    def execution_bits(self) -> Column:
        """The wider of weights and inputs: what the arithmetic must hold."""
        return np.maximum(self.column("weight_bits"), self.column("input_bits"))


@per_network
def workload(network: Network) -> Workload:
    """The kernels of a network, remembered by the network's hash."""
    kernels: list[Kernel] = []
    taken: set[str] = set()
    makers: dict[str, int] = {}  # tensor -> row of the kernel that made it
    for layer in network.layers:
        if layer.name in taken:
            continue
        if layer.op in UNCOUNTED:  # passes on what another kernel made
            makers |= {name: makers.get(layer.inputs[0], -1) for name in layer.outputs if layer.inputs}
            continue
        chain = _fuse(network, layer)
        taken.update(member.name for member in chain)
        reads = tuple(makers.get(name, -1) for name in layer.inputs)
        makers |= {name: len(kernels) for name in chain[-1].outputs}
        kernels.append(_kernel(network, layer, chain, reads))
    return Workload(
        tuple(kernels),
        sum(network.tensors[tensor].size_bits for tensor in network.inputs),
        sum(network.tensors[tensor].size_bits for tensor in network.outputs),
    )


def _fuse(network: Network, head: Layer) -> list[Layer]:
    chain = [head]
    while head.op in HEADS and len(chain[-1].outputs) == 1:
        consumers = network.consumers(chain[-1].output)
        if len(consumers) != 1 or consumers[0].op not in EPILOGUES or chain[-1].output in network.outputs:
            break
        chain.append(consumers[0])
    return chain


def _kernel(network: Network, layer: Layer, chain: list[Layer], sources: tuple[int, ...]) -> Kernel:
    reads = [network.tensors[tensor] for tensor in layer.inputs]
    writes = [network.tensors[tensor] for tensor in chain[-1].outputs]
    params = [network.tensors[tensor] for member in chain for tensor in member.params.values()]
    weight_bits = network.tensors[layer.params["weight"]].bits if "weight" in layer.params else 1
    dims = ops.loop_dims(network, layer)
    macs = ops.macs(network, layer)
    groups = int(layer.attrs.get("groups", 1))
    kind = _kind(network, layer)
    columns = dims.get("K", 1) // groups
    # Depthwise kernels run over channels in vectors; the others tile the output channels of each group.
    tiled = dims.get("K", 1) if kind == "depthwise" else columns
    padding = -(-tiled // REGISTER_TILE) * REGISTER_TILE / tiled
    return Kernel(
        name=layer.name, op=layer.op, kind=kind, fused=tuple(member.name for member in chain[1:]),
        macs=macs, padded_macs=round(macs * padding),
        rows=dims.get("OY", 1) * dims.get("OX", 1), columns=columns,
        channels=dims.get("C", 1), taps=dims.get("FY", 1) * dims.get("FX", 1), groups=groups,
        weights=sum(tensor.size for tensor in params), weight_bits=weight_bits,
        inputs=sum(tensor.size for tensor in reads), input_bits=max((tensor.bits for tensor in reads), default=1),
        outputs=sum(tensor.size for tensor in writes), output_bits=max(tensor.bits for tensor in writes),
        out_channels=writes[0].shape[0], out_width=writes[0].shape[-1] if len(writes[0].shape) == 3 else 1,
        window=(dims.get("FY", 1), dims.get("FX", 1)),
        epilogue=tuple(member.op for member in chain[1:]), reads=sources,
    )  # fmt: skip


def _kind(network: Network, layer: Layer) -> str:
    if layer.op == "dense":
        return "dense"
    if layer.op != "conv2d":
        return "move"
    weight = network.tensors[layer.params["weight"]].shape
    if ops.is_depthwise(layer, weight):
        return "depthwise"
    return "pointwise" if weight[2:] == (1, 1) else "conv"
