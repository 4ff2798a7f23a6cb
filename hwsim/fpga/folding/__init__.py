# SPDX-License-Identifier: Apache-2.0
"""How parallel each stage should be, and out of what it is made: the best there is within budgets, and proof of it.

goal.py        the objective and the budgets
board.py       what a board allows, in cycles and shares
options.py     every legal folding of every stage with its cost
choose.py      from network, board and goal to a design with its bound
search.py      smallest intervals, latencies and resources by questions with yes or no for an answer
uniform.py     one reuse factor for all layers, as hls4ml has it
menus.py       options of stages whose widths and bits are still open
catalogue.py   designs for many such networks at once, looked up; catalogue_kernel.py is its inner loop
lanes.py       converters between the lanes of stages
joints.py      what they and the registers around all stages occupy
knapsack.py    one option of every stage within limits: found, or proven impossible
branching.py   the same where the latency is limited too
relaxation.py  the bound that proves it
paths.py       latencies as sums over stages
"""

from hwsim.fpga.folding.board import expect_available
from hwsim.fpga.folding.catalogue import Catalogue, Designs
from hwsim.fpga.folding.choose import Choice, choose, choose_design
from hwsim.fpga.folding.goal import BUDGETS, OBJECTIVES, RESOURCES, Goal, parse_budgets
from hwsim.fpga.folding.menus import Menu, always_used, menus
from hwsim.fpga.folding.options import (
    Options,
    all_options,
    chain_fifo_depths,
    cost_of,
    points_of,
    safe_fifo_depths,
)
from hwsim.fpga.folding.uniform import fastest_uniform

__all__ = [
    "BUDGETS", "OBJECTIVES", "RESOURCES", "Catalogue", "Choice", "Designs", "Goal", "Menu", "Options", "all_options",
    "always_used", "chain_fifo_depths", "choose", "choose_design", "cost_of", "expect_available", "fastest_uniform",
    "menus", "parse_budgets", "points_of", "safe_fifo_depths",
]  # fmt: skip
