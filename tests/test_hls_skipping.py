# SPDX-License-Identifier: Apache-2.0
"""Blocks of zero weights within networks: found, left out where that is faster, and nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder, corner_images
from test_hls_emit import ACT, BIAS, UNSIGNED, WEIGHT, design

from hls.beats import to_stream
from hls.emit import write
from hls.layers import build
from hls.rtl_compile import QUICK
from hls.rtl_sim import RtlExecutor, Run, simulate
from hls.skipping import Skipping, skipping
from hls.verify import verify
from hwsim.design import Design, Folding
from hwsim.network import Network, Weights


def punched(weight: np.ndarray, filters: int, channels: int, zeros: float, seed: int = 0) -> np.ndarray:
    """A convolution's weights, none zero but those of a share of the blocks: kernel positions of filters × channels."""
    blocks = weight.shape[0] // filters, weight.shape[1] // channels, *weight.shape[2:]
    kept = np.ones(int(np.prod(blocks)), dtype=np.int64)
    kept[np.random.default_rng(seed).permutation(kept.size)[: round(zeros * kept.size)]] = 0
    return np.where(weight, weight, 1) * kept.reshape(blocks).repeat(filters, axis=0).repeat(channels, axis=1)


def convolution(
    channels: int, size: int, folding: Folding, block: tuple[int, int], zeros: float = 0.75, seed: int = 0
) -> tuple[Network, Weights, Design]:
    """One 3x3 convolution that keeps the shape of its image, with a share of its blocks punched out."""
    draft = Builder((channels, size, size), ACT)
    x = draft.conv("x", channels, (3, 3), ACT, WEIGHT, BIAS, padding=(1, 1, 1, 1))
    network, weights = draft.build(x, "punched")
    return network, {**weights, "w1": punched(weights["w1"], *block, zeros, seed)}, design(network, conv2d1=folding)


def modules(network: Network, weights: Weights, plan: Design) -> set[str]:
    return {unit.module for unit in build(network, weights, plan).units}


def with_and_without(
    network: Network, weights: Weights, plan: Design, images: int, folder: Path, cache: Path
) -> tuple[Run, Run]:
    """Exact runs of the hardware that leaves out blocks of zeros, and of the hardware that computes them."""
    executor = RtlExecutor(network, weights, plan, folder / "some", cache=cache, optimise=QUICK)
    inputs = corner_images(network, images)
    verify(network, weights, inputs, {"rtl": executor}).require()
    dense = build(network, weights, plan, skip_zeros=False)
    write(dense, folder / "every")
    every = simulate(dense, folder / "every", to_stream(dense.input, inputs), cache=cache, optimise=QUICK)
    some = executor.last_run
    assert some is not None
    np.testing.assert_array_equal(some.values, every.values)
    assert (some.interval, every.interval) == (executor.dataflow.interval, dense.interval)
    return some, every


@pytest.mark.needs("verilator", "g++")
def test_a_block_punched_convolution_takes_a_cycle_for_every_block_that_is_left(
    tmp_path: Path, rtl_cache: Path
) -> None:
    network, weights, plan = convolution(8, 5, Folding(2, 2), (2, 2))
    some, every = with_and_without(network, weights, plan, 10, tmp_path, rtl_cache)
    blocks = 4 * 4 * 9
    assert (some.interval, every.interval) == (25 * blocks // 4, 25 * blocks)
    assert skipping(network, weights, plan) == {"conv2d1": Skipping(25 * blocks, 25 * blocks // 4)}
    assert skipping(network, weights, plan)["conv2d1"].saved == 25 * blocks * 3 // 4


@pytest.mark.slow
@pytest.mark.needs("verilator", "g++")
def test_three_quarters_of_zero_blocks_leave_at_most_27_percent_of_the_cycles(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = convolution(32, 16, Folding(8, 4), (8, 4))
    some, every = with_and_without(network, weights, plan, 12, tmp_path, rtl_cache)
    assert some.interval is not None
    assert every.interval == 256 * 9 * 32 * 32 // (8 * 4)
    assert some.interval <= 0.27 * every.interval
    assert some.latency < every.latency / 3


# filters × channels of the punched blocks → share of the blocks of 2 rows by 4 columns that is computed
@pytest.mark.parametrize(("block", "share"), [((2, 4), 1 / 4), ((8, 8), 1 / 4), ((1, 4), 1 - 0.75**2)])
def test_blocks_fall_out_as_a_whole_where_the_folding_divides_them(block: tuple[int, int], share: float) -> None:
    saving = skipping(*convolution(16, 4, Folding(2, 4), block))["conv2d1"]
    assert saving.every_block == 16 * 8 * 4 * 9
    divides = block[0] % 2 == block[1] % 4 == 0
    assert saving.as_built == pytest.approx(saving.every_block * share, rel=0 if divides else 0.05)


def network_of_all_kinds() -> tuple[Network, Weights, Design]:
    """Windows, pixels, groups, and a dense layer behind an image; some of all their weights are zero."""
    draft = Builder((4, 6, 5), ACT)
    x = draft.conv("x", 6, (3, 2), UNSIGNED, WEIGHT, BIAS, padding=(1, 0, 1, 1), stride=(2, 1))
    x = draft.conv(x, 8, (1, 1), UNSIGNED, WEIGHT)
    x = draft.conv(x, 8, (3, 3), UNSIGNED, WEIGHT, BIAS, padding=(1, 1, 1, 1), groups=2)
    x = draft.add("flatten", x, UNSIGNED)
    network, weights = draft.build(draft.dense(x, 6, ACT, WEIGHT, BIAS), "kinds")
    for name in ("w1", "w2", "w3", "w5"):
        weights[name] = np.where(weights[name], weights[name], 1)
    weights["w1"][:, 2:] = 0  # two of four channels
    weights["w1"][2:4] = 0  # and two of six filters
    weights["w2"][:4, :3] = 0
    weights["w3"][:, :, 1] = 0
    weights["w5"][:2, ::2] = 0
    weights["w5"][2:] = 0
    folding = {"conv2d1": Folding(2, 2), "conv2d2": Folding(4, 3), "conv2d3": Folding(2, 2), "dense5": Folding(2, 1)}
    return network, weights, design(network, **folding)


@pytest.mark.needs("verilator", "g++")
def test_layers_of_all_kinds_are_exact(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = network_of_all_kinds()
    with_and_without(network, weights, plan, 30, tmp_path, rtl_cache)
    units = build(network, weights, plan).units
    assert {unit.layer: unit.module for unit in units if "matrix" in unit.module} == {
        "conv2d1": "sparse_matrix_vector",
        "conv2d2": "sparse_matrix_vector",
        "conv2d3": "matrix_vector",
        "dense5": "sparse_matrix_vector",
    }
    pixels = 3 * 5
    assert skipping(network, weights, plan) == {
        "conv2d1": Skipping(pixels * 12 * 3, pixels * 13),  # 6 positions of 2 row blocks, and the bias of one
        "conv2d2": Skipping(pixels * 2 * 2, pixels * 3),
        "conv2d3": Skipping(pixels * 36 * 2, pixels * 36 * 2),
        "dense5": Skipping(pixels * 8 * 3, pixels * 8),  # 60 of the columns, and two biases: fewer than inputs
    }


def test_zeros_are_computed_where_leaving_them_out_would_save_nothing() -> None:
    draft = Builder((4, 9, 9), ACT)
    x = draft.conv("x", 4, (2, 2), ACT, WEIGHT, stride=(4, 4))  # fewer windows than pixels
    x = draft.conv(x, 4, (2, 2), ACT, WEIGHT, padding=(1, 0, 1, 0))  # all filters at a time
    network, weights = draft.build(x)
    weights = {name: np.where(np.arange(2), values, 0) for name, values in weights.items()}  # a column of positions
    plan = design(network, conv2d1=Folding(2, 4), conv2d2=Folding(4, 1))
    assert not modules(network, weights, plan) & {"sparse_matrix_vector"}
    assert all(saving.saved == 0 for saving in skipping(network, weights, plan).values())


@pytest.mark.needs("verilator", "g++")
def test_new_weights_need_no_rebuild_where_as_many_blocks_are_left(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = convolution(4, 4, Folding(2, 2), (2, 2))
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    images = corner_images(network, 10)

    def libraries_after(others: Weights) -> set[str]:
        executor.load_weights(others)
        verify(network, others, images, {"rtl": executor}).require()
        return {folder.name for folder in rtl_cache.iterdir()}

    before = libraries_after(weights)
    assert libraries_after({**weights, "w1": np.minimum(-weights["w1"], 7)}) == before
    assert libraries_after(convolution(4, 4, Folding(2, 2), (2, 2), seed=1)[1]) == before  # other blocks, as many
    assert len(libraries_after(convolution(4, 4, Folding(2, 2), (2, 2), zeros=0.5)[1])) == len(before) + 1
