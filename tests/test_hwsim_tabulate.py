# SPDX-License-Identifier: Apache-2.0
"""Activations as tables: every entry is the function's value, rounded as the output's format rounds."""

import math
from fractions import Fraction
from typing import Any

import naive
import numpy as np
import pytest

from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor, Weights
from hwsim.reference import execute
from hwsim.tabulate import FUNCTIONS, MAX_TABLE_BITS, tabulate

X, Y = FixedPoint(8, 5), FixedPoint(7, 4, True, "RND_CONV", "SAT")


def network(op: str, x: FixedPoint | None = X, y: FixedPoint | None = Y, cast: FixedPoint | None = None) -> Network:
    """One activation, and perhaps a requantise behind it."""
    attrs = {"alpha": 0.3} if op == "leaky_relu" else {}
    layers = [Layer("x", "input", (), ("x",)), Layer("f", op, ("x",), ("f",), attrs)]
    tensors = {"x": Tensor((2, 1, 3), x), "f": Tensor((2, 1, 3), y)}
    if cast is not None:
        layers.append(Layer("q", "requantise", ("f",), ("q",)))
        tensors["q"] = Tensor((2, 1, 3), cast)
    return Network("net", tuple(layers), tensors, ("x",), (layers[-1].output,))


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


DEFINITIONS = {
    "sigmoid": sigmoid,
    "tanh": math.tanh,
    "leaky_relu": lambda x: x if x > 0 else 0.3 * x,
    "gelu": lambda x: 0.5 * x * (1.0 + math.erf(x / math.sqrt(2.0))),
    "silu": lambda x: x * sigmoid(x),
    "hard_sigmoid": lambda x: min(max(x / 6.0 + 0.5, 0.0), 1.0),
    "hard_swish": lambda x: x * min(max(x / 6.0 + 0.5, 0.0), 1.0),
}


def test_every_activation_without_an_exact_form_is_known() -> None:
    assert set(FUNCTIONS) == set(DEFINITIONS)


@pytest.mark.parametrize("op", FUNCTIONS)
@pytest.mark.parametrize("y", [Y, FixedPoint(9, 8, False), FixedPoint(5, 2, True, "RND", "SAT_SYM")], ids=str)
def test_entries_are_the_definition_rounded_once(op: str, y: FixedPoint) -> None:
    table, weights = tabulate(network(op, y=y), {})
    layer = table.layer("f")
    assert (layer.op, layer.attrs["first"]) == ("lookup", X.min_int)
    x = np.arange(X.min_int, X.max_int + 1)
    expected = [naive.cast(Fraction(DEFINITIONS[op](value)), y) for value in X.to_real(x).tolist()]
    assert weights["f.table"].tolist() == expected
    images = np.resize(x, (50, 2, 1, 3))
    np.testing.assert_array_equal(execute(table, weights, images), np.array(expected)[images - X.min_int])


def test_a_table_reads_as_rounded_values_of_the_float_network() -> None:
    """The float executor rounds to the grid of a tensor with a format, which is the table."""
    mixed = network("silu")
    x = np.arange(X.min_int, X.max_int + 1).repeat(6).reshape(-1, 2, 1, 3)
    free = execute(network("silu", None, None), {}, X.to_real(x))
    np.testing.assert_array_equal(Y.quantise(free), execute(*tabulate(mixed, {}), x))


def test_a_requantise_that_alone_reads_a_function_is_its_cast() -> None:
    table, weights = tabulate(network("tanh", y=None, cast=Y), {})
    assert [layer.op for layer in table.layers] == ["input", "lookup"]
    assert (table.outputs, set(table.tensors)) == (("q",), {"x", "q", "f.table"})
    np.testing.assert_array_equal(weights["f.table"], tabulate(network("tanh"), {})[1]["f.table"])


def test_a_cast_twice_stays_two_casts() -> None:
    table, _ = tabulate(network("tanh", y=FixedPoint(12, 11), cast=Y), {})
    assert [layer.op for layer in table.layers] == ["input", "lookup", "requantise"]


@pytest.mark.parametrize(
    ("change", "op"),
    [
        ({"x": FixedPoint(MAX_TABLE_BITS, 5)}, "lookup"),
        ({"x": FixedPoint(MAX_TABLE_BITS + 1, 5)}, "tanh"),
        ({"x": None}, "tanh"),
        ({"y": None}, "tanh"),
        ({}, "lookup"),
    ],
    ids=["12 bits", "13 bits", "float input", "float output", "8 bits"],
)
def test_what_stays(change: dict[str, Any], op: str) -> None:
    before = network("tanh", **change)
    after, _ = tabulate(before, {})
    assert after.layer("f").op == op
    if op == "tanh":
        assert after == before


def test_other_layers_and_their_weights_stay() -> None:
    layers = (
        Layer("x", "input", (), ("x",)),
        Layer("d", "dense", ("x",), ("d",), {}, {"weight": "w"}),
        Layer("f", "sigmoid", ("d",), ("f",)),
        Layer("a", "add", ("f", "f"), ("a",)),
    )
    tensors = {"x": Tensor((3,), X), "w": Tensor((2, 3), FixedPoint(3, 0)), "d": Tensor((2,), FixedPoint(10, 5))}
    tensors |= {"f": Tensor((2,), Y), "a": Tensor((2,), FixedPoint(8, 4))}
    weights: Weights = {"w": np.array([[1, -2, 3], [0, 1, -1]])}
    after, kept = tabulate(Network("net", layers, tensors, ("x",), ("a",)), weights)
    assert [layer.op for layer in after.layers] == ["input", "dense", "lookup", "add"]
    assert after.is_quantised
    assert kept["w"] is weights["w"]
    assert execute(after, kept, np.array([[32, 0, 0]])).tolist() == [[2 * 12, 2 * 8]]  # sigmoid(1) = 0.731, of 0 = 0.5
