# SPDX-License-Identifier: Apache-2.0
"""The golden network while it is read out of an hls4ml model graph.

hls4ml is channels last and lets reshapes and transposes stand between layers; the golden network is channels first
and has neither. A :class:`View` says which golden tensor an hls4ml tensor is, and where each of its elements went.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hls.from_hls4ml_types import Parameter, format_of, is_binary, settled
from hls.graph import image_order
from hwsim import ops
from hwsim.errors import FormatError, UnsupportedError
from hwsim.fixed import FixedPoint, IntArray
from hwsim.formats import exact_format
from hwsim.fpga.dataflow import is_identity
from hwsim.network import Layer, Network, Tensor, Weights

Shape = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """An hls4ml tensor of ``shape``: its flattened element i is element ``order[i]`` of the flattened golden tensor.

    ``binary`` marks -1 and 1 that hls4ml stores as ap_uint<1>.
    """

    tensor: str
    shape: Shape
    order: IntArray = field(repr=False, compare=False)
    binary: bool = False


@dataclass
class Draft:
    """Layers, tensors and weights so far, and by hls4ml's output name the view of every tensor."""

    name: str
    layers: list[Layer] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    weights: Weights = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)

    def format(self, tensor: str) -> FixedPoint:
        """A golden tensor's format."""
        fmt = self.tensors[tensor].format
        assert fmt is not None  # every tensor is added with one
        return fmt

    def input(self, node: Any, shape: Shape, fmt: FixedPoint) -> str:
        """The network's input tensor."""
        self.layers.append(Layer(node.name, "input", (), (node.name,)))
        self.tensors[node.name] = Tensor(shape, fmt)
        return str(node.name)

    def add(
        self,
        name: str,
        op: str,
        inputs: Sequence[str],
        target: FixedPoint | None,
        params: Mapping[str, Parameter] | None = None,
        **attrs: Any,
    ) -> str:
        """Append a layer that casts to ``target``, to its exact format where that is None; returns its tensor."""
        unique, number = name, 2
        while unique in self.tensors:
            unique, number = f"{name}_{number}", number + 1
        roles = {}
        for role, parameter in (params or {}).items():
            roles[role] = f"{unique}.{role}"
            self.tensors[roles[role]] = Tensor(parameter.ints.shape, parameter.format)
            self.weights[roles[role]] = parameter.ints
        layer = Layer(unique, op, tuple(inputs), (unique,), attrs, roles)
        layer = replace(layer, attrs=ops.complete_attrs(layer))
        shapes = [self.tensors[tensor].shape for tensor in layer.inputs]
        (shape,) = ops.output_shapes(layer, shapes, {role: self.tensors[t].shape for role, t in roles.items()})
        self.tensors[unique] = Tensor(shape)
        self.tensors[unique] = Tensor(shape, self._exact(layer, needed=target is None))
        self.layers.append(layer)
        return unique if target is None else self.land(unique, target)

    def land(self, tensor: str, target: FixedPoint) -> str:
        """Let the layer that writes a tensor exactly cast it to ``target``; returns the tensor of the result."""
        old = self.tensors[tensor]
        if old.format is not None:
            target = settled(target, old.format)
        if old.format is None or target.overflow != "SAT_SYM":
            self.tensors[tensor] = Tensor(old.shape, target)
            return tensor
        return self.cast(f"{tensor}_limit", tensor, target)

    def _exact(self, layer: Layer, needed: bool) -> FixedPoint | None:
        """The layer's exact format; None where it has none (a mean over 49) and none is needed."""
        names = (*layer.inputs, *layer.outputs, *layer.params.values())
        entries = tuple(Layer(f"{tensor}.in", "input", (), (tensor,)) for tensor in dict.fromkeys(layer.inputs))
        tensors = {name: self.tensors[name] for name in names}
        alone = Network(layer.name, (*entries, layer), tensors, tuple(dict.fromkeys(layer.inputs)), layer.outputs)
        try:
            return exact_format(alone, layer)
        except FormatError as error:
            raise UnsupportedError(str(error)) from None
        except UnsupportedError:
            if needed:
                raise
            return None

    def cast(self, name: str, tensor: str, target: FixedPoint) -> str:
        """The tensor in another format; the same tensor where no bit changes.

        The symmetric range of SAT_SYM is a clip: its bounds are numbers of the target, so that clipping before
        rounding is clipping after it.
        """
        source = self.format(tensor)
        target = settled(target, source)
        if target.overflow == "SAT_SYM":
            low, high = target.min_int * target.step, target.max_int * target.step
            return self.add(name, "clip", (tensor,), replace(target, overflow="SAT"), low=low, high=high)
        return tensor if is_identity(source, target) else self.add(name, "requantise", (tensor,), target)

    # What a layer reads

    def view(self, node: Any, index: int = 0) -> View:
        """What a node reads, which must be ordinary numbers.

        Raises:
            UnsupportedError: it reads hls4ml's -1 and 1 in one bit.
        """
        view = self.any_view(node, index)
        if view.binary:
            raise self.refuse(
                node, "a binary input (ap_uint<1> for -1 and 1)", "a dense, convolution or max pooling layer behind it",
                "quantise the layer before it to two bits",
            )  # fmt: skip
        return view

    def any_view(self, node: Any, index: int = 0) -> View:
        """What a node reads, numbers or -1 and 1 in one bit."""
        return self.views[node.inputs[index]]

    def as_image(self, node: Any, view: View) -> View:
        """A view in the order of an image, so that windows and channels mean the same on both sides.

        Raises:
            UnsupportedError: elements were moved between the image and this node.
        """
        shape = self.tensors[view.tensor].shape
        ordered = len(shape) == 3 and np.array_equal(view.order, image_order(shape))
        if not ordered or golden_shape(view.shape) != shape:
            raise self.refuse(
                node, f"a reshaped or transposed tensor of shape {view.shape}", "an image as the layer before wrote it",
                "put reshapes and transposes at the input, at the output or before a dense layer",
            )  # fmt: skip
        return view

    def as_vector(self, node: Any, view: View) -> View:
        """A view of one axis: images are flattened, in whatever order."""
        tensor = view.tensor
        if len(self.tensors[tensor].shape) != 1:
            tensor = self.add(f"{tensor}_flat", "flatten", (tensor,), self.format(tensor))
        return replace(view, tensor=tensor, shape=(len(view.order),))

    def by_channel(self, node: Any, view: View) -> View:
        """A view whose channels may be treated differently: of a flattened image, all elements may."""
        return self.as_vector(node, view) if len(view.shape) == 1 else view

    # What a layer writes

    def publish(self, node: Any, tensor: str, order: IntArray | None = None) -> None:
        """Let the readers of a node see a golden tensor; elements in the order of an image unless told otherwise."""
        variable = node.get_output_variable()
        shape = tuple(variable.shape)
        golden = self.tensors[tensor].shape
        if order is None:
            order = image_order(golden)
        if len(order) != variable.size():
            raise self.refuse(
                node, f"{len(order)} values", f"{variable.size()}, the size of {shape}", "report the model"
            )
        self.publish_view(node, View(tensor, shape, order, is_binary(variable.type.precision)))

    def publish_view(self, node: Any, view: View) -> None:
        """Let the readers of a node see this view."""
        for name in node.outputs:
            self.views[name] = view

    def result(self, node: Any) -> FixedPoint:
        """The format of a node's output type."""
        return format_of(node.get_output_variable().type.precision, f"{node.name}: result")

    def expect_no_dilation(self, node: Any) -> None:
        """Refuse a dilation: hls4ml 1.3.0 reads it from models and computes without it."""
        stated = [node.get_attr(key, 1) for key in ("dilation", "dilation_height", "dilation_width", "dilations")]
        if any(np.any(np.asarray(one) != 1) for one in stated):
            raise self.refuse(
                node, "a dilation, which hls4ml reads and ignores", "none", "write the kernel out with zeros in between"
            )

    def refuse(self, node: Any, got: str, expected: str, remedy: str) -> UnsupportedError:
        """The error for a node that has no exact golden form."""
        return UnsupportedError(f"{node.name}: got {got}; expected {expected}; {remedy}")


def golden_shape(shape: Shape) -> Shape:
    """(features,), (width, channels) and (height, width, channels) of hls4ml as golden shapes."""
    if len(shape) == 2:
        return (shape[1], 1, shape[0])
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape
