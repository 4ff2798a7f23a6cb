# SPDX-License-Identifier: Apache-2.0
"""The units that ``hls.layers.build`` makes of a network, without their contents: enough for exact cycles.

unit.py     units and streams as data
draft.py    wires, converters, casts, forks and FIFOs, layer by layer
layers.py   one function per operator
depths.py   how deep FIFOs behind forks must be; hls/layers.py asks it too
stages.py   units as stages of the token level; hls/tokens.py asks it too

zeros.py    blocks of zero weights, which are left out where that makes a layer faster; hls/layers_matrix.py asks it too

Wire by wire it is the hardware that is emitted, which a test asserts; without weights, that of weights without zeros.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from hwsim.design import Design
from hwsim.errors import UnsupportedError
from hwsim.fpga.outline.depths import fork_depths
from hwsim.fpga.outline.draft import Draft
from hwsim.fpga.outline.layers import outline_layer
from hwsim.fpga.outline.stages import Outline, stages
from hwsim.fpga.outline.unit import Placed, Stream, Unit
from hwsim.network import Network

__all__ = ["Outline", "Placed", "Stream", "Unit", "fork_depths", "outline", "stages"]


def outline(network: Network, design: Design, weights: Mapping[str, npt.NDArray[Any]] | None = None) -> Outline:
    """The units of a network at a design's folding and FIFO depths.

    Args:
        design: its folding is legal; what it does not name is folded as hls/layers.py does.
        weights: integers by tensor; None counts no weight as zero.

    Raises:
        UnsupportedError: an operator has no hardware, cycles depend on weights, a tensor has no format, or there are
            several inputs or outputs.
    """
    if not network.is_quantised or len(network.inputs) != 1 or len(network.outputs) != 1:
        raise UnsupportedError(
            f"{network.name}: got float tensors, or several inputs or outputs; expected formats everywhere and one of "
            "each; quantise or split the network"
        )
    draft = Draft(network, design, weights)
    for layer in network.layers:
        outline_layer(draft, layer)
    source, result = draft.input, draft.take(network.outputs[0])
    assert source is not None  # every network has an input layer
    return Outline(_deepened(network, tuple(draft.units), design.fifo_depths), source, result)


def _deepened(network: Network, units: tuple[Unit, ...], given: Mapping[str, int]) -> tuple[Unit, ...]:
    least = fork_depths(network, units, given)
    return tuple(
        replace(unit, numbers={"DEPTH": max(unit.numbers["DEPTH"], least[unit.name])}) if unit.name in least else unit
        for unit in units
    )
