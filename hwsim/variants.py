# SPDX-License-Identifier: Apache-2.0
"""Many variants of one network at once: the same layers with other output channels, as columns instead of networks.

A search asks about thousands of widths. Building and hashing each as a :class:`~hwsim.network.Network` takes
milliseconds; here the channels of every tensor are an array over the variants, and what the kernels do follows from it
by array arithmetic, equal to that of the networks which :meth:`~hwsim.network.Network.with_widths` would build.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.columns import Column
from hwsim.errors import NetworkError
from hwsim.network import Layer, Network
from hwsim.npu.problem import Problem, problem
from hwsim.workload import KINDS, REGISTER_TILE, Kernel, Workload, workload


@dataclass(frozen=True, eq=False)
class Stacked(Workload):
    """The kernels of all variants, one variant after the other: ``kernels`` names them, columns have their numbers."""

    count: int
    stacked: Mapping[str, Column]
    kinds: npt.NDArray[np.intp]

    def column(self, name: str) -> Column:
        """One number of every kernel of every variant, shape (variants * kernels,)."""
        return self.stacked[name]

    def totals(self, column: Column) -> Column:
        """The sum of a column over the kernels of each variant, at every kernel, (variants * kernels,)."""
        sums = column.reshape(self.count, -1).sum(axis=1)
        return np.repeat(sums, len(column) // self.count)

    @cached_property
    def kind_index(self) -> npt.NDArray[np.intp]:
        """Position of every kernel's kind in KINDS."""
        return self.kinds


@dataclass(frozen=True, eq=False)
class Variants:
    """Variants of ``base``: ``work`` and ``array`` hold the kernels of all of them, ``count`` how many there are."""

    base: Network
    count: int
    work: Stacked
    array: Problem

    def per_variant(self, column: Column) -> Column:
        """A column over all kernels as (variants, kernels)."""
        return column.reshape(self.count, -1)


def variants(base: Network, widths: Mapping[str, npt.ArrayLike]) -> Variants:
    """Variants of a network.

    Args:
        widths: convolution or dense layer → number of output channels in every variant, all of one length; layers not
            named keep theirs. Depthwise convolutions follow their input and must not be named.

    Raises:
        NetworkError: a layer or number is wrong, or branches that are added no longer agree.
    """
    given = {name: np.asarray(counts, dtype=np.float64).reshape(-1) for name, counts in widths.items()}
    lengths = {len(counts) for counts in given.values()}
    if len(lengths) != 1:
        raise NetworkError(f"{base.name}: got widths of {sorted(lengths)} variants; expected one length for all layers")
    channels = _channels(base, given)
    plain = workload(base)
    rows = [_kernel(base, kernel, channels) for kernel in plain.kernels]
    stacked = {name: np.stack([row[name] for row in rows], axis=1).ravel() for name in (rows[0] if rows else {})}
    count = lengths.pop()
    kinds = stacked.pop("kind").astype(np.intp)
    work = Stacked(plain.kernels * count, plain.input_bits, plain.output_bits, count, stacked, kinds)
    return Variants(base, count, work, _problem(base, work, count))


def _channels(base: Network, widths: Mapping[str, Column]) -> dict[str, Column]:
    """Channels (or features) of every activation in every variant, (variants,) each."""
    for name, counts in widths.items():
        layer = base.layer(name)
        if layer.op not in ops.WEIGHTED or _is_depthwise(base, layer):
            raise NetworkError(f"{name}: has no width of its own; name a convolution or dense layer")
        if np.any(counts < 1) or np.any(counts != np.floor(counts)):
            raise NetworkError(f"{name}: got a width that is no whole number >= 1; expected output channels")
    ones = np.ones(len(next(iter(widths.values()))))
    found: dict[str, Column] = {}
    for layer in base.layers:
        sources = [found[name] for name in layer.inputs]
        before = [base.tensors[name].shape[0] for name in layer.inputs]
        for name in layer.outputs:
            out = base.tensors[name].shape[0]
            found[name] = _written(base, layer, sources, before, out, widths.get(layer.name), ones)
    return found


def _written(
    base: Network, layer: Layer, sources: list[Column], before: list[int], out: int, width: Column | None, ones: Column
) -> Column:  # fmt: skip
    if layer.op in ops.WEIGHTED:
        if _is_depthwise(base, layer):
            return sources[0] * (out // before[0])
        groups = int(layer.attrs.get("groups", 1))
        if np.any(sources[0] % groups) or (width is not None and np.any(width % groups)):
            raise NetworkError(f"{layer.name}: groups={groups} must divide the channels of every variant")
        return ones * out if width is None else width
    if layer.op == "concat":
        return np.asarray(sum(sources[1:], sources[0]))
    if not sources:
        return ones * out
    if len(sources) > 1 and any(np.any(source != sources[0]) for source in sources[1:]):
        raise NetworkError(f"{layer.name}: its inputs differ in channels in some variant; give their layers one width")
    if layer.op == "flatten" or out == before[0]:
        return sources[0] * (out // before[0])
    return ones * out


def _is_depthwise(base: Network, layer: Layer) -> bool:
    return layer.op == "conv2d" and ops.is_depthwise(layer, base.tensors[layer.params["weight"]].shape)


def _kernel(base: Network, kernel: Kernel, channels: Mapping[str, Column]) -> dict[str, Column]:
    """The numbers of one kernel in every variant, by the names of Kernel's fields, and its kind."""
    layer = base.layer(kernel.name)
    members = [layer, *(base.layer(name) for name in kernel.fused)]
    ones = np.ones_like(next(iter(channels.values())))
    sizes = {name: channels[name] * (tensor.size // tensor.shape[0]) for name, tensor in base.tensors.items()
             if name in channels}  # fmt: skip
    kind = ones * KINDS.index(kernel.kind)
    groups, out, inner = ones, ones, ones
    if layer.op in ops.WEIGHTED:
        out, inner = channels[layer.output], channels[layer.inputs[0]]
        groups = inner if kernel.kind == "depthwise" else ones * kernel.groups
        plain = "pointwise" if kernel.taps == 1 else "conv"  # of a depthwise layer with a single channel left
        kind = np.where((kernel.kind == "depthwise") & (groups == 1), KINDS.index(plain), kind)
        inner = inner / groups
    elif kernel.groups != 1:
        groups = ones * kernel.groups
    columns, reduction = out // groups, inner * kernel.taps
    macs = out * reduction * kernel.rows if layer.op in ops.WEIGHTED else 0 * ones
    tiled = np.where(kind == KINDS.index("depthwise"), out, columns)
    padding = np.ceil(tiled / REGISTER_TILE) * REGISTER_TILE / tiled
    weights = sum((_parameters(base, member, channels, reduction) for member in members), 0 * ones)
    return {
        "kind": kind, "macs": macs, "padded_macs": np.rint(macs * padding), "rows": ones * kernel.rows,
        "columns": columns, "channels": inner, "taps": ones * kernel.taps, "groups": groups, "weights": weights,
        "weight_bits": ones * kernel.weight_bits, "input_bits": ones * kernel.input_bits,
        "output_bits": ones * kernel.output_bits,
        "out_channels": channels[members[-1].outputs[0]], "out_width": ones * kernel.out_width,
        "inputs": sum((sizes[name] for name in layer.inputs), 0 * ones),
        "outputs": sum((sizes[name] for name in members[-1].outputs), 0 * ones),
    }  # fmt: skip


def _parameters(base: Network, layer: Layer, channels: Mapping[str, Column], reduction: Column) -> Column:
    """Numbers that a layer has learnt, in every variant."""
    total = np.zeros_like(reduction)
    for role, name in layer.params.items():
        tensor = base.tensors[name]
        if layer.op in ops.WEIGHTED:
            out = channels[layer.output]
            total = total + (out * reduction if role == "weight" else out)
        elif layer.op == "lookup":
            total = total + tensor.size
        else:
            total = total + channels[layer.inputs[0]] * (tensor.size // tensor.shape[0])
    return total


def _problem(base: Network, work: Stacked, count: int) -> Problem:
    plain = problem(base)
    loops = {name: np.tile(column, count) for name, column in plain.loops.items()}
    multiplies = work.column("macs") > 0
    loops |= {"groups": np.where(multiplies, work.column("groups"), 1.0),
              "k": np.where(multiplies, work.column("columns"), 1.0),
              "c": np.where(multiplies, work.column("channels"), 1.0)}  # fmt: skip
    return Problem(
        kernels=work.kernels, loops=loops, macs=work.column("macs"), weights=work.column("weights"),
        inputs=work.column("inputs"), outputs=work.column("outputs"),
        from_outside=np.tile(plain.from_outside, count), to_outside=np.tile(plain.to_outside, count),
    )  # fmt: skip
