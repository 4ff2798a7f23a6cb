# SPDX-License-Identifier: Apache-2.0
"""The token level against Verilator: the cycle of every beat at both ends, and the most that every FIFO held."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_hls_depths import residual
from test_hls_emit import design, tiny
from test_hls_rtl_networks import quantised
from test_hls_rtl_random import designs, networks, pruned
from token_runs import agree

from hls.layers import build
from hls.rtl_sim import Stalls
from hwsim import device
from hwsim.fpga.folding import choose_design

STALLS = (Stalls(), Stalls(0.3, 0.4, 12), Stalls(0.0, 0.6, 5), Stalls(0.5, 0.0, 3))
GROUPS = 12  # of ten networks each

pytestmark = [pytest.mark.needs("verilator", "g++")]


def test_a_convolutional_network(tmp_path: Path, rtl_cache: Path) -> None:
    flow, *_ = agree(build(*tiny()), 12, STALLS, tmp_path, rtl_cache)
    assert flow.interval == 288


@pytest.mark.parametrize("rows", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_a_residual_network(rows: int, tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = residual(rows, 6)
    agree(build(network, weights, design(network)), 12, STALLS, tmp_path, rtl_cache)


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_random_networks(group: int, tmp_path: Path, rtl_cache: Path) -> None:
    @hypothesis.seed(group)
    @settings(
        max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        network = data.draw(networks())
        weights, plan = data.draw(pruned(network)), data.draw(designs(network))
        agree(build(network, weights, plan), 12, STALLS, tmp_path, rtl_cache)

    check()


@pytest.mark.slow
@pytest.mark.needs("torch", "brevitas")
@pytest.mark.parametrize("name", ["jet_mlp", "vgg_tiny", "resnet8", "mobilenet_tiny", "ds_cnn"])
def test_the_zoo(name: str, tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = quantised(name, 6)
    plan = choose_design(network, device.load("pynq-z2"), "folded")
    agree(build(network, weights, plan), 4, (Stalls(), Stalls(0.2, 0.3, 7)), tmp_path, rtl_cache)
