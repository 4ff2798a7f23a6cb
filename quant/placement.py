# SPDX-License-Identifier: Apache-2.0
"""Which tensors of a network get a quantiser, of which width and sign.

Convolutions and dense layers read quantised tensors and produce exact, wide results. Those results are quantised
where they are used again: after their activation function if there is one, otherwise at once. Pooling maxima,
concatenations and reshapes keep the grid of what they read.
"""

from dataclasses import dataclass

from hwsim import ops
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network
from quant.spec import QuantSpec

ACTIVATIONS = ("relu", "clip")
AVERAGES = ("avg_pool2d", "global_avg_pool")
#: Results that lie on the grid of the inputs.
KEEPS_GRID = ("max_pool2d", "global_max_pool", "flatten", "upsample2d", "pad2d", "concat", "output")
#: Layers that must read quantised tensors, because the width of their result grows with that of their inputs.
_NEEDS_GRID = (*ops.WEIGHTED, *AVERAGES, "add", "concat")

_REMEDIES = {
    "softmax": "end the network before it (argmax of the logits is the same)",
    "sigmoid": "end the network before it if it is the last layer (compare the logit with 0), or use relu",
    "batch_norm": "put it directly after a convolution or dense layer, where it is folded",
}


@dataclass(frozen=True)
class Placed:
    """A quantiser on the tensor a layer writes; ``fixed`` formats are given, the others calibrated."""

    width: int
    signed: bool
    fixed: FixedPoint | None = None


def place(network: Network, spec: QuantSpec) -> dict[str, Placed]:
    """Tensor name → quantiser, for a float network.

    Raises:
        UnsupportedError: a layer has no exact integer form, or two layers share a weight.
        UnknownNameError: an override matches no layer.
    """
    spec.check_overrides(layer.name for layer in network.layers)
    for name, reason in refusals(network).items():
        raise UnsupportedError(f"{name}: {reason}")
    wanted = {t for layer in network.layers if layer.op in _NEEDS_GRID for t in layer.inputs}
    origins = {origin for tensor in wanted for origin in _origins(network, tensor)}
    placed: dict[str, Placed] = {}
    for layer in network.layers:
        tensor = layer.output
        if layer.op == "input":
            placed[tensor] = Placed(spec.input_format.width, spec.input_format.signed, spec.input_format)
        elif layer.op in ACTIVATIONS or layer.op in AVERAGES or tensor in origins:
            placed[tensor] = Placed(_width(network, spec, layer), _may_be_negative(network, spec, tensor))
    return placed


def weight_widths(network: Network, spec: QuantSpec) -> dict[str, int]:
    """Layer name → bits of its weights, for every convolution and dense layer."""
    weighted = [layer.name for layer in network.layers if layer.op in ops.WEIGHTED]
    widths = dict.fromkeys(weighted, spec.weight_width)
    widths |= {name: spec.first_width for name in weighted[:1] if spec.first_width}
    widths |= {name: spec.last_width for name in weighted[-1:] if spec.last_width}
    return {name: spec.override((name,)).weight_width or width for name, width in widths.items()}


def refusals(network: Network) -> dict[str, str]:
    """Layer name → why a float network's layer cannot be quantised; empty if all can."""
    found: dict[str, str] = {}
    users: dict[str, str] = {}
    for layer in network.layers:
        if layer.op == "batch_norm" or not ops.OPS[layer.op].exact:
            remedy = _REMEDIES.get(layer.op, "use relu or clip")
            found[layer.name] = f"{layer.op} cannot be quantised to fixed point; {remedy}"
        for tensor in layer.params.values():
            if tensor in users:
                found.setdefault(
                    layer.name,
                    f"shares '{tensor}' with {users[tensor]}; one format for both is not offered; "
                    "give each layer its own parameters",
                )
            users.setdefault(tensor, layer.name)
    return found


def _origins(network: Network, tensor: str) -> set[str]:
    """The unquantised results from which ``tensor`` takes its values."""
    layer = network.producer(tensor)
    assert layer is not None
    if layer.op in KEEPS_GRID:
        return set().union(*(_origins(network, t) for t in layer.inputs))
    return {tensor}


def _width(network: Network, spec: QuantSpec, layer: Layer) -> int:
    names = [layer.name]
    if layer.op in ACTIVATIONS:
        source = network.producer(layer.inputs[0])
        names += [source.name] if source is not None else []
    default = spec.activation_width if layer.op in ACTIVATIONS else spec.operand_width
    return spec.override(names).activation_width or default


def _may_be_negative(network: Network, spec: QuantSpec, tensor: str) -> bool:
    layer = network.producer(tensor)
    assert layer is not None
    if layer.op == "input":
        return spec.input_format.signed
    if layer.op in ops.WEIGHTED:
        return True
    if layer.op == "relu":
        return False
    if layer.op == "clip":
        return bool(layer.attrs["low"] < 0)
    return any(_may_be_negative(network, spec, t) for t in layer.inputs)
