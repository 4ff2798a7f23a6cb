# SPDX-License-Identifier: Apache-2.0
"""ONNX pooling, and the windows that pooling and convolution share."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwsim.errors import UnsupportedError
from hwsim.importers.onnx_file import Node
from hwsim.importers.onnx_lowering import Lowering
from hwsim.importers.onnx_values import Value
from hwsim.importers.onnx_views import Handler, axes_of, flattened

Pair = tuple[int, int]


def pair(node: Node, key: str) -> Pair:
    given = node.attrs.get(key) or (1, 1)
    if len(given) != 2:
        raise UnsupportedError(
            f"{node.name}: {len(given)}-D {node.op}; expected a 2-D one; write 1-D layers as 2-D ones with height 1"
        )
    return int(given[0]), int(given[1])


def padding_of(low: Lowering, node: Node, source: str, extent: Pair, stride: Pair) -> tuple[int, int, int, int]:
    """Explicit (top, left, bottom, right) padding; ``auto_pad`` as the ONNX operator specification resolves it."""
    mode = node.attrs.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        top, left, bottom, right = node.attrs.get("pads") or (0, 0, 0, 0)
    elif mode == "VALID":
        top = left = bottom = right = 0
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        size = low.tensors[source].shape[1:]
        total = [max((math.ceil(n / s) - 1) * s + e - n, 0) for n, s, e in zip(size, stride, extent, strict=True)]
        small, large = [t // 2 for t in total], [t - t // 2 for t in total]
        (top, left), (bottom, right) = (small, large) if mode == "SAME_UPPER" else (large, small)
    else:
        raise UnsupportedError(
            f"{node.name}: auto_pad='{mode}' is unknown; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER"
        )
    if min(top, left, bottom, right) < 0:
        raise UnsupportedError(
            f"{node.name}: padding {(top, left, bottom, right)} crops; expected no negative padding; "
            "crop outside the network"
        )
    return int(top), int(left), int(bottom), int(right)


def _pool_window(low: Lowering, node: Node, source: str) -> dict[str, Any]:
    """Kernel, stride and padding, ``ceil_mode`` turned into padding below and to the right."""
    kernel, stride = pair(node, "kernel_shape"), pair(node, "strides")
    if pair(node, "dilations") != (1, 1):
        raise UnsupportedError(f"{node.name}: dilated {node.op}; expected dilations of 1; use a strided pool")
    padding = list(padding_of(low, node, source, kernel, stride))
    for axis, size in enumerate(low.tensors[source].shape[1:]):
        span = size + padding[axis] + padding[axis + 2]
        rest = (span - kernel[axis]) % stride[axis]
        # A last window that would start in the padding is dropped (ONNX MaxPool, opset 22, as torch does).
        starts_inside = span - rest - kernel[axis] + stride[axis] < size + padding[axis]
        if node.attrs.get("ceil_mode") and rest and starts_inside:
            padding[axis + 2] += stride[axis] - rest
    return {"kernel": kernel, "stride": stride, "padding": tuple(padding)}


def _max_pool(low: Lowering, node: Node) -> None:
    if len(node.outputs) > 1 and low.uses[node.outputs[1]]:
        raise UnsupportedError(
            f"{node.name}: the indices of MaxPool are read; expected its values only; unpooling is not supported"
        )
    source = low.image(node)
    low.show(node.outputs[0], low.emit(node, "max_pool2d", [source], _pool_window(low, node, source)))


def _average_pool(low: Lowering, node: Node) -> None:
    source = low.image(node)
    attrs = _pool_window(low, node, source)
    counted = bool(node.attrs.get("count_include_pad", 0))
    if counted and attrs["padding"] != padding_of(low, node, source, attrs["kernel"], attrs["stride"]):
        raise UnsupportedError(
            f"{node.name}: AveragePool with ceil_mode and count_include_pad divides its last windows "
            "differently; expected one of them off; pad explicitly"
        )
    low.show(node.outputs[0], low.emit(node, "avg_pool2d", [source], {**attrs, "count_include_pad": counted}))


def _global_pool(op: str) -> Handler:
    def handler(low: Lowering, node: Node) -> None:
        low.show(node.outputs[0], low.emit(node, op, [low.image(node)]))

    return handler


def _reduce(op: str) -> Handler:
    """ReduceMean or ReduceMax over the whole image is a global pool; anything else is refused."""

    def handler(low: Lowering, node: Node) -> None:
        value = low.value(node)
        axes = sorted(axis - 1 for axis in axes_of(low, node, len(value.shape) + 1))
        shape = low.shape(value)
        kept = [axis for axis in range(len(value.shape)) if axis not in axes]
        if len(shape) != 3 or len(axes) != 2 or len(kept) != 1 or not _is_image(value, kept + axes, shape):
            raise UnsupportedError(
                f"{node.name}: {node.op} over axes {[a + 1 for a in axes]} of {(low.batch, *value.shape)}; "
                "expected height and width of an image; use global pooling"
            )
        keep = node.attrs.get("keepdims", 1)
        pooled = low.emit(node, op, [value.tensor], output="" if keep else f"{node.outputs[0]}.pooled")
        viewed = [1 if axis in axes else extent for axis, extent in enumerate(value.shape) if keep or axis in kept]
        low.values[node.outputs[0]] = flattened(low, node, Value(pooled, tuple(viewed)))

    return handler


def _is_image(value: Value, axes: Sequence[int], shape: tuple[int, ...]) -> bool:
    """Whether the view with its axes in this order is channel by channel the tensor (positions in any order)."""
    positions = np.sort(value.indices.transpose(axes).reshape(shape[0], -1), axis=1)
    return bool(np.array_equal(positions.reshape(-1), np.arange(math.prod(shape))))


HANDLERS: Mapping[str, Handler] = {
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_pool("global_avg_pool"),
    "GlobalMaxPool": _global_pool("global_max_pool"),
    "ReduceMean": _reduce("global_avg_pool"),
    "ReduceMax": _reduce("global_max_pool"),
}
