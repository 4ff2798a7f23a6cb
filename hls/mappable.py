# SPDX-License-Identifier: Apache-2.0
"""What every way to hardware asks of a network and its design before it looks at a single layer."""

from collections.abc import Sequence

from hwsim.design import Design
from hwsim.errors import NetworkError, UnsupportedError
from hwsim.network import Network


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
