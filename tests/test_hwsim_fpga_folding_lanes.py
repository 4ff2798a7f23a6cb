# SPDX-License-Identifier: Apache-2.0
"""Converters between stages of other lanes count, and the search avoids those that would be slowest."""

import numpy as np
import pytest
from cost_networks import Draft

from hwsim import device
from hwsim.fpga.dataflow import conversion_steps
from hwsim.fpga.design_points import DesignSpace
from hwsim.fpga.folding import choose
from hwsim.fpga.folding.lanes import converters, slowest
from hwsim.fpga.outline import outline
from hwsim.network import Network


def narrow_and_wide() -> Network:
    """Nine and sixteen channels, whose lanes meet in 144 or in one."""
    draft = Draft(9, 8, 8)
    draft.conv(9)
    draft.conv(16)
    return draft.network()


def test_lanes_without_a_small_common_multiple_meet_in_one() -> None:
    network = narrow_and_wide()
    space = DesignSpace(network, device.load("u250"), "folded")
    between = converters(network, space.stages, space.options.stage, space.options.foldings)
    for rows in space.random(40, 0):
        foldings = [space.options.foldings[row] for row in rows]
        lanes = min(conversion_steps(foldings[0].pe, foldings[1].simd))
        assert between[1].between(rows[0], rows[1]) == 9 * 64 / lanes
        wide = max(unit.timing.interval for unit in outline(network, space.design(rows)).units)
        assert slowest(between, rows) <= wide == space.evaluate(rows[np.newaxis]).ii[0]


@pytest.mark.parametrize("board", ["pynq-z2", "u250"])
def test_the_choice_is_as_fast_with_its_converters(board: str) -> None:
    network = narrow_and_wide()
    choice = choose(network, device.load(board), "folded")
    assert outline(network, choice.design).interval <= choice.value * choice.design.clock_mhz * (1 + 1e-12)
