# SPDX-License-Identifier: Apache-2.0
"""What stages can be made of while their widths and bits are still open.

A folding is chosen for one network (choose.py). Where a search chooses widths, bits and folding together, a stage comes
in variants - one per combination of the numbers that shape it - and each variant has foldings of its own. For a given
pace the cheapest of them are a look-up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hwsim.device import Device
from hwsim.fpga.folding.goal import RESOURCES
from hwsim.fpga.folding.joints import joints
from hwsim.fpga.folding.knapsack import undominated
from hwsim.fpga.folding.lanes import converters
from hwsim.fpga.folding.options import all_options, fifo_depths
from hwsim.fpga.folding.relaxation import Index
from hwsim.fpga.resources import SHELL, Array
from hwsim.fpga.stages import Pipeline, Stage, pipeline
from hwsim.network import Network


@dataclass(frozen=True, eq=False)
class Menu:
    """Foldings of all variants of one stage, one row each.

    ``variant`` numbers the variants; ``used`` is (rows, resources) in shares of what the device has, in the order of
    RESOURCES; ``busy`` is cycles per image, (rows,).
    """

    variant: Index
    used: Array
    busy: Array

    def within(self, pace: float, limit: float) -> "Menu":
        """The rows that keep up with a pace, without those that another of the variant undercuts in resources.

        Args:
            pace: cycles per image; a variant that cannot keep up stays with its fastest rows.
            limit: cycles per image that no row may exceed.
        """
        numbers, place = np.unique(self.variant, return_inverse=True)
        fastest = np.full(len(numbers), np.inf)
        np.minimum.at(fastest, place, self.busy)
        fast = np.flatnonzero(self.busy <= np.minimum(np.maximum(fastest[place], pace), limit))
        groups = [fast[self.variant[fast] == number] for number in np.unique(self.variant[fast])]
        kept = [rows[undominated(self.used[rows])] for rows in groups]
        rows = np.concatenate(kept) if kept else np.zeros(0, dtype=np.intp)
        return Menu(self.variant[rows], self.used[rows], self.busy[rows])


def menus(
    stages: Pipeline, variants: Sequence[Sequence[Stage]], device: Device, mapping: str, io_type: str
) -> list[Menu]:  # fmt: skip
    """Every legal folding of every variant of every stage.

    Args:
        stages: the pipeline whose stages have variants, which keep its shape: images, kernels, who reads whom.
        variants: per stage.
        mapping: "hls4ml" or "folded".
    """
    flat = tuple(variant for of_stage in variants for variant in of_stage)
    options = all_options(replace(stages, stages=flat), mapping, io_type, fifo_depths(stages, mapping))
    scale = np.array([device[name] for name in RESOURCES])
    used = np.stack([getattr(options.cost, name) for name in RESOURCES], axis=1) / scale
    found, first = [], 0
    for of_stage in variants:
        inside = np.flatnonzero((options.stage >= first) & (options.stage < first + len(of_stage)))
        found.append(Menu(options.stage[inside] - first, used[inside], options.cost.busy[inside]))
        first += len(of_stage)
    return found


def always_used(network: Network, mapping: str) -> Array:
    """(RESOURCES,) of a device that every design of a network takes beside its stages: shell, and what joins stages."""
    shell = np.array([SHELL[name] for name in RESOURCES])
    if mapping != "folded":
        return shell
    stages = pipeline(network)
    options = all_options(stages, mapping, "io_stream")
    between = converters(network, stages, options.stage, options.foldings)
    return np.asarray(shell + joints(stages, options.stage, options.foldings, between).least)
