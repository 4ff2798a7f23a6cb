# SPDX-License-Identifier: Apache-2.0
"""The golden executor equals plain rational loops, whatever the batch, and says why it will not run."""

import re
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ANY, BLOCKS, PARAMETERS, data_for, networks, weights_for

from hwsim.errors import InputError, NetworkError, UnsupportedError, WeightsError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor
from hwsim.reference import execute, trace

SEEDS = st.integers(0, 10_000)


@settings(deadline=None, max_examples=60)
@given(net=networks(ANY), seed=SEEDS)
def test_every_tensor_equals_the_rational_executor(net: Network, seed: int) -> None:
    weights, x = weights_for(net, seed), data_for(net, 2, seed)
    expected = naive.run(net, weights, x)
    got = trace(net, weights, x)
    assert set(got) == set(expected) == {layer.output for layer in net.layers}
    for name, array in got.items():
        assert array.dtype == np.int64
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    np.testing.assert_array_equal(execute(net, weights, x), expected[net.outputs[0]])


def counted(draw: Any, sketch: Any) -> None:
    channels, steps = sketch.shape()[0], draw(st.integers(1, 7))
    sketch.layer("threshold", thresholds=(channels, steps), start=(channels,), slope=(channels,))


def looked_up(draw: Any, sketch: Any) -> None:
    fmt = sketch.tensors[sketch.last].format
    sketch.layer("lookup", attrs={"first": fmt.min_int}, table=(fmt.max_int - fmt.min_int + 1,))


WITH_TABLES = {**ANY, **dict.fromkeys(("thresholds", "start", "slope", "table"), PARAMETERS)}


@settings(deadline=None, max_examples=40)
@given(net=networks(WITH_TABLES, (*BLOCKS, counted, looked_up, counted, looked_up)), seed=SEEDS)
def test_thresholds_and_tables_equal_the_rational_executor(net: Network, seed: int) -> None:
    weights, x = weights_for(net, seed), data_for(net, 2, seed)
    expected = naive.run(net, weights, x)
    for name, array in trace(net, weights, x).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@settings(deadline=None, max_examples=20)
@given(net=networks(ANY), seed=SEEDS)
def test_the_batch_does_not_matter(net: Network, seed: int) -> None:
    weights, x = weights_for(net, seed), data_for(net, 9, seed)
    whole = execute(net, weights, x)
    for batch in (1, 4, 7, 9):
        np.testing.assert_array_equal(execute(net, weights, x, batch), whole)
    one = trace(net, weights, x, batch=2)
    np.testing.assert_array_equal(one[net.outputs[0]], whole)
    np.testing.assert_array_equal(execute(net, weights, x[3:5]), whole[3:5])


@settings(deadline=None, max_examples=20)
@given(net=networks(ANY), seed=SEEDS)
def test_a_real_output_is_the_exact_result(net: Network, seed: int) -> None:
    """Without a format on its output the network runs in float64, every other tensor rounded to its grid."""
    x = data_for(net, 2, seed)
    weights = weights_for(net, seed)
    real = net.with_formats({net.outputs[0]: None})
    got = execute(real, weights, net.tensors["x"].format.to_real(x))
    expected = naive.run(real, weights, x)[net.outputs[0]].astype(np.float64)
    np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)  # float64 sums of small integers


@settings(deadline=None, max_examples=20)
@given(net=networks(), seed=SEEDS)
def test_a_float_network_does_not_depend_on_the_batch_either(net: Network, seed: int) -> None:
    weights, x = weights_for(net, seed), data_for(net, 5, seed)
    whole = execute(net, weights, x)
    assert whole.dtype == np.float64
    np.testing.assert_allclose(execute(net, weights, x, 2), whole, rtol=1e-12, atol=1e-9)
    np.testing.assert_array_equal(trace(net, weights, x)[net.outputs[0]], whole)


@settings(deadline=None, max_examples=15)
@given(net=networks(ANY) | networks())
def test_no_images_give_no_results(net: Network) -> None:
    x = data_for(net, 0)
    weights = weights_for(net)
    assert execute(net, weights, x).shape == (0, *net.tensors[net.outputs[0]].shape)
    assert {array.shape[0] for array in trace(net, weights, x).values()} == {0}


# One dense layer

FORMATS = {"x": FixedPoint(4, 2), "w": FixedPoint(4, 3), "y": FixedPoint(6, 2, True, "RND_CONV", "SAT")}


def dense(op: str = "dense", **formats: FixedPoint | None) -> Network:
    params = {"weight": "w"} if op == "dense" else {}
    tensors = {"x": Tensor((2,)), "y": Tensor((2,))} | ({"w": Tensor((2, 2))} if params else {})
    layers = (Layer("x", "input", (), ("x",)), Layer("fc", op, ("x",), ("y",), {}, params))
    chosen = {name: fmt for name, fmt in {**FORMATS, **formats}.items() if name in tensors}
    return Network("net", layers, tensors, ("x",), ("y",)).with_formats(chosen)


NET, WEIGHTS = dense(), {"w": np.array([[7, -8], [1, 0]])}
FLOAT = dense(x=None, w=None, y=None)
FLOAT_WEIGHTS = {"w": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)}


def test_ties_round_once_from_the_exact_sum() -> None:
    # 7*x0 - 8*x1 in units of 2**-5, to units of 2**-2: an eighth, ties to even.
    assert execute(NET, WEIGHTS, [[4, 3], [4, 2], [-4, -3]]).tolist() == [[0, 0], [2, 0], [0, 0]]
    assert execute(NET, WEIGHTS, [[7, -8], [-8, 7]]).tolist() == [[14, 1], [-14, -1]]


def test_a_wide_mean_is_exact() -> None:
    tensors = {"x": Tensor((1, 1, 3), FixedPoint(56, 0)), "y": Tensor((1, 1, 1), FixedPoint(60, 2))}
    layers = (Layer("x", "input", (), ("x",)), Layer("mean", "global_avg_pool", ("x",), ("y",)))
    values = [2**55 - 1, 2**55 - 1, 2**55 - 4]
    got = execute(Network("net", layers, tensors, ("x",), ("y",)), {}, np.array(values).reshape(1, 1, 1, 3))
    assert got.tolist() == [[[[4 * sum(values) // 3]]]]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_any_integer_type_is_taken(dtype: Any) -> None:
    assert execute(NET, WEIGHTS, np.array([[7, 3]], dtype)).tolist() == execute(NET, WEIGHTS, [[7, 3]]).tolist()


def test_the_caller_keeps_its_arrays() -> None:
    x, weights = np.array([[7, -8]]), {"w": WEIGHTS["w"].copy()}
    trace(NET, weights, x)
    assert x.tolist() == [[7, -8]]
    assert np.array_equal(weights["w"], WEIGHTS["w"])


def test_extra_weights_do_no_harm() -> None:
    assert execute(FLOAT, {**FLOAT_WEIGHTS, "other": np.ones(3)}, [[1.0, 1.0]]).tolist() == [[3.0, 7.0]]


REFUSED = {
    "real numbers": (
        lambda: execute(NET, WEIGHTS, [[0.5, 0.25]]),
        NetworkError,
        "x: got float64 data; expected integers of ap_fixed<4,2>; quantise with the input's format first",
    ),
    "truth values": (lambda: execute(NET, WEIGHTS, [[True, False]]), NetworkError, "x: got bool data; expected "),
    "out of range": (
        lambda: execute(NET, WEIGHTS, [[8, -9]]),
        NetworkError,
        "x: data -9..8 leave ap_fixed<4,2>",
    ),
    "just above": (lambda: execute(NET, WEIGHTS, [[8, 0]]), NetworkError, "x: data 0..8 leave ap_fixed<4,2>"),
    "just below": (lambda: execute(NET, WEIGHTS, [[-9, 0]]), NetworkError, "x: data -9..0 leave ap_fixed<4,2>"),
    "another shape": (
        lambda: execute(NET, WEIGHTS, [[1, 2, 3]]),
        NetworkError,
        "x: got data of shape (1, 3); expected (N, 2)",
    ),
    "no batch": (lambda: execute(NET, WEIGHTS, [1, 2]), NetworkError, "x: got data of shape (2,); expected (N, 2)"),
    "batch of none": (lambda: execute(NET, WEIGHTS, [[1, 2]], 0), InputError, "batch: got 0; expected at least 1"),
    "missing weights": (lambda: execute(NET, {}, [[1, 2]]), WeightsError, "w: missing from the weights; "),
    "NaN weights": (
        lambda: execute(FLOAT, {"w": np.full((2, 2), np.nan)}, [[1.0, 2.0]]),
        WeightsError,
        "w: 4 values are NaN or infinite; expected finite weights",
    ),
    "wide weights": (lambda: execute(NET, {"w": np.full((2, 2), 8)}, [[1, 2]]), WeightsError, "w: values 8..8 leave "),
    "softmax": (
        lambda: execute(dense("softmax"), {}, [[1, 2]]),
        UnsupportedError,
        "fc: softmax has no exact integer form; end the network before it (argmax of the logits is the same",
    ),
    "scales that are no power of two": (
        lambda: execute(FLOAT.with_bits(8), FLOAT_WEIGHTS, [[1.0, 2.0]]),
        UnsupportedError,
        "x: is quantised to 8 bits with a scale that is no power of two; it can be costed but not executed",
    ),
    "two outputs": (
        lambda: execute(Network("net", NET.layers, NET.tensors, ("x",), ("x", "y")), WEIGHTS, [[1, 2]]),
        UnsupportedError,
        "net: has 1 inputs and 2 outputs; the executor takes one of each; split the network",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_run_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        call()


def test_operators_without_an_integer_form_run_in_float() -> None:
    soft = dense("softmax", x=None, y=None)
    assert execute(soft, {}, [[0.0, 0.0]]).tolist() == [[0.5, 0.5]]
    gridded = dense("sigmoid", x=None, y=FixedPoint(4, 2, True, "RND"))
    assert execute(gridded, {}, [[0.0, 9.0]]).tolist() == [[0.5, 1.0]]
