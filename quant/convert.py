# SPDX-License-Identifier: Apache-2.0
"""From a trained quantised module to the golden network: formats on every tensor, integers for weights."""

from typing import Any

from torch import Tensor

from hwsim.errors import InputError
from hwsim.fixed import FixedPoint
from hwsim.formats import complete_formats
from hwsim.network import Network, Weights, check_weights
from quant.module import QuantModule, tensor_quantiser
from quant.quantisers import integers


def to_network(module: QuantModule) -> tuple[Network, Weights]:
    """The quantised network a module computes, and its int64 weights.

    Results that no quantiser follows get the narrowest format that loses nothing for these weights.

    Raises:
        InputError: the module is not calibrated.
        FormatError: an exact result needs more than 63 bits; names the layer.
        WeightsError: a weight became NaN in training; names the tensor.
    """
    if not bool(module.is_calibrated):
        raise InputError(f"{module.network.name}: has no number formats yet; call quant.calibrate first")
    formats: dict[str, FixedPoint] = {t: q.format for t, q in module.activation_quantisers().items()}
    found = parameters(module)
    check_weights(module.network, {name: values.cpu().numpy() for name, (values, _) in found.items()})
    for name, (_, quantiser) in found.items():
        fmt = quantiser.format
        formats[name] = FixedPoint(fmt.width, fmt.frac, fmt.signed)  # constants are never rounded again
    weights = {name: integers(quantiser(values)[0], quantiser.format) for name, (values, quantiser) in found.items()}
    return complete_formats(module.network.with_formats(formats), weights), weights


def parameters(module: QuantModule) -> dict[str, tuple[Tensor, Any]]:
    """Parameter tensor name → float values and quantiser."""
    modules = module.weighted()
    found = {}
    for layer in module.network.layers:
        for role, name in layer.params.items():
            owner = modules[layer.name]
            found[name] = getattr(owner, role).detach(), tensor_quantiser(getattr(owner, f"{role}_quant"))
    return found
