# SPDX-License-Identifier: Apache-2.0
"""A network as a torch module that trains with quantisation.

The module is built from a :class:`Network`, not by exchanging modules inside the user's class, so that every
network the importer understands (functional calls, residual additions, concatenations) can be quantised.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hwsim.errors import UnsupportedError
from hwsim.network import Network, check_weights
from quant.layers import PaddedConvolution, brevitas_nn, build_layer, quantise_layer
from quant.placement import place, weight_widths
from quant.spec import QuantSpec


class QuantModule(nn.Module):
    """A float network with quantisers placed, ready to calibrate, train and export.

    Until it is calibrated the module computes the float network. Inputs are real: (N, *shape) on the grid of
    ``spec.input_format`` (raw integers times its step), outputs are real too.

    Args:
        network: a float network, batch norms folded.
        weights: its float weights by parameter tensor name.
        spec: the widths.

    Raises:
        UnsupportedError: a layer cannot be quantised; the message names it and says what to do.
        WeightsError: weights are missing, of the wrong shape, or not finite.
        UnknownNameError: an override or a quantiser name is unknown.
        ToolMissing: Brevitas is not installed.
    """

    is_calibrated: Tensor

    def __init__(self, network: Network, weights: Mapping[str, npt.NDArray[Any]], spec: QuantSpec) -> None:
        super().__init__()
        if any(tensor.format is not None for tensor in network.tensors.values()):
            raise UnsupportedError(f"{network.name}: has number formats already; quantise the float network")
        placed, widths = place(network, spec), weight_widths(network, spec)
        check_weights(network, weights)
        brevitas_nn()
        self.network, self.spec = network, spec
        keys = _keys(network)
        self.layers, self.quantisers = nn.ModuleDict(), nn.ModuleDict()
        for layer in network.layers:
            self.layers[keys[layer.name]] = build_layer(network, layer, widths.get(layer.name), spec)
            if layer.output in placed:
                one = placed[layer.output]
                self.quantisers[keys[layer.name]] = quantise_layer(one.width, one.signed, spec)
                if one.fixed is not None:
                    tensor_quantiser(self.quantisers[keys[layer.name]]).set_frac(one.fixed.frac)
        self.steps = tuple((layer, keys[layer.name]) for layer in network.layers)
        self.register_buffer("is_calibrated", torch.tensor(False))
        self.register_load_state_dict_post_hook(lambda module, _: module.set_quantised(bool(module.is_calibrated)))
        self._load_weights(weights)
        self.set_quantised(False)

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the network on real inputs (N, *shape); several outputs come as a tuple."""
        values = dict(zip(self.network.inputs, inputs, strict=True))
        for layer, key in self.steps:
            read = (values[layer.output],) if layer.op == "input" else tuple(values[t] for t in layer.inputs)
            result = self.layers[key](*read)
            values[layer.output] = self.quantisers[key](result) if key in self.quantisers else result
        outputs = tuple(values[t] for t in self.network.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def weighted(self) -> dict[str, nn.Module]:
        """Layer name → the Brevitas layer with its ``weight`` and ``bias`` parameters."""
        found = {}
        for layer, key in self.steps:
            if layer.params:
                module = self.layers[key]
                found[layer.name] = module.convolution if isinstance(module, PaddedConvolution) else module
        return found

    def quantised_tensors(self) -> dict[str, nn.Module]:
        """Tensor name → the Brevitas layer that quantises that activation, in execution order."""
        return {layer.output: self.quantisers[key] for layer, key in self.steps if key in self.quantisers}

    def activation_quantisers(self) -> dict[str, Any]:
        """Tensor name → our quantiser of that activation, in execution order."""
        return {tensor: tensor_quantiser(one) for tensor, one in self.quantised_tensors().items()}

    def set_quantised(self, enabled: bool) -> None:
        """Switch all quantisers on, or off so that the float network is computed."""
        for module in self.modules():
            if hasattr(module, "disable_quant"):
                module.disable_quant = not enabled
            if hasattr(module, "skip_create_quant_tensor"):
                module.skip_create_quant_tensor = True  # plain tensors: half of Brevitas's run time saved

    def _load_weights(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        modules = self.weighted()
        with torch.no_grad():
            for layer in self.network.layers:
                for role, name in layer.params.items():
                    values = np.array(weights[name], dtype=np.float32)
                    getattr(modules[layer.name], role).copy_(torch.from_numpy(values))


def tensor_quantiser(module: nn.Module) -> Any:
    """Our quantiser inside a Brevitas QuantIdentity, or inside a weight or bias proxy."""
    proxy = getattr(module, "act_quant", module)
    fused = getattr(proxy, "fused_activation_quant_proxy", None)
    return fused.tensor_quant if fused is not None else proxy.tensor_quant


def _keys(network: Network) -> dict[str, str]:
    """Layer name → a unique name without dots, as torch wants for sub-modules."""
    keys: dict[str, str] = {}
    for layer in network.layers:
        key = base = re.sub(r"\W", "_", layer.name)
        count = 1
        while key in keys.values():
            count += 1
            key = f"{base}_{count}"
        keys[layer.name] = key
    return keys
