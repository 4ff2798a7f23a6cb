# SPDX-License-Identifier: Apache-2.0
"""Write quantisers of any scale with the operators of :mod:`hwsim.ops`.

An imported file keeps a quantiser that fixed point cannot express as one ``requantise`` layer of known width, which
can be costed. Its exact meaning is a scaling to integers, a cast, and the scaling back; thresholds and bipolar values
are a ``threshold`` layer. Weights of any scale become integers, and their scale follows the layer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import smallest_format
from hwsim.importers.qonnx import ROUNDINGS, Quantiser, Thresholds
from hwsim.network import Layer, Network, Tensor, Weights

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Part:
    """One layer of a quantiser; ``suffix`` tells its name from the quantiser's."""

    suffix: str
    op: str
    params: Mapping[str, Array] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    format: FixedPoint | None = None


class _Draft:
    """Layers, tensors and weights of the rewritten network so far."""

    def __init__(self, network: Network, weights: Mapping[str, Array]) -> None:
        self.layers: list[Layer] = []
        self.tensors = dict(network.tensors)
        self.weights: Weights = dict(weights)

    def append(self, layer: Layer, source: str, parts: Sequence[_Part]) -> None:
        """Append ``parts`` behind the tensor ``source``; the last one writes what ``layer`` writes."""
        shape = self.tensors[layer.output].shape
        for index, part in enumerate(parts):
            name = f"{layer.name}.{part.suffix}" if part.suffix else layer.name
            output = layer.output if index == len(parts) - 1 else f"{layer.output}.{part.suffix or 'integers'}"
            self.tensors[output] = Tensor(shape, part.format)
            for role, array in part.params.items():
                self.tensors[f"{name}.{role}"], self.weights[f"{name}.{role}"] = Tensor(array.shape), array
            roles = {role: f"{name}.{role}" for role in part.params}
            self.layers.append(Layer(name, part.op, (source,), (output,), part.attrs, roles))
            source = output

    def network(self, old: Network) -> Network:
        """The rewritten network, without tensors nobody names any more."""
        named = {t for layer in self.layers for t in (*layer.outputs, *layer.params.values())}
        tensors = {name: tensor for name, tensor in self.tensors.items() if name in named}
        return replace(old, layers=tuple(self.layers), tensors=tensors)


def spell_out(
    network: Network, weights: Mapping[str, Array], quantisers: Mapping[str, Quantiser | Thresholds]
) -> tuple[Network, Weights]:
    """The network with every quantised tensor on its exact levels; parameters that scale are float64.

    Args:
        quantisers: what the quantised tensors hold, by tensor (``Lowering.quantisers``). Tensors that have a
            fixed-point format already, or whose levels are known by their number only, stay.

    Raises:
        UnsupportedError: a rounding mode has no fixed-point form, or weights are not integers times one scale per
            output channel.
    """
    draft = _Draft(network, weights)
    for layer in network.layers:
        parts: Sequence[_Part] = ()
        if layer.op == "requantise" and network.tensors[layer.output].format is None:
            parts = _parts(layer, quantisers.get(layer.output), network.tensors[layer.output].shape[0])
        if parts:
            draft.append(layer, layer.inputs[0], parts)
        elif layer.op in ops.WEIGHTED and network.tensors[layer.params["weight"]].format is None:
            _append_weighted(draft, layer, quantisers.get(layer.params["weight"]))
        else:
            draft.layers.append(layer)
    rewritten = draft.network(network)
    return rewritten, {name: draft.weights[name] for name in rewritten.parameter_names}


def _parts(layer: Layer, quantiser: Quantiser | Thresholds | None, channels: int) -> Sequence[_Part]:
    """The layers of a quantiser of activations; none where its levels are known by their number only."""
    if isinstance(quantiser, Thresholds):
        rows = np.broadcast_to(quantiser.thresholds, (channels, quantiser.thresholds.shape[1]))
        start, slope = np.full(channels, quantiser.bias), np.full(channels, quantiser.scale)
        return [_Part("", "threshold", {"thresholds": rows, "start": start, "slope": slope})]
    if quantiser is None or quantiser.scale is None:
        return ()
    scale = np.broadcast_to(np.asarray(quantiser.scale, dtype=np.float64).reshape(-1), (channels,))
    if quantiser.bits == 1 and quantiser.signed and not np.any(quantiser.zero_point):
        # -scale below zero and +scale from it on (qonnx bipolar_quant.py and intquant.py)
        return [_Part("", "threshold", {"thresholds": np.zeros((channels, 1)), "start": -scale, "slope": 2.0 * scale})]
    zero = np.broadcast_to(np.asarray(quantiser.zero_point, dtype=np.float64).reshape(-1), (channels,))
    parts = [_affine("scale", 1.0 / scale, 0.0 * scale)]
    if np.any(zero):
        parts.append(_affine("zero", np.ones(channels), zero))
    if quantiser.narrow and not quantiser.signed:
        low, high = (float(limit) for limit in quantiser.limits)
        parts.append(_Part("clip", "clip", attrs={"low": low, "high": high}))
    parts.append(_Part("", "requantise", format=_format_of(layer, quantiser)))
    parts.append(_affine("unit", scale, -zero * scale))
    return parts


def _affine(suffix: str, scale: Array, shift: Array) -> _Part:
    return _Part(suffix, "batch_norm", {"scale": scale, "shift": shift})


def _format_of(layer: Layer, quantiser: Quantiser) -> FixedPoint:
    """The integers n of a quantiser, rounded and saturated as it does."""
    rounding = ROUNDINGS[quantiser.rounding][0]
    if rounding is None:
        raise UnsupportedError(
            f"{layer.name}: rounds by {quantiser.rounding}, which no fixed-point cast does; expected ROUND or FLOOR; "
            "export with rounding mode ROUND"
        )
    symmetric = quantiser.narrow and quantiser.signed
    return FixedPoint(quantiser.bits, 0, quantiser.signed, rounding, "SAT_SYM" if symmetric else "SAT")


def _append_weighted(draft: _Draft, layer: Layer, quantiser: Quantiser | Thresholds | None) -> None:
    """Append a convolution or dense layer with integer weights, if it has any, and their scale behind it."""
    if not isinstance(quantiser, Quantiser) or quantiser.scale is None:
        draft.layers.append(layer)
        return
    integers, scale = _split(layer, draft.weights[layer.params["weight"]], quantiser)
    params = {role: f"{layer.name}.integer_{role}" for role in layer.params}
    draft.tensors[params["weight"]] = Tensor(integers.shape, _weight_format(quantiser))
    draft.weights[params["weight"]] = integers
    if "bias" in params:
        bias, given = draft.weights[layer.params["bias"]], draft.tensors[layer.params["bias"]].format
        draft.tensors[params["bias"]] = Tensor(scale.shape)
        draft.weights[params["bias"]] = (bias if given is None else given.to_real(bias)) / scale
    if np.all(scale == 1.0):
        draft.layers.append(replace(layer, params=params))
        return
    shape = draft.tensors[layer.output].shape
    if layer.op == "dense" and len(shape) > 1:  # its outputs lie along the last axis, a norm's channels along the first
        if np.any(scale != scale[0]):
            raise UnsupportedError(
                f"{layer.name}: one weight scale per feature of an output of shape {shape}; expected one for the whole "
                "tensor; quantise the weights per tensor"
            )
        scale = np.full(shape[0], scale[0])
    output = f"{layer.output}.unscaled"
    draft.tensors[output] = Tensor(draft.tensors[layer.output].shape)
    draft.layers.append(replace(layer, outputs=(output,), params=params))
    draft.append(layer, output, [_affine("unit", scale, 0.0 * scale)])


def _weight_format(quantiser: Quantiser) -> FixedPoint:
    """The integers ``n - zero_point``; bipolar ones are -1 and +1 in two bits."""
    low, high = (-1, 1) if quantiser.bits == 1 and quantiser.signed else quantiser.limits
    zero = np.asarray(quantiser.zero_point)
    return smallest_format(low - int(zero.max()), high - int(zero.min()), 0)


def _split(layer: Layer, weight: Array, quantiser: Quantiser) -> tuple[Array, Array]:
    """Weights as integers times one scale per output channel; equal to them in float32."""
    assert quantiser.scale is not None
    scales = np.broadcast_to(quantiser.scale, weight.shape).reshape(len(weight), -1).astype(np.float64)
    scale = scales[:, 0].copy()
    column = scale.reshape(-1, *(1,) * (weight.ndim - 1))
    integers = np.rint(weight / column).astype(np.int64)
    if not np.array_equal(scales, np.broadcast_to(scale[:, None], scales.shape)) or not np.array_equal(
        (integers * column).astype(np.float32), weight
    ):
        raise UnsupportedError(
            f"{layer.name}: weights are not integers times one scale per output channel; expected such weights; "
            "quantise them per tensor or per output channel"
        )
    return integers, scale
