# SPDX-License-Identifier: Apache-2.0
"""Layers of hls4ml that move elements, and those with two inputs.

A reshape or transpose becomes another :class:`~hls.from_hls4ml_draft.View` of the same golden tensor: what reads it
next permutes its weights, and a transposed input or output is put in order outside the network.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hls.from_hls4ml_draft import Draft, View, golden_shape
from hls.from_hls4ml_types import Parameter, format_of
from hls.graph import image_order
from hwsim.fixed import FixedPoint, IntArray


def input_port(draft: Draft, node: Any) -> None:
    """The input, in the shape of the first layer that computes: reshapes and transposes behind it come undone."""
    shape = tuple(node.get_output_variable().shape)
    places = np.arange(int(np.prod(shape)), dtype=np.int64)
    last, moved, final = node, places, shape
    while len(readers := last.get_output_nodes()) == 1 and readers[0].class_name in ("Reshape", "Transpose"):
        last = readers[0]
        moved, final = _moved(last, moved, final)
    if len(final) > 3:
        raise draft.refuse(node, f"shape {final}", "at most (height, width, channels)", "reshape the input")
    golden = golden_shape(final)
    order = np.empty_like(places)
    order[moved] = image_order(golden)
    tensor = draft.input(node, golden, format_of(node.get_output_variable().type.precision, f"{node.name}: result"))
    draft.publish(node, tensor, order)


def move(draft: Draft, node: Any) -> None:
    """Reshape (whose type hls4ml ignores: the array stays where it is) and Transpose."""
    view = draft.any_view(node)
    order, shape = _moved(node, view.order, view.shape)
    tensor = view.tensor
    if node.class_name == "Transpose" and not view.binary:
        tensor = draft.cast(node.name, tensor, draft.result(node))
    draft.publish_view(node, View(tensor, shape, order, view.binary))


def _moved(node: Any, order: IntArray, shape: tuple[int, ...]) -> tuple[IntArray, tuple[int, ...]]:
    """What a reshape or transpose makes of an order and a shape."""
    if node.class_name == "Reshape":
        return order, tuple(node.get_output_variable().shape)
    moved = order.reshape(shape).transpose(tuple(node.get_attr("perm")))
    return moved.ravel(), moved.shape


def clone(draft: Draft, node: Any) -> None:
    """Copies of a stream: readers of one tensor."""
    draft.publish_view(node, draft.any_view(node))


def zero_padding(draft: Draft, node: Any) -> None:
    """ZeroPadding1D, ZeroPadding2D."""
    view = draft.as_image(node, draft.view(node))
    padding = tuple(int(node.get_attr(f"pad_{side}", 0)) for side in ("top", "left", "bottom", "right"))
    draft.publish(node, draft.add(node.name, "pad2d", (view.tensor,), draft.result(node), padding=padding))


def resize(draft: Draft, node: Any) -> None:
    """Nearest neighbour by whole factors, where hls4ml's fixed-point ratio hits the same pixels."""
    view = draft.as_image(node, draft.view(node))
    _, rows, columns = draft.tensors[view.tensor].shape
    out = golden_shape(tuple(node.get_output_variable().shape))[1:]
    factors = out[0] // rows, out[1] // columns
    exact = all(_reads_nearest(old, new) for old, new in zip((rows, columns), out, strict=True))
    if node.get_attr("algorithm", "nearest") != "nearest" or not exact:
        raise draft.refuse(
            node, f"{node.get_attr('algorithm')} from {rows}x{columns} to {out[0]}x{out[1]}",
            "nearest, by whole factors", "resize by a whole factor",
        )  # fmt: skip
    draft.publish(node, draft.add(node.name, "upsample2d", (view.tensor,), draft.result(node), factor=factors))


def _reads_nearest(old: int, new: int) -> bool:
    """nnet_image.h reads pixel (i * (old * 65536 / new + 1)) >> 16."""
    if new % old:
        return False
    ratio = (old << 16) // new + 1
    return all((i * ratio) >> 16 == i // (new // old) for i in range(new))


def merge(draft: Draft, node: Any) -> None:
    """add, subtract and average: exact, then one cast. Products and extremes of two tensors have no golden layer."""
    op = str(node.get_attr("op")).lower()
    if op not in ("add", "subtract", "average"):
        raise draft.refuse(node, f"{op} of two tensors", "add, subtract, average or concatenate", "rewrite the model")
    left, right = _aligned(draft, node)
    if op == "subtract":
        right = _scaled(draft, f"{node.name}_minus", right, Parameter(np.array([-1]), FixedPoint(1, 0)))
    if op != "average":
        tensor = draft.add(node.name, "add", (left.tensor, right.tensor), draft.result(node))
    else:
        total = draft.add(f"{node.name}_sum", "add", (left.tensor, right.tensor), None)
        half = Parameter(np.array([1]), FixedPoint(1, 1, False))
        halved = _scaled(draft, f"{node.name}_half", replace(left, tensor=total), half)
        tensor = draft.cast(node.name, halved.tensor, draft.result(node))
    draft.publish(node, tensor, left.order)


def _scaled(draft: Draft, name: str, view: View, factor: Parameter) -> View:
    """The exact product with one number."""
    channels = draft.tensors[view.tensor].shape[0]
    zeros = Parameter(np.zeros(channels, dtype=np.int64), FixedPoint(1, 0, False))
    scale = Parameter(np.resize(factor.ints, channels), factor.format)
    return replace(view, tensor=draft.add(name, "batch_norm", (view.tensor,), None, {"scale": scale, "shift": zeros}))


def _aligned(draft: Draft, node: Any) -> tuple[View, View]:
    """Two inputs of one shape whose elements lie in the same order."""
    left, right = draft.view(node, 0), draft.view(node, 1)
    if draft.tensors[left.tensor].shape != draft.tensors[right.tensor].shape and left.shape == right.shape:
        left, right = draft.as_vector(node, left), draft.as_vector(node, right)
    same_shape = draft.tensors[left.tensor].shape == draft.tensors[right.tensor].shape
    if not same_shape or not np.array_equal(left.order, right.order):
        raise draft.refuse(
            node, f"inputs of shapes {left.shape} and {right.shape}", "equal shapes with elements in equal order",
            "reshape or transpose neither, or both alike",
        )  # fmt: skip
    return left, right


def concatenate(draft: Draft, node: Any) -> None:
    """Along the channels, or of two vectors."""
    views = draft.view(node, 0), draft.view(node, 1)
    rank = len(views[0].shape)
    if rank > 1 and int(node.get_attr("axis")) not in (-1, rank):
        raise draft.refuse(node, f"axis {node.get_attr('axis')}", f"the channels, {rank}", "concatenate channels")
    placed = draft.as_vector if rank == 1 else draft.as_image
    left, right = (placed(node, view) for view in views)
    order = np.concatenate([left.order, right.order + len(left.order)]) if rank == 1 else None
    tensor = draft.add(node.name, "concat", (left.tensor, right.tensor), draft.result(node))
    draft.publish(node, tensor, order)


LOWERINGS: Mapping[str, Callable[[Draft, Any], None]] = {
    "Input": input_port,
    "Reshape": move,
    "Transpose": move,
    "Clone": clone,
    "ZeroPadding1D": zero_padding,
    "ZeroPadding2D": zero_padding,
    "Resize": resize,
    "Merge": merge,
    "Concatenate": concatenate,
}
