# SPDX-License-Identifier: Apache-2.0
"""The state of one ONNX import: what every name stands for so far, and the layers made from it.

An operator's handler (see the tables in :mod:`hwsim.importers.onnx_layers`, :mod:`~hwsim.importers.onnx_views` and
:mod:`~hwsim.importers.onnx_quant`) reads its inputs from here, emits layers, and says what its outputs are.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from hwsim import ops
from hwsim.errors import ModelFileError, UnsupportedError, WeightsError
from hwsim.importers import qonnx
from hwsim.importers.onnx_file import Graph, Node
from hwsim.importers.onnx_values import Constant, Value, scatter
from hwsim.importers.qonnx import Array, Quantiser, Thresholds
from hwsim.network import Layer, Tensor, Weights

# Through these the layout of an input is still open: they treat all elements alike.
_LAYOUT_FREE = {"input", "relu", "clip", "requantise", "leaky_relu", "sigmoid", "tanh", "gelu", "silu"}


class Lowering:
    """Layers, tensors and weights made so far; ``values`` and ``constants`` say what ONNX names stand for."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.batch = next(iter(graph.inputs.values()))[0]
        types = {name: qonnx.read_datatype(datatype) for name, datatype in graph.datatypes.items()}
        self.constants = {name: Constant(array, types.get(name), name) for name, array in graph.constants.items()}
        self.values: dict[str, Value] = {}
        self.uses = Counter(name for node in graph.nodes for name in node.inputs) + Counter(graph.outputs)
        self.layers: dict[str, Layer] = {}  # by output tensor, in execution order
        self.tensors: dict[str, Tensor] = {}
        self.weights: Weights = {}
        self.affine: dict[str, tuple[Array, Array]] = {}  # batch norms' scale and shift in float64, by output tensor
        self.quantisers: dict[str, Quantiser | Thresholds] = {}  # of activations and parameters, by tensor
        self.foreign: set[str] = set()  # values whose first axis is not the batch; only opaque layers read them
        self.codes: dict[str, Any] = {}  # names between QuantizeLinear and DequantizeLinear
        self._weights: dict[str, str] = {}  # initialiser -> the weight tensor it became

    # Reading inputs

    def value(self, node: Node, index: int = 0) -> Value:
        """An activation a node reads."""
        name = node.input(index)
        if name in self.foreign:
            raise UnsupportedError(f"{node.name}: {node.op} of data without a batch; expected it as the first axis")
        if name in self.values:
            return self.values[name]
        if name in self.constants:
            raise UnsupportedError(
                f"{node.name}: input {index} of {node.op} is a constant; expected an activation; fold it before export"
            )
        raise ModelFileError(
            f"{node.name}: reads '{name}', which nothing before it writes; expected nodes in execution "
            "order; the file is truncated or corrupt, export it again"
        )

    def constant(self, node: Node, index: int, what: str) -> Constant:
        """A constant a node needs."""
        found = self.optional(node, index, what)
        if found is None:
            raise UnsupportedError(f"{node.name}: {what} of {node.op} is missing; expected a constant; export it again")
        return found

    def optional(self, node: Node, index: int, what: str) -> Constant | None:
        """A constant a node may have; None when it is absent."""
        name = node.input(index)
        if not name:
            return None
        if name not in self.constants:
            raise UnsupportedError(
                f"{node.name}: {what} of {node.op} is computed at run time or fed from outside; "
                "expected a constant; export the model with its weights"
            )
        return self.constants[name]

    def shape(self, value: Value) -> tuple[int, ...]:
        """Shape of the tensor behind a view."""
        return self.tensors[value.tensor].shape

    def is_plain(self, value: Value) -> bool:
        """Whether a view is its tensor, unchanged."""
        return value.order is None and value.shape == self.shape(value)

    def image(self, node: Node, index: int = 0) -> str:
        """Name of the (C, H, W) tensor a node reads; the first such reader settles the layout of an input."""
        value = self.value(node, index)
        if len(value.shape) != 3:
            raise UnsupportedError(
                f"{node.name}: {node.op} of data with shape {value.shape}; expected (C, H, W); write "
                "1-D layers as 2-D ones with height 1"
            )
        if not self.is_plain(value) and not self._settle_layout(value):
            raise UnsupportedError(
                f"{node.name}: {node.op} reads a reshaped or transposed tensor {self.shape(value)} as "
                f"{value.shape}; expected channels first; remove the Reshape or Transpose before it"
            )
        return value.tensor

    def channels(self, node: Node, index: int, constants: int) -> Value:
        """An activation that meets ``constants`` values: several are one per channel, which settles the layout."""
        value = self.value(node, index)
        if constants > 1 and len(value.shape) == 3 and not self.is_plain(value):
            self._settle_layout(value)
        return self.value(node, index)

    def _settle_layout(self, value: Value) -> bool:
        """Declare the input behind ``value`` in the order and shape its first reader wants; False if not free."""
        chain: list[str] = []
        tensor = value.tensor
        while True:
            layer = self.layers[tensor]
            readers = [other.output for other in self.layers.values() if tensor in other.inputs]
            if not self._is_layout_free(layer) or readers != chain[-1:]:
                return False
            chain.append(tensor)
            if layer.op == "input":
                break
            tensor = layer.inputs[0]
        inverse = np.argsort(value.indices.reshape(-1))
        for name in chain:
            self.tensors[name] = replace(self.tensors[name], shape=value.shape)
            self._resize_params(name, value.shape[0])
        for name, other in self.values.items():
            if other.tensor in chain:
                self.values[name] = other.with_order(inverse[other.indices])
        return True

    def _is_layout_free(self, layer: Layer) -> bool:
        """Whether a layer treats all elements alike; an affine map does where it has one scale and one shift."""
        if layer.op == "batch_norm":
            return all(np.unique(self.weights[name]).size == 1 for name in layer.params.values())
        if layer.op == "requantise" and not self._is_uniform(self.quantisers[layer.output]):
            return False
        return layer.op in _LAYOUT_FREE

    @staticmethod
    def _is_uniform(quantiser: Quantiser | Thresholds) -> bool:
        if isinstance(quantiser, Thresholds):
            return len(quantiser.thresholds) == 1
        return not quantiser.is_per_channel

    def _resize_params(self, tensor: str, channels: int) -> None:
        for name in self.layers[tensor].params.values():
            self.weights[name] = np.resize(self.weights[name], channels)
            self.tensors[name] = replace(self.tensors[name], shape=(channels,))
        if tensor in self.affine:
            scale, shift = self.affine[tensor]
            self.affine[tensor] = np.resize(scale, channels), np.resize(shift, channels)

    def per_channel(self, node: Node, array: Array, value: Value, axis: int) -> Array:
        """A constant broadcast over an activation as one value per channel, the channel being ``axis`` of its tensor.

        Raises:
            UnsupportedError: the constant enlarges the activation or varies within a channel.
        """
        try:
            squeezed = array.reshape(array.shape[max(0, array.ndim - len(value.shape)) :])
            laid_out = np.moveaxis(scatter(squeezed, value, self.shape(value)), axis, 0)
        except ValueError:
            raise UnsupportedError(
                f"{node.name}: constant of shape {array.shape} does not broadcast to the activation "
                f"{value.shape}; expected one value per channel; expand it in the model"
            ) from None
        rows = laid_out.reshape(len(laid_out), -1)
        if not np.array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape), equal_nan=True):
            raise UnsupportedError(
                f"{node.name}: constant of shape {array.shape} varies within a channel; expected one "
                "value per channel; move it out of the network"
            )
        return rows[:, 0].copy()

    # Writing layers

    def emit(
        self,
        node: Node,
        op: str,
        inputs: Sequence[str],
        attrs: Mapping[str, Any] | None = None,
        params: Mapping[str, Constant] | None = None,
        output: str = "",
    ) -> str:
        """Append a layer and return the name of the tensor it writes (the node's first output by default)."""
        output = output or node.outputs[0]
        params = params or {}
        name = self._layer_name(node, params)
        roles = {role: self.add_parameter(name, role, constant) for role, constant in params.items()}
        layer = Layer(name, op, tuple(inputs), (output,), attrs or {}, roles)
        layer = replace(layer, attrs=ops.complete_attrs(layer))
        shapes = [self.tensors[t].shape for t in inputs]
        param_shapes = {role: self.tensors[t].shape for role, t in roles.items()}
        self.tensors[output] = Tensor(ops.output_shapes(layer, shapes, param_shapes)[0])
        self.layers[output] = layer
        return output

    def elementwise(self, node: Node, op: str, attrs: Mapping[str, Any] | None = None) -> None:
        """Emit a one-input layer that treats all elements alike; the view stays."""
        value = self.value(node)
        self.values[node.outputs[0]] = replace(value, tensor=self.emit(node, op, [value.tensor], attrs))

    def show(self, name: str, tensor: str) -> None:
        """Let an ONNX name stand for a tensor, unchanged."""
        self.values[name] = Value(tensor, self.tensors[tensor].shape)

    def add_parameter(self, layer: str, role: str, constant: Constant) -> str:
        """File a parameter and return its tensor name.

        A weight that two layers share is one tensor. Vectors are never shared: exporters merge equal ones that the
        model holds apart, such as the zero biases of an untrained network.

        Raises:
            WeightsError: a value is NaN or infinite.
        """
        array, fmt = constant.array, constant.quantiser.weight_format() if constant.quantiser else None
        with np.errstate(over="ignore"):
            reals = array.astype(np.float32)
        bad = array.size - int(np.count_nonzero(np.isfinite(reals)))
        if bad:
            raise WeightsError(
                f"{layer}.{role}: {bad} of {array.size} values are NaN or infinite; expected finite "
                "weights; retrain or restore a checkpoint from before they appeared"
            )
        stored = fmt.quantise(array) if fmt else reals
        tensor = Tensor(array.shape, fmt, constant.quantiser.bits if constant.quantiser and fmt is None else None)
        twin = self._weights.get(constant.root) if role == "weight" else None
        if twin and self.tensors[twin] == tensor and np.array_equal(self.weights[twin], stored):
            return twin
        name = f"{layer}.{role}"
        self.weights[name], self.tensors[name] = stored, tensor
        if constant.quantiser:
            self.quantisers[name] = constant.quantiser
        if role == "weight" and constant.root:
            self._weights[constant.root] = name
        return name

    def _layer_name(self, node: Node, params: Mapping[str, Constant]) -> str:
        """The module a layer came from, read off its initialisers ("conv1.weight"), else the node's name."""
        taken = {layer.name for layer in self.layers.values()}
        found = [match[1] for c in params.values() if (match := re.fullmatch(r"(.+)\.(weight|bias)", c.root))]
        for name in (*found, node.name):
            if name not in taken:
                return name
        return f"{node.name}_{len(taken)}"

    # Changing what was written

    def saved(self) -> dict[str, Any]:
        """The state to return to by :meth:`restore` when a node is refused halfway."""
        return {name: copy(part) for name, part in vars(self).items() if isinstance(part, dict | set)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Forget everything since :meth:`saved`."""
        vars(self).update(state)

    def is_exclusive(self, value: Value) -> bool:
        """Whether nothing but the node now being handled will ever read the tensor behind ``value``."""
        names = [name for name, other in self.values.items() if other.tensor == value.tensor]
        return all(self.uses[name] == 1 for name in names)

    def rewrite(self, old: str, new: str, change: Callable[[Layer], Layer]) -> str:
        """Change the layer that writes ``old`` and let it write ``new``; only for exclusive tensors."""
        layer = self.layers.pop(old)
        self.layers[new] = replace(change(layer), outputs=(new,))
        self.tensors[new] = self.tensors.pop(old)
        for name in [name for name, value in self.values.items() if value.tensor == old]:
            self.values[name] = replace(self.values[name], tensor=new)
        return new
