# SPDX-License-Identifier: Apache-2.0
"""The token level against Verilator: the cycle of every beat at both ends, and the most that every FIFO held.

:mod:`test_hls_rtl_random` and :mod:`test_hls_rtl_networks` compare the same of networks with FIFOs of other depths.
"""

from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rtl_efforts import PLAIN
from test_hls_depths import residual
from test_hls_emit import design, tiny
from test_hls_rtl_random import STALLS, designs, networks, pruned
from token_runs import agree

from hls.emit import write
from hls.layers import build
from hls.rtl_sim import simulate as run
from hls.tokens import pipeline, with_depths
from hwsim.errors import NetworkError, ToolFailed
from hwsim.fpga.dataflow import MIN_DEPTH
from hwsim.fpga.tokens import simulate, smallest_depths, steady

GROUPS = 12  # of five networks each

pytestmark = [pytest.mark.needs("verilator", "g++")]


def test_a_convolutional_network(tmp_path: Path, rtl_cache: Path) -> None:
    flow, *_ = agree(build(*tiny()), 12, STALLS, tmp_path, rtl_cache)
    assert flow.interval == 288


@pytest.mark.slow
@pytest.mark.parametrize("rows", [2, 5])
def test_a_residual_network(rows: int, tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = residual(rows, 6)
    agree(build(network, weights, design(network)), 12, STALLS, tmp_path, rtl_cache)


@pytest.mark.parametrize("rows", [3, pytest.param(16, marks=pytest.mark.slow)])
def test_the_smallest_depths_hold_what_rtl_needs_and_no_more(rows: int, tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = residual(rows, 5)
    given = build(network, weights, design(network))
    depths = smallest_depths(pipeline(given))
    assert sum(depths.values()) < sum(int(unit.parameters["DEPTH"]) for unit in given.units if unit.module == "fifo")
    flow, *_ = agree(with_depths(given, depths), 12, STALLS, tmp_path, rtl_cache)
    assert flow.interval == given.interval
    # In RTL, by `agree`, each FIFO held as many words as here.
    assert all(depth <= max(MIN_DEPTH, flow.occupancy()[name] + 1) for name, depth in depths.items())


def test_rtl_stands_still_where_the_token_level_says_so(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = residual(4, 4)
    given = build(network, weights, design(network))
    short = with_depths(given, dict.fromkeys(smallest_depths(pipeline(given)), MIN_DEPTH))
    assert {"relu1_fifo", "relu1_fifo_2"} <= set(simulate(pipeline(short), 2).circle)
    write(short, tmp_path)
    with pytest.raises(ToolFailed, match="the design got stuck after 0 of 64 beats; deepen its FIFOs"):
        run(short, tmp_path, np.ones((2, 32), dtype=np.int64), cache=rtl_cache, optimise=PLAIN)


def test_depths_of_fifos_that_are_not_there() -> None:
    with pytest.raises(NetworkError, match="nothing: got a depth; expected one of conv2d1_fifo, .*; name a FIFO"):
        with_depths(build(*tiny()), {"nothing": 3})


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_random_networks_at_their_smallest_depths(group: int, tmp_path: Path, rtl_cache: Path) -> None:
    @hypothesis.seed(100 + group)
    @settings(
        max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        network = data.draw(networks())
        weights, plan = data.draw(pruned(network)), data.draw(designs(network))
        built = build(network, weights, plan)
        depths = smallest_depths(pipeline(built))
        flow, *_ = agree(with_depths(built, depths), 12, STALLS, tmp_path, rtl_cache)
        assert flow.interval == simulate(pipeline(built), 12).interval
        held = steady(pipeline(with_depths(built, depths))).flow.occupancy()
        assert all(depth <= max(MIN_DEPTH, held[name] + 1) for name, depth in depths.items())

    check()
