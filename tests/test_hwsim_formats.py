# SPDX-License-Identifier: Apache-2.0
"""The exact format of a result loses nothing and is no wider than it must be."""

import itertools
import math
import re
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import EXACT, INPUTS, data_for, networks, weights_for

from hwsim.errors import FormatError, UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.formats import complete_formats, exact_format, smallest_format
from hwsim.network import Layer, Network, Tensor
from hwsim.reference import trace

SEEDS = st.integers(0, 10_000)


@given(low=st.integers(-(2**40), 2**40), span=st.integers(0, 2**40), frac=st.integers(-9, 9))
def test_the_smallest_format_holds_a_range_and_a_narrower_one_does_not(low: int, span: int, frac: int) -> None:
    high = low + span
    fmt = smallest_format(low, high, frac)
    assert fmt.min_int <= low
    assert high <= fmt.max_int
    assert fmt.frac == frac
    assert fmt.signed == (low < 0)
    if fmt.width > 1:
        narrower = FixedPoint(fmt.width - 1, frac, fmt.signed)
        assert low < narrower.min_int or high > narrower.max_int


@pytest.mark.parametrize(
    ("low", "high", "width", "signed"),
    [(0, 0, 1, False), (0, 1, 1, False), (-1, 0, 1, True), (-8, -8, 4, True), (-8, 7, 4, True), (-8, 8, 5, True)],
)
def test_smallest_formats_at_powers_of_two(low: int, high: int, width: int, signed: bool) -> None:
    assert smallest_format(low, high, 0) == FixedPoint(width, 0, signed)


def exactly_equal(completed: Network, weights: Any, original: Network, x: Any) -> None:
    """Integers of the completed network stand for the rational results of the original."""
    expected = naive.run(original, weights, x)
    for name, ints in trace(completed, weights, x).items():
        exact = expected[name]
        if exact.dtype != object:
            exact = naive.fractions(exact, original.tensors[name].format.frac)
        assert np.all(naive.fractions(ints, completed.tensors[name].format.frac) == exact), name


def completed_or_skipped(net: Network, weights: Any) -> Network:
    try:
        return complete_formats(net, weights)
    except FormatError as error:
        assume("at most 63" not in str(error))  # several wide layers in a row
        raise


@settings(deadline=None, max_examples=60)
@given(net=networks(INPUTS, EXACT, max_blocks=2), seed=SEEDS, is_aware=st.booleans())
def test_a_completed_network_loses_nothing(net: Network, seed: int, is_aware: bool) -> None:
    weights, x = weights_for(net, seed), data_for(net, 2, seed)
    completed = completed_or_skipped(net, weights if is_aware else None)
    assert completed.is_quantised
    exactly_equal(completed, weights, net, x)


@settings(deadline=None, max_examples=30)
@given(net=networks(INPUTS, EXACT, max_blocks=2), seed=SEEDS)
def test_knowing_the_weights_never_widens_a_format(net: Network, seed: int) -> None:
    blind, aware = completed_or_skipped(net, None), completed_or_skipped(net, weights_for(net, seed))
    for name, tensor in aware.tensors.items():
        assert blind.tensors[name].format.holds(tensor.format)


def test_formats_that_are_given_stay() -> None:
    net = chain(Layer("a", "relu", ("x",), ("a",)), (2, 2, 2), a=FixedPoint(3, 0))
    assert complete_formats(net) == net


# Minimality, by running every input there is

X = FixedPoint(3, 1)


def chain(
    layer: Layer, out: tuple[int, ...], x: FixedPoint | None = X, shape: Any = (2, 2, 2), **formats: Any
) -> Network:
    params = {"weight": (1, 8), "bias": (1,), "scale": (2,), "shift": (2,)}
    params |= {"thresholds": (2, 3), "start": (2,), "slope": (2,)}
    tensors = {"x": Tensor(shape, x), "a": Tensor(out, formats.get("a"))}
    tensors |= {name: Tensor(params[name], formats.get(name)) for name in layer.params.values()}
    return Network("net", (Layer("x", "input", (), ("x",)), layer), tensors, ("x",), ("a",))


def attained(net: Network, weights: Any) -> tuple[int, int]:
    """Smallest and largest integer of the result over all inputs made of two of the format's ends, and zero."""
    fmt, shape = net.tensors["x"].format, net.tensors["x"].shape
    values = [fmt.min_int, fmt.max_int]
    every = np.array([*itertools.product(values, repeat=math.prod(shape)), [0] * math.prod(shape)])
    results = trace(net, weights, every.reshape(-1, *shape))["a"]
    return int(results.min()), int(results.max())


WEIGHT, BIAS = FixedPoint(4, 2), FixedPoint(8, 4)
VALUES = {
    "weight": np.array([[3, -8, 7, 0, 1, -1, 2, 5]]),
    "bias": np.array([-97]),
    "scale": np.array([5, -8]),
    "shift": np.array([100, 3]),
    "thresholds": np.array([[1, 2, 4], [1, 1, 4]]),  # all above 0 and not above 1
    "start": np.array([-97, 5]),
    "slope": np.array([7, -8]),
}
LAYERS = {
    "dense": ("dense", {}, {"weight": WEIGHT}, (1,), (8,)),
    "dense with bias": ("dense", {}, {"weight": WEIGHT, "bias": BIAS}, (1,), (8,)),
    "batch norm": ("batch_norm", {}, {"scale": WEIGHT, "shift": BIAS}, (2, 2, 2), (2, 2, 2)),
    "threshold": (
        "threshold",
        {},
        {"thresholds": WEIGHT, "start": BIAS, "slope": WEIGHT},
        (2, 2, 2),
        (2, 2, 2),
    ),
    "relu": ("relu", {}, {}, (2, 2, 2), (2, 2, 2)),
    "clip below": ("clip", {"low": -9.0, "high": -1.0}, {}, (2, 2, 2), (2, 2, 2)),
    "clip off the grid": ("clip", {"low": -0.25, "high": 0.625}, {}, (2, 2, 2), (2, 2, 2)),
    "mean of 4": ("global_avg_pool", {}, {}, (2, 1, 1), (2, 2, 2)),
    "mean of 2": ("avg_pool2d", {"kernel": (2, 1), "stride": (1, 1)}, {}, (2, 1, 2), (2, 2, 2)),
    "maximum": ("max_pool2d", {"kernel": (2, 2), "stride": (1, 1)}, {}, (2, 1, 1), (2, 2, 2)),
    "pad": ("pad2d", {"padding": (1, 0, 0, 0)}, {}, (2, 3, 2), (2, 2, 2)),
}


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("x", [FixedPoint(3, 1), FixedPoint(3, 1, False), FixedPoint(4, -1)])
def test_one_bit_less_would_not_do(case: str, x: FixedPoint) -> None:
    op, attrs, roles, out, shape = LAYERS[case]
    net = chain(Layer("a", op, ("x",), ("a",), attrs, {r: r for r in roles}), out, x, shape, **roles)
    net = complete_formats(net, VALUES)
    low, high = attained(net, VALUES)
    fmt = net.tensors["a"].format
    assert fmt == smallest_format(low, high, fmt.frac)


def test_several_inputs_are_aligned() -> None:
    tensors = {"x": Tensor((2,), FixedPoint(4, 0, False)), "z": Tensor((2,), FixedPoint(3, 5)), "a": Tensor((2,))}
    inputs = (Layer("x", "input", (), ("x",)), Layer("z", "input", (), ("z",)))

    def result(op: str, *names: str, extent: int) -> FixedPoint:
        shapes = {**tensors, "a": Tensor((extent,))}
        net = Network("net", (*inputs, Layer("a", op, names, ("a",))), shapes, ("x", "z"), ("a",))
        return exact_format(net, net.layer("a"))

    # x: 0..15 = 0..480 / 32; z: -4..3 / 32
    assert result("add", "x", "z", extent=2) == smallest_format(-4, 483, 5)
    assert result("add", "x", "z", "x", extent=2) == smallest_format(-4, 963, 5)
    assert result("concat", "z", "x", extent=4) == smallest_format(-4, 480, 5)


def test_thresholds_without_weights_are_bounded_by_their_formats() -> None:
    """Start -128..127 / 16 and three steps of -8..7 / 4 each."""
    params = {"thresholds": FixedPoint(9, 9), "start": BIAS, "slope": WEIGHT}
    roles = {role: role for role in params}
    net = chain(Layer("a", "threshold", ("x",), ("a",), {}, roles), (2, 2, 2), X, (2, 2, 2), **params)
    assert exact_format(net, net.layer("a")) == smallest_format(-128 - 3 * 8 * 4, 127 + 3 * 7 * 4, 4)


def test_a_table_is_bounded_by_its_entries_or_their_format() -> None:
    tensors = {"x": Tensor((2,), X), "a": Tensor((2,)), "table": Tensor((8,), WEIGHT)}
    layer = Layer("a", "lookup", ("x",), ("a",), {"first": -4}, {"table": "table"})
    net = Network("net", (Layer("x", "input", (), ("x",)), layer), tensors, ("x",), ("a",))
    assert exact_format(net, layer) == smallest_format(-8, 7, 2)
    assert exact_format(net, layer, {"table": np.array([1, 0, 3, 2, 3, 1, 0, 2])}) == smallest_format(0, 3, 2)


@pytest.mark.parametrize(("classes", "bits"), [(1, 1), (2, 1), (3, 2), (10, 4), (16, 4), (17, 5)])
def test_a_class_needs_the_bits_of_the_last_one(classes: int, bits: int) -> None:
    net = chain(Layer("a", "argmax", ("x",), ("a",)), (1,), X, (classes,))
    assert exact_format(net, net.layer("a")) == FixedPoint(bits, 0, False)


# Means

W32 = FixedPoint(32, 0)


@pytest.mark.parametrize("extent", [1, 2, 4, 8])
def test_a_mean_over_a_power_of_two_is_exact(extent: int) -> None:
    net = chain(Layer("a", "global_avg_pool", ("x",), ("a",)), (2, 1, 1), X, (2, extent, extent))
    bits = 2 * (extent.bit_length() - 1)
    assert exact_format(net, net.layer("a")) == FixedPoint(X.width + bits, X.frac + bits)


REFUSED = {
    "mean over 49": (
        lambda: chain(Layer("a", "global_avg_pool", ("x",), ("a",)), (2, 1, 1), X, (2, 7, 7)),
        UnsupportedError,
        "a: a mean over 49 values has no exact binary form; give its output a format (a quantiser after the pool)",
    ),
    "mean over 3": (
        lambda: chain(
            Layer("a", "avg_pool2d", ("x",), ("a",), {"kernel": (3, 1), "stride": (1, 1)}), (2, 1, 3), X, (2, 3, 3)
        ),
        UnsupportedError,
        "a: a mean over 3 values has no exact binary form",
    ),
    "mean that counts unevenly": (
        lambda: chain(
            Layer(
                "a",
                "avg_pool2d",
                ("x",),
                ("a",),
                {"kernel": (2, 2), "stride": (1, 1), "padding": (1, 0, 0, 0), "count_include_pad": False},
            ),
            (2, 2, 1),
        ),
        UnsupportedError,
        "a: a mean over 4 values has no exact binary form",
    ),
    "sigmoid": (
        lambda: chain(Layer("a", "sigmoid", ("x",), ("a",)), (2, 2, 2)),
        UnsupportedError,
        "a: sigmoid has no exact integer form; give its output a format",
    ),
    "clip off every grid": (
        lambda: chain(Layer("a", "clip", ("x",), ("a",), {"low": 0.0, "high": 0.1}), (2, 2, 2)),
        UnsupportedError,
        "a: clip bounds 0.0 and 0.1 are not on a binary grid of 32 more bits",
    ),
    "float input": (
        lambda: chain(Layer("a", "relu", ("x",), ("a",)), (2, 2, 2), None),
        FormatError,
        "a: 'x' has no fixed-point format; quantise it first",
    ),
    "float weight": (
        lambda: chain(Layer("a", "dense", ("x",), ("a",), {}, {"weight": "weight"}), (1,), X, (8,)),
        FormatError,
        "a: 'weight' has no fixed-point format; quantise it first",
    ),
    "too wide": (
        lambda: chain(Layer("a", "dense", ("x",), ("a",), {}, {"weight": "weight"}), (1,), W32, (8,), weight=W32),
        FormatError,
        "a: an exact result needs 67 bits; expected at most 63; narrow weights or activations",
    ),
}


@pytest.mark.parametrize(("build", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_exact_format_is_refused(build: Any, error: type[Exception], message: str) -> None:
    net = build()
    for refuse in (lambda: exact_format(net, net.layer("a")), lambda: complete_formats(net)):
        with pytest.raises(error, match=f"^{re.escape(message)}"):
            refuse()
