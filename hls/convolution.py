# SPDX-License-Identifier: Apache-2.0
"""Lowering of convolutions and dense layers.

hls4ml knows dense kernels and one filter per channel; groups become a block-diagonal kernel and dilation a kernel
with zeros in between, which computes the same sums.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from hls import accumulators
from hls.accumulators import plain
from hls.graph import Array, Draft, Placement
from hls.legality import Matrix, has_depthwise_layer, legal_folding
from hwsim.design import Folding
from hwsim.fixed import FixedPoint
from hwsim.network import Layer


def lower_dense(draft: Draft, layer: Layer) -> None:
    """weight (K, C) becomes (C, K), its rows in the order in which hls4ml delivers the input."""
    shape = draft.network.tensors[layer.inputs[0]].shape
    if len(shape) != 1:
        raise draft.refuse(layer, f"an input of shape {shape}", "expected a vector", "flatten first")
    value = draft.reshape(layer, draft.source(layer), shape)
    weight = draft.reals(layer.params["weight"])[:, value.order].T
    n_in, n_out = weight.shape
    attrs = {"n_in": n_in, "n_out": n_out, "weight_data": np.ascontiguousarray(weight), **_bias(draft, layer)}
    folding = _folding(draft, layer, Matrix(n_in, n_out))
    placed = draft.add(layer, "Dense", (value,), attrs, _precision(draft, layer), (n_out,), folding=folding)
    draft.finish_in_order(placed, layer)


def lower_conv2d(draft: Draft, layer: Layer) -> None:
    """weight (K, C/groups, FY, FX) becomes (FY, FX, C, K), padding stays with the layer."""
    value = draft.image(layer)
    padding = tuple(layer.attrs["padding"])
    if has_depthwise_layer(draft.network, layer):
        kernel = draft.reals(layer.params["weight"])  # (C, 1, FY, FX)
        weights = {"depthwise_data": np.ascontiguousarray(kernel.transpose(2, 3, 0, 1)), "depth_multiplier": 1}
        kind, rows, columns = "DepthwiseConv2D", *kernel.shape[2:]
    else:
        kernel = _dense_kernel(draft.reals(layer.params["weight"]), layer)
        if kernel.shape != draft.network.tensors[layer.params["weight"]].shape:
            draft.note(layer, "groups or dilation written as a dense kernel with zeros")
        if draft.is_stream and _ignores_stride(kernel, layer):
            kernel, padding = _with_second_row(kernel, padding, value.shape[0], layer)
            draft.note(layer, "one-row kernel given a second row of zeros, without which its stride is ignored")
        weights = {"weight_data": np.ascontiguousarray(kernel.transpose(2, 3, 1, 0))}
        kind, rows, columns = "Conv2D", *kernel.shape[2:]
    channels, filters = value.shape[-1], len(kernel)
    matrix = Matrix(channels * rows * columns, filters, kind == "DepthwiseConv2D", not draft.is_stream)
    folding = _folding(draft, layer, matrix)
    attrs = _geometry(draft, layer, value, padding, (rows, columns)) | {"n_chan": channels, "n_filt": filters}
    attrs |= {**weights, **_bias(draft, layer)}
    shape = (attrs["out_height"], attrs["out_width"], filters)
    placed = draft.add(layer, kind, (value,), attrs, _precision(draft, layer), shape, folding=folding)
    draft.finish_in_order(placed, layer)


def _geometry(
    draft: Draft, layer: Layer, value: Placement, padding: tuple[int, ...], kernel: tuple[int, int]
) -> dict[str, Any]:
    top, left, bottom, right = padding
    _, rows, columns = draft.network.tensors[layer.output].shape
    return {
        "in_height": value.shape[0],
        "in_width": value.shape[1],
        "out_height": rows,
        "out_width": columns,
        "filt_height": kernel[0],
        "filt_width": kernel[1],
        "stride_height": layer.attrs["stride"][0],
        "stride_width": layer.attrs["stride"][1],
        "pad_top": top,
        "pad_left": left,
        "pad_bottom": bottom,
        "pad_right": right,
        "data_format": "channels_last",
    }


def _dense_kernel(kernel: Array, layer: Layer) -> Array:
    """(K, C, FY, FX) with every input channel and every position written out; the absent ones are zero."""
    filters, group_channels, rows, columns = kernel.shape
    groups, (dy, dx) = layer.attrs["groups"], layer.attrs["dilation"]
    full = np.zeros((filters, group_channels * groups, dy * (rows - 1) + 1, dx * (columns - 1) + 1))
    per_group = filters // groups
    for group in range(groups):
        outputs = slice(group * per_group, (group + 1) * per_group)
        inputs = slice(group * group_channels, (group + 1) * group_channels)
        full[outputs, inputs, ::dy, ::dx] = kernel[outputs]
    return full


def _ignores_stride(kernel: Array, layer: Layer) -> bool:
    """Streaming convolutions with one kernel row step down by one row only (hls4ml, nnet_conv2d_stream.h)."""
    return kernel.shape[2] == 1 and kernel.shape[3] > 1 and bool(layer.attrs["stride"][0] > 1)


def _with_second_row(
    kernel: Array, padding: tuple[int, ...], height: int, layer: Layer
) -> tuple[Array, tuple[int, ...]]:
    """A second row of zeros sends the convolution down the general path.

    The last window may then reach one row below the image.
    """
    top, left, bottom, right = padding
    stride = layer.attrs["stride"][0]
    taller = np.concatenate([kernel, np.zeros_like(kernel)], axis=2)
    missing = 1 if (top + height + bottom - 1) % stride == 0 else 0
    return taller, (top, left, bottom + missing, right)


def _bias(draft: Draft, layer: Layer) -> dict[str, Any]:
    return {"bias_data": draft.reals(layer.params["bias"])} if "bias" in layer.params else {}


def _precision(draft: Draft, layer: Layer) -> dict[str, FixedPoint]:
    precision = {role: plain(draft.format(name)) for role, name in layer.params.items()}
    precision["accum"] = accumulators.exact(draft.network, layer, draft.weights)
    precision["result"] = draft.format(layer.output)
    return precision


def _folding(draft: Draft, layer: Layer, matrix: Matrix) -> Folding:
    folding = draft.folding(layer)
    if matrix.depthwise and not draft.is_stream and folding.strategy == "resource":
        draft.note(layer, "hls4ml has no resource depthwise convolution in io_parallel; used latency")
        folding = replace(folding, strategy="latency")
    legal, note = legal_folding(layer.name, matrix, folding)
    if note:
        draft.note(layer, note)
    return legal
