# SPDX-License-Identifier: Apache-2.0
"""Random small networks at random foldings: integers equal the golden executor's, the slowest unit sets the pace."""

from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder, corner_images
from test_hls_emit import design

from hls.rtl_compile import QUICK
from hls.rtl_sim import RtlExecutor
from hls.verify import verify
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.fpga import folded
from hwsim.fpga.stages import pipeline
from hwsim.network import Network, Weights

SEEDS = 24


def random_format(rng: np.random.Generator) -> FixedPoint:
    width = int(rng.integers(2, 9))
    rounding, overflow = rng.choice(["TRN", "RND", "RND_CONV"]), rng.choice(["WRAP", "SAT"])
    return FixedPoint(width, int(rng.integers(0, 6)), bool(rng.integers(2)), str(rounding), str(overflow))


def random_layer(draft: Builder, x: str, rng: np.random.Generator) -> str:
    channels, rows, columns = draft.tensors[x].shape
    fmt, weight = random_format(rng), FixedPoint(int(rng.integers(2, 6)), int(rng.integers(0, 5)))
    bias = random_format(rng) if rng.integers(2) else None
    kernel = tuple(int(rng.integers(1, min(3, extent) + 1)) for extent in (rows, columns))
    stride = tuple(int(side) for side in rng.integers(1, 3, 2))
    padding = tuple(int(rng.integers(0, side)) for side in (*kernel, *kernel))
    kind = rng.choice(["conv", "conv", "depthwise", "relu", "clip", "max_pool2d", "avg_pool2d", "add"])
    if kind in ("conv", "depthwise"):
        filters, groups = (channels, channels) if kind == "depthwise" else (int(rng.integers(1, 7)), 1)
        return draft.conv(x, filters, kernel, fmt, weight, bias, padding=padding, stride=stride, groups=groups)
    if kind == "add":
        return draft.add("add", (x, draft.add("relu", x, random_format(rng)), x), fmt)
    if kind in ("max_pool2d", "avg_pool2d"):
        return draft.add(kind, x, fmt, kernel=kernel, stride=stride, padding=padding)
    return draft.add(kind, x, fmt, **({"low": -0.75, "high": 1.5} if kind == "clip" else {}))


def random_network(seed: int) -> tuple[Network, Weights, Design]:
    rng = np.random.default_rng(seed)
    draft = Builder([int(extent) for extent in rng.integers(1, 7, 3)], random_format(rng), seed)
    x = "x"
    for _ in range(int(rng.integers(1, 5))):
        x = random_layer(draft, x, rng)
    if rng.integers(2):
        x = draft.add(str(rng.choice(["global_avg_pool", "global_max_pool"])), x, random_format(rng))
    x = draft.add("flatten", x, random_format(rng))
    network, weights = draft.build(draft.dense(x, int(rng.integers(1, 7)), random_format(rng), FixedPoint(4, 2)))
    folding = {}
    for stage in pipeline(network).stages:
        pe, simd = rng.choice(folded.legal_pe(stage)), rng.choice(folded.legal_simd(stage))
        folding[stage.name] = Folding(int(pe), int(simd))
    return network, weights, design(network, **folding)


@pytest.mark.slow
@pytest.mark.needs("verilator", "g++")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_random_network_is_exact(seed: int, tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = random_network(seed)
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    verify(network, weights, corner_images(network, 20, seed), {"rtl": executor}).require()
    assert executor.last_run is not None
    assert executor.last_run.interval == executor.manifest.interval  # no unit waits for another
