# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation of hls4ml, and its activations made of straight lines and steps (nnet_activation.h)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hls.from_hls4ml_draft import Draft, View
from hls.from_hls4ml_types import Parameter, format_of, parameter_of
from hwsim.fixed import FixedPoint, IntArray

#: Adds the layers of one activation and returns the tensor of the result.
Activation = Callable[[Draft, Any, View], str]


def batch_norm(draft: Draft, node: Any) -> None:
    """BatchNormalization, ApplyAlpha: the exact x * scale + bias, cast once, as hls4ml computes it."""
    view = draft.by_channel(node, draft.view(node))
    params = {
        "scale": per_channel(draft, node, view, parameter_of(node.get_weights("scale"), f"{node.name}: scale")),
        "shift": per_channel(draft, node, view, parameter_of(node.get_weights("bias"), f"{node.name}: bias")),
    }
    tensor = draft.add(node.name, "batch_norm", (view.tensor,), draft.result(node), params)
    draft.publish(node, tensor, view.order)


def quantised_tanh(draft: Draft, node: Any) -> None:
    """BatchNormalizationQuantizedTanh: two or three levels by comparison with one or two thresholds per channel."""
    view = draft.by_channel(node, draft.view(node))
    names = ("threshold",) if node.get_attr("quantize") == 2 else ("threshold_lo", "threshold_hi")
    read = [parameter_of(node.get_weights(name), f"{node.name}: {name}") for name in names]
    columns = [per_channel(draft, node, view, parameter).ints for parameter in read]
    if len(names) == 2:  # x > threshold, in whole steps of the finer grid
        fmt = draft.format(view.tensor)
        columns = [(column << max(0, fmt.frac - read[0].format.frac)) + 1 for column in columns]
        frac = max(fmt.frac, read[0].format.frac)
    else:
        frac = read[0].format.frac
    rise = (-1, 2) if len(names) == 1 else (-1, 1)
    draft.publish(node, _steps(draft, node, view.tensor, np.stack(columns, axis=1), frac, rise), view.order)


def per_channel(draft: Draft, node: Any, view: View, parameter: Parameter) -> Parameter:
    """One value per golden channel, from hls4ml's one per channel or one per element.

    Raises:
        UnsupportedError: the pixels of an image are treated differently, or hls4ml would read past the end.
    """
    shape, count = draft.tensors[view.tensor].shape, len(view.order)
    flat = parameter.ints.reshape(-1)
    period = node.get_attr("n_filt", -1)
    elements = np.empty(count, dtype=np.int64)
    elements[view.order] = np.resize(flat, count)  # channels are innermost
    rows = elements.reshape(shape[0], -1)
    if len(flat) != (count if period in (-1, 0) else period) or count % len(flat) or np.any(rows != rows[:, :1]):
        raise draft.refuse(
            node,
            f"{len(flat)} parameters for {count} elements",
            f"one per channel, {shape[0]}",
            "give it one per channel",
        )
    return Parameter(rows[:, 0].copy(), parameter.format)


# Straight lines


def linear(draft: Draft, node: Any, view: View) -> str:
    """The cast alone."""
    return draft.cast(node.name, view.tensor, draft.result(node))


def relu(draft: Draft, node: Any, view: View) -> str:
    """hls4ml compares in the input's type and casts once."""
    return draft.add(node.name, "relu", (view.tensor,), draft.result(node))


def relu_up_to(most: int) -> Activation:
    """relu6 and relu1."""

    def lower(draft: Draft, node: Any, view: View) -> str:
        return draft.add(node.name, "clip", (view.tensor,), draft.result(node), low=0, high=most)

    return lower


def leaky_relu(draft: Draft, node: Any, view: View) -> str:
    """x above 0, alpha * x elsewhere."""
    alpha, channels = number(draft, node, "param", "activ_param"), draft.tensors[view.tensor].shape[0]
    return _two_slopes(draft, node, view, Parameter(np.repeat(alpha.ints, channels), alpha.format))


def prelu(draft: Draft, node: Any, view: View) -> str:
    """A leaky relu with a slope per element; of an image, one per channel."""
    stated = parameter_of(node.get_weights("param"), f"{node.name}: param")
    return _two_slopes(draft, node, view, per_channel(draft, node, view, stated))


def _two_slopes(draft: Draft, node: Any, view: View, slopes: Parameter) -> str:
    """max(x, 0) * (1 - alpha) + x * alpha: x above 0, alpha * x elsewhere; exact until the one cast at the end."""
    frac = max(slopes.format.frac, 0)
    ints = slopes.ints << (frac - slopes.format.frac)
    fmt = FixedPoint(max(slopes.format.width + frac - slopes.format.frac, frac) + 2, frac)
    zeros = Parameter(np.zeros(len(ints), dtype=np.int64), FixedPoint(1, 0, False))
    positive = draft.add(f"{node.name}_positive", "relu", (view.tensor,), None)
    parts = (("below", ints, view.tensor), ("above", (1 << frac) - ints, positive))
    terms = []
    for part, scale, tensor in parts:
        params = {"scale": Parameter(scale, fmt), "shift": zeros}
        terms.append(draft.add(f"{node.name}_{part}", "batch_norm", (tensor,), None, params))
    return draft.add(node.name, "add", terms, draft.result(node))


def hard_sigmoid(draft: Draft, node: Any, view: View) -> str:
    """slope * x + shift between 0 and 1."""
    slope, shift = number(draft, node, "slope", "slope"), number(draft, node, "shift", "shift")
    return _clipped_line(draft, node, view, slope, shift, 0)


def hard_tanh(draft: Draft, node: Any, view: View) -> str:
    """Twice the hard sigmoid less 1: 2 * slope * x + 2 * shift - 1 between -1 and 1."""
    slope, shift = number(draft, node, "slope", "slope"), number(draft, node, "shift", "shift")
    twice = Parameter(slope.ints * 2, FixedPoint(slope.format.width + 2, slope.format.frac))
    width = max(shift.format.width, shift.format.frac) + 3
    centred = Parameter(shift.ints * 2 - (1 << shift.format.frac), FixedPoint(width, shift.format.frac))
    return _clipped_line(draft, node, view, twice, centred, -1)


def _clipped_line(draft: Draft, node: Any, view: View, slope: Parameter, shift: Parameter, low: int) -> str:
    channels = draft.tensors[view.tensor].shape[0]
    params = {
        role: Parameter(np.repeat(one.ints, channels), one.format) for role, one in (("scale", slope), ("shift", shift))
    }
    line = draft.add(f"{node.name}_line", "batch_norm", (view.tensor,), None, params)
    return draft.add(node.name, "clip", (line,), draft.result(node), low=low, high=1)


def number(draft: Draft, node: Any, kind: str, attribute: str) -> Parameter:
    """A constant that C++ writes as a literal of its own type: one integer, with frac >= 0."""
    fmt = format_of(node.get_attr(f"{kind}_t").precision, f"{node.name}: {kind}")
    ints = fmt.quantise([float(node.get_attr(attribute, 1.0))])
    lift = max(0, -fmt.frac)
    return Parameter(ints << lift, FixedPoint(fmt.width + lift, fmt.frac + lift, fmt.signed))


# Steps


def binary_tanh(draft: Draft, node: Any, view: View) -> str:
    """1 from 0 up, -1 below; a one-bit number instead of hls4ml's binary type holds 1 and 0."""
    is_number = str(node.get_output_variable().type.precision) == "uint<1>" and draft.result(node).width == 1
    thresholds = np.zeros((draft.tensors[view.tensor].shape[0], 1), dtype=np.int64)
    rise = (0, 1) if is_number else (-1, 2)
    return _steps(draft, node, view.tensor, thresholds, draft.format(view.tensor).frac, rise)


def ternary_tanh(draft: Draft, node: Any, view: View) -> str:
    """1 above 0.5, 0 above -0.5, -1 elsewhere, of 2x as the input's type holds it."""
    stated = format_of(node.get_input_variable().type.precision, f"{node.name}: input")
    # x with one more fractional bit in as many bits is 2x in the input's type, halved
    doubled = FixedPoint(stated.width, stated.frac + 1, stated.signed, stated.rounding, stated.overflow)
    tensor = draft.cast(f"{node.name}_doubled", view.tensor, doubled)
    frac = max(doubled.frac, 1)
    half = 1 << (frac - 1)
    thresholds = np.tile([1 - half, 1 + half], (draft.tensors[tensor].shape[0], 1))
    return _steps(draft, node, tensor, thresholds, frac, (-1, 1))


def _steps(draft: Draft, node: Any, tensor: str, thresholds: IntArray, frac: int, rise: tuple[int, int]) -> str:
    """start + slope for every threshold of the channel that x reaches; ``rise`` is (start, slope)."""
    channels = len(thresholds)
    width = int(np.abs(thresholds).max()).bit_length() + 1
    params = {
        "thresholds": Parameter(thresholds, FixedPoint(width, frac)),
        "start": Parameter(np.full(channels, rise[0]), FixedPoint(2, 0)),
        "slope": Parameter(np.full(channels, rise[1]), FixedPoint(3, 0)),
    }
    return draft.add(node.name, "threshold", (tensor,), draft.result(node), params)


LINES_AND_STEPS: Mapping[str, Activation] = {
    "linear": linear,
    "relu": relu,
    "relu1": relu_up_to(1),
    "relu6": relu_up_to(6),
    "leakyrelu": leaky_relu,
    "leaky_relu": leaky_relu,
    "prelu": prelu,
    "hard_sigmoid": hard_sigmoid,
    "hard_tanh": hard_tanh,
    "binary_tanh": binary_tanh,
    "ternary_tanh": ternary_tanh,
}
