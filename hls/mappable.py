# SPDX-License-Identifier: Apache-2.0
"""What every way to hardware asks of a network and its design before it looks at a single layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.design import Design
from hwsim.errors import NetworkError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Network

#: Operators whose result is never negative where none of their inputs is.
KEEP_SIGN = frozenset(
    ("requantise", "flatten", "output", "add", "concat", "max_pool2d", "avg_pool2d", "global_avg_pool",
     "global_max_pool", "upsample2d", "pad2d")
)  # fmt: skip


def check_mappable(network: Network, design: Design, backends: Sequence[str]) -> None:
    """One input, one output, formats on every tensor, and a design that was made for this network and back end.

    Raises:
        NetworkError: the design is for another network, or there are several inputs or outputs.
        UnsupportedError: the design is for another back end, or a tensor has no number format; names the layer.
    """
    if design.network_hash != network.hash:
        raise NetworkError(
            f"{network.name}: the design is for network {design.network_hash}, this one is {network.hash}; "
            "make the design anew"
        )
    if design.backend not in backends:
        raise UnsupportedError(
            f"{network.name}: got backend {design.backend}; expected {' or '.join(backends)}; choose one in the design"
        )
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise NetworkError(
            f"{network.name}: got {len(network.inputs)} inputs and {len(network.outputs)} outputs; expected one of "
            "each; split the network"
        )
    for layer in network.layers:
        for name in (*layer.outputs, *layer.params.values()):
            if network.tensors[name].format is None:
                remedy = "fold the batch norm, then quantise" if layer.op == "batch_norm" else "quantise the network"
                raise UnsupportedError(f"{layer.name}: '{name}' is float; expected a fixed-point format; {remedy}")


def with_assumed_formats(network: Network) -> Network:
    """A float network at 8 bits, with unsigned inputs: what it is judged by before it is quantised."""
    formats = {name: FixedPoint(8, 7) for name in network.parameter_names}
    positive: set[str] = set()
    for layer in network.layers:
        inherits = layer.op in KEEP_SIGN and all(source in positive for source in layer.inputs)
        if layer.op in ("input", "relu") or inherits or (layer.op == "clip" and layer.attrs["low"] >= 0):
            positive.update(layer.outputs)
        for tensor in layer.outputs:
            formats[tensor] = FixedPoint(8, 5, tensor not in positive, "RND_CONV", "SAT")
    return network.with_formats(formats)


def check_images(network: Network, x: npt.ArrayLike) -> npt.NDArray[Any]:
    """(N, *input shape) integers of the input's format, as an array.

    Raises:
        NetworkError: other shapes, types or values.
    """
    images, tensor = np.asarray(x), network.inputs[0]
    shape, fmt = network.tensors[tensor].shape, network.tensors[tensor].format
    assert fmt is not None  # the network is quantised
    if images.shape[1:] != shape or images.dtype.kind not in "iu":
        raise NetworkError(
            f"{tensor}: got {images.dtype} data of shape {images.shape}; expected integers (N, "
            f"{', '.join(map(str, shape))}) of {fmt}; quantise with the input's format first"
        )
    if images.size and (images.min() < fmt.min_int or images.max() > fmt.max_int):
        raise NetworkError(f"{tensor}: data {images.min()}..{images.max()} leave {fmt}; clip or quantise them")
    return images
