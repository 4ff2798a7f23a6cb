# SPDX-License-Identifier: Apache-2.0
"""What the names of an ONNX graph stand for while it is imported: constants and views of activations.

Reshape and Transpose compute nothing. They are not lowered to layers but remembered as a view, the order in which an
ONNX tensor lists the elements of one of our tensors. A layer that needs channels first asks whether the view is
that; a dense layer behind any other order permutes its weights instead.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hwsim.importers.qonnx import Array, Quantiser

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant; ``quantiser`` where a quantiser node produced it, ``root`` the initialiser it came from."""

    array: Array
    quantiser: Quantiser | None = None
    root: str = ""

    def moved(self, move: Callable[[Array], Array]) -> "Constant":
        """The constant with its elements in another order or shape; scales per channel go along."""
        quantiser = self.quantiser
        if quantiser is not None and quantiser.is_per_channel:
            parts = (np.asarray(part) for part in (quantiser.scale, quantiser.zero_point))
            whole = (np.broadcast_to(part, self.array.shape) for part in parts)
            scale, zero_point = (np.ascontiguousarray(move(part)) for part in whole)
            quantiser = replace(quantiser, scale=scale, zero_point=zero_point)
        return Constant(np.ascontiguousarray(move(self.array)), quantiser, self.root)


@dataclass(frozen=True, eq=False)
class Value:
    """An ONNX activation without its batch: element i is element ``order[i]`` of ``tensor``.

    ``order`` has the shape ``shape``; None means row-major order.
    """

    tensor: str
    shape: tuple[int, ...]
    order: IntArray | None = None

    @property
    def indices(self) -> IntArray:
        """The order, spelled out."""
        if self.order is not None:
            return self.order
        return np.arange(math.prod(self.shape), dtype=np.int64).reshape(self.shape)

    def transposed(self, axes: Sequence[int]) -> "Value":
        """The view with its axes permuted."""
        return self.with_order(self.indices.transpose(axes))

    def reshaped(self, shape: Sequence[int]) -> "Value":
        """The view with another shape of the same size."""
        order = None if self.order is None else self.order.reshape(shape)
        return Value(self.tensor, tuple(shape), order)

    def with_order(self, order: IntArray) -> "Value":
        """A view of the same tensor in another order."""
        flat = order.reshape(-1)
        row_major = bool(np.array_equal(flat, np.arange(flat.size)))
        return Value(self.tensor, order.shape, None if row_major else order)

    def same_order(self, other: "Value") -> bool:
        """Whether both list their tensors' elements in the same order."""
        if self.shape != other.shape:
            return False
        if self.order is None or other.order is None:
            return self.order is other.order
        return bool(np.array_equal(self.order, other.order))


def scatter(array: Array, value: Value, shape: Sequence[int]) -> Array:
    """Lay out a constant that is broadcast over ``value`` as its tensor of shape ``shape`` is laid out."""
    full = np.broadcast_to(array, value.shape)
    if value.order is None:
        return full.reshape(shape)
    result = np.empty(full.size, dtype=full.dtype)
    result[value.order.reshape(-1)] = full.reshape(-1)
    return result.reshape(shape)
