# SPDX-License-Identifier: Apache-2.0
"""What a network becomes while it is written as C++: lines, types of numbers, casts, parameters, memory."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network

Array = npt.NDArray[Any]
ALIGNMENT = 64  # bytes: of a cache line, and of the widest vectors
_LIMIT = 1 << 62  # exact integers stay below this magnitude, as in hwsim.kernels
_BITS = (8, 16, 32, 64)


def integer_type(low: int, high: int) -> str:
    """The narrowest type of C++ that holds the integers from ``low`` to ``high``."""
    if low >= 0:
        return next(f"uint{bits}_t" for bits in _BITS if high < 1 << bits)
    return next(f"int{bits}_t" for bits in _BITS if low >= -(1 << bits - 1) and high < 1 << bits - 1)


def sum_type(layer: Layer, bound: int) -> str:
    """The type for integers of at most that magnitude on their way to a result.

    Raises:
        UnsupportedError: they might leave 62 bits, which the golden executor refuses too.
    """
    if bound >= _LIMIT:
        raise UnsupportedError(
            f"{layer.name}: an exact result may reach {bound}, beyond 62 bits; narrow weights or activations"
        )
    return "int32_t" if bound < 1 << 31 else "int64_t"


def array_of(kind: str, values: Array) -> Array:
    """Integers as an array of a C++ type."""
    return np.ascontiguousarray(values, np.dtype(kind.removesuffix("_t")).newbyteorder("<"))


def pixels_of(shape: Sequence[int]) -> tuple[int, int]:
    """Channels, and places that have them, of a tensor as it is stored."""
    return shape[0], math.prod(shape[1:])


class Memory:
    """Places for arrays that live from one step to another; those that never live together may share a place."""

    def __init__(self) -> None:
        self.size = 0
        self._placed: list[tuple[int, int, int, int]] = []  # offset, end, first step, last step

    def place(self, size: int, first: int, last: int) -> int:
        """The lowest offset in bytes that is free from step ``first`` to step ``last``."""
        length = -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        offset = 0
        for start, end, begins, ends in sorted(self._placed):
            if begins <= last and first <= ends:
                if offset + length <= start:
                    break
                offset = max(offset, end)
        self._placed.append((offset, offset + length, first, last))
        self.size = max(self.size, offset + length)
        return offset


class Writer:
    """Collects the file; ``step`` is the layer that is being written."""

    def __init__(self, network: Network, weights: Mapping[str, Array]) -> None:
        self.network, self.weights = network, weights
        self.types: list[str] = []
        self.lines: list[str] = []
        self.parameters = bytearray()
        self.memory = Memory()
        self.step = 0
        self.names: dict[str, str] = {}
        self._last_use = {tensor: i for i, layer in enumerate(network.layers) for tensor in layer.inputs}
        self._last_use[network.outputs[0]] = len(network.layers)

    def format(self, tensor: str) -> FixedPoint:
        """A tensor's number format; every tensor of a quantised network has one."""
        fmt = self.network.tensors[tensor].format
        assert fmt is not None
        return fmt

    def shape(self, tensor: str) -> tuple[int, ...]:
        """A tensor's shape."""
        return self.network.tensors[tensor].shape

    def largest(self, tensor: str) -> int:
        """The largest magnitude that a tensor may hold."""
        fmt = self.format(tensor)
        return max(fmt.max_int, -fmt.min_int)

    def kind(self, tensor: str) -> str:
        """The C++ type of a tensor's elements."""
        fmt = self.format(tensor)
        return ("int" if fmt.signed else "uint") + f"{next(bits for bits in _BITS if fmt.width <= bits)}_t"

    def operand(self, tensor: str) -> str:
        """The type in which products with a tensor's elements are fastest: compilers know how to add up products of
        16-bit numbers (x86's pmaddwd, NEON's vmlal)."""
        fmt = self.format(tensor)
        fits = fmt.min_int >= -(1 << 15) and fmt.max_int < 1 << 15
        return "int16_t" if fits else self.kind(tensor)

    def output(self, layer: Layer) -> str:
        """A new array for what a layer writes; its name."""
        name = f"t{len(self.names)}"
        self.names[layer.output] = name
        size = self.network.tensors[layer.output].size
        self.lines.append(self._array(name, self.kind(layer.output), size, self._last_use.get(layer.output, self.step)))
        return name

    def scratch(self, name: str, kind: str, size: int) -> str:
        """An array that the present layer needs; its name."""
        self.lines.append(self._array(name, kind, size, self.step))
        return name

    def parameter(self, values: Array, kind: str) -> str:
        """Write integers of a type to the file of parameters; the C++ that finds them there."""
        offset = len(self.parameters)
        data = array_of(kind, values).tobytes()
        self.parameters += data + bytes(-len(data) % ALIGNMENT)
        return f"at<{kind}>(parameters, {offset})"

    def cast(self, layer: Layer, bound: int, frac: int, divisor: int = 1) -> tuple[str, str]:
        """The type that casts ``n / divisor * 2**-frac``, |n| at most ``bound``, to the layer's output, and that of n.

        Raises:
            UnsupportedError: something on the way needs more than 62 bits.
        """
        fmt = self.format(layer.output)
        right = frac - fmt.frac
        if divisor & (divisor - 1) == 0:  # an exact power of two moves the point
            right, divisor = right + divisor.bit_length() - 1, 1
        elif right > 0:
            right, divisor = 0, divisor << right
        multiplier = 1 << max(-right, 0)
        right = max(right, 0)
        room = max(bound * multiplier, 2 * divisor, 1 << right)
        number = sum_type(layer, room)
        if max(fmt.max_int, -fmt.min_int - 1) >= 1 << 31:  # the ends are compared with
            number = "int64_t"
        name = f"to_{self.step}"
        low = "INT64_MIN" if fmt.min_int == -(1 << 63) else str(fmt.min_int)
        exact = f"{self.kind(layer.output)}, {number}, {multiplier}, {right}, {divisor}"
        limits = f"{fmt.rounding}, {fmt.overflow}, {fmt.width}, {low}, {fmt.max_int}"
        self.types.append(f"using {name} = Cast<{exact}, {limits}>;  // {fmt}")
        return name, number

    def _array(self, name: str, kind: str, size: int, last: int) -> str:
        item = int(kind.removeprefix("u").removeprefix("int").removesuffix("_t")) // 8
        offset = self.memory.place(size * item, self.step, last)
        return f"auto *{name} = reinterpret_cast<{kind} *>(memory + {offset});"
