# SPDX-License-Identifier: Apache-2.0
"""The state of one :func:`hwsim.integerise.integerise`: the integer network so far, and what it holds of the source.

An activation of the source is held as an integer tensor and a chain of element-wise steps behind it. The chain is
written, or replaced by integer operators (:mod:`hwsim.chains`), when a layer asks for integers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.chains import MAX_STEPS, Part, close
from hwsim.errors import UnsupportedError
from hwsim.exact import Exact, HostPart, head_of, scale_step, tail_of
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format, smallest_format
from hwsim.lattice import last_grid, lattice_of
from hwsim.network import Layer, Network, Tensor, Weights
from hwsim.staircase import Step

Array = npt.NDArray[Any]


class Held(NamedTuple):
    """An activation of the source: ``steps`` of the real value of an integer tensor of the result.

    ``tensor`` None: steps of a real input of the network.
    """

    tensor: str | None
    steps: tuple[Step, ...] = ()


class Integers(NamedTuple):
    """An activation as ``scale`` (channels,) times the real value of an integer tensor."""

    tensor: str
    scale: Array

    @property
    def is_plain(self) -> bool:
        """Whether the integer tensor alone is the activation."""
        return bool(np.all(self.scale == 1.0))


class Draft:
    """Layers, tensors and weights of the result so far; ``held`` says how it holds the activations of ``source``."""

    def __init__(self, source: Network, weights: Mapping[str, Array]) -> None:
        self.source, self.weights = source, weights
        self.layers: list[Layer] = []
        self.tensors: dict[str, Tensor] = {}
        self.arrays: Weights = {}
        self.held: dict[str, Held] = {}
        self.head: HostPart | None = None
        self.notes: list[str] = []

    # What the source says

    def format(self, tensor: str) -> FixedPoint | None:
        """Format of a tensor of the source."""
        return self.source.tensors[tensor].format

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of a tensor of the source."""
        return self.source.tensors[tensor].shape

    def real(self, tensor: str) -> Array:
        """A parameter of the source as real numbers."""
        fmt, array = self.format(tensor), self.weights[tensor]
        return array.astype(np.float64) if fmt is None else fmt.to_real(array)

    def is_exact(self, layer: Layer) -> bool:
        """Whether a layer computes on formats throughout, and the result holds the same integers as its inputs."""
        tensors = (*layer.inputs, *layer.params.values(), *layer.outputs)
        return all(self.format(t) for t in tensors) and all(self._is_as_given(t) for t in layer.inputs)

    def _is_as_given(self, tensor: str) -> bool:
        held = self.held[tensor]
        if held.steps:
            return held.steps[-1].exact
        if held.tensor != tensor:
            return False
        mine, theirs = self.tensors[tensor].format, self.format(tensor)
        return mine is not None and theirs is not None and mine.frac == theirs.frac

    # Writing the result

    def copy(self, layer: Layer) -> None:
        """Write a layer of the source as it is."""
        self.layers.append(layer)
        for name in (*layer.outputs, *layer.params.values()):
            self.tensors[name] = self.source.tensors[name]
        self.arrays.update({name: self.weights[name] for name in layer.params.values()})
        self.held[layer.output] = Held(layer.output)

    def write(self, layer: Layer, shape: Sequence[int]) -> None:
        """Write a layer whose parameters are filed; its result gets the exact format."""
        self.tensors[layer.output] = Tensor(tuple(shape))
        inputs = tuple(old.output for old in self.layers if old.op == "input")
        draft = Network(self.source.name, (*self.layers, layer), self.tensors, inputs, layer.outputs)
        fmt = exact_format(draft, draft.layer(layer.name), self.arrays)
        self.tensors[layer.output] = Tensor(tuple(shape), fmt)
        self.layers.append(layer)

    def file(self, name: str, integers: Array, fmt: FixedPoint) -> str:
        """File a parameter and return its name."""
        self.tensors[name], self.arrays[name] = Tensor(integers.shape, fmt), integers
        return name

    # Chains

    def integers(self, tensor: str, reader: str) -> Integers:
        """The integers of an activation, its chain written or replaced if it has one.

        Raises:
            UnsupportedError: the chain has no integer form; ``reader`` is the layer that needs one.
        """
        held = self.held[tensor]
        channels = self.shape(tensor)[0]
        if held.tensor is not None and all(step.exact for step in held.steps) and not self._is_cheaper_closed(tensor):
            return Integers(self.write_steps(tensor), np.ones(channels))
        if last_grid(held.steps) is None:
            return self._scaled(tensor, reader)
        written, scale = self._open(tensor, reader) if held.tensor is None else self._replace(tensor, held.tensor)
        self.held[tensor] = Held(written, scaling(f"{tensor}.unit", scale))
        return Integers(written, scale)

    def write_steps(self, tensor: str) -> str:
        """Write an exact chain as it is; returns the integer tensor."""
        held = self.held[tensor]
        assert held.tensor is not None
        for step in held.steps:
            if step.layer.output not in self.tensors:
                self.copy(step.layer)
        written = held.steps[-1].layer.output if held.steps else held.tensor
        self.held[tensor] = Held(written)
        return written

    def _is_cheaper_closed(self, tensor: str) -> bool:
        """Whether thresholds can take the place of a multiplication that is exact already, with the same integers."""
        steps = self.held[tensor].steps
        if last_grid(steps) is None or all(step.layer.op != "batch_norm" for step in steps):
            return False
        unit, levels = lattice_of(steps, self.shape(tensor)[0])
        return len(levels) <= MAX_STEPS + 1 and bool(np.all(unit == unit[0])) and float(np.frexp(unit[0])[0]) == 0.5

    def _scaled(self, tensor: str, reader: str) -> Integers:
        """A chain without a quantiser: scales, which are left over, and relu of positively scaled integers."""
        held = self.held[tensor]
        if held.tensor is None:
            raise UnsupportedError(
                f"{reader}: reads the real numbers of an input without a format; expected integers; give the input a "
                "format (input_format)"
            )
        written, scale = held.tensor, np.ones(self.shape(tensor)[0])
        for step in held.steps:
            if step.layer.op == "batch_norm" and not np.any(step.params["shift"]):
                scale = scale * step.params["scale"]
            elif step.layer.op == "relu" and step.format is None and np.all(scale > 0.0):
                if step.layer.output not in self.tensors:
                    self.write(replace(step.layer, inputs=(written,)), self.tensors[written].shape)
                written = step.layer.output
            else:
                chain = ", ".join(step.layer.op for step in held.steps)
                raise UnsupportedError(
                    f"{reader}: reads real numbers ({chain} without a quantiser behind); expected quantised values; "
                    "quantise what it reads"
                )
        self.held[tensor] = Held(written, scaling(f"{tensor}.unit", scale))
        return Integers(written, scale)

    def _replace(self, tensor: str, source: str) -> tuple[str, Array]:
        """Integer operators in place of a chain; returns the tensor and its scale."""
        steps, fmt = self.held[tensor].steps, self.tensors[source].format
        assert fmt is not None
        closed = close(steps, fmt, self.shape(tensor)[0])
        grid = steps[last_grid(steps) or 0].layer.name
        self.notes.append(f"{grid}: {closed.note}")
        for index, part in enumerate(closed.parts):
            is_last = index == len(closed.parts) - 1
            name, output = (grid, tensor) if is_last else (f"{grid}.{part.op}", f"{tensor}.{part.op}")
            self._write_part(name, part, source, output)
            source = output
        return tensor, closed.scale

    def _write_part(self, name: str, part: Part, source: str, output: str) -> None:
        """Write one layer of a chain; in front of a flatten if what it does is the same for all pixels of a channel."""
        flatten, params = self.layers[-1], {role: array for role, (array, _) in part.params.items()}
        per_pixel = None
        if flatten.op == "flatten" and flatten.output == source and len(self.source.consumers(source)) <= 1:
            per_pixel = _per_channel(part, params, self.tensors[flatten.inputs[0]].shape)
        if per_pixel is not None:
            self.layers.pop()
            params, source, output, flat = per_pixel, flatten.inputs[0], f"{output}.image", output
        roles = {role: self.file(f"{name}.{role}", params[role], fmt) for role, (_, fmt) in part.params.items()}
        self.tensors[output] = Tensor(self.tensors[source].shape, part.format)
        self.layers.append(Layer(name, part.op, (source,), (output,), part.attrs, roles))
        if per_pixel is not None:
            self.layers.append(replace(flatten, inputs=(output,), outputs=(flat,)))
            self.tensors[flat] = Tensor(self.tensors[flatten.output].shape, part.format)

    def _open(self, tensor: str, reader: str) -> tuple[str, Array]:
        """The first quantised tensor behind a real input becomes the input; returns it and its scale."""
        if self.head is not None:
            raise UnsupportedError(
                f"{reader}: reads '{tensor}', the second quantiser of a real input; expected one for the host to "
                "compute; give the input a format (input_format)"
            )
        unit, levels = lattice_of(self.held[tensor].steps, self.shape(tensor)[0])
        exponent = int(np.frexp(unit[0])[1]) - 1
        scale = unit * 2.0**-exponent
        self.head = head_of(self.source, self.weights, tensor, scale)
        # the head's values are levels but for the last bit of a division: rounding finds them
        fmt = replace(smallest_format(levels[0], levels[-1], -exponent), rounding="RND_CONV", overflow="SAT")
        self.tensors[tensor] = Tensor(self.shape(tensor), fmt)
        taken = {layer.name for layer in self.source.layers}
        self.layers.append(Layer(f"{tensor}.input" if tensor in taken else tensor, "input", (), (tensor,)))
        names = ", ".join(layer.name for layer in self.head.network.layers if layer.op != "input")
        self.notes.append(f"{tensor}: the host computes what is in front of it ({names})")
        return tensor, scale

    # The end

    def finish(self) -> Exact:
        """The result, once all layers of the source have been seen."""
        chains: list[tuple[str, Sequence[Step]]] = []
        for output in self.source.outputs:
            held = self.held[output]
            index, rest = last_grid(held.steps), held.steps
            if held.tensor is not None and all(step.exact for step in held.steps):
                found, rest = Integers(self.write_steps(output), np.ones(1)), ()
            elif index is None:
                found = self._at_end(output)
            else:
                grid = held.steps[index].layer.output
                self.held[grid] = Held(held.tensor, held.steps[: index + 1])
                found, rest = self.integers(grid, output), held.steps[index + 1 :]
            chains.append((found.tensor, (*scaling(f"{output}.unit", found.scale), *rest)))
        outputs = tuple(dict.fromkeys(tensor for tensor, _ in chains))
        needed = self._needed(outputs)
        named = {t for layer in needed for t in (*layer.outputs, *layer.params.values())}
        tensors = {name: tensor for name, tensor in self.tensors.items() if name in named}
        inputs = tuple(layer.output for layer in needed if layer.op == "input")
        network = Network(self.source.name, needed, tensors, inputs, outputs)
        tail = tail_of(network, chains)
        if tail is not None:
            names = ", ".join(layer.name for layer in tail.network.layers if layer.op != "input")
            self.notes.append(f"{network.outputs[0]}: the host computes what is behind it ({names})")
        arrays = {name: self.arrays[name] for name in network.parameter_names}
        return Exact(network, arrays, self.head, tail, tuple(self.notes))

    def _at_end(self, output: str) -> Integers:
        held = self.held[output]
        if held.tensor is None:
            raise UnsupportedError(
                f"{output}: nothing between input and output is quantised; expected quantisers; quantise the network"
            )
        return Integers(held.tensor, np.ones(1))

    def _needed(self, outputs: Sequence[str]) -> tuple[Layer, ...]:
        """The layers without those that no output needs."""
        wanted, kept = set(outputs), []
        for layer in reversed(self.layers):
            if layer.op == "input" or wanted.intersection(layer.outputs):
                kept.append(layer)
                wanted.update(layer.inputs)
        return tuple(reversed(kept))


def _per_channel(part: Part, params: Mapping[str, Array], shape: Sequence[int]) -> dict[str, Array] | None:
    """Parameters per channel of an image, from those per feature of its flattened form; None where pixels differ."""
    if part.op == "lookup":
        return dict(params)
    rows = {role: array.reshape(shape[0], -1, *array.shape[1:]) for role, array in params.items()}
    is_uniform = all(np.array_equal(row, np.broadcast_to(row[:, :1], row.shape)) for row in rows.values())
    return {role: np.ascontiguousarray(row[:, 0]) for role, row in rows.items()} if is_uniform else None


def scaling(name: str, scale: Array) -> tuple[Step, ...]:
    """The step of a scale that is left over; none for one."""
    return () if np.all(scale == 1.0) else (scale_step(name, scale),)
