# SPDX-License-Identifier: Apache-2.0
"""Rewrites of a network that change its layers and not its results."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import ops
from hwsim.errors import FormatError, UnsupportedError
from hwsim.formats import exact_format
from hwsim.network import Layer, Network, Tensor, Weights

Array = npt.NDArray[Any]


def fold_batch_norm(network: Network, weights: Mapping[str, Array]) -> tuple[Network, Weights]:
    """Merge every batch norm into the convolution or dense layer that alone feeds it.

    ``(W x + b) * s + t = (W s) x + (b s + t)`` per output channel, in float64, stored as float32. A batch norm
    behind anything else stays. The network must be float.
    """
    folded: Weights = {name: np.asarray(array) for name, array in weights.items()}
    for layer in network.layers:
        if layer.op != "batch_norm":
            continue
        source = network.producer(layer.inputs[0])
        if source is None or source.op not in ops.WEIGHTED or len(network.consumers(layer.inputs[0])) != 1:
            continue
        if layer.inputs[0] in network.outputs or _is_shared(network, source):
            continue
        if source.op == "dense" and len(network.tensors[source.output].shape) != 1:
            continue  # its outputs lie along the last axis, the norm's channels along the first
        network = _fold_one(network, source, layer, folded)
    used = {name: folded[name] for name in network.parameter_names}
    return network, used


def _is_shared(network: Network, source: Layer) -> bool:
    mine = set(source.params.values())
    return any(mine & set(other.params.values()) for other in network.layers if other.name != source.name)


def _fold_one(network: Network, source: Layer, norm: Layer, weights: Weights) -> Network:
    names = (source.output, *source.params.values(), *norm.params.values())
    if any(network.tensors[name].format is not None for name in names):
        raise UnsupportedError(
            f"{norm.name}: batch norm over quantised tensors cannot be folded; fold before quantising"
        )
    scale = weights[norm.params["scale"]].astype(np.float64)
    shift = weights[norm.params["shift"]].astype(np.float64)
    weight_name = source.params["weight"]
    weight = weights[weight_name].astype(np.float64)
    bias_name = source.params.get("bias", f"{source.name}.bias")
    bias = weights[bias_name].astype(np.float64) if "bias" in source.params else np.zeros(len(weight))
    weights[weight_name] = (weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))).astype(np.float32)
    weights[bias_name] = (bias * scale + shift).astype(np.float32)

    merged = replace(source, outputs=norm.outputs, params={**source.params, "bias": bias_name})
    tensors = {**network.tensors, bias_name: Tensor((len(weight),))}
    return _rebuild(network, {source.name: merged, norm.name: None}, tensors)


def fuse_requantise(network: Network, weights: Mapping[str, Array] | None = None) -> Network:
    """Let a layer cast straight to the format of the requantise that alone reads it.

    Only where the layer's own format loses nothing, so that casting once gives the same integers as casting twice.
    """
    for layer in network.layers:
        if layer.op != "requantise":
            continue
        source = network.producer(layer.inputs[0])
        if source is None or source.op in ("input", "requantise") or len(network.consumers(layer.inputs[0])) != 1:
            continue
        if layer.inputs[0] in network.outputs or not _is_lossless(network, source, weights):
            continue
        merged = replace(source, outputs=layer.outputs)
        network = _rebuild(network, {source.name: merged, layer.name: None}, dict(network.tensors))
    return network


def _is_lossless(network: Network, layer: Layer, weights: Mapping[str, Array] | None) -> bool:
    fmt = network.tensors[layer.output].format
    if fmt is None:
        return True  # no format: the exact result is meant
    try:
        return fmt.holds(exact_format(network, layer, weights))
    except (UnsupportedError, FormatError):
        return False


def _rebuild(network: Network, changes: Mapping[str, Layer | None], tensors: Mapping[str, Tensor]) -> Network:
    """The network with some layers replaced (or removed, None) and tensors nobody names any more dropped."""
    layers = tuple(changed for layer in network.layers if (changed := changes.get(layer.name, layer)) is not None)
    named = {t for layer in layers for t in (*layer.inputs, *layer.outputs, *layer.params.values())}
    return replace(network, layers=layers, tensors={name: t for name, t in tensors.items() if name in named})
