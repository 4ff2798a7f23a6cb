# SPDX-License-Identifier: Apache-2.0
"""What leaving out blocks of zero weights saves: per layer, before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass

from hls.dataflow import Array, Dataflow
from hls.layers import build
from hwsim.design import Design
from hwsim.network import Network


@dataclass(frozen=True)
class Skipping:
    """Cycles between images that a layer's slowest unit needs: with every block of weights, and as it is built."""

    every_block: int
    as_built: int

    @property
    def saved(self) -> int:
        """The difference."""
        return self.every_block - self.as_built


def skipping(network: Network, weights: Mapping[str, Array], design: Design) -> dict[str, Skipping]:
    """What the zeros among the weights save in every dense layer and convolution, by name.

    Args:
        weights: integers of the parameter tensors' formats.
        design: backend "Slimfab"; see :func:`hls.layers.build`.

    Raises:
        UnsupportedError, NetworkError, WeightsError: see :func:`hls.layers.build`.
    """
    dense, built = build(network, weights, design, skip_zeros=False), build(network, weights, design)
    layers = (layer.name for layer in network.layers if layer.op in ("conv2d", "dense"))
    return {name: Skipping(_interval(dense, name), _interval(built, name)) for name in layers}


def _interval(dataflow: Dataflow, layer: str) -> int:
    return max(unit.timing.interval for unit in dataflow.units if unit.layer == layer)
