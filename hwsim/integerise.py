# SPDX-License-Identifier: Apache-2.0
"""Networks with real scales between integer tensors become integer networks with the same integers.

Between two integer tensors a chain of element-wise layers (scales, batch norms, activations, a cast or thresholds) is
a function of the integers of one of them. It is held back until a layer needs its result, and then replaced by integer
operators that equal it everywhere; a scale that is left over passes on through the layer. What stands in front of the
first integer tensor and behind the last one is left to the host.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.errors import FormatError, UnsupportedError
from hwsim.exact import Exact, scale_step
from hwsim.fixed import FixedPoint
from hwsim.formats import exact_format, smallest_format
from hwsim.integer_draft import Draft, Held, Integers, scaling
from hwsim.lattice import ELEMENTWISE, last_grid
from hwsim.network import Layer, Network
from hwsim.staircase import Step

Array = npt.NDArray[Any]
Handler = Callable[[Draft, Layer], None]


def integerise(network: Network, weights: Mapping[str, Array]) -> Exact:
    """An integer network with the same integers as a network of quantised tensors and real scales between them.

    The real computation is taken in float32, as the run-times of QONNX and ONNX files do it; where no
    multiply-and-shift equals that, in float64, and a note counts the steps that differ. A real input must be given a
    format before (``Network.with_formats``), or its first quantiser stays on the host. Layers that compute on formats
    throughout stay as they are.

    Raises:
        UnsupportedError: real numbers reach a layer that multiplies, adds or selects, scales differ where they must
            agree, or no integer operator equals a chain; names the layer.
        FormatError: an exact result needs more than 63 bits.
    """
    draft = Draft(network, weights)
    for layer in network.layers:
        _HANDLERS.get(layer.op, _stay)(draft, layer)
    return draft.finish()


def _input(draft: Draft, layer: Layer) -> None:
    if draft.format(layer.output) is None:
        draft.held[layer.output] = Held(None)
    else:
        draft.copy(layer)


def _stay(draft: Draft, layer: Layer) -> None:
    """Layers that are exact or nothing."""
    if not draft.is_exact(layer):
        raise UnsupportedError(
            f"{layer.name}: {layer.op} of values that are no fixed-point numbers; expected a power of two as scale; "
            "quantise its input so"
        )
    for tensor in layer.inputs:
        draft.write_steps(tensor)
    draft.copy(layer)


def _hold(draft: Draft, layer: Layer) -> None:
    """Element-wise layers wait for a reader; with several of them, what is on a grid is settled once."""
    held = draft.held[layer.inputs[0]]
    params = {role: draft.real(name) for role, name in layer.params.items()}
    step = Step(layer, params, draft.format(layer.output), draft.is_exact(layer))
    draft.held[layer.output] = Held(held.tensor, (*held.steps, step))
    if len(draft.source.consumers(layer.output)) > 1 and last_grid(draft.held[layer.output].steps) is not None:
        draft.integers(layer.output, layer.name)


# Layers with weights


def _weighted(draft: Draft, layer: Layer) -> None:
    """The scale of the input passes through; a bias that is no whole number of accumulator units follows."""
    x = draft.integers(layer.inputs[0], layer.name)
    if draft.is_exact(layer):
        draft.copy(layer)
        return
    weight = layer.params["weight"]
    fmt, source = draft.format(weight), draft.tensors[x.tensor].format
    if fmt is None:
        raise UnsupportedError(f"{layer.name}: weights are real numbers; expected quantised ones; quantise them")
    assert source is not None
    params = {"weight": draft.file(weight, draft.weights[weight], fmt)}
    scale = _output_scale(draft, layer, x)
    shift = np.zeros_like(scale)
    if "bias" in layer.params:
        bias = draft.real(layer.params["bias"])
        units = _whole(bias / (scale if len(scale) == len(bias) else scale[0]), source.frac + fmt.frac)
        if units is not None:
            params["bias"] = draft.file(layer.params["bias"], *units)
        elif len(draft.shape(layer.output)) > 1 and layer.op == "dense":
            raise UnsupportedError(
                f"{layer.name}: bias of a dense layer over {draft.shape(layer.output)} is not on the accumulator's "
                "grid; expected whole multiples of input scale times weight scale; quantise the bias so"
            )
        else:
            shift = bias
    _write(draft, replace(layer, inputs=(x.tensor,), params=params), scale, shift)


def _output_scale(draft: Draft, layer: Layer, x: Integers) -> Array:
    """One scale per output channel (axis 0), from scales that agree among the channels summed."""
    channels = draft.shape(layer.output)[0]
    groups = layer.attrs["groups"] if layer.op == "conv2d" else 1
    rows = x.scale.reshape(groups, -1)
    if np.any(rows != rows[:, :1]):
        raise UnsupportedError(
            f"{layer.name}: sums channels of different scales; expected one scale; quantise its input per tensor"
        )
    return np.repeat(rows[:, 0], channels // groups)


def _whole(values: Array, frac: int) -> tuple[Array, FixedPoint] | None:
    """Values as integers with ``frac`` fractional bits; None where float32 could tell them from such."""
    scaled = values * 2.0**frac
    if np.any(np.abs(scaled) >= 2.0**62) or np.any(np.abs(scaled - np.rint(scaled)) > 2.0**-23 * np.abs(scaled)):
        return None
    integers = np.rint(scaled).astype(np.int64)
    return integers, smallest_format(int(integers.min()), int(integers.max()), frac)


def _write(draft: Draft, layer: Layer, scale: Array, shift: Array) -> None:
    """Write a layer on integers; its scale and shift, and a cast if the source has one here, are held behind it."""
    name, shape = layer.output, draft.shape(layer.output)
    cast = _cast_of(draft, layer.name)
    tensor = name if cast is None else f"{name}.exact"
    draft.write(replace(layer, outputs=(tensor,)), shape)
    steps = (scale_step(f"{name}.unit", scale, shift),) if np.any(shift) else scaling(f"{name}.unit", scale)
    if cast is not None:
        steps = (*steps, Step(Layer(f"{layer.name}.cast", "requantise", (tensor,), (name,)), {}, cast))
    draft.held[name] = Held(tensor, steps)


def _cast_of(draft: Draft, name: str) -> FixedPoint | None:
    """The format of a layer's output, unless it loses nothing of the result."""
    layer = draft.source.layer(name)
    fmt = draft.format(layer.output)
    if fmt is None:
        return None
    try:
        return None if fmt.holds(exact_format(draft.source, layer, draft.weights)) else fmt
    except (FormatError, UnsupportedError):
        return fmt


# Layers that move, select or average


def _moved(draft: Draft, layer: Layer) -> None:
    """On integers, with the chain of real steps moved behind the layer."""
    tensor = layer.inputs[0]
    held = draft.held[tensor]
    if last_grid(held.steps) is not None or (held.steps and held.steps[-1].exact):
        draft.integers(tensor, layer.name)
        held = draft.held[tensor]
    if draft.is_exact(layer):
        draft.copy(layer)
        return
    for step in held.steps:
        if not _commutes(layer, step):
            raise UnsupportedError(
                f"{layer.name}: {layer.op} of real numbers behind {step.layer.name}, which it cannot precede; expected "
                "a quantiser between them; quantise its input"
            )
    repeats = int(np.prod(draft.shape(tensor)[1:])) if layer.op == "flatten" else 1
    steps = tuple(
        replace(step, params={r: np.repeat(a, repeats, axis=0) for r, a in step.params.items()}, exact=False)
        for step in held.steps
    )
    if held.tensor is None:
        draft.held[layer.output] = Held(None, steps)
        return
    ones = np.ones(draft.shape(layer.output)[0])
    written, size = replace(layer, inputs=(held.tensor,)), _averaged(draft, layer)
    if size & (size - 1):
        written = _as_sum(draft, written)
        _write(draft, written, ones / size, 0.0 * ones)
    else:
        _write(draft, written, ones, 0.0 * ones)
    behind = draft.held[layer.output]
    draft.held[layer.output] = Held(behind.tensor, (*steps, *behind.steps))


def _averaged(draft: Draft, layer: Layer) -> int:
    """How many values each mean is over; 1 where there is no mean, or their number varies."""
    if layer.op == "global_avg_pool":
        return math.prod(draft.shape(layer.inputs[0])[1:])
    if layer.op != "avg_pool2d" or (any(layer.attrs["padding"]) and not layer.attrs["count_include_pad"]):
        return 1
    return math.prod(layer.attrs["kernel"])


def _as_sum(draft: Draft, layer: Layer) -> Layer:
    """A mean without a finite binary form, as a depthwise convolution with ones and the scale that it leaves over."""
    channels, *extent = draft.tensors[layer.inputs[0]].shape
    window = {"kernel": tuple(extent)} if layer.op == "global_avg_pool" else dict(layer.attrs)
    window.pop("count_include_pad", None)
    ones = np.ones((channels, 1, *window["kernel"]), dtype=np.int64)
    weight = draft.file(f"{layer.name}.ones", ones, FixedPoint(2, 0))
    return Layer(layer.name, "conv2d", layer.inputs, layer.outputs, {**window, "groups": channels}, {"weight": weight})


def _commutes(layer: Layer, step: Step) -> bool:
    """Whether a moving layer may come before an element-wise step."""
    if layer.op in ("flatten", "upsample2d"):
        return True
    selects = layer.op in ("max_pool2d", "global_max_pool")
    if step.layer.op == "batch_norm":
        return bool(np.all(step.params["scale"] >= 0.0) if selects else not np.any(step.params["shift"]))
    if selects:
        return step.layer.op in ("relu", "clip", "sigmoid", "tanh", "hard_sigmoid", "output")
    return layer.op == "pad2d" and step.layer.op == "relu"


def _add(draft: Draft, layer: Layer) -> None:
    given = [draft.integers(tensor, layer.name) for tensor in layer.inputs]
    if draft.is_exact(layer):
        draft.copy(layer)
        return
    if any(not np.array_equal(x.scale, given[0].scale) for x in given):
        raise UnsupportedError(
            f"{layer.name}: adds tensors of different scales; expected one scale, or scales a power of two apart; let "
            "the branches share a quantiser"
        )
    written = replace(layer, inputs=tuple(x.tensor for x in given))
    _write(draft, written, given[0].scale, np.zeros_like(given[0].scale))


def _concat(draft: Draft, layer: Layer) -> None:
    given = [draft.integers(tensor, layer.name) for tensor in layer.inputs]
    if draft.is_exact(layer):
        draft.copy(layer)
        return
    parts = zip(given, layer.inputs, strict=True)
    scale = np.concatenate([np.broadcast_to(x.scale, draft.shape(tensor)[:1]) for x, tensor in parts])
    _write(draft, replace(layer, inputs=tuple(x.tensor for x in given)), scale, np.zeros_like(scale))


def _argmax(draft: Draft, layer: Layer) -> None:
    """The largest of the integers, where all classes have the same scale and shift."""
    held = draft.held[layer.inputs[0]]
    if last_grid(held.steps) is not None or all(step.exact for step in held.steps):
        draft.integers(layer.inputs[0], layer.name)
        held = draft.held[layer.inputs[0]]
    for step in held.steps:
        same = all(np.all(array == array[:1]) for array in step.params.values())
        if step.layer.op != "softmax" and not (step.layer.op == "batch_norm" and same and step.params["scale"][0] > 0):
            raise UnsupportedError(
                f"{layer.name}: argmax of real numbers behind {step.layer.name}; expected one positive scale for all "
                "classes; end the network before it"
            )
    if held.tensor is None:
        raise UnsupportedError(f"{layer.name}: argmax of an input without a format; give the input a format")
    draft.write(replace(layer, inputs=(held.tensor,)), draft.shape(layer.output))
    draft.held[layer.output] = Held(layer.output)


_HANDLERS: Mapping[str, Handler] = {
    "input": _input,
    **dict.fromkeys((*ELEMENTWISE, "softmax"), _hold),
    "dense": _weighted,
    "conv2d": _weighted,
    **dict.fromkeys(
        ("flatten", "upsample2d", "pad2d", "max_pool2d", "global_max_pool", "avg_pool2d", "global_avg_pool"), _moved
    ),
    "add": _add,
    "concat": _concat,
    "argmax": _argmax,
}
