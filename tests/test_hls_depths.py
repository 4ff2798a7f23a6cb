# SPDX-License-Identifier: Apache-2.0
"""FIFOs behind forks keep the pace of the slowest unit, also where a branch lags by more than an image."""

from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder, corner_images
from rtl_efforts import PLAIN
from test_hls_emit import ACT, WEIGHT, design

from hls.layers import build
from hls.rtl_sim import RtlExecutor
from hwsim.network import Network, Weights


def residual(rows: int, columns: int) -> tuple[Network, Weights]:
    """Two 3x3 convolutions beside nothing: four rows of lag. No weight is zero, so that none is left out."""
    draft = Builder((2, rows, columns), ACT)
    x = draft.add("relu", "x", ACT)
    branch = draft.conv(x, 2, (3, 3), ACT, WEIGHT, padding=(1, 1, 1, 1))
    branch = draft.conv(branch, 2, (3, 3), ACT, WEIGHT, padding=(1, 1, 1, 1))
    network, weights = draft.build(draft.add("add", (x, branch), ACT), "residual")
    return network, {name: np.where(values == 0, 1, values) for name, values in weights.items()}


def depths(network: Network, weights: Weights, **fifo_depths: int) -> dict[str, int]:
    """The depths of the FIFOs behind the fork in pixels; every beat is one of two channels."""
    plan = design(network)
    plan = type(plan)(network.hash, "none", 100.0, backend="Slimfab", fifo_depths=fifo_depths)
    units = build(network, weights, plan).units
    (fork,) = (unit for unit in units if unit.module == "stream_fork")
    return {
        unit.inputs[0]: int(unit.parameters["DEPTH"]) // 2
        for unit in units
        if unit.module == "fifo" and unit.inputs[0] in fork.outputs
    }


@pytest.mark.parametrize(("rows", "columns"), [(2, 6), (3, 4), (4, 4), (16, 16)])
def test_the_side_that_waits_holds_four_rows_and_at_least_an_image(rows: int, columns: int) -> None:
    waiting, working = sorted(depths(*residual(rows, columns)).values(), reverse=True)
    assert working == rows * columns
    assert max(4 * columns, rows * columns) <= waiting < max(4 * columns, rows * columns) + 6


def test_a_depth_that_the_design_gives_stays() -> None:
    assert set(depths(*residual(2, 6), **{"relu1.out": 5}).values()) == {5}


@pytest.mark.needs("verilator", "g++")
def test_an_image_of_two_rows_keeps_the_pace(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights = residual(2, 6)
    executor = RtlExecutor(network, weights, design(network), tmp_path, cache=rtl_cache, optimise=PLAIN)
    executor.predict(corner_images(network, 12))
    assert executor.last_run is not None
    assert executor.last_run.interval == executor.manifest.interval == 2 * 6 * 9 * 4
