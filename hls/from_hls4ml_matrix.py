# SPDX-License-Identifier: Apache-2.0
"""Dense layers and convolutions of hls4ml, with its accumulator.

hls4ml casts the bias and every product to ``accum_t``, adds in ``accum_t`` and casts the sum to the result's type
(nnet_dense_latency.h, nnet_conv2d_latency.h). The golden network adds exactly and casts once. Both agree where the
accumulator drops no bit below the point and either wraps, which makes the order of sums irrelevant, or cannot
overflow; the bias is cast beforehand.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hls.from_hls4ml_draft import Draft, View, golden_shape
from hls.from_hls4ml_types import Parameter, format_of, is_binary, parameter_of, passes_through, plain, trimmed
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format


def dense(draft: Draft, node: Any) -> None:
    """Weight (n_in, n_out) becomes (n_out, n_in), its columns in golden order."""
    view = draft.as_vector(node, draft.any_view(node))
    stated = parameter_of(node.get_weights("weight"), f"{node.name}: weight")
    matrix = stated.ints.reshape(node.get_attr("n_in"), node.get_attr("n_out")).T
    weight = np.empty_like(matrix)
    weight[:, view.order] = matrix
    tensor = _products(draft, node, "dense", view, replace(stated, ints=weight))
    draft.publish(node, tensor)


def conv(draft: Draft, node: Any) -> None:
    """Weight (rows, columns, n_chan, n_filt) becomes (n_filt, n_chan, rows, columns); one row in one dimension."""
    kernel = (node.get_attr("filt_height", 1), node.get_attr("filt_width"))
    channels, filters = node.get_attr("n_chan"), node.get_attr("n_filt")
    stated = parameter_of(node.get_weights("weight"), f"{node.name}: weight")
    weight = stated.ints.reshape(*kernel, channels, filters).transpose(3, 2, 0, 1)
    _convolve(draft, node, replace(stated, ints=np.ascontiguousarray(weight)), groups=1)


def depthwise(draft: Draft, node: Any) -> None:
    """Weight (rows, columns, n_chan) becomes (n_chan, 1, rows, columns): each channel alone."""
    kernel = (node.get_attr("filt_height", 1), node.get_attr("filt_width"))
    channels = node.get_attr("n_chan")
    if node.get_attr("n_filt", channels) != channels:
        raise draft.refuse(
            node, f"{node.get_attr('n_filt')} filters over {channels} channels", "one filter per channel",
            "hls4ml computes a depth multiplier of 1 only; set depth_multiplier=1",
        )  # fmt: skip
    stated = parameter_of(node.get_weights("weight"), f"{node.name}: weight")
    weight = stated.ints.reshape(*kernel, channels, 1).transpose(2, 3, 0, 1)
    _convolve(draft, node, replace(stated, ints=np.ascontiguousarray(weight)), groups=channels)


def _convolve(draft: Draft, node: Any, weight: Parameter, groups: int) -> None:
    if node.get_attr("data_format", "channels_last") != "channels_last":
        raise draft.refuse(
            node, "data_format channels_first", "channels_last", "set channels_last_conversion='full' or 'internal'"
        )
    draft.expect_no_dilation(node)
    view = draft.as_image(node, draft.any_view(node))
    padding = tuple(int(node.get_attr(f"pad_{side}", 0)) for side in ("top", "left", "bottom", "right"))
    if view.binary and any(padding):
        raise draft.refuse(
            node, "padding around a binary input, which hls4ml fills with -1", "no padding",
            "quantise the layer before it to two bits",
        )  # fmt: skip
    attrs = {
        "kernel": weight.ints.shape[2:],
        "stride": (int(node.get_attr("stride_height", 1)), int(node.get_attr("stride_width"))),
        "padding": padding,
        "groups": groups,
    }
    tensor = _products(draft, node, "conv2d", view, weight, attrs)
    found, expected = draft.tensors[tensor].shape, golden_shape(tuple(node.get_output_variable().shape))
    if found != expected:
        raise draft.refuse(node, f"an output of shape {expected}", f"{found}", "report the model")
    draft.publish(node, tensor)


def _products(
    draft: Draft, node: Any, op: str, view: View, weight: Parameter, attrs: Mapping[str, Any] | None = None
) -> str:
    """The matrix layer and, where the accumulator shows in the result, the cast behind it."""
    accumulator = format_of(node.get_attr("accum_t").precision, f"{node.name}: accum")
    source, result = draft.format(view.tensor), draft.result(node)
    bias = _bias(node)
    _expect_no_bit_count(draft, node)
    if view.binary and weight.binary:
        _expect_count(draft, node, accumulator, bias, weight.ints[0].size)
        return draft.add(node.name, op, (view.tensor,), result, {"weight": weight}, **(attrs or {}))
    weight = _within(draft, node, accumulator, source, weight)
    params = {"weight": weight}
    if np.any(bias.ints):  # an absent bias is zeros, sometimes of an absurdly wide type
        params["bias"] = _cast_bias(accumulator, bias, source.frac + weight.format.frac)
    total = draft.add(node.name, op, (view.tensor,), None, params, **(attrs or {}))
    if accumulator.overflow != "WRAP":
        _expect_room(draft, node, accumulator, source, params)
    elif not accumulator.holds(draft.format(total)) and not passes_through(accumulator, result):
        return draft.cast(f"{node.name}_result", draft.land(total, accumulator), result)
    return draft.land(total, result)


def _bias(node: Any) -> Parameter:
    """The bias as numbers, which it is in ap_uint<1>, too."""
    found = parameter_of(node.get_weights("bias"), f"{node.name}: bias")
    return Parameter((found.ints > 0).astype(np.int64), FixedPoint(1, 0, False)) if found.binary else found


def _cast_bias(accumulator: FixedPoint, bias: Parameter, frac: int) -> Parameter:
    """The bias as the accumulator starts with it; with no more fractional bits than the products where it has none."""
    if accumulator.holds(bias.format):
        return bias
    cast = Parameter(accumulator.cast(bias.ints, bias.format.frac), plain(accumulator))
    return trimmed(cast, max(0, accumulator.frac - frac)) or cast


def _within(draft: Draft, node: Any, accumulator: FixedPoint, source: FixedPoint, weight: Parameter) -> Parameter:
    """The weights without trailing zeros that the accumulator has no room for.

    Raises:
        UnsupportedError: a product has more fractional bits than the accumulator, which rounds every product.
    """
    missing = source.frac + weight.format.frac - accumulator.frac
    found = trimmed(weight, missing) if missing > 0 else weight
    if found is None:
        raise draft.refuse(
            node, f"accum {accumulator}, which rounds each product of {source} and {weight.format}",
            f"at least {source.frac + weight.format.frac} fractional bits",
            "set config_from_*_model(granularity='name') or a wider accum",
        )  # fmt: skip
    return found


def _expect_room(
    draft: Draft, node: Any, accumulator: FixedPoint, source: FixedPoint, params: Mapping[str, Parameter]
) -> None:
    """Refuse an accumulator in which a product or a sum on the way might saturate: the order would then matter."""
    weight, bias = params["weight"], params.get("bias")
    shift = accumulator.frac - source.frac - weight.format.frac
    rows = weight.ints.reshape(len(weight.ints), -1).astype(object) * (1 << shift)  # Python integers cannot wrap
    ends = rows * source.min_int, rows * source.max_int
    lows, highs = np.minimum(np.minimum(*ends), 0), np.maximum(np.maximum(*ends), 0)
    offsets = bias.ints.astype(object) * (1 << accumulator.frac - bias.format.frac) if bias is not None else 0
    low = min(lows.min(), *(lows.sum(axis=1) + offsets))
    high = max(highs.max(), *(highs.sum(axis=1) + offsets))
    if low < accumulator.min_int or high > accumulator.max_int:
        raise draft.refuse(
            node, f"accum {accumulator}, which may saturate in the middle of a sum", "AP_WRAP, or a wider type",
            f"set accum to {smallest_format(low, high, accumulator.frac)}",
        )  # fmt: skip


def _expect_no_bit_count(draft: Draft, node: Any) -> None:
    """Refuse ap_uint<1> times ap_uint<1> that is not -1 and 1: hls4ml's ``cast`` would take the sum for a count."""
    kinds = node.get_input_variable().type.precision, node.get_weights("weight").type.precision
    one_bit = all(str(kind) == "uint<1>" for kind in kinds)
    if one_bit and not all(is_binary(kind) for kind in kinds):
        raise draft.refuse(
            node, "unsigned inputs and weights of one bit, which hls4ml takes for -1 and 1", "at least two bits",
            "widen the weights by a bit",
        )  # fmt: skip


def _expect_count(draft: Draft, node: Any, accumulator: FixedPoint, bias: Parameter, terms: int) -> None:
    """Binary times binary counts equal bits (``product::both_binary``); the count is doubled and centred at the end."""
    if accumulator.max_int * accumulator.step < terms or np.any(bias.ints):
        raise draft.refuse(
            node, f"accum {accumulator} for a count of {terms} equal bits", "an accumulator that holds it, and no bias",
            "set accum to an integer type that is wide enough",
        )  # fmt: skip


LOWERINGS: Mapping[str, Callable[[Draft, Any], None]] = {
    "Dense": dense,
    "Conv1D": conv,
    "Conv2D": conv,
    "PointwiseConv1D": conv,
    "PointwiseConv2D": conv,
    "Conv2DBatchnorm": conv,
    "DepthwiseConv1D": depthwise,
    "DepthwiseConv2D": depthwise,
}
