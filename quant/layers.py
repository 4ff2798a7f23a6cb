# SPDX-License-Identifier: Apache-2.0
"""One torch module per network layer: Brevitas layers where there are weights, plain modules elsewhere."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwsim import ops
from hwsim.errors import ToolMissing, UnsupportedError
from hwsim.network import Layer, Network
from quant.quantisers import QUANTISERS, ROUND
from quant.spec import QuantSpec


def brevitas_nn() -> Any:
    """The module ``brevitas.nn``.

    Raises:
        ToolMissing: Brevitas is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Brevitas's own deprecations, of no use to the caller
            import brevitas.nn
    except ImportError:
        raise ToolMissing("quant: needs brevitas; pip install 'slimfab[quant]'") from None
    return brevitas.nn


def quantise_layer(width: int, signed: bool, spec: QuantSpec) -> nn.Module:
    """A Brevitas QuantIdentity for an activation."""
    from brevitas.proxy import ActQuantProxyFromInjector

    injector = _injector(
        ActQuantProxyFromInjector, spec.activation_quantiser, width, signed, narrow=False, rounding=spec.rounding
    )
    return brevitas_nn().QuantIdentity(act_quant=injector, return_quant_tensor=False)


def build_layer(network: Network, layer: Layer, weight_width: int | None, spec: QuantSpec) -> nn.Module:
    """The module that computes ``layer``; convolutions and dense layers get quantised weights and biases.

    Raises:
        UnsupportedError: a padding that torch's pooling does not know.
    """
    if layer.op in ops.WEIGHTED:
        assert weight_width is not None
        return _weighted(network, layer, weight_width, spec)
    if layer.op not in _PLAIN:
        raise UnsupportedError(f"{layer.name}: {layer.op} cannot be quantised; remove it or replace it")
    return _PLAIN[layer.op](network, layer)


def _injector(proxy: type, name: str, width: int, signed: bool, narrow: bool, rounding: str) -> type:
    """Brevitas's description of a quantiser: ``tensor_quant`` is built with the values beside it."""
    from brevitas.inject import ExtendedInjector

    values = {
        "proxy_class": proxy,
        "tensor_quant": QUANTISERS[name],
        "bit_width": width,
        "signed": signed,
        "narrow_range": narrow,
        "rounding": rounding,
        "float_to_int_impl_type": ROUND[rounding][1],  # what the QONNX export writes
        "requires_input_scale": False,
    }
    return ExtendedInjector.let(**values)


def _weighted(network: Network, layer: Layer, width: int, spec: QuantSpec) -> nn.Module:
    qnn = brevitas_nn()
    from brevitas.proxy import BiasQuantProxyFromInjector, WeightQuantProxyFromInjector

    shape = network.tensors[layer.params["weight"]].shape
    common = {
        "bias": "bias" in layer.params,
        # Parameters are rounded once, here, so that the spec's rounding costs them nothing.
        "weight_quant": _injector(
            WeightQuantProxyFromInjector, spec.weight_quantiser, width, True, narrow=True, rounding="RND_CONV"
        ),
        "bias_quant": _injector(
            BiasQuantProxyFromInjector, "fixed_point", spec.bias_width, True, narrow=False, rounding="RND_CONV"
        ),
        "return_quant_tensor": False,
    }
    if layer.op == "dense":
        return qnn.QuantLinear(shape[1], shape[0], **common)
    top, left, bottom, right = layer.attrs["padding"]
    even = (top, left) == (bottom, right)
    convolution = qnn.QuantConv2d(
        shape[1] * layer.attrs["groups"],
        shape[0],
        tuple(layer.attrs["kernel"]),
        stride=tuple(layer.attrs["stride"]),
        padding=(top, left) if even else 0,
        dilation=tuple(layer.attrs["dilation"]),
        groups=layer.attrs["groups"],
        **common,
    )
    return convolution if even else PaddedConvolution(convolution, (top, left, bottom, right))


class PaddedConvolution(nn.Module):
    """A convolution behind uneven zero padding (top, left, bottom, right)."""

    def __init__(self, convolution: nn.Module, padding: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.convolution = convolution
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(_pad(x, self.padding))


class Function(nn.Module):
    """A module around a function of activations, so that exports know the layer it came from."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def _pad(x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom))


def _add(*inputs: Tensor) -> Tensor:
    total = inputs[0]
    for one in inputs[1:]:
        total = total + one
    return total


def _max_pool(network: Network, layer: Layer) -> nn.Module:
    kernel, stride = tuple(layer.attrs["kernel"]), tuple(layer.attrs["stride"])
    top, left, bottom, right = layer.attrs["padding"]
    # A ceil_mode pool is imported with the padding at the end that it stands for.
    pool = nn.MaxPool2d(kernel, stride, (top, left), ceil_mode=(top, left) != (bottom, right))
    _expect_shape(network, layer, pool)
    return pool


def _avg_pool(network: Network, layer: Layer) -> nn.Module:
    kernel, stride = tuple(layer.attrs["kernel"]), tuple(layer.attrs["stride"])
    top, left, bottom, right = layer.attrs["padding"]
    if (top, left) != (bottom, right):
        raise UnsupportedError(f"{layer.name}: an average pool with uneven padding is not offered; pad evenly")
    return nn.AvgPool2d(kernel, stride, (top, left), count_include_pad=layer.attrs["count_include_pad"])


def _expect_shape(network: Network, layer: Layer, module: nn.Module) -> None:
    with torch.no_grad():
        got = tuple(module(torch.zeros(1, *network.tensors[layer.inputs[0]].shape)).shape[1:])
    if got != network.tensors[layer.output].shape:
        raise UnsupportedError(
            f"{layer.name}: {layer.op} with padding {layer.attrs['padding']} gives {got} in torch; expected "
            f"{network.tensors[layer.output].shape}; pad evenly"
        )


def _function(function: Callable[..., Tensor]) -> Callable[[Network, Layer], nn.Module]:
    return lambda network, layer: Function(function)


_PLAIN: Mapping[str, Callable[[Network, Layer], nn.Module]] = {
    "input": lambda network, layer: nn.Identity(),
    "output": lambda network, layer: nn.Identity(),
    "relu": lambda network, layer: nn.ReLU(),
    "clip": lambda network, layer: nn.Hardtanh(layer.attrs["low"], layer.attrs["high"]),
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "global_avg_pool": _function(lambda x: x.mean((2, 3), keepdim=True)),
    "global_max_pool": _function(lambda x: x.amax((2, 3), keepdim=True)),
    "add": _function(_add),
    "concat": _function(lambda *inputs: torch.cat(inputs, 1)),
    "flatten": _function(lambda x: x.flatten(1)),
    "pad2d": lambda network, layer: Function(lambda x: _pad(x, layer.attrs["padding"])),
    "upsample2d": lambda network, layer: nn.Upsample(scale_factor=tuple(map(float, layer.attrs["factor"]))),
}
