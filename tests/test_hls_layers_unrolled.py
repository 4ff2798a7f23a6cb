# SPDX-License-Identifier: Apache-2.0
"""Layers with the strategy "distributed_arithmetic" within networks."""

from pathlib import Path

import pytest
from hls_networks import Builder, corner_images
from rtl_efforts import PLAIN
from test_hls_emit import ACT, BIAS, UNSIGNED, WEIGHT, design

from hls.emit import emit
from hls.layers import build
from hls.rtl_sim import RtlExecutor
from hls.verify import verify
from hwsim.design import Folding
from hwsim.errors import UnsupportedError

pytestmark = [pytest.mark.needs("da4ml")]


def unrolled(pe: int, simd: int) -> Folding:
    return Folding(pe, simd, strategy="distributed_arithmetic")


@pytest.mark.needs("verilator", "g++")
def test_unrolled_layers_of_a_network_are_exact_and_as_fast_as_their_inputs_come(
    tmp_path: Path, rtl_cache: Path
) -> None:
    draft = Builder((2, 4, 4), ACT)
    x = draft.conv("x", 3, (2, 2), UNSIGNED, WEIGHT, BIAS, padding=(1, 0, 0, 1))
    x = draft.dense(draft.add("flatten", x, UNSIGNED), 8, UNSIGNED, WEIGHT, BIAS)
    network, weights = draft.build(draft.dense(x, 5, ACT, WEIGHT))
    folding = {"conv2d1": unrolled(3, 2), "dense3": unrolled(8, 3), "dense4": unrolled(5, 8)}
    executor = RtlExecutor(network, weights, design(network, **folding), tmp_path, cache=rtl_cache, optimise=PLAIN)
    verify(network, weights, corner_images(network, 50), {"rtl": executor}).require()
    assert executor.last_run is not None
    assert executor.last_run.interval == executor.manifest.interval == 16 * 4  # windows of four positions, one a cycle
    listed = (tmp_path / "files.f").read_text().split()
    assert {"conv2d1_unrolled.sv", "dense3_unrolled.sv", "dense4_unrolled.sv"} <= set(listed)
    assert "matrix_vector.sv" not in listed


def test_new_weights_are_new_adders(tmp_path: Path) -> None:
    draft = Builder((4,), ACT)
    network, weights = draft.build(draft.dense("x", 3, ACT, WEIGHT, BIAS))
    plan = design(network, dense1=unrolled(3, 4))
    before = emit(network, weights, plan, tmp_path / "before").files
    after = emit(network, {**weights, "w1": weights["w1"] // 2}, plan, tmp_path / "after").files
    assert before["dense1_unrolled.sv"] != after["dense1_unrolled.sv"]
    assert not any(name.endswith(".mem") for name in before)


@pytest.mark.parametrize(
    ("groups", "folding", "message"),
    [
        (
            1,
            unrolled(2, 2),
            r"got pe=2 with strategy distributed_arithmetic; expected pe=4, all output channels; unroll",
        ),
        (2, unrolled(2, 1), r"got 2 groups; expected one matrix; choose strategy resource$"),
    ],
)
def test_what_is_not_one_whole_matrix_is_refused(groups: int, folding: Folding, message: str) -> None:
    draft = Builder((2, 3, 3), ACT)
    network, weights = draft.build(draft.conv("x", 4, (2, 2), ACT, WEIGHT, groups=groups))
    with pytest.raises(UnsupportedError, match=f"^conv2d1: {message}"):
        build(network, weights, design(network, conv2d1=folding))
