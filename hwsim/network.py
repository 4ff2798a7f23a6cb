# SPDX-License-Identifier: Apache-2.0
"""The golden graph: what a network is, independent of every framework.

Activations and parameters are named tensors; a layer names the tensors it reads and writes. Shapes leave the batch
out and are channels first: ``(C, H, W)`` or ``(F,)``. A tensor with a :class:`FixedPoint` format holds integers of
that format; one without is float32. Weights travel beside the network as ``{tensor name: array}``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import ops, serial
from hwsim.errors import NetworkError, WeightsError
from hwsim.fixed import FixedPoint
from hwsim.registry import suggest

Weights = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array's shape and number format.

    ``format`` None means float32, unless ``storage_bits`` says that the values are quantised in a way fixed point
    cannot express (a scale that is no power of two): such a tensor can be costed but not executed.
    """

    shape: tuple[int, ...]
    format: FixedPoint | None = None
    storage_bits: int | None = None

    @property
    def bits(self) -> int:
        """Storage width of one element in bits."""
        if self.format is not None:
            return self.format.width
        return self.storage_bits or 32

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def size_bits(self) -> int:
        """Storage of the whole tensor in bits."""
        return self.size * self.bits


@dataclass(frozen=True)
class Layer:
    """One operation. ``params`` maps a role (weight, bias, scale, shift) to the name of a parameter tensor."""

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The single output tensor."""
        return self.outputs[0]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Layer":
        return self  # immutable; the read-only mappings inside cannot be copied


@dataclass(frozen=True)
class Network:
    """Layers in execution order over named tensors; checked when it is made.

    Raises:
        NetworkError: a name is unknown or taken twice, the order is not executable, or a shape is wrong.
        UnsupportedError: an operator is not in :data:`hwsim.ops.OPS`.
    """

    name: str
    layers: tuple[Layer, ...]
    tensors: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(_with_defaults(layer) for layer in self.layers))
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        _check(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Network":
        return self  # immutable, as its layers

    # Looking things up

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def _producers(self) -> dict[str, Layer]:
        return {tensor: layer for layer in self.layers for tensor in layer.outputs}

    @cached_property
    def _consumers(self) -> dict[str, tuple[Layer, ...]]:
        found: dict[str, list[Layer]] = {}
        for layer in self.layers:
            for tensor in dict.fromkeys(layer.inputs):
                found.setdefault(tensor, []).append(layer)
        return {tensor: tuple(layers) for tensor, layers in found.items()}

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        try:
            return self._by_name[name]
        except KeyError:
            raise NetworkError(f"{self.name}: unknown layer '{name}'; {suggest(name, self._by_name)}") from None

    def producer(self, tensor: str) -> Layer | None:
        """The layer that writes ``tensor``; None for parameters."""
        return self._producers.get(tensor)

    def consumers(self, tensor: str) -> tuple[Layer, ...]:
        """The layers that read ``tensor`` as an activation."""
        return self._consumers.get(tensor, ())

    def input_shapes(self, layer: Layer) -> tuple[tuple[int, ...], ...]:
        """Shapes of the activations a layer reads."""
        return tuple(self.tensors[t].shape for t in layer.inputs)

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameter tensors in the order of their use."""
        return tuple(dict.fromkeys(t for layer in self.layers for t in layer.params.values()))

    # What it weighs

    def macs(self) -> int:
        """Multiply-accumulate operations of one inference (convolutions and dense layers; bias not counted)."""
        return sum(ops.macs(self, layer) for layer in self.layers)

    def parameters(self) -> int:
        """Number of parameters."""
        return sum(self.tensors[t].size for t in self.parameter_names)

    def weight_bits(self) -> int:
        """Storage of all parameters in bits."""
        return sum(self.tensors[t].size_bits for t in self.parameter_names)

    @cached_property
    def is_quantised(self) -> bool:
        """Whether every tensor has a fixed-point format, so that the network executes on integers."""
        return all(t.format is not None for t in self.tensors.values())

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits over structure, shapes and formats (not over the weights)."""
        text = json.dumps(serial.to_json(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    # Variations

    def with_widths(self, widths: Mapping[str, int]) -> "Network":
        """The same network with other output channel counts, for cost queries without weights.

        Args:
            widths: convolution or dense layer name → number of output channels. Depthwise convolutions follow
                their input and must not be named.

        Raises:
            NetworkError: a name or count is wrong, or branches that are added no longer agree.
        """
        for name in widths:
            self.layer(name)
        tensors, layers = dict(self.tensors), []
        for old in self.layers:
            shapes = tuple(tensors[t].shape for t in old.inputs)
            layer, params = ops.resize(self, old, shapes, widths.get(old.name))
            layers.append(layer)
            for role, shape in params.items():
                tensors[layer.params[role]] = replace(tensors[layer.params[role]], shape=shape)
            if layer.op != "input":
                for tensor, shape in zip(layer.outputs, ops.output_shapes(layer, shapes, params), strict=True):
                    tensors[tensor] = replace(tensors[tensor], shape=shape)
        return replace(self, layers=tuple(layers), tensors=tensors)

    def with_formats(self, formats: Mapping[str, FixedPoint | None]) -> "Network":
        """The same network with other number formats for some tensors."""
        tensors = dict(self.tensors)
        for name, fmt in formats.items():
            if name not in tensors:
                raise NetworkError(f"{self.name}: unknown tensor '{name}'; {suggest(name, tensors)}")
            tensors[name] = replace(tensors[name], format=fmt, storage_bits=None)
        return replace(self, tensors=tensors)

    def with_bits(self, bits: int) -> "Network":
        """The same network with every tensor stored in ``bits`` bits, for cost queries before anything is trained.

        Raises:
            NetworkError: bits outside 1..64.
        """
        if not 1 <= bits <= 64:
            raise NetworkError(f"{self.name}: got {bits} bits per value; expected 1 to 64")
        tensors = {name: Tensor(tensor.shape, None, bits) for name, tensor in self.tensors.items()}
        return replace(self, tensors=tensors)


def _with_defaults(layer: Layer) -> Layer:
    attrs = MappingProxyType(ops.complete_attrs(layer))
    return replace(
        layer,
        inputs=tuple(layer.inputs),
        outputs=tuple(layer.outputs),
        attrs=attrs,
        params=MappingProxyType(dict(layer.params)),
    )


def _check(network: Network) -> None:
    layer_names: set[str] = set()
    written: set[str] = set()
    parameters = set(network.parameter_names)
    for name in sorted(parameters - set(network.tensors)):
        raise NetworkError(f"{network.name}: parameter '{name}' has no shape; list it among the tensors")
    for name, tensor in network.tensors.items():
        if any(extent < 1 for extent in tensor.shape):
            raise NetworkError(f"{network.name}: tensor '{name}' has shape {tensor.shape}; expected extents >= 1")
    for layer in network.layers:
        if layer.name in layer_names:
            raise NetworkError(f"{network.name}: two layers are called '{layer.name}'; rename one")
        layer_names.add(layer.name)
        for name in layer.inputs:
            if name not in written:
                raise NetworkError(_unwritten(network, layer, name))
        if len(layer.outputs) != 1:
            raise NetworkError(f"{layer.name}: writes {len(layer.outputs)} tensors; expected one")
        if layer.output in written or layer.output in parameters:
            raise NetworkError(f"{layer.name}: writes '{layer.output}', which exists already; rename the tensor")
        if layer.output not in network.tensors:
            raise NetworkError(f"{layer.name}: writes '{layer.output}', which has no shape; list it among the tensors")
        written.add(layer.output)
        _check_shapes(network, layer)
    entries = {layer.output for layer in network.layers if layer.op == "input"}
    if set(network.inputs) != entries:
        raise NetworkError(
            f"{network.name}: inputs are {sorted(network.inputs)}, but its input layers write {sorted(entries)}"
        )
    for name in network.outputs:
        if name not in written:
            raise NetworkError(f"{network.name}: output '{name}' is written by no layer")


def _unwritten(network: Network, layer: Layer, name: str) -> str:
    """Why a layer cannot read a tensor: its own output is needed for it, or it only comes later or never."""
    writers = {tensor: other for other in network.layers for tensor in other.outputs}
    ways: list[tuple[str, tuple[str, ...]]] = [(name, (layer.name,))]
    seen: set[str] = set()
    while ways:
        tensor, way = ways.pop()
        writer = writers.get(tensor)
        if writer is layer:
            return (
                f"{layer.name}: got a cycle, {' <- '.join((*way, layer.name))}; expected layers that do not read what "
                "follows from their own output; write a loop as the layers of its steps"
            )
        if writer is not None and tensor not in seen:
            seen.add(tensor)
            ways += [(read, (*way, writer.name)) for read in writer.inputs]
    return f"{layer.name}: reads '{name}' before any layer wrote it; order the layers"


def _check_shapes(network: Network, layer: Layer) -> None:
    if layer.op == "input":
        return
    params = {role: network.tensors[t].shape for role, t in layer.params.items()}
    inferred = ops.output_shapes(layer, network.input_shapes(layer), params)
    stated = tuple(network.tensors[t].shape for t in layer.outputs)
    if inferred != stated:
        raise NetworkError(
            f"{layer.name}: output shape is {stated}, but {layer.op} of its inputs gives {inferred}; "
            "correct the tensor's shape"
        )


def check_weights(network: Network, weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Check that every parameter is there, has the right shape, is finite, and fits its format.

    Raises:
        WeightsError: with the name of the tensor.
    """
    for name in network.parameter_names:
        tensor = network.tensors[name]
        if name not in weights:
            raise WeightsError(f"{name}: missing from the weights; {suggest(name, weights)}")
        array = weights[name]
        if tuple(array.shape) != tensor.shape:
            raise WeightsError(f"{name}: shape is {tuple(array.shape)}; expected {tensor.shape}")
        if tensor.format is None:
            if not np.all(np.isfinite(array)):
                raise WeightsError(
                    f"{name}: {int(np.sum(~np.isfinite(array)))} values are NaN or infinite; "
                    "expected finite weights; retrain or restore a checkpoint from before they appeared"
                )
            continue
        if array.dtype.kind not in "iu":
            raise WeightsError(f"{name}: dtype is {array.dtype}; expected integers of {tensor.format}")
        if array.size and (array.min() < tensor.format.min_int or array.max() > tensor.format.max_int):
            raise WeightsError(
                f"{name}: values {array.min()}..{array.max()} leave {tensor.format}, which holds "
                f"{tensor.format.min_int}..{tensor.format.max_int}; widen the format"
            )


def save(network: Network, weights: Mapping[str, npt.NDArray[Any]], folder: Path | str) -> None:
    """Write ``network.json`` and ``weights.npz`` into ``folder``."""
    check_weights(network, weights)
    serial.save_arrays(Path(folder) / "weights.npz", {n: weights[n] for n in network.parameter_names})
    serial.write_json(Path(folder) / "network.json", network)


def load(folder: Path | str) -> tuple[Network, Weights]:
    """Read what :func:`save` wrote.

    Raises:
        ModelFileError, InputError, NetworkError, WeightsError: the files are missing, damaged or do not match.
    """
    path = Path(folder) / "network.json"
    network = serial.from_json(Network, serial.read_json(path), str(path))
    weights = serial.load_arrays(Path(folder) / "weights.npz")
    check_weights(network, weights)
    return network, weights
