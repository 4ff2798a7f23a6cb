# SPDX-License-Identifier: Apache-2.0
"""Whole networks of the zoo as SystemVerilog, at the folding that the cost model chooses for a board.

Integers equal the golden executor's, images follow each other in the cycles that the cost model states, and every beat
passes in the cycle of the token level.
"""

from pathlib import Path

import numpy as np
import pytest
from hls_networks import corner_images
from token_runs import compared

from hls.beats import to_stream
from hls.layers import build
from hls.rtl_compile import QUICK
from hls.rtl_sim import Stalls
from hwsim import device, reference
from hwsim.design import Design, Folding
from hwsim.fpga import folded
from hwsim.fpga.assemble import estimate_folded
from hwsim.fpga.folding import choose_design
from hwsim.fpga.stages import pipeline
from hwsim.network import Network, Weights

BOARD = device.load("pynq-z2")

pytestmark = [pytest.mark.needs("verilator", "g++", "torch", "brevitas")]


def quantised(name: str, width: int, in_shape: tuple[int, ...] | None = None) -> tuple[Network, Weights]:
    """A zoo network with random weights, calibrated on random inputs."""
    import torch

    from hwsim.importers.torch import import_torch
    from quant.calibrate import calibrate
    from quant.convert import to_network
    from quant.module import QuantModule
    from quant.spec import QuantSpec
    from slimfab import zoo

    shape = in_shape or zoo.ZOO[name].in_shape
    spec = QuantSpec(weight_width=width, activation_width=width)
    module = QuantModule(*import_torch(zoo.build(name, shape), shape, name=name), spec)
    calibrate(module, torch.rand((100, *shape), generator=torch.Generator().manual_seed(0)))
    return to_network(module)


def compare(network: Network, weights: Weights, design: Design, inputs: int, folder: Path, cache: Path) -> None:
    dataflow, images = build(network, weights, design), corner_images(network, inputs)
    results = reference.execute(network, weights, images)
    assert len(np.unique(results, axis=0)) > inputs // 2  # the network tells its inputs apart
    values, golden = to_stream(dataflow.input, images), to_stream(dataflow.output, results)
    ((run, _),) = compared(dataflow, values, (Stalls(),), folder, cache, QUICK)
    np.testing.assert_array_equal(run.values, golden)
    predicted = estimate_folded(network, BOARD, 1, design, weights)
    assert run.interval == dataflow.interval == predicted.field("ii")
    assert run.latency == predicted.field("cycles")
    ((stalled, _),) = compared(dataflow, values[:4], (Stalls(0.2, 0.3, 7),), folder, cache, QUICK)
    np.testing.assert_array_equal(stalled.values, golden[:4])


def modest(network: Network, most: int) -> Design:
    """Every layer with at most so many rows and columns at a time: quick to compile."""
    folding = {
        stage.name: Folding(
            max(n for n in folded.legal_pe(stage) if n <= most), max(n for n in folded.legal_simd(stage) if n <= most)
        )
        for stage in pipeline(network).stages
    }
    return Design(network.hash, "pynq-z2", 100.0, backend="Slimfab", folding=folding)


def test_the_jet_tagger_is_exact_on_a_thousand_inputs(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = quantised("jet_mlp", 6)
    compare(network, weights, modest(network, 4), 1000, tmp_path, rtl_cache)


@pytest.mark.slow
def test_the_jet_tagger_as_fast_as_the_board_allows(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = quantised("jet_mlp", 8)
    compare(network, weights, choose_design(network, BOARD, "folded"), 1000, tmp_path, rtl_cache)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width", "in_shape"),
    [
        ("resnet8", 6, None),
        ("resnet8", 4, (1, 28, 28)),
        ("mobilenet_tiny", 5, None),
        ("ds_cnn", 8, None),
        ("vgg_tiny", 3, None),
    ],
)
def test_fifty_images_are_exact(
    name: str, width: int, in_shape: tuple[int, ...] | None, tmp_path: Path, rtl_cache: Path
) -> None:
    network, weights = quantised(name, width, in_shape)
    compare(network, weights, choose_design(network, BOARD, "folded"), 50, tmp_path, rtl_cache)
