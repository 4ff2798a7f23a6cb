# SPDX-License-Identifier: Apache-2.0
"""Lowering of the layers that work element by element, or only move elements."""

import math
from dataclasses import replace

import numpy as np

from hls.accumulators import plain
from hls.graph import Draft, Placement, image_shape
from hls.mappable import KEEP_SIGN
from hwsim.errors import FormatError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format, smallest_format
from hwsim.network import Layer, Network


def lower_input(draft: Draft, layer: Layer) -> None:
    """The input port. Its type is the input's format, so data on that grid enter unchanged."""
    shape = image_shape(draft.network.tensors[layer.output].shape)
    precision = {"result": plain(draft.format(layer.output))}
    draft.finish(draft.add(layer, "InputLayer", (), {"input_shape": list(shape)}, precision, shape), layer)


def lower_cast(draft: Draft, layer: Layer) -> None:
    """requantise, output, flatten: the same values, perhaps in another format.

    A flatten needs no node: hls4ml keeps the channels-last order, the placement remembers it, and the dense layer
    that follows permutes its weights. (In io_stream an activation after hls4ml's own Reshape would read past the
    end of a pixel's pack.)
    """
    draft.finish(draft.cast(layer, draft.source(layer), draft.format(layer.output)), layer)


def lower_relu(draft: Draft, layer: Layer) -> None:
    """hls4ml's relu compares in the input's type and casts once to the result: the golden meaning."""
    value = draft.source(layer)
    result = draft.format(layer.output)
    if value.format.min_int >= 0:
        draft.finish(draft.cast(layer, value, result), layer)
        return
    attrs = {"activation": "relu"}
    draft.finish(draft.add(layer, "Activation", (value,), attrs, {"result": result}, value.shape), layer)


def lower_add(draft: Draft, layer: Layer) -> None:
    """A chain of two-operand sums; every partial sum is exact, the last one casts to the output's format.

    ``ap_fixed`` aligns operands with different fractional bits exactly.
    """
    values = [draft.source(layer, index) for index in range(len(layer.inputs))]
    total = values[0]
    for number, value in enumerate(values[1:], 2):
        last = number == len(values)
        if not np.array_equal(value.order, total.order):
            raise draft.refuse(
                layer,
                "operands whose elements hls4ml keeps in different orders",
                "a flattened image and a dense layer's output cannot be added in place",
                "add before the flatten, or put a dense layer after it",
            )
        result = draft.format(layer.output) if last else _sum_format(total.format, value.format)
        value = _same_shape(draft, layer, value, total.shape)
        suffix = "" if last else f"_{number}"
        total = draft.add(layer, "Merge", (total, value), {"op": "add"}, {"result": result}, total.shape, suffix=suffix)
    draft.finish(total, layer)


def _same_shape(draft: Draft, layer: Layer, value: Placement, shape: tuple[int, ...]) -> Placement:
    one_pack = value.shape[-1] == shape[-1] == math.prod(shape)
    if draft.is_stream and value.shape != shape and not one_pack:
        raise draft.refuse(
            layer,
            f"streams of shape {value.shape} and {shape}",
            "hls4ml adds streams of equal shape",
            "flatten both operands at the same place, or use io_parallel",
        )
    return draft.reshape(layer, value, shape)


def _sum_format(a: FixedPoint, b: FixedPoint) -> FixedPoint:
    frac = max(a.frac, b.frac)
    left, right = frac - a.frac, frac - b.frac
    return smallest_format((a.min_int << left) + (b.min_int << right), (a.max_int << left) + (b.max_int << right), frac)


def lower_concat(draft: Draft, layer: Layer) -> None:
    """A chain of two-operand concatenations along channels, each casting to the output's format.

    Casting twice to the same format changes nothing the second time.
    """
    rank = len(draft.network.tensors[layer.output].shape)
    values = [_concat_operand(draft, layer, index, rank) for index in range(len(layer.inputs))]
    result = draft.format(layer.output)
    total = values[0]
    for number, value in enumerate(values[1:], 2):
        shape = (*total.shape[:-1], total.shape[-1] + value.shape[-1])
        attrs = {"axis": -1, "op": f"concatenate{rank}d"}
        suffix = "" if number == len(values) else f"_{number}"
        node = draft.add(layer, "Concatenate", (total, value), attrs, {"result": result}, shape, suffix=suffix)
        order = np.concatenate([total.order, value.order + len(total.order)])
        total = replace(node, order=order)
    if rank == 3:
        draft.finish_in_order(total, layer)
    else:
        draft.finish(total, layer)


def _concat_operand(draft: Draft, layer: Layer, index: int, rank: int) -> Placement:
    if rank == 3:
        return draft.image(layer, index)
    value = draft.source(layer, index)
    if draft.is_stream and math.prod(value.shape[:-1]) > 1:
        raise draft.refuse(
            layer,
            f"a flattened image of {value.shape[-1]} channels to concatenate in io_stream",
            "its stream carries one pixel at a time",
            "concatenate before the flatten, or use io_parallel",
        )
    return draft.reshape(layer, value, (math.prod(value.shape),))


def lower_batch_norm(draft: Draft, layer: Layer) -> None:
    """y = x * scale + shift per channel. hls4ml computes product and sum in full and casts once."""
    value = draft.source(layer)
    channels = draft.network.tensors[layer.inputs[0]].shape[0]
    per_element = len(draft.network.tensors[layer.inputs[0]].shape) == 1
    scale, shift = (draft.reals(layer.params[role]) for role in ("scale", "shift"))
    if per_element:
        value = draft.reshape(layer, value, (math.prod(value.shape),)) if not draft.is_stream else value
        scale, shift = scale[value.order], shift[value.order]
    attrs = {
        "n_in": math.prod(value.shape),
        "n_filt": -1 if per_element else channels,
        "scale_data": scale,
        "bias_data": shift,
        "use_gamma": True,
        "use_beta": True,
    }
    precision = {
        "scale": plain(draft.format(layer.params["scale"])),
        "bias": plain(draft.format(layer.params["shift"])),
        "result": draft.format(layer.output),
    }
    draft.finish(draft.add(layer, "BatchNormalization", (value,), attrs, precision, value.shape), layer)


def lower_upsample2d(draft: Draft, layer: Layer) -> None:
    """Nearest neighbour; hls4ml's Resize copies values and needs equal types on both sides."""
    value = draft.image(layer)
    height, width, channels = value.shape
    rows, columns = layer.attrs["factor"]
    attrs = {
        "in_height": height,
        "in_width": width,
        "out_height": height * rows,
        "out_width": width * columns,
        "n_chan": channels,
        "algorithm": "nearest",
        "data_format": "channels_last",
    }
    shape = (height * rows, width * columns, channels)
    moved = draft.add(layer, "Resize", (value,), attrs, {"result": value.format}, shape)
    draft.finish_in_order(draft.cast(layer, moved, draft.format(layer.output)), layer)


def lower_pad2d(draft: Draft, layer: Layer) -> None:
    """Zeros around an image; hls4ml's ZeroPadding2D keeps the input's type."""
    value = pad(draft, layer, draft.image(layer), layer.attrs["padding"], suffix="")
    draft.finish_in_order(draft.cast(layer, value, draft.format(layer.output)), layer)


def pad(
    draft: Draft, layer: Layer, value: Placement, padding: tuple[int, int, int, int], suffix: str = "_pad"
) -> Placement:
    """The (H, W, C) value with zeros around it; padding is (top, left, bottom, right)."""
    top, left, bottom, right = padding
    height, width, channels = value.shape
    attrs = {
        "in_height": height,
        "in_width": width,
        "out_height": height + top + bottom,
        "out_width": width + left + right,
        "n_chan": channels,
        "pad_top": top,
        "pad_left": left,
        "pad_bottom": bottom,
        "pad_right": right,
        "data_format": "channels_last",
    }
    shape = (height + top + bottom, width + left + right, channels)
    return draft.add(layer, "ZeroPadding2D", (value,), attrs, {"result": value.format}, shape, suffix=suffix)


def is_non_negative(network: Network, tensor: str) -> bool:
    """Whether a tensor is proved to hold no negative value, although its format may be signed."""
    fmt = network.tensors[tensor].format
    if fmt is None or fmt.min_int >= 0:
        return fmt is not None
    layer = network.producer(tensor)
    if layer is None or layer.op not in KEEP_SIGN | {"relu", "clip"}:
        return False
    if layer.op in KEEP_SIGN and not all(is_non_negative(network, source) for source in layer.inputs):
        return False
    if layer.op == "clip" and layer.attrs["low"] < 0:
        return False
    return fmt.overflow != "WRAP" or _holds_result(network, layer, fmt)


def _holds_result(network: Network, layer: Layer, fmt: FixedPoint) -> bool:
    """Whether wrapping cannot turn a large value negative."""
    try:
        result = exact_format(network, layer)
    except (FormatError, UnsupportedError):
        return False
    return fmt.max_int * fmt.step >= result.max_int * result.step
