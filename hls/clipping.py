# SPDX-License-Identifier: Apache-2.0
"""Lowering of clip(low, high), for which hls4ml has a layer in a few cases only.

A bound costs nothing where the input cannot pass it, or where it lies at or beyond the end of a saturating output:
whatever is cut there ends at that last value either way. Other bounds become relu between two exact additions:

    max(x, low) = low + relu(x - low)        min(x, high) = high - relu(high - x)
"""

import math

import numpy as np

from hls.graph import Draft, Placement
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format
from hwsim.network import Layer

_SIGN = FixedPoint(2, 0)  # holds -1 and 1


def lower_clip(draft: Draft, layer: Layer) -> None:
    """The cheapest exact form: nothing, relu, hls4ml's own relu1 or relu6, or relu between additions."""
    value, result = draft.source(layer), draft.format(layer.output)
    low, high = float(layer.attrs["low"]), float(layer.attrs["high"])
    cuts_low, cuts_high = _cuts_low(value.format, result, low), _cuts_high(value.format, result, high)
    if not cuts_low and not cuts_high:
        draft.finish(draft.cast(layer, value, result), layer)
    elif low == 0.0 and not cuts_high:
        draft.finish(_activation(draft, layer, "relu", value, result), layer)
    elif low == 0.0 and high in (1.0, 6.0) and not draft.is_stream:  # io_stream has no relu1 and relu6
        draft.finish(_activation(draft, layer, f"relu{high:.0f}", value, result), layer)
    else:
        draft.note(layer, "bounds computed as relu between exact additions")
        draft.finish(_composed(draft, layer, value, low, high if cuts_high else math.inf, cuts_low), layer)


def _cuts_low(source: FixedPoint, result: FixedPoint, low: float) -> bool:
    saturates = result.overflow in ("SAT", "SAT_SYM") and low <= result.min_int * result.step
    return source.min_int * source.step < low and not saturates


def _cuts_high(source: FixedPoint, result: FixedPoint, high: float) -> bool:
    saturates = result.overflow in ("SAT", "SAT_SYM") and high >= result.max_int * result.step
    return source.max_int * source.step > high and not saturates


def _composed(draft: Draft, layer: Layer, value: Placement, low: float, high: float, cuts_low: bool) -> Placement:
    """Both bounds where they cut; ``offset`` is what has to be added to the value at hand to get back to x."""
    result = draft.format(layer.output)
    offset = 0.0
    if cuts_low:
        value = value if low == 0.0 else _affine(draft, layer, value, 1, -low, None, "_low")
        value = _activation(draft, layer, "relu", value, None, "_above")
        offset = low
    if high == math.inf:
        return _affine(draft, layer, value, 1, offset, result, "")
    value = _affine(draft, layer, value, -1, high - offset, None, "_high")
    value = _activation(draft, layer, "relu", value, None, "_below")
    return _affine(draft, layer, value, -1, high, result, "")


def _activation(
    draft: Draft, layer: Layer, name: str, value: Placement, result: FixedPoint | None, suffix: str = ""
) -> Placement:
    if result is None:  # exact: the non-negative half of the input's format
        result = smallest_format(0, max(value.format.max_int, 1), value.format.frac)
    return draft.add(
        layer, "Activation", (value,), {"activation": name}, {"result": result}, value.shape, suffix=suffix
    )


def _affine(
    draft: Draft, layer: Layer, value: Placement, sign: int, constant: float, result: FixedPoint | None, suffix: str
) -> Placement:
    """sign * value + constant, exactly, then cast to the result if one is given."""
    bound = _constant_format(constant)
    frac = max(value.format.frac, bound.frac)
    ends = [sign * end << (frac - value.format.frac) for end in (value.format.min_int, value.format.max_int)]
    shift = round(constant * 2.0**frac)
    exact = smallest_format(min(ends) + shift, max(ends) + shift, frac)
    channels = value.shape[-1]
    attrs = {
        "n_in": math.prod(value.shape),
        "n_filt": channels,
        "scale_data": np.full(channels, float(sign)),
        "bias_data": np.full(channels, constant),
        "use_gamma": True,
        "use_beta": True,
    }
    precision = {"scale": _SIGN, "bias": bound, "result": result or exact}
    return draft.add(layer, "BatchNormalization", (value,), attrs, precision, value.shape, suffix=suffix)


def _constant_format(constant: float) -> FixedPoint:
    """The narrowest format of a clip bound; the golden executor refuses bounds with more than 31 fractional bits."""
    frac = next((bits for bits in range(32) if (constant * 2.0**bits).is_integer()), 31)
    integer = round(constant * 2.0**frac)
    return smallest_format(min(integer, 0), max(integer, 1), frac)
