# SPDX-License-Identifier: Apache-2.0
"""Pooling of hls4ml (nnet_pooling.h), in one and two dimensions, over windows and over the whole image.

A maximum passes through ``accum_t``. A mean is summed in ``accum_t``, divided there towards zero, and cast to the
result.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hls.from_hls4ml_draft import Draft, View, golden_shape
from hls.from_hls4ml_types import format_of
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format


def pool(draft: Draft, node: Any) -> None:
    """Pooling1D, Pooling2D."""
    kernel = (int(node.get_attr("pool_height", 1)), int(node.get_attr("pool_width")))
    padding = tuple(int(node.get_attr(f"pad_{side}", 0)) for side in ("top", "left", "bottom", "right"))
    attrs: dict[str, Any] = {
        "kernel": kernel,
        "stride": (int(node.get_attr("stride_height", 1)), int(node.get_attr("stride_width"))),
        "padding": padding,
    }
    draft.expect_no_dilation(node)
    view = draft.as_image(node, draft.any_view(node))
    if node.get_attr("pool_op") == "Max":
        _expect_lowest(draft, node, view, any(padding))
        tensor = _through_accumulator(draft, node, "max_pool2d", view, attrs)
    else:
        attrs["count_include_pad"] = bool(node.get_attr("count_pad", False)) or not any(padding)
        tensor = _mean(draft, node, "avg_pool2d", view, math.prod(kernel), attrs)
    _publish(draft, node, tensor, golden_shape(tuple(node.get_output_variable().shape)))


def global_pool(draft: Draft, node: Any) -> None:
    """GlobalPooling1D, GlobalPooling2D."""
    view = draft.as_image(node, draft.any_view(node))
    shape = draft.tensors[view.tensor].shape
    if node.get_attr("pool_op") == "Max":
        tensor = _through_accumulator(draft, node, "global_max_pool", view, {})
    else:
        tensor = _mean(draft, node, "global_avg_pool", view, shape[1] * shape[2], {})
    _publish(draft, node, tensor, (shape[0], 1, 1))


def _publish(draft: Draft, node: Any, tensor: str, expected: tuple[int, ...]) -> None:
    if draft.tensors[tensor].shape != expected:
        raise draft.refuse(
            node,
            f"an output of shape {expected}",
            f"{draft.tensors[tensor].shape}",
            "pad the image instead of the pooling",
        )
    draft.publish(node, tensor)


def _expect_lowest(draft: Draft, node: Any, view: View, is_padded: bool) -> None:
    """hls4ml pads maxima with the top bit alone: the lowest number only where there is a sign."""
    if is_padded and (view.binary or not draft.format(view.tensor).signed):
        raise draft.refuse(
            node, "padding around unsigned numbers, which hls4ml fills with half of their range", "signed numbers",
            "give the layer before it a signed result type",
        )  # fmt: skip


def _through_accumulator(draft: Draft, node: Any, op: str, view: View, attrs: Mapping[str, Any]) -> str:
    if view.binary:
        return draft.add(node.name, op, (view.tensor,), None, **attrs)
    accumulator, result = _accumulator(node), draft.result(node)
    if accumulator.holds(draft.format(view.tensor)):
        return draft.add(node.name, op, (view.tensor,), result, **attrs)
    return draft.cast(f"{node.name}_result", draft.add(node.name, op, (view.tensor,), accumulator, **attrs), result)


def _accumulator(node: Any) -> FixedPoint:
    return format_of(node.get_attr("accum_t").precision, f"{node.name}: accum")


def _mean(draft: Draft, node: Any, op: str, view: View, count: int, attrs: Mapping[str, Any]) -> str:
    if view.binary:
        raise draft.refuse(node, "a mean over binary values", "numbers", "quantise the layer before it to two bits")
    accumulator, source, result = _accumulator(node), draft.format(view.tensor), draft.result(node)
    needed = smallest_format(source.min_int * count, source.max_int * count, source.frac)
    if not accumulator.holds(needed):
        spare = (count - 1).bit_length() + 1
        enough = FixedPoint(needed.width + spare, needed.frac + spare, needed.signed)
        raise draft.refuse(
            node, f"accum {accumulator} for a sum of {count} values of {source}", f"{needed} or wider",
            f"set its accum to {enough}",
        )  # fmt: skip
    always = count if not any(attrs.get("padding", ())) or attrs["count_include_pad"] else None
    if _rounds_once(source, accumulator, result, count, always):
        return draft.add(node.name, op, (view.tensor,), result, **attrs)
    inner = replace(accumulator, rounding="TRN_ZERO" if source.signed else "TRN", overflow="WRAP")
    return draft.cast(f"{node.name}_result", draft.add(node.name, op, (view.tensor,), inner, **attrs), result)


def _rounds_once(
    source: FixedPoint, accumulator: FixedPoint, result: FixedPoint, most: int, always: int | None
) -> bool:
    """Whether cutting the quotient to the accumulator's bits leaves what the result's rounding makes of the mean.

    The argument stands in :func:`hls.accumulators.mean`: the accumulator needs log2(count) bits below the finest
    boundary of the rounding, which are the result's steps, and their halves where it rounds to nearest. A division by
    a power of two that has room for its bits is exact. ``most`` is the largest count, ``always`` the only one.
    """
    halves = not result.rounding.startswith("TRN")
    finest = max(source.frac, result.frac + halves)
    spare = (most - 1).bit_length()
    is_shift = always is not None and always & (always - 1) == 0
    return accumulator.frac >= finest + spare or (is_shift and accumulator.frac >= source.frac + spare)


LOWERINGS: Mapping[str, Callable[[Draft, Any], None]] = {
    "Pooling1D": pool,
    "Pooling2D": pool,
    "GlobalPooling1D": global_pool,
    "GlobalPooling2D": global_pool,
}
