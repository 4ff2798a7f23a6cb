# SPDX-License-Identifier: Apache-2.0
"""Lowering of pooling, whose hls4ml forms are exact only under conditions that are checked here.

What hls4ml 1.3.0 does (templates/*/nnet_utils/nnet_pooling*.h):

* io_stream: window and stride must be equal and padding zero, else a C++ assert kills the process.
* io_parallel: padded cells count as the smallest value of a *signed* type; of an unsigned type as its *largest
  power of two*, which is wrong.
* averages divide in the accumulator and cast once; :func:`hls.accumulators.mean` makes that exact.
"""

import math
from dataclasses import replace
from typing import Any

from hls import accumulators
from hls.accumulators import plain
from hls.elementwise import is_non_negative, pad
from hls.graph import Draft, Placement
from hwsim.network import Layer

_NO_PADDING = (0, 0, 0, 0)


def lower_max_pool2d(draft: Draft, layer: Layer) -> None:
    """Maximum in the input's type, one cast to the output's."""
    value, padding = draft.image(layer), layer.attrs["padding"]
    if any(padding) and is_non_negative(draft.network, layer.inputs[0]):
        value = pad(draft, layer, value, padding)  # zero is the smallest value there is
        draft.note(layer, "padded with zeros in a layer of its own")
        padding = _NO_PADDING
    if any(padding) and draft.is_stream:
        raise draft.refuse(
            layer,
            f"padding={tuple(padding)} on an input that may be negative",
            "hls4ml's streaming max pool has no padding and zeros would win over negative values",
            "move the relu before the pool, or use io_parallel",
        )
    precision = {"accum": plain(value.format), "result": draft.format(layer.output)}
    _pool(draft, layer, "MaxPooling2D", value, padding, precision)


def lower_avg_pool2d(draft: Draft, layer: Layer) -> None:
    """Exact mean over the window, one cast to the output's format."""
    value, padding = draft.image(layer), layer.attrs["padding"]
    counts_padding = layer.attrs["count_include_pad"]
    if any(padding) and draft.is_stream and not counts_padding:
        raise draft.refuse(
            layer,
            f"padding={tuple(padding)} with count_include_pad=False",
            "hls4ml's streaming average pool divides by the whole window",
            "set count_include_pad=True, drop the padding, or use io_parallel",
        )
    if any(padding) and draft.is_stream:
        value = pad(draft, layer, value, padding)
        padding = _NO_PADDING
        draft.note(layer, "padded with zeros in a layer of its own")
    result = draft.format(layer.output)
    accum = accumulators.mean(layer, value.format, result, math.prod(layer.attrs["kernel"]))
    precision = {"accum": accum, "result": result}
    _pool(draft, layer, "AveragePooling2D", value, padding, precision, count_pad=bool(counts_padding))


def _pool(
    draft: Draft,
    layer: Layer,
    kind: str,
    value: Placement,
    padding: tuple[int, int, int, int],
    precision: dict[str, Any],
    count_pad: bool = False,
) -> None:
    kernel, stride = tuple(layer.attrs["kernel"]), tuple(layer.attrs["stride"])
    if draft.is_stream and kernel != stride:
        raise draft.refuse(
            layer,
            f"kernel={kernel} with stride={stride}",
            "hls4ml's streaming pool needs them equal",
            "use kernel = stride, a strided convolution, or io_parallel",
        )
    height, width, channels = value.shape
    _, rows, columns = draft.network.tensors[layer.output].shape
    top, left, bottom, right = padding
    attrs = {
        "in_height": height,
        "in_width": width,
        "out_height": rows,
        "out_width": columns,
        "n_filt": channels,
        "pool_height": kernel[0],
        "pool_width": kernel[1],
        "stride_height": stride[0],
        "stride_width": stride[1],
        "pad_top": top,
        "pad_left": left,
        "pad_bottom": bottom,
        "pad_right": right,
        "count_pad": count_pad,
        "data_format": "channels_last",
        "class_name": kind,
    }
    pooled = draft.add(layer, kind, (value,), attrs, precision, (rows, columns, channels))
    draft.finish_in_order(pooled, layer)


def lower_global_pool(draft: Draft, layer: Layer) -> None:
    """Mean or maximum over the whole image; hls4ml gives a vector of channels."""
    value = draft.image(layer)
    height, width, channels = value.shape
    result = draft.format(layer.output)
    if layer.op == "global_avg_pool":
        kind, accum = "GlobalAveragePooling2D", accumulators.mean(layer, value.format, result, height * width)
    else:
        kind, accum = "GlobalMaxPooling2D", plain(value.format)
    attrs = {
        "in_height": height,
        "in_width": width,
        "n_filt": channels,
        "data_format": "channels_last",
        "class_name": kind,
    }
    pooled = draft.add(layer, kind, (value,), attrs, {"accum": accum, "result": result}, (channels,))
    draft.finish_in_order(replace(pooled, shape=(channels,)), layer)
