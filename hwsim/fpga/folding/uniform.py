# SPDX-License-Identifier: Apache-2.0
"""hls4ml's own way to fold: one reuse factor for all layers. What searches are compared with."""

from dataclasses import replace

import numpy as np

from hwsim.design import Design
from hwsim.device import Device
from hwsim.errors import BudgetError
from hwsim.fpga.folding.board import allowed_by
from hwsim.fpga.folding.choose import choose_design
from hwsim.fpga.folding.goal import RESOURCES, Goal
from hwsim.fpga.folding.options import all_options
from hwsim.fpga.resources import SHELL
from hwsim.fpga.stages import pipeline
from hwsim.network import Network


def fastest_uniform(network: Network, device: Device, goal: Goal | None = None) -> Design:
    """hls4ml's design with the smallest reuse factor that fits, each layer taking the legal one nearest to it.

    Of two that are as near the smaller one is taken, as hls4ml does (fpga_backend.py, get_closest_reuse_factor).

    Args:
        goal: its budgets of resources bind; without one a resource may be used up to the device's ``utilisation``.

    Raises:
        BudgetError: no reuse factor fits.
    """
    draft, stages = choose_design(network, device, "hls4ml", goal=goal), pipeline(network)
    options = all_options(stages, "hls4ml", draft.io_type)
    limits = allowed_by(network, device, draft.clock_mhz, goal or Goal()).limits
    room = np.array([limits[name] - SHELL[name] for name in RESOURCES])
    used = np.stack([getattr(options.cost, name) for name in RESOURCES], axis=1)
    reuse = np.array([folding.reuse_factor for folding in options.foldings])
    for wanted in np.unique(reuse):
        # Ties go to the smaller one: rows are compared by distance first.
        keys = np.abs(reuse - wanted) + reuse / (1 + reuse.max())
        rows = [own[np.argmin(keys[own])] for own in np.split(np.arange(len(reuse)), options.starts[1:])]
        if (used[rows].sum(axis=0) <= room).all():
            named = {stage.name: options.foldings[row] for stage, row in zip(stages.stages, rows, strict=True)}
            return replace(draft, folding={name: named[name] for name in draft.folding})
    raise BudgetError(
        f"{network.name}: no reuse factor for all layers fits {device.name}; let each layer have its own, use fewer "
        "bits, or prune"
    )
