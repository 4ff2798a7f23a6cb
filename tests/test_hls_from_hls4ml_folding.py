# SPDX-License-Identifier: Apache-2.0
"""hls4ml's ReuseFactor, PE, SIMD and Strategy as foldings."""

from types import SimpleNamespace
from typing import Any

import pytest
from hls_networks import Builder

from hls.from_hls4ml_folding import MAX_UNROLL, foldings
from hwsim.design import Folding
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Network

A, W = FixedPoint(6, 3), FixedPoint(4, 3)


def network() -> Network:
    """conv2d1 (6 to 8 channels, 3 x 3), max_pool2d2, conv2d3 (depthwise), flatten4, dense5."""
    image = Builder((6, 8, 8), A)
    x = image.conv("x", 8, (3, 3), A, W)
    x = image.add("max_pool2d", x, A, kernel=(3, 3), stride=(3, 3))
    x = image.conv(x, 8, (2, 2), A, W, groups=8)
    return image.build(image.dense(image.add("flatten", x, A), 10, A, W))[0]


def node(name: str, strategy: str = "latency", **attrs: int) -> Any:
    """A layer of hls4ml with its attributes; PE and SIMD are called p_e and s_i_m_d."""
    config = SimpleNamespace(get_strategy=lambda _: strategy)
    return SimpleNamespace(
        name=name, model=SimpleNamespace(config=config), get_attr=lambda key, default=None: attrs.get(key, default)
    )


def one(name: str, strategy: str = "latency", **attrs: int) -> Folding:
    return foldings(network(), [node(name, strategy, **attrs)])[name]


@pytest.mark.parametrize(
    ("name", "reuse", "expected"),
    [
        ("dense5", 1, (10, 8)),  # all products at once
        ("dense5", 8, (5, 2)),  # of 10 x 1 and 5 x 2 the larger SIMD
        ("dense5", 80, (1, 1)),
        ("dense5", 1000, (1, 1)),
        ("conv2d1", 1, (8, 6)),  # nine kernel positions one after the other: never less than 9
        ("conv2d1", 18, (4, 6)),
        ("conv2d1", 54, (4, 2)),
        ("conv2d3", 4, (8, 1)),  # depthwise: one input per filter
        ("conv2d3", 9, (4, 1)),
    ],
)
def test_the_closest_legal_pair_is_taken(name: str, reuse: int, expected: tuple[int, int]) -> None:
    folding = one(name, reuse_factor=reuse)
    assert (folding.pe, folding.simd) == expected


def test_pe_and_simd_win_over_the_reuse_factor() -> None:
    assert one("dense5", reuse_factor=1, p_e=5, s_i_m_d=2) == Folding(5, 2, 8, "latency")
    assert one("dense5", reuse_factor=1, pe=5, simd=2) == Folding(5, 2, 8, "latency")  # written Pe and Simd, or small
    half = one("conv2d1", reuse_factor=54, p_e=2)
    assert (half.pe, half.simd, half.reuse_factor) == (2, 6, 36)  # 36 and 72 are as close: the faster


def test_other_layers_follow_their_neighbours_unless_they_ask() -> None:
    assert foldings(network(), [node("max_pool2d2")]) == {}
    assert one("max_pool2d2", p_e=4) == Folding(4)


def test_what_stands_before_the_first_matrix_is_as_wide_as_that() -> None:
    draft = Builder((8,), A)
    params = {"scale": draft.parameter("s", (8,), W), "shift": draft.parameter("t", (8,), W)}
    x = draft.add("batch_norm", "x", A, params)
    network = draft.build(draft.dense(draft.add("relu", x, A), 4, A, W))[0]
    found = foldings(network, [node("dense3", reuse_factor=8)])
    assert found == {"batch_norm1": Folding(4), "dense3": Folding(1, 4, 8, "latency")}


@pytest.mark.parametrize(
    ("stated", "meant"),
    [("latency", "latency"), ("resource_unrolled", "resource"), ("distributed_arithmetic", "distributed_arithmetic")],
)
def test_strategies_are_translated(stated: str, meant: str) -> None:
    assert one("dense5", stated).strategy == meant


def test_distributed_arithmetic_computes_all_rows_at_once() -> None:
    assert one("dense5", "da", reuse_factor=80).pe == 10


def test_a_layer_is_not_unrolled_beyond_what_hls4ml_unrolls() -> None:
    big = Builder((96,), A)
    folding = foldings(big.build(big.dense("x", 96, A, W))[0], [node("dense1", reuse_factor=1)])["dense1"]
    assert folding.pe * folding.simd <= MAX_UNROLL
    assert folding.reuse_factor == 3


REFUSED = {
    "PE": (("dense5", "latency", {"p_e": 4}), "dense5: PE=4 must divide 10; nearest: 2, 5"),
    "SIMD": (("conv2d1", "latency", {"s_i_m_d": 9}), "conv2d1: SIMD=9 must divide 6; nearest: 6"),
    "PE of a pool": (("max_pool2d2", "latency", {"p_e": 3}), "max_pool2d2: PE=3 must divide 8; nearest: 2, 4"),
    "strategy": (
        ("dense5", "compressed", {}),
        "dense5: got Strategy compressed; expected one of latency, unrolled, resource, resource_unrolled, "
        "distributed_arithmetic, da; change it in hls_config",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_folded_is_refused(call: tuple[str, str, dict[str, int]], message: str) -> None:
    name, strategy, attrs = call
    with pytest.raises(UnsupportedError) as error:
        one(name, strategy, **attrs)
    assert str(error.value) == message
