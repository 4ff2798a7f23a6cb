# SPDX-License-Identifier: Apache-2.0
"""Post-training quantisation: choose the binary point of every tensor from data."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hwsim.errors import DatasetError, WeightsError
from hwsim.network import Layer
from quant.module import QuantModule, tensor_quantiser
from quant.placement import KEEPS_GRID

_SAMPLES = 1 << 17  # values kept per tensor; the squared error of a step needs no more
_BATCH = 100


def calibrate(module: QuantModule, x: Tensor) -> QuantModule:
    """Fix the format of every tensor and switch quantisation on.

    Activations are observed while the float network runs over ``x``; each format minimises the mean squared
    error over what was seen. Weights are fitted to their own values, and biases to theirs with a last bit no finer
    than the accumulator's, so that adding a bias never widens it. Formats then stay fixed, in training too.

    To win back accuracy at few bits, train on with :func:`quant.train.fit`. Folded batch norms no longer tame large
    steps: with SGD and momentum 0.9, learning rates of 0.005 to 0.02 train stably where 0.1 diverges.

    Args:
        module: changed in place.
        x: (N, *shape) real inputs; a few hundred training images are enough.

    Returns:
        The module.

    Raises:
        DatasetError: ``x`` is empty or not finite.
        WeightsError: weights or activations are NaN or infinite; names the tensor.
    """
    if len(x) == 0 or not bool(torch.isfinite(x).all()):
        raise DatasetError(f"calibration data: got {len(x)} images, or values that are not finite; give a few hundred")
    samples = _observe(module, x)
    fixed = set(module.network.inputs)
    for tensor, quantiser in module.activation_quantisers().items():
        if tensor not in fixed:
            _fit(quantiser, samples[tensor], tensor)
    fit_parameters(module)
    module.is_calibrated.fill_(True)
    module.set_quantised(True)
    return module


def fit_parameters(module: QuantModule) -> None:
    """Fit the formats of all weights and biases to their present values."""
    fracs, modules = _fracs(module), module.weighted()
    for layer in module.network.layers:
        if layer.params:
            _fit_layer(layer, modules[layer.name], fracs[layer.inputs[0]])


def _fit_layer(layer: Layer, module: Any, input_frac: int) -> None:
    weight = tensor_quantiser(module.weight_quant)
    _fit(weight, module.weight, layer.params["weight"])
    if module.bias is not None:
        bias = tensor_quantiser(module.bias_quant)
        _fit(bias, module.bias, layer.params["bias"], max_frac=input_frac + weight.format.frac)


def _fit(quantiser: Any, values: Tensor, name: str, max_frac: int | None = None) -> None:
    try:
        quantiser.fit(values, max_frac)
    except WeightsError as error:
        raise WeightsError(f"{name}: {error}") from None


def _observe(module: QuantModule, x: Tensor) -> Mapping[str, Tensor]:
    """Samples of every quantised tensor of the float network, drawn evenly over images and positions."""
    parts: dict[str, list[Tensor]] = {tensor: [] for tensor in module.activation_quantisers()}
    batches = -(-len(x) // _BATCH)

    def keep(tensor: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].detach().flatten()
            stride = max(1, values.numel() * batches // _SAMPLES) | 1  # odd, not to fall into step with image rows
            parts[tensor].append(torch.cat([values[::stride], values.min().reshape(1), values.max().reshape(1)]))

        return hook

    was_training = module.training
    module.eval()
    module.set_quantised(False)
    hooks = [one.register_forward_pre_hook(keep(tensor)) for tensor, one in module.quantised_tensors().items()]
    try:
        with torch.no_grad():
            for batch in x.split(_BATCH):
                module(batch.to(module.is_calibrated.device))
    finally:
        for handle in hooks:
            handle.remove()
        module.train(was_training)
    return {tensor: torch.cat(values) for tensor, values in parts.items()}


def _fracs(module: QuantModule) -> dict[str, int]:
    """Fractional bits of every tensor that lies on a grid, which every input of a weighted layer does."""
    quantisers = module.activation_quantisers()
    fracs: dict[str, int] = {}
    for layer in module.network.layers:
        if layer.output in quantisers:
            fracs[layer.output] = quantisers[layer.output].format.frac
        elif layer.op in KEEPS_GRID and all(t in fracs for t in layer.inputs):
            fracs[layer.output] = max(fracs[t] for t in layer.inputs)
    return fracs
