# SPDX-License-Identifier: Apache-2.0
"""Rewrites remove layers and keep results, and leave alone what they would change."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from strategies import (
    ACTIVATIONS,
    CHANNELS,
    EXACT,
    FLOAT,
    INPUTS,
    Sketch,
    data_for,
    networks,
    recast,
    rectified,
    weights_for,
)

from hwsim.errors import FormatError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import complete_formats
from hwsim.network import Network, Weights, check_weights
from hwsim.passes import fold_batch_norm, fuse_requantise
from hwsim.reference import execute

SEEDS = st.integers(0, 10_000)


def plain_sketch(*shape: int) -> Sketch:
    """A float network written by hand; its convolutions have no bias."""
    return Sketch(lambda strategy: None, shape, FLOAT)


def ops_of(net: Network) -> list[str]:
    return [layer.op for layer in net.layers]


# Batch norm


@settings(deadline=None, max_examples=40)
@given(net=networks(FLOAT, (*CHANNELS, rectified)), seed=SEEDS)
def test_folding_keeps_the_results(net: Network, seed: int) -> None:
    weights, x = weights_for(net, seed), data_for(net, 3, seed)
    before = {name: array.copy() for name, array in weights.items()}
    folded, new = fold_batch_norm(net, weights)
    assert all(np.array_equal(weights[name], array) for name, array in before.items())
    check_weights(folded, new)
    assert set(new) == set(folded.parameter_names)
    assert {array.dtype for array in new.values()} <= {np.dtype(np.float32)}
    expected = execute(net, weights, x)
    # Folded weights are stored as float32: 24 bits over a few layers of up to a few hundred terms.
    np.testing.assert_allclose(execute(folded, new, x), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@settings(deadline=None, max_examples=40)
@given(net=networks(FLOAT, CHANNELS), seed=SEEDS)
def test_no_batch_norm_stays_alone_behind_a_convolution(net: Network, seed: int) -> None:
    folded, _ = fold_batch_norm(net, weights_for(net, seed))
    for layer in folded.layers:
        if layer.op == "batch_norm":
            source = folded.producer(layer.inputs[0])
            assert source.op != "conv2d" or len(folded.consumers(source.output)) > 1


def test_two_norms_in_a_row_fold_into_one_convolution() -> None:
    draft = plain_sketch(2, 4, 4)
    draft.same("x", 3)
    for _ in range(2):
        draft.layer("batch_norm", scale=(3,), shift=(3,))
    net = draft.network()
    weights = weights_for(net)
    folded, new = fold_batch_norm(net, weights)
    assert ops_of(folded) == ["input", "conv2d"]
    assert sorted(new) == ["conv2d_1.bias", "conv2d_1.weight"]
    assert folded.outputs == net.outputs
    x = data_for(net, 2)
    np.testing.assert_allclose(execute(folded, new, x), execute(net, weights, x), rtol=1e-4, atol=1e-5)


def norm_behind_relu() -> Network:
    draft = plain_sketch(2, 4, 4)
    draft.same("x", 3)
    draft.layer("relu")
    draft.layer("batch_norm", scale=(3,), shift=(3,))
    return draft.network()


def norm_behind_input() -> Network:
    draft = plain_sketch(2, 4, 4)
    draft.layer("batch_norm", scale=(2,), shift=(2,))
    return draft.network()


def convolution_with_two_readers() -> Network:
    draft = plain_sketch(2, 4, 4)
    conv = draft.same("x", 3)
    norm = draft.layer("batch_norm", scale=(3,), shift=(3,))
    draft.layer("add", conv, norm)
    return draft.network()


def convolution_that_is_an_output() -> Network:
    draft = plain_sketch(2, 4, 4)
    conv = draft.same("x", 3)
    draft.layer("batch_norm", scale=(3,), shift=(3,))
    net = draft.network()
    return Network("two", net.layers, net.tensors, net.inputs, (conv, *net.outputs))


def convolutions_with_one_weight() -> Network:
    draft = plain_sketch(3, 4, 4)
    first = draft.same("x", 3)
    draft.layer("batch_norm", scale=(3,), shift=(3,))
    second = draft.same(draft.last, 3)
    draft.layer("batch_norm", scale=(3,), shift=(3,))
    draft.layers[3] = replace(draft.layers[3], params={"weight": f"{first}.weight"})
    del draft.tensors[f"{second}.weight"]
    return draft.network()


def dense_along_the_last_axis() -> Network:
    draft = plain_sketch(4, 4)
    draft.layer("dense", weight=(4, 4))
    draft.layer("batch_norm", scale=(4,), shift=(4,))
    return draft.network()


UNFOLDABLE = [
    norm_behind_relu,
    norm_behind_input,
    convolution_with_two_readers,
    convolution_that_is_an_output,
    convolutions_with_one_weight,
    dense_along_the_last_axis,
]


@pytest.mark.parametrize("build", UNFOLDABLE, ids=lambda build: build.__name__)
def test_a_norm_that_cannot_be_folded_stays(build: Any) -> None:
    net = build()
    weights = weights_for(net)
    folded, new = fold_batch_norm(net, weights)
    assert folded == net
    assert all(np.array_equal(new[name], weights[name]) for name in net.parameter_names)


@pytest.mark.parametrize("tensor", ["conv2d_1", "conv2d_1.weight", "batch_norm_2.scale"])
def test_folding_after_quantising_is_refused(tensor: str) -> None:
    draft = plain_sketch(2, 4, 4)
    draft.same("x", 3)
    draft.layer("batch_norm", scale=(3,), shift=(3,))
    net = draft.network().with_formats({tensor: FixedPoint(8, 4)})
    message = r"^batch_norm_2: batch norm over quantised tensors cannot be folded; fold before quantising$"
    with pytest.raises(UnsupportedError, match=message):
        fold_batch_norm(net, weights_for(net))


# Requantise


@st.composite
def requantised(draw) -> tuple[Network, Weights]:
    """Networks with exact results everywhere, except that requantise layers have formats of their own."""
    net = draw(networks(INPUTS, (*EXACT, recast, recast), max_blocks=3))
    weights = weights_for(net, draw(SEEDS))
    casts = [layer.output for layer in net.layers if layer.op == "requantise"]
    net = net.with_formats({name: draw(ACTIVATIONS) for name in casts})
    try:
        return complete_formats(net, weights), weights
    except FormatError:  # more than 63 bits
        reject()


@settings(deadline=None, max_examples=60)
@given(case=requantised(), seed=SEEDS)
def test_fusing_keeps_the_integers_and_leaves_no_needless_cast(case: tuple[Network, Weights], seed: int) -> None:
    net, weights = case
    fused, blind = fuse_requantise(net, weights), fuse_requantise(net)
    x = data_for(net, 3, seed)
    expected = execute(net, weights, x)
    np.testing.assert_array_equal(execute(fused, weights, x), expected)
    np.testing.assert_array_equal(execute(blind, weights, x), expected)
    for layer in fused.layers:
        if layer.op == "requantise":
            source = fused.producer(layer.inputs[0])
            is_cast = net.layer(source.name).output != source.output
            assert source.op in ("input", "requantise") or is_cast or len(fused.consumers(source.output)) > 1


NARROW = FixedPoint(4, 1, True, "RND_CONV", "SAT")


def summed(total: FixedPoint | None, reader: str = "requantise") -> Network:
    """x + x → total → requantise → relu; and perhaps another reader of the total."""
    draft = plain_sketch(2, 4, 4)
    total_name = draft.layer("add", "x", "x")
    cast = draft.layer("requantise")
    draft.layer("relu")
    if reader != "requantise":
        draft.layer(reader, total_name)
        draft.layer("concat", "relu_3", draft.last)
    formats = {"x": FixedPoint(6, 3), total_name: total, cast: NARROW}
    return complete_formats(draft.network().with_formats(formats))


def test_a_cast_moves_into_the_layer_before_it() -> None:
    net = summed(None)
    fused = fuse_requantise(net)
    assert ops_of(fused) == ["input", "add", "relu"]
    assert fused.layer("add_1").output == "requantise_2"
    assert fused.tensors["requantise_2"].format == NARROW
    assert "add_1" not in fused.tensors
    assert fuse_requantise(fused) == fused


def test_a_cast_in_a_float_network_moves_too() -> None:
    draft = plain_sketch(2, 4, 4)
    draft.layer("relu")
    cast = draft.layer("requantise")
    fused = fuse_requantise(draft.network().with_formats({cast: NARROW}))
    assert ops_of(fused) == ["input", "relu"]
    assert fused.tensors[cast].format == NARROW


@pytest.mark.parametrize(
    "total", [FixedPoint(6, 3), FixedPoint(8, 2), FixedPoint(7, 3, False)], ids=["wraps", "rounds", "loses the sign"]
)
def test_a_cast_after_a_cast_that_loses_bits_stays(total: FixedPoint) -> None:
    net = summed(total)
    assert fuse_requantise(net) == net


def test_a_cast_stays_where_the_total_is_read_twice_or_is_an_output() -> None:
    net = summed(None, reader="relu")
    assert fuse_requantise(net) == net
    net = summed(None)
    net = replace(net, outputs=("add_1", *net.outputs))
    assert fuse_requantise(net) == net


def test_a_cast_stays_behind_an_input_a_ragged_mean_and_float_weights() -> None:
    draft = plain_sketch(2, 3, 3)
    draft.layer("requantise")
    draft.layer("global_avg_pool")
    draft.layer("requantise")
    draft.same("x", 2)
    draft.layer("requantise")
    activations = {layer.output: NARROW for layer in draft.layers}
    net = draft.network().with_formats(activations)
    assert fuse_requantise(net) == net
