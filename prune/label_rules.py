# SPDX-License-Identifier: Apache-2.0
"""What each torch operator does to labels: a row per family of ATen calls.

A rule is ``(tracer, call) -> labels of the result`` (or a list of them). What has no rule lets nothing be removed of
what it reads, and says so by name.
"""

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from prune.labels import Labels, along, compressed, equal_parts, one_axis, varying, whole

if TYPE_CHECKING:
    from prune.tracer import Call

Rule = Callable[["Call"], Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """File a rule under ATen names without their overloads."""

    def add(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return add


@rule("linear", "addmm", "mm")
def _linear(call: "Call") -> Labels:
    name = call.target
    x, weight, bias = {"linear": (0, 1, 2), "addmm": (1, 2, 0), "mm": (0, 1, None)}[name]
    out_axis, in_axis = (0, 1) if name == "linear" else (1, 0)
    shape = call.shape_of(weight)
    source = along(call.labels(x), -1, shape[in_axis])
    if source is None:
        call.freeze(call.labels(x), "reads an axis of which parts are removable")
    else:
        call.touch("consumer", "weight", weight, in_axis, source)
    made = call.book.fresh(shape[out_axis])
    call.touch("producer", "weight", weight, out_axis, made)
    if bias is not None and call.given(bias):
        call.touch("producer", "bias", bias, 0, made)
    return made.reshape(*[1] * (len(call.shape) - 1), -1)


@rule("conv1d", "conv2d", "conv3d")
def _convolution(call: "Call") -> Labels:
    weight = call.shape_of(1)
    groups = int(call.arg(6, 1, "groups"))
    channels = weight[1] * groups
    source = along(call.labels(0), 1, channels)
    form = (1, -1, *[1] * (len(weight) - 2))
    if source is None:
        call.freeze(call.labels(0), "reads an axis of which parts are removable")
        source = call.book.fresh(channels)
        call.freeze(source, "reads an axis of which parts are removable")
    if groups == channels and groups > 1:  # depthwise
        made = np.repeat(source, weight[0] // groups)
        call.touch("follower", "weight", 1, 0, made)
    else:
        parts = source.reshape(groups, -1)
        call.book.equal(parts, parts[:1])
        call.touch("consumer", "weight", 1, 1, parts[0])
        per_part = call.book.fresh(weight[0] // groups)
        made = np.tile(per_part, groups)
        call.touch("producer", "weight", 1, 0, made)
    if call.given(2):
        call.touch("producer" if groups != channels or groups == 1 else "follower", "bias", 2, 0, made)
    return made.reshape(form)


@rule("batch_norm")
def _batch_norm(call: "Call") -> Labels:
    channels = call.shape[1]
    source = along(call.labels(0), 1, channels)
    kind, made = "follower", source
    if made is None or call.selects:
        # What this norm lets through may be chosen by itself: its input is then gathered by index.
        kind, made = "producer", call.book.fresh(channels)
        call.freeze(call.labels(0), "gathers its input by index")  # indices count on every channel of it
        if source is None:
            call.freeze(made, "is normalised along several axes")
    for position, role in ((1, "scale"), (2, "shift"), (3, "statistic"), (4, "statistic")):
        if call.given(position):
            call.touch(kind, role, position, 0, made)
    return made.reshape(1, -1, *[1] * (len(call.shape) - 2))


@rule("layer_norm", "group_norm", "instance_norm", "native_layer_norm", "rms_norm")
def _normalise(call: "Call") -> Labels:
    call.freeze(call.labels(0), "normalises over the channels")
    return call.labels(0)


@rule("softmax", "log_softmax")
def _softmax(call: "Call") -> Labels:
    labels = call.labels(0)
    if call.arg(1, -1, "dim") % len(call.shape) in varying(labels):
        call.freeze(labels, "normalises over the channels")
    return labels


@rule(
    *("relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "hardtanh", "hardswish", "hardsigmoid", "leaky_relu", "elu"),
    *("clamp", "clamp_min", "dropout", "feature_dropout", "alpha_dropout", "contiguous", "clone", "neg", "exp", "sqrt"),
    *("rsqrt", "pow", "abs", "to", "_to_copy", "detach", "alias", "softplus", "mish", "selu", "erf", "prelu", "square"),
    *("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "max_pool1d", "adaptive_avg_pool1d"),
    *("upsample_nearest2d", "upsample_bilinear2d", "constant_pad_nd", "pad", "lift_fresh_copy", "type_as"),
)
def _same(call: "Call") -> Labels:
    return call.labels(0)


@rule("add", "sub", "rsub", "mul", "div", "maximum", "minimum", "where", "masked_fill")
def _combine(call: "Call") -> Labels:
    operands = [call.arg(position) for position in range(3) if call.is_tensor(position)]
    rank = len(call.shape)
    found = [call.labels_of(operand) for operand in operands]
    found = [labels.reshape(*[1] * (rank - labels.ndim), *labels.shape) for labels in found]
    result = found[0]
    for operand, labels in zip(operands[1:], found[1:], strict=True):
        extents = (*[1] * (rank - len(call.extents(operand))), *call.extents(operand))
        first = (*[1] * (rank - len(call.extents(operands[0]))), *call.extents(operands[0]))
        # An operand of extent 1 along the other's channels is repeated and has no say about them.
        if all(extents[axis] == 1 for axis in varying(result)) and not varying(labels):
            continue
        if all(first[axis] == 1 for axis in varying(labels)) and not varying(result):
            result = labels
            continue
        result = call.book.equal(result, labels)
    return result


@rule("view", "reshape", "flatten", "unflatten", "_unsafe_view", "squeeze", "unsqueeze")
def _reshape(call: "Call") -> Labels:
    old, new = call.extents(call.arg(0)), call.shape
    labels = compressed(whole(call.labels(0), old).reshape(new))
    if len(varying(labels)) > 1 and call.element_wise(0):
        return labels
    # (N, C, H, W) split at C is a shuffle; the last axis of rows is split into heads.
    return one_axis(call.book, labels, heads=varying(call.labels(0)) == [len(old) - 1])


@rule("permute", "transpose", "t", "movedim", "swapaxes")
def _permute(call: "Call") -> Labels:
    labels, rank = call.labels(0), len(call.shape)
    if call.target == "permute":
        return labels.transpose([axis % rank for axis in call.arg(1)])
    if call.target == "t":
        return labels.T
    if call.target == "movedim":
        return np.moveaxis(labels, call.arg(1), call.arg(2))
    return labels.swapaxes(call.arg(1), call.arg(2))


@rule("cat", "concat", "concatenate")
def _concat(call: "Call") -> Labels:
    axis = call.arg(1, 0, "dim") % len(call.shape)
    parts = []
    for value in call.arg(0):
        labels, extents = call.labels_of(value), call.extents(value)
        form = [extents[i] if i == axis else labels.shape[i] for i in range(len(extents))]
        parts.append(whole(labels, form))
    common = [max(part.shape[i] for part in parts) for i in range(len(call.shape))]
    joined = [whole(part, [part.shape[i] if i == axis else common[i] for i in range(len(common))]) for part in parts]
    labels = compressed(np.concatenate(joined, axis=axis))
    if axis in varying(labels) and len(varying(labels)) > 1:  # tokens beside tokens: the same channels
        for part in joined[1:]:
            call.book.equal(np.take(joined[0], [0], axis=axis), np.take(part, [0], axis=axis))
        labels = compressed(np.take(joined[0], [0], axis=axis))
    elif axis in varying(labels) and not any(axis in varying(call.labels_of(value)) for value in call.arg(0)):
        call.freeze(labels, "is joined along an axis without channels")
    return labels


@rule("stack")
def _stack(call: "Call") -> Labels:
    axis = call.arg(1, 0, "dim") % len(call.shape)
    parts = [call.labels_of(value) for value in call.arg(0)]
    result = parts[0]
    for part in parts[1:]:
        result = call.book.equal(result, part)
    return np.expand_dims(result, axis)


@rule("chunk", "split", "split_with_sizes", "unbind")
def _split(call: "Call") -> list[Labels]:
    position = 1 if call.target == "unbind" else 2
    shapes = [tuple(value.shape) for value in call.value]
    axis = call.arg(position, 0, "dim") % len(call.extents(call.arg(0)))
    labels = call.labels(0)
    if axis not in varying(labels):
        return [np.squeeze(labels, axis) if call.target == "unbind" else labels for _ in shapes]
    if call.target == "unbind":
        pieces = [np.take(labels, index, axis=axis) for index in range(labels.shape[axis])]
    else:
        pieces = np.split(labels, np.cumsum([shape[axis] for shape in shapes])[:-1], axis=axis)
    return [compressed(p) for p in equal_parts(call.book, pieces, f"{call.layer} cuts channels into unequal parts")]


@rule("getitem")
def _item(call: "Call") -> Any:
    found = call.labels(0)
    return found[call.arg(1)] if isinstance(found, list) else found


@rule("slice", "select", "index_select", "roll", "flip", "narrow", "index")
def _pick(call: "Call") -> Labels:
    labels = call.labels(0)
    if call.target == "index":
        return _index(call)
    axes = call.arg(1, 0, "dim") if call.target != "roll" else call.arg(2, (), "dims")
    rank = len(call.extents(call.arg(0)))
    touched = {axis % rank for axis in (axes if isinstance(axes, list | tuple) else [axes])}
    if touched & {*varying(labels)} and call.shape != call.extents(call.arg(0)):
        call.freeze(labels, f"is cut by number in {call.layer or 'forward'}")
    elif touched & {*varying(labels)} and call.target in ("roll", "flip"):
        call.freeze(labels, f"is moved along its channels in {call.layer or 'forward'}")
    if call.target == "select":
        (axis,) = touched
        return np.take(labels, 0, axis=axis)
    return labels if not touched & {*varying(labels)} else compressed(np.take(labels, [0], axis=min(touched)))


def _index(call: "Call") -> Labels:
    """Gathered rows: labels along the axes that are left alone."""
    labels, indices = call.labels(0), call.arg(1)
    gathered = [axis for axis, index in enumerate(indices) if index is not None]
    if gathered != list(range(len(gathered))):
        call.freeze(labels, f"is gathered by number in {call.layer or 'forward'}")
        return np.zeros([1] * len(call.shape), dtype=np.int64) + call.frozen("gathered")
    for axis in gathered:
        if labels.shape[axis] > 1:
            first = np.take(labels, [0], axis=axis)
            call.book.equal(labels, first)
            labels = first
    rest = labels.shape[len(gathered) :]
    return labels.reshape(*[1] * (len(call.shape) - len(rest)), *rest)


@rule("expand", "expand_as", "repeat")
def _expand(call: "Call") -> Labels:
    labels, rank = call.labels(0), len(call.shape)
    old = (*[1] * (rank - len(call.extents(call.arg(0)))), *call.extents(call.arg(0)))
    labels = labels.reshape(*[1] * (rank - labels.ndim), *labels.shape)
    for axis in varying(labels):
        if old[axis] != call.shape[axis]:
            call.freeze(labels, f"is repeated along its channels in {call.layer or 'forward'}")
            return np.zeros([1] * rank, dtype=np.int64) + call.frozen("repeated")
    return labels


@rule("mean", "sum", "amax", "amin", "max", "min", "var", "std")
def _reduce(call: "Call") -> Labels:
    labels, extents = call.labels(0), call.extents(call.arg(0))
    axes = call.arg(1, None, "dim")
    listed = axes if isinstance(axes, list | tuple) else [axes]
    if any(hasattr(axis, "meta") for axis in listed):  # the larger of two tensors, element by element
        for position in (0, 1):
            call.freeze(call.labels(position), f"is compared with activations in {call.layer or 'forward'}")
        return np.zeros([1] * len(call.shape), dtype=np.int64) + call.frozen("compared")
    chosen = {axis % len(extents) for axis in listed} if axes is not None and listed else {*range(len(extents))}
    if chosen & {*varying(labels)}:
        call.freeze(labels, f"is summed over its channels in {call.layer or 'forward'}")
        return np.zeros([1] * len(call.shape), dtype=np.int64) + call.frozen("summed")
    kept = len(call.shape) == len(extents)
    return labels if kept else labels.reshape([e for axis, e in enumerate(labels.shape) if axis not in chosen])


@rule("matmul", "bmm", "scaled_dot_product_attention")
def _multiply(call: "Call") -> Labels:
    """Heads stay apart along leading axes; an axis that is summed over, or a row, may not lose anything.

    Where one operand's heads cannot go, those of the others stay too. The fourth of an attention is its mask.
    """
    mask = call.arg(3, None, "attn_mask") if call.target.startswith("scaled") else None
    operands = [one for one in (call.arg(0), call.arg(1), call.arg(2), mask) if hasattr(one, "meta")]
    rank = len(call.shape)
    leading, extents = [], []
    for operand in operands:
        labels, own = call.labels_of(operand), call.extents(operand)
        extents.append([1] * (rank - len(own)) + list(own))
        if {labels.ndim - 1, labels.ndim - 2} & {*varying(labels)}:
            call.freeze(labels, f"is multiplied by activations in {call.layer or 'forward'}")
            labels = np.zeros([1] * labels.ndim, dtype=np.int64) + call.frozen("multiplied")
        leading.append(labels.reshape(*[1] * (rank - labels.ndim), *labels.shape))
    result = next((labels for labels in leading if varying(labels)), leading[0])
    for labels in leading:
        if varying(labels):
            result = call.book.equal(result, labels)
    for labels, sizes in zip(leading, extents, strict=True):
        if any(sizes[axis] > 1 for axis in {*varying(result)} - {*varying(labels)}):
            call.freeze(result, f"meets heads that stay in {call.layer or 'forward'}")
    return result


@rule("embedding")
def _embedding(call: "Call") -> Labels:
    made = call.book.fresh(call.shape[-1])
    call.touch("producer", "weight", 0, 1, made)
    return made.reshape(*[1] * (len(call.shape) - 1), -1)


GETITEM = operator.getitem
