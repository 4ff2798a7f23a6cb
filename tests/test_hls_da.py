# SPDX-License-Identifier: Apache-2.0
"""Random fully unrolled networks: da4ml's interpreter and the golden executor give the same integers."""

import numpy as np
import pytest
from hls_networks import corner_images
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hls_emit import ACT, BIAS, WEIGHT
from test_hls_layers_pointwise import Pointwise

from hls.da import DaExecutor
from hls.verify import verify
from hwsim.errors import NetworkError, UnsupportedError, WeightsError
from hwsim.fixed import FixedPoint
from hwsim.network import Network, Weights

pytestmark = [pytest.mark.needs("da4ml")]


def formats(widths: tuple[int, int] = (1, 8), fracs: tuple[int, int] = (-2, 7)) -> st.SearchStrategy[FixedPoint]:
    rounding, overflow = st.sampled_from(["TRN", "RND", "RND_CONV"]), st.sampled_from(["WRAP", "SAT", "SAT_SYM"])
    return st.builds(FixedPoint, st.integers(*widths), st.integers(*fracs), st.booleans(), rounding, overflow)


OPERATORS = ("dense", "dense", "relu", "clip", "requantise", "add", "batch_norm", "threshold", "lookup")


@st.composite
def networks(draw: st.DrawFn) -> tuple[Network, Weights]:
    draft = Pointwise((draw(st.integers(1, 6)),), draw(formats((2, 8))), draw(st.integers(0, 99)))
    x = "x"
    for _ in range(draw(st.integers(1, 5))):
        fmt, weight = draw(formats()), draw(formats((2, 6)))
        op = draw(st.sampled_from(OPERATORS))
        if op == "dense":
            x = draft.dense(x, draw(st.integers(1, 6)), fmt, weight, draw(st.none() | formats()))
        elif op == "clip":
            x = draft.add(op, x, fmt, low=draw(st.sampled_from([-2.25, -0.5, 0.0])), high=draw(st.integers(0, 3)) / 2)
        elif op == "add":
            x = draft.add(op, (x, draft.add("relu", x, draw(formats())), x), fmt)
        elif op == "batch_norm":
            x = draft.per_channel(op, x, fmt, scale=((), weight), shift=((), draw(formats())))
        elif op == "threshold":
            steps, start = ((draw(st.integers(1, 4)),), draw(formats())), ((), draw(formats()))
            x = draft.per_channel(op, x, fmt, thresholds=steps, start=start, slope=((), weight))
        else:
            x = getattr(draft, op)(x, fmt) if op == "lookup" else draft.add(op, x, fmt)
    return draft.build(x)


@settings(max_examples=60, deadline=None)
@given(networks())
def test_a_random_network_is_exact(made: tuple[Network, Weights]) -> None:
    network, weights = made
    verify(network, weights, corner_images(network, 60), {"da4ml": DaExecutor(network, weights)}).require()


def test_a_jet_classifier_is_exact() -> None:
    """16-64-32-32-5, as in Duarte et al., JINST 13 P07027 (2018), at 6 bits, on 1,000 vectors."""
    unsigned = FixedPoint(6, 3, False, "RND", "SAT")
    draft = Pointwise((16,), FixedPoint(8, 4))
    x = "x"
    for width in (64, 32, 32):
        x = draft.add("relu", draft.dense(x, width, FixedPoint(16, 5), WEIGHT, BIAS), unsigned)
    network, weights = draft.build(draft.dense(x, 5, FixedPoint(16, 6), WEIGHT, BIAS))
    verify(network, weights, corner_images(network, 1000), {"da4ml": DaExecutor(network, weights)}).require()


def test_no_images_give_no_results() -> None:
    draft = Pointwise((3,), ACT)
    network, weights = draft.build(draft.dense("x", 2, ACT, WEIGHT))
    executor = DaExecutor(network, weights)
    assert executor.predict(np.zeros((0, 3), dtype=int)).shape == (0, 2)
    with pytest.raises(
        NetworkError, match=r"^x: got int64 data of shape \(1, 4\); expected integers \(N, 3\) of ap_fix"
    ):
        executor.predict(np.zeros((1, 4), dtype=int))


def convolution() -> tuple[Network, Weights]:
    draft = Pointwise((2, 3, 3), ACT)
    return draft.build(draft.conv("x", 2, (2, 2), ACT, WEIGHT))


def one_layer(op: str, source: FixedPoint, target: FixedPoint) -> tuple[Network, Weights]:
    draft = Pointwise((3,), source)
    return draft.build(draft.add(op, "x", target))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (convolution(), r"^conv2d1: got conv2d; expected one of output, .*, dense, .*; emit the network \(hls.emit\)$"),
        (
            one_layer("relu", ACT, FixedPoint(4, 2, True, "TRN_ZERO")),
            r"^relu1: .* needs TRN_ZERO; expected TRN, RND, R",
        ),
        (
            one_layer("relu", ACT, FixedPoint(4, 2, True, "TRN", "SAT_ZERO")),
            r"^relu1: .* needs SAT_ZERO; expected WRAP",
        ),
        (
            one_layer("relu", FixedPoint(20, 0), FixedPoint(20, 12)),
            r"^relu1: got results of 31 bits; expected at most 30; narrow its formats$",
        ),
    ],
)
def test_what_da4ml_cannot_do_exactly_is_refused_by_layer(made: tuple[Network, Weights], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        DaExecutor(*made)


def test_networks_without_formats_or_weights_are_refused() -> None:
    draft = Pointwise((3,), ACT)
    network, weights = draft.build(draft.dense("x", 2, ACT, WEIGHT))
    with pytest.raises(UnsupportedError, match=r"^net: got tensors without a format; expected none; quantise the net"):
        DaExecutor(network.with_formats({"x": None}), weights)
    with pytest.raises(WeightsError):
        DaExecutor(network, {})
    two = Network("two", network.layers, network.tensors, network.inputs, (*network.outputs, "x"))
    with pytest.raises(
        NetworkError, match=r"^two: got 1 inputs and 2 outputs; expected one of each; split the network"
    ):
        DaExecutor(two, weights)
