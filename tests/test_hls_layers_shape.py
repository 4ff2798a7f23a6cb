# SPDX-License-Identifier: Apache-2.0
"""Networks whose branches part and meet again at concatenations, some of them pooled and upsampled meanwhile."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder, corner_images
from rtl_efforts import PLAIN
from test_hls_emit import ACT, BIAS, UNSIGNED, WEIGHT, design

from hls.layers import build
from hls.rtl_sim import RtlExecutor, Stalls, simulate
from hwsim import reference
from hwsim.design import Design, Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.fpga import folded
from hwsim.fpga.folding import cost_of
from hwsim.fpga.stages import pipeline
from hwsim.network import Network, Weights

needs_simulator = pytest.mark.needs("verilator", "g++")
SAME = (1, 1, 1, 1)
Case = tuple[Network, Weights, Design]


def u_net() -> Case:
    """Two levels down and up: at each level the image before the pooling meets the upsampled one behind it."""
    draft = Builder((2, 8, 8), ACT)
    top = draft.conv("x", 4, (3, 3), UNSIGNED, WEIGHT, BIAS, padding=SAME)
    middle = draft.add("max_pool2d", top, UNSIGNED, kernel=(2, 2), stride=(2, 2))
    middle = draft.conv(middle, 6, (3, 3), UNSIGNED, WEIGHT, BIAS, padding=SAME)
    low = draft.add("max_pool2d", middle, UNSIGNED, kernel=(2, 2), stride=(2, 2))
    low = draft.conv(low, 4, (3, 3), ACT, WEIGHT, BIAS, padding=SAME)
    low = draft.add("upsample2d", low, ACT, factor=(2, 2))
    middle = draft.add("concat", (middle, low), ACT)
    middle = draft.conv(middle, 4, (3, 3), ACT, WEIGHT, BIAS, padding=SAME)
    middle = draft.add("upsample2d", middle, UNSIGNED, factor=(2, 2))
    joined = draft.add("concat", (middle, top), UNSIGNED)
    network, weights = draft.build(draft.conv(joined, 3, (1, 1), ACT, WEIGHT, BIAS), "u_net")
    plan = design(network, conv2d1=Folding(4, 2), conv2d3=Folding(3, 2), conv2d5=Folding(2, 3), conv2d8=Folding(2, 5),
                  concat7=Folding(2), concat10=Folding(4), upsample2d9=Folding(2), conv2d11=Folding(3, 4))  # fmt: skip
    return network, weights, plan


def inception() -> Case:
    """A concatenation of a 1x1, a 3x3 and a pooled branch of different formats, inside a frame of zeros."""
    wide = FixedPoint(9, 5, True, "RND_CONV", "SAT")
    draft = Builder((3, 5, 6), UNSIGNED, 1)
    x = draft.add("pad2d", "x", UNSIGNED, padding=(0, 1, 2, 1))
    one = draft.conv(x, 2, (1, 1), ACT, WEIGHT, BIAS)
    three = draft.conv(draft.conv(x, 2, (1, 1), ACT, WEIGHT, BIAS), 4, (3, 3), wide, WEIGHT, BIAS, padding=SAME)
    pooled = draft.add("max_pool2d", x, UNSIGNED, kernel=(3, 3), stride=(1, 1), padding=SAME)
    pooled = draft.conv(pooled, 4, (1, 1), UNSIGNED, WEIGHT)
    joined = draft.add("concat", (one, three, pooled), ACT)
    network, weights = draft.build(draft.conv(joined, 2, (3, 3), ACT, WEIGHT, BIAS), "inception")
    return network, weights, design(network, pad2d1=Folding(3), conv2d4=Folding(4, 2), concat7=Folding(2))


def whole_context() -> Case:
    """A branch that waits for all of its image – a global average, spread over the image again – beside one that does
    not, and beside the input itself."""
    draft = Builder((2, 4, 6), ACT, 2)
    context = draft.add("upsample2d", draft.add("global_avg_pool", "x", ACT), ACT, factor=(4, 6))
    local = draft.conv("x", 2, (3, 3), ACT, WEIGHT, BIAS, padding=SAME)
    joined = draft.add("concat", (local, context, "x"), ACT)
    network, weights = draft.build(draft.conv(joined, 2, (1, 1), ACT, WEIGHT), "context")
    return network, weights, design(network, conv2d3=Folding(2, 2), conv2d5=Folding(2, 2))


def exact_under_stalls(case: Case, folder: Path, cache: Path, count: int = 12) -> RtlExecutor:
    network, weights, plan = case
    executor = RtlExecutor(network, weights, plan, folder, cache=cache, optimise=PLAIN)
    images = corner_images(network, count)
    golden = reference.execute(network, weights, images)
    np.testing.assert_array_equal(executor.predict(images), golden)
    flat = images.reshape(count, -1)[:, executor.dataflow.input.order]
    for stalls in (Stalls(0.5, 0.0, 1), Stalls(0.0, 0.9, 2), Stalls(0.6, 0.6, 3)):
        run = simulate(executor.dataflow, folder, flat, stalls, cache=cache, optimise=PLAIN)
        np.testing.assert_array_equal(run.values, golden.reshape(count, -1)[:, executor.dataflow.output.order])
    return executor


@needs_simulator
@pytest.mark.parametrize(
    "case", [u_net, *(pytest.param(case, marks=pytest.mark.slow) for case in (inception, whole_context))]
)
def test_branches_that_meet_at_a_concatenation_are_exact_and_keep_the_pace(
    case: Callable[[], Case], tmp_path: Path, rtl_cache: Path
) -> None:
    executor = exact_under_stalls(case(), tmp_path, rtl_cache)
    assert executor.last_run is not None
    assert executor.last_run.interval == executor.manifest.interval


@pytest.mark.parametrize("case", [u_net, inception, whole_context])
def test_units_take_the_cycles_that_the_cost_model_states_at_every_folding(case: Callable[[], Case]) -> None:
    network, weights, _ = case()
    stages = pipeline(network)
    moving = [i for i, stage in enumerate(stages.stages) if stage.op in ("concat", "pad2d", "upsample2d")]
    assert moving
    for index in moving:
        stage = stages.stages[index]
        for pe in folded.legal_pe(stage):
            built = build(network, weights, design(network, **{stage.name: Folding(pe)}))
            cost = cost_of(stages, np.array([index]), (Folding(pe),), "folded", "io_stream", {})
            units = [unit for unit in built.units if unit.layer == stage.name and unit.module != "width_converter"]
            assert cost.busy[0] == max(unit.timing.interval for unit in units), (stage.name, pe)


def test_lanes_must_divide_the_channels_of_every_image() -> None:
    network, weights, _ = inception()
    expected = r"^concat7: pe=4 must divide 2 channels, the common divisor of 2, 4, 4; nearest: 2$"
    with pytest.raises(UnsupportedError, match=expected):
        build(network, weights, design(network, concat7=Folding(4)))


def test_a_flattened_image_is_not_joined_with_a_vector() -> None:
    draft = Builder((2, 3, 3), ACT)
    flat, mean = draft.add("flatten", "x", ACT), draft.add("flatten", draft.add("global_max_pool", "x", ACT), ACT)
    network, weights = draft.build(draft.add("concat", (flat, mean), ACT))
    expected = r"^concat4: got a flattened image; expected images, or vectors that never were images; flatten it later$"
    with pytest.raises(UnsupportedError, match=expected):
        build(network, weights, design(network))


@pytest.mark.slow
@needs_simulator
def test_vectors_of_different_formats_are_joined(tmp_path: Path, rtl_cache: Path) -> None:
    draft = Builder((5,), ACT)
    wide = FixedPoint(9, 6)
    joined = draft.add("concat", (draft.dense("x", 6, ACT, WEIGHT), "x", draft.dense("x", 3, wide, WEIGHT)), UNSIGNED)
    network, weights = draft.build(draft.dense(joined, 2, wide, WEIGHT))
    exact_under_stalls(
        (network, weights, design(network, dense1=Folding(3, 5), dense4=Folding(2, 7))), tmp_path, rtl_cache
    )
