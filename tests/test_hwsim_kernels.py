# SPDX-License-Identifier: Apache-2.0
"""Every kernel equals torch on real numbers and plain rational loops on integers, also where int64 gets tight."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import naive
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hwsim import ops
from hwsim.errors import NetworkError, UnsupportedError
from hwsim.kernels import KERNELS, Value, _product_dtype
from hwsim.network import Layer

Array = np.ndarray


def layer_of(op: str, attrs: dict[str, Any] | None = None, inputs: int = 1, roles: tuple[str, ...] = ()) -> Layer:
    names = tuple(f"x{i}" for i in range(inputs))
    layer = Layer("a", op, names, ("y",), attrs or {}, {role: role for role in roles})
    return Layer("a", op, names, ("y",), ops.complete_attrs(layer), layer.params)


def compute(op: str, *inputs: Array, attrs: dict[str, Any] | None = None, **params: Array) -> Array:
    """A kernel on float64 arrays."""
    layer = layer_of(op, attrs, len(inputs), tuple(params))
    result = KERNELS[op](layer, [Value(x) for x in inputs], {role: Value(array) for role, array in params.items()})
    return result.array / result.divisor


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def as_torch(function: Callable[..., torch.Tensor], *arrays: Array) -> Array:
    return function(*[torch.from_numpy(array) for array in arrays]).numpy()


CLOSE = {"rtol": 1e-12, "atol": 1e-12}  # both sides are float64 sums of a few hundred terms in different orders

# groups, input channels, output channels
GROUPINGS = [(1, 3, 5), (2, 4, 6), (4, 4, 4), (3, 3, 9), (3, 6, 3), (1, 1, 4)]
# kernel, stride, padding (top, left, bottom, right), dilation
WINDOWS = [
    ((3, 3), (1, 1), (0, 0, 0, 0), (1, 1)),
    ((3, 3), (2, 1), (1, 1, 1, 1), (1, 1)),
    ((2, 3), (3, 2), (1, 0, 2, 3), (1, 1)),
    ((1, 1), (2, 2), (0, 0, 0, 0), (1, 1)),
    ((3, 2), (1, 2), (0, 2, 1, 0), (2, 3)),
]


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_convolutions_equal_torch(grouping: tuple[int, int, int]) -> None:
    groups, channels, out_channels = grouping
    for kernel, stride, padding, dilation in WINDOWS:
        x, weight = normal(2, channels, 7, 8), normal(out_channels, channels // groups, *kernel, seed=1)
        bias = normal(out_channels, seed=2)
        attrs = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        top, left, bottom, right = padding
        padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
        for params in ({"weight": weight}, {"weight": weight, "bias": bias}):
            expected = as_torch(
                lambda *t: F.conv2d(*t, stride=stride, dilation=dilation, groups=groups),  # noqa: B023
                padded,
                *params.values(),
            )
            np.testing.assert_allclose(compute("conv2d", x, attrs=attrs, **params), expected, **CLOSE)


def test_dense_layers_equal_torch() -> None:
    weight, bias = normal(5, 4, seed=1), normal(5, seed=2)
    for shape in [(3, 4), (3, 2, 4)]:
        expected = as_torch(F.linear, normal(*shape), weight, bias)
        np.testing.assert_allclose(compute("dense", normal(*shape), weight=weight, bias=bias), expected, **CLOSE)
        expected = as_torch(F.linear, normal(*shape), weight)
        np.testing.assert_allclose(compute("dense", normal(*shape), weight=weight), expected, **CLOSE)


SIZES = [(6, 6), (5, 7), (8, 5)]
POOLS = [(2, 2, 0), (3, 2, 1), (3, 3, 0), (2, 3, 1), (4, 2, 2)]  # kernel, stride, padding


@pytest.mark.parametrize("size", SIZES)
def test_pools_equal_torch(size: tuple[int, int]) -> None:
    x = normal(2, 3, *size) - 5  # below zero: padding with zeros would show
    for kernel, stride, padding in POOLS:
        attrs = {"kernel": (kernel, kernel), "stride": (stride, stride), "padding": (padding,) * 4}
        expected = as_torch(lambda t: F.max_pool2d(t, kernel, stride, padding), x)  # noqa: B023
        np.testing.assert_array_equal(compute("max_pool2d", x, attrs=attrs), expected)
        for counted in (True, False):
            expected = as_torch(
                lambda t: F.avg_pool2d(t, kernel, stride, padding, count_include_pad=counted),  # noqa: B023
                x,
            )
            got = compute("avg_pool2d", x, attrs={**attrs, "count_include_pad": counted})
            np.testing.assert_allclose(got, expected, **CLOSE)
    np.testing.assert_allclose(
        compute("global_avg_pool", x), as_torch(lambda t: t.mean((2, 3), keepdim=True), x), **CLOSE
    )
    np.testing.assert_array_equal(compute("global_max_pool", x), as_torch(lambda t: t.amax((2, 3), keepdim=True), x))


@pytest.mark.parametrize("size", SIZES)
def test_pools_that_round_their_size_up_equal_torch(size: tuple[int, int]) -> None:
    x = normal(1, 2, *size)
    for kernel, stride, padding in POOLS:
        expected = as_torch(lambda t: F.max_pool2d(t, kernel, stride, padding, ceil_mode=True), x)  # noqa: B023
        # The larger output is had by padding the end.
        ends = [
            (n - 1) * stride + kernel - extent - padding for n, extent in zip(expected.shape[2:], size, strict=True)
        ]
        attrs = {
            "kernel": (kernel, kernel),
            "stride": (stride, stride),
            "padding": (padding, padding, max(ends[0], 0), max(ends[1], 0)),
        }
        np.testing.assert_array_equal(compute("max_pool2d", x, attrs=attrs), expected)


X = normal(2, 3, 4, 5) * 3
ELEMENTWISE = {
    "relu": ({}, F.relu),
    "clip": ({"low": -0.5, "high": 2.0}, lambda t: t.clamp(-0.5, 2.0)),
    "leaky_relu": ({"alpha": 0.125}, lambda t: F.leaky_relu(t, 0.125)),
    "sigmoid": ({}, torch.sigmoid),
    "tanh": ({}, torch.tanh),
    "gelu": ({}, F.gelu),
    "silu": ({}, F.silu),
    "hard_sigmoid": ({}, F.hardsigmoid),
    "hard_swish": ({}, F.hardswish),
    "requantise": ({}, lambda t: t),
    "output": ({}, lambda t: t),
    "upsample2d": ({"factor": (2, 3)}, lambda t: F.interpolate(t, scale_factor=(2.0, 3.0))),
    "pad2d": ({"padding": (1, 2, 3, 0)}, lambda t: F.pad(t, (2, 0, 1, 3))),
    "flatten": ({}, lambda t: t.flatten(1)),
}


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_other_operators_equal_torch(op: str) -> None:
    attrs, function = ELEMENTWISE[op]
    np.testing.assert_allclose(compute(op, X, attrs=attrs), as_torch(function, X), **CLOSE)


def test_operators_of_several_tensors_equal_torch() -> None:
    y, z = normal(2, 3, 4, 5, seed=1), normal(2, 3, 4, 5, seed=2)
    np.testing.assert_array_equal(compute("add", X, y, z), X + y + z)
    np.testing.assert_array_equal(compute("concat", X, y, z), as_torch(lambda *t: torch.cat(t, 1), X, y, z))
    flat = X.reshape(2, 60)
    np.testing.assert_allclose(compute("softmax", flat), as_torch(lambda t: t.softmax(1), flat), **CLOSE)
    scale, shift = normal(3, seed=3), normal(3, seed=4)
    for x in (X, X[:, :, 0, 0]):
        mean, variance = np.zeros(3), np.ones(3)
        expected = as_torch(lambda *t: F.batch_norm(*t, eps=0.0), x, mean, variance, scale, shift)
        np.testing.assert_allclose(compute("batch_norm", x, scale=scale, shift=shift), expected, **CLOSE)


def test_extreme_reals_do_not_overflow() -> None:
    extreme = np.array([[-1e4, -800.0, 0.0, 800.0, 1e4]])
    assert compute("sigmoid", extreme).tolist() == [[0.0, 0.0, 0.5, 1.0, 1.0]]
    assert compute("softmax", extreme).tolist() == [[0.0, 0.0, 0.0, 0.0, 1.0]]
    assert compute("silu", extreme)[0, 0] == 0.0


# Integers

TIES = np.array([-8, -7, -1, 0, 1, 7])


def integer_case(op: str, attrs: dict[str, Any], shape: tuple[int, ...], **params: Any) -> None:
    """One kernel on integers against rational loops; params are (shape, frac)."""
    rng = np.random.default_rng(sum(map(ord, op)))
    x, x_frac = rng.choice(TIES, (2, *shape)), 3
    arrays = {role: (rng.choice(TIES, extents), frac) for role, (extents, frac) in params.items()}
    layer = layer_of(op, attrs, 1, tuple(params))
    values = {role: Value(array, frac) for role, (array, frac) in arrays.items()}
    result = KERNELS[op](layer, [Value(x, x_frac)], values)
    assert result.array.dtype == np.int64
    rationals = {role: naive.fractions(array, frac) for role, (array, frac) in arrays.items()}
    out = ops.output_shapes(layer, [shape], {role: extents for role, (extents, _) in params.items()})[0]
    expected = naive.exact(layer, out, [naive.fractions(x, x_frac)], rationals)
    got = naive.fractions(result.array, result.frac) / result.divisor
    assert got.shape == expected.shape == (2, *out)
    assert np.all(got == expected)


@pytest.mark.parametrize("window", WINDOWS)
def test_integer_convolutions_are_exact(window: Any) -> None:
    kernel, stride, padding, dilation = window
    for (groups, channels, out_channels), bias_frac in itertools.product(GROUPINGS[:4], (0, 5, 9)):
        attrs = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        weight = (out_channels, channels // groups, *kernel)
        integer_case("conv2d", attrs, (channels, 5, 6), weight=(weight, 2), bias=((out_channels,), bias_frac))


def test_integer_means_are_exact_ratios() -> None:
    for kernel, padding, counted in itertools.product([(3, 3), (2, 3), (1, 2)], [0, 1], [True, False]):
        sides = tuple(min(padding, extent - 1) for extent in (*kernel, *kernel))
        attrs = {"kernel": kernel, "stride": (2, 1), "padding": sides}
        integer_case("avg_pool2d", {**attrs, "count_include_pad": counted}, (2, 5, 4))
        integer_case("max_pool2d", attrs, (2, 5, 4))
    integer_case("global_avg_pool", {}, (3, 7, 7))


def test_other_integer_operators_are_exact() -> None:
    integer_case("dense", {}, (6,), weight=((4, 6), 2), bias=((4,), 7))
    integer_case("dense", {}, (6,), weight=((4, 6), 2), bias=((4,), 0))
    integer_case("batch_norm", {}, (3, 2, 2), scale=((3,), 4), shift=((3,), 1))
    integer_case("batch_norm", {}, (3,), scale=((3,), 0), shift=((3,), 9))
    integer_case("relu", {}, (2, 3, 3))
    integer_case("clip", {"low": -0.3125, "high": 0.5}, (2, 3, 3))
    integer_case("clip", {"low": -1, "high": 6}, (2, 3, 3))


def test_thresholds_count_what_is_reached() -> None:
    """Below, on and above a threshold; on the input's grid, a finer and a coarser one; as vectors and as images."""
    for frac, shape in itertools.product((3, 5, 0), ((3,), (3, 2, 2))):
        integer_case("threshold", {}, shape, thresholds=((3, 4), frac), start=((3,), 1), slope=((3,), 4))
    rows, start, slope = np.sort(normal(3, 5, seed=1)), normal(3, seed=2), normal(3, seed=3)
    reached = np.stack([np.searchsorted(rows[c], X[:, c], side="right") for c in range(3)], axis=1)
    expected = start[:, None, None] + slope[:, None, None] * reached
    np.testing.assert_array_equal(compute("threshold", X, thresholds=rows, start=start, slope=slope), expected)


LOOKUP = {"first": -2}


def test_a_table_is_read_from_its_first_integer_on() -> None:
    layer, table = layer_of("lookup", LOOKUP, roles=("table",)), np.array([5, -7, 0, 11])
    x = np.array([[-2, -1], [0, 1], [1, -2]])
    result = KERNELS["lookup"](layer, [Value(x, 3)], {"table": Value(table, 4)})
    assert result.frac == 4
    assert result.array.tolist() == [[5, -7], [0, 11], [11, 5]]
    rationals = {"table": naive.fractions(table, 4), "grid": 8}
    expected = naive.exact(layer, (2,), [naive.fractions(x, 3)], rationals)
    assert np.all(naive.fractions(result.array, result.frac) == expected)


@pytest.mark.parametrize("x", [-3, 2])
def test_integers_outside_a_table_are_refused(x: int) -> None:
    layer = layer_of("lookup", LOOKUP, roles=("table",))
    message = f"a: got integers {min(x, 0)}..{max(x, 0)}; the table holds -2..1"
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        KERNELS["lookup"](layer, [Value(np.array([[x, 0]]))], {"table": Value(np.arange(4))})


def test_a_table_of_real_numbers_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^a: a table is read by integers; got real numbers; quantise the netw"):
        compute("lookup", np.zeros((1, 2)), attrs=LOOKUP, table=np.zeros(4))


@pytest.mark.parametrize("shape", [(5,), (5, 1, 1)])
def test_the_first_of_the_largest_is_chosen(shape: tuple[int, ...]) -> None:
    integer_case("argmax", {}, shape)
    rows = np.array([[3, -1, 3, 2, 3], [-4, -4, -4, -4, -4], [0, 1, 2, 3, 4]])
    for x in (rows, rows.astype(np.float64)):
        result = KERNELS["argmax"](layer_of("argmax"), [Value(x.reshape(3, *shape), 2)], {})
        assert (result.array.tolist(), result.frac) == ([[0], [0], [4]], 0)


@pytest.mark.parametrize("op", ["add", "concat"])
def test_different_grids_are_aligned_to_the_finest(op: str) -> None:
    fracs = (-2, 5, 0)
    arrays = [np.random.default_rng(seed).choice(TIES, (2, 3, 2, 2)) for seed in range(3)]
    result = KERNELS[op](layer_of(op, inputs=3), [Value(a, f) for a, f in zip(arrays, fracs, strict=True)], {})
    rationals = [naive.fractions(a, f) for a, f in zip(arrays, fracs, strict=True)]
    assert result.frac == 5
    assert np.all(naive.fractions(result.array, result.frac) == naive.exact(layer_of(op, inputs=3), (), rationals, {}))


# Where the significand ends


def dense_value(x: int, weights: list[int]) -> tuple[Any, int]:
    """The type chosen for, and the result of, x times every weight."""
    layer = layer_of("dense", roles=("weight",))
    data, weight = np.full((1, len(weights)), x), np.array([weights])
    result = KERNELS["dense"](layer, [Value(data)], {"weight": Value(weight)})
    return _product_dtype(layer, data, weight), int(result.array[0, 0])


@pytest.mark.parametrize(
    ("x", "weights", "dtype"),
    [
        (1, [2**24 - 2, 1], np.float32),
        (-1, [2**23, 2**23 - 1], np.float32),
        (1, [2**24 - 1, 1], np.float64),
        (1, [2**24, 1], np.float64),
        (2**12, [2**12, -1], np.float64),
        (2**26, [2**26, 2**26 - 1], np.float64),
        (1, [2**53 - 2, 1], np.float64),
        (1, [2**53 - 1, 1], np.int64),
        (1, [2**53, 1], np.int64),
        (-(2**31), [2**30, 1 - 2**30], np.int64),
        (3, [2**60, 1], np.int64),
    ],
)
def test_sums_are_exact_on_both_sides_of_a_significand(x: int, weights: list[int], dtype: Any) -> None:
    assert dense_value(x, weights) == (dtype, sum(x * w for w in weights))


def test_convolutions_at_the_end_of_a_significand_are_exact() -> None:
    for bits, groups in itertools.product((24, 53), (1, 2)):
        weight = np.array([[2 ** (bits - 1) - 1, 2 ** (bits - 1)], [1, -1]]).reshape(2, 1, 1, 2)
        x = np.ones((1, groups, 1, 2), np.int64)
        layer = layer_of("conv2d", {"kernel": (1, 2), "groups": groups}, roles=("weight",))
        result = KERNELS["conv2d"](layer, [Value(x)], {"weight": Value(weight)})
        assert result.array.ravel().tolist() == [2**bits - 1, 0]


WIDE = np.full((1, 2, 1, 1), 2**61)
SMALLEST = np.full((1, 2, 1, 1), np.iinfo(np.int64).min)
POOL = {"kernel": (1, 1), "stride": (1, 1)}

TOO_WIDE = {
    "product": ("dense", {}, [Value(WIDE[:, :, 0, 0])], {"weight": Value(np.array([[1, 1]]))}),
    "smallest input": ("dense", {}, [Value(SMALLEST[:, :, 0, 0])], {"weight": Value(np.array([[1, 0]]))}),
    "weights whose sum wraps": ("dense", {}, [Value(np.ones((1, 4), int))], {"weight": Value(np.full((1, 4), 2**62))}),
    "bias on a fine grid": (
        "dense",
        {},
        [Value(np.full((1, 2), 2**20))],
        {"weight": Value(np.array([[1, 1]])), "bias": Value(np.array([1]), 45)},
    ),
    "aligned sum": ("add", {}, [Value(WIDE >> 10), Value(WIDE >> 50, 12)], {}),
    "sum": ("add", {}, [Value(WIDE), Value(WIDE)], {}),
    "aligned concat": ("concat", {}, [Value(WIDE), Value(WIDE >> 50, 3)], {}),
    "mean": ("global_avg_pool", {}, [Value(np.full((1, 1, 2, 2), 2**60))], {}),
    "pool": ("avg_pool2d", {"kernel": (2, 2), "stride": (1, 1)}, [Value(np.full((1, 1, 2, 2), 2**60))], {}),
    "norm": (
        "batch_norm",
        {},
        [Value(WIDE)],
        {"scale": Value(np.array([2, 2])), "shift": Value(np.array([0, 0]))},
    ),
    "thresholds on a fine grid": (
        "threshold",
        {},
        [Value(WIDE[:, :, 0, 0] >> 1)],
        {
            "thresholds": Value(np.array([[1], [1]]), 2),
            "start": Value(np.zeros(2, int)),
            "slope": Value(np.ones(2, int)),
        },
    ),
    "clip on a fine grid": ("clip", {"low": -0.5, "high": 2.0**-20}, [Value(WIDE >> 5)], {}),
}


@pytest.mark.parametrize(("op", "attrs", "inputs", "params"), TOO_WIDE.values(), ids=TOO_WIDE)
def test_a_result_that_int64_might_not_hold_is_refused(op: str, attrs: Any, inputs: Any, params: Any) -> None:
    layer = layer_of(op, attrs, len(inputs), tuple(params))
    with pytest.raises(NetworkError, match=r"^a: an exact result may reach \d+, beyond 62 bits; narrow weights or act"):
        KERNELS[op](layer, inputs, params)


def test_a_clip_bound_off_every_grid_is_refused() -> None:
    message = "a: clip bound 0.1 is not on a grid of 2**-31; expected a multiple of a power of two"
    with pytest.raises(UnsupportedError, match=f"^{re.escape(message)}$"):
        KERNELS["clip"](layer_of("clip", {"low": 0.0, "high": 0.1}), [Value(TIES, 3)], {})
