# SPDX-License-Identifier: Apache-2.0
"""Networks with real scales as integer networks: equal to the float executor, layer for layer, or refused by name."""

import numpy as np
import pytest
from scaled_networks import CODES, Source, check, ops_of

from hwsim.fixed import FixedPoint
from hwsim.reference import execute


def mlp(bits: str, scale: float = 0.37, seed: int = 0) -> Source:
    source = Source((8,), seed=seed)
    x = source.norm(source.dense("x", 6))
    x = source.quantise(x, scale, bits)
    x = source.norm(source.dense(x, 5))
    source.dense(source.quantise(x, scale, bits), 3)
    return source


@pytest.mark.parametrize(
    ("bits", "op"),
    [
        ("ap_fixed<2,2,RND_CONV,SAT_SYM>", "threshold"),
        ("ap_ufixed<2,2,RND_CONV,SAT>", "threshold"),
        ("ap_fixed<4,4,TRN,SAT>", "threshold"),
        ("ap_fixed<8,8,RND_CONV,SAT>", "batch_norm"),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 0.25, 0.371])
def test_dense_networks(bits: str, op: str, scale: float) -> None:
    exact = check(mlp(bits, scale if op == "threshold" else scale / 16))
    assert ops_of(exact.network) == f"input dense {op} dense {op} dense"
    assert (exact.head, exact.tail is None) == (None, scale != 0.371)


def test_one_bit_is_minus_one_and_one() -> None:
    source = Source((8,))
    x = source.bipolar(source.norm(source.dense("x", 6)), 0.3)
    source.dense(x, 3)
    exact = check(source)
    assert ops_of(exact.network) == "input dense threshold dense"
    fmt = exact.network.tensors[x].format
    assert fmt is not None
    assert (fmt.width, fmt.signed) == (2, True)
    assert fmt.frac == 2  # 0.3 is 1.2 / 4


def images(fmt: str) -> Source:
    source = Source((2, 6, 6))
    x = source.norm(source.conv("x", 4))
    x = source.quantise(source.add("relu", x), 0.41, fmt)
    x = source.add("max_pool2d", x, shape=(4, 3, 3), attrs={"kernel": (2, 2), "stride": (2, 2)})
    x = source.quantise(source.norm(source.conv(x, 8, groups=4)), 0.23, fmt)
    x = source.add("global_max_pool", x, shape=(8, 1, 1))
    source.dense(source.add("flatten", x, shape=(8,)), 3)
    return source


@pytest.mark.parametrize(
    ("fmt", "op"), [("ap_ufixed<4,4,RND,SAT>", "threshold"), ("ap_ufixed<7,7,RND,SAT>", "batch_norm")]
)
def test_convolutions_and_pools(fmt: str, op: str) -> None:
    exact = check(images(fmt))
    expected = f"input conv2d {op} max_pool2d conv2d {op} global_max_pool flatten dense"
    assert ops_of(exact.network) == expected


def test_scales_per_channel_pass_depthwise_convolutions_and_pools() -> None:
    source = Source((4, 4, 4))
    x = source.norm(source.quantise("x", 0.31, "ap_fixed<4,4,RND_CONV,SAT>"), np.array([0.5, 0.7, 1.1, 3.0]), 0.0)
    x = source.conv(x, 8, groups=4)
    x = source.add("avg_pool2d", x, shape=(8, 2, 2), attrs={"kernel": (2, 2), "stride": (2, 2)})
    x = source.quantise(source.norm(x), 0.9, "ap_fixed<4,4,RND_CONV,SAT>")
    source.conv(x, 2)
    assert ops_of(check(source).network) == "input threshold conv2d avg_pool2d threshold conv2d"


@pytest.mark.parametrize("extent", [3, 5, 7])
@pytest.mark.parametrize(
    ("fmt", "op"), [("ap_fixed<4,4,RND_CONV,SAT>", "threshold"), ("ap_fixed<8,8,TRN,SAT>", "batch_norm")]
)
def test_means_over_other_than_powers_of_two(extent: int, fmt: str, op: str) -> None:
    """They become sums: convolutions with ones."""
    source = Source((3, extent, extent))
    x = source.norm(source.quantise(source.norm("x"), 0.31, fmt), np.array([0.5, 0.7, 1.1]), 0.0)
    x = source.add("global_avg_pool", x, shape=(3, 1, 1))
    x = source.quantise(source.norm(x), 0.17 if op == "threshold" else 0.0113, fmt)
    source.conv(x, 2)
    exact = check(source, images=200)
    assert ops_of(exact.network) == f"input {op} conv2d {op} conv2d"


def test_a_mean_at_the_end_is_a_sum_and_a_scale_for_the_host() -> None:
    source = Source((3, 5, 5))
    x = source.quantise(source.norm(source.conv("x", 3)), 0.31, "ap_fixed<4,4,RND_CONV,SAT>")
    source.add("avg_pool2d", x, shape=(3, 3, 3), attrs={"kernel": (3, 3), "stride": (1, 1)})
    exact = check(source)
    assert ops_of(exact.network) == "input conv2d threshold conv2d"
    assert exact.tail is not None


@pytest.mark.parametrize(("left", "right"), [(0.3, 0.3), (0.3, 0.6), (1.2, 0.3)])
def test_branches_of_scales_a_power_of_two_apart_are_added(left: float, right: float) -> None:
    source = Source((4, 4, 4))
    first = source.quantise(source.norm(source.conv("x", 4)), left, "ap_fixed<4,4,RND_CONV,SAT>")
    second = source.quantise(source.norm(source.conv(first, 4)), right, "ap_fixed<4,4,RND_CONV,SAT>")
    total = source.add("relu", source.add("add", first, second))
    source.conv(source.quantise(total, 0.7, "ap_ufixed<3,3,RND_CONV,SAT>"), 2)
    assert ops_of(check(source).network) == "input conv2d threshold conv2d threshold add threshold conv2d"


def test_joined_branches_keep_their_scales_until_the_next_quantiser() -> None:
    source = Source((4, 4, 4))
    first = source.quantise(source.norm(source.conv("x", 4)), 0.3, "ap_fixed<4,4,RND_CONV,SAT>")
    second = source.quantise(source.norm(source.conv(first, 2)), 0.77, "ap_fixed<4,4,RND_CONV,SAT>")
    joined = source.add("concat", first, second, shape=(6, 4, 4))
    source.conv(source.quantise(joined, 0.5, "ap_fixed<3,3,RND_CONV,SAT>"), 2)
    assert ops_of(check(source).network) == "input conv2d threshold conv2d threshold concat threshold conv2d"


def test_a_quantiser_with_several_readers_is_written_once() -> None:
    source = Source((6,))
    x = source.quantise(source.norm(source.dense("x", 6)), 0.3, "ap_fixed<4,4,RND_CONV,SAT>")
    total = source.add("add", x, source.add("relu", x))
    source.dense(source.quantise(total, 0.3, "ap_fixed<5,5,RND_CONV,SAT>"), 3)
    assert ops_of(check(source).network) == "input dense threshold relu add requantise dense"


# Biases


def test_a_bias_on_the_accumulators_grid_is_added_there() -> None:
    source = Source((6,))
    x = source.quantise("x", 0.3, "ap_fixed<4,4,RND_CONV,SAT>")
    x = source.dense(x, 4, bias=np.float32(0.3 * np.array([5.0, -7.0, 0.0, 111.0])))
    source.quantise(x, 0.9, "ap_fixed<4,4,RND_CONV,SAT>")
    exact = check(source)
    dense = next(layer for layer in exact.network.layers if layer.op == "dense")
    assert exact.weights[dense.params["bias"]].tolist() == [5, -7, 0, 111]


def test_another_bias_becomes_part_of_the_thresholds() -> None:
    source = Source((6,))
    x = source.dense("x", 4, bias=np.array([0.123, -0.7, 3.3, 0.0]))
    source.quantise(x, 0.9, "ap_fixed<4,4,RND_CONV,SAT>")
    exact = check(source)
    dense = next(layer for layer in exact.network.layers if layer.op == "dense")
    assert set(dense.params) == {"weight"}


# What the host keeps


def test_the_input_quantiser_of_a_real_input_is_left_to_the_host() -> None:
    source = Source((2, 3, 4), None)
    x = source.add("flatten", source.norm("x", np.array([2.0]), np.array([-1.0])), shape=(24,))
    x = source.quantise(x, 0.3, "ap_fixed<4,4,RND_CONV,SAT>")
    source.quantise(source.norm(source.dense(x, 4)), 0.5, "ap_fixed<2,2,RND_CONV,SAT>")
    exact = check(source)
    assert exact.head is not None
    assert ops_of(exact.head.network) == "input batch_norm flatten batch_norm requantise batch_norm batch_norm"
    assert ops_of(exact.network) == "input dense threshold"
    assert exact.network.inputs == (x,)
    assert exact.notes[0].startswith(f"{x}: the host computes what is in front of it (batch_norm1, flatten2, ")


def test_what_follows_the_last_integers_is_left_to_the_host() -> None:
    source = mlp("ap_fixed<2,2,RND_CONV,SAT_SYM>", 0.37)
    logits = source.layers[-1].output
    source.add("softmax", source.norm(logits, np.array([0.123]), np.array([-0.4])))
    exact = check(source)
    assert exact.tail is not None
    assert ops_of(exact.tail.network) == "input batch_norm batch_norm softmax"
    assert exact.network.outputs == (logits,)
    x = np.random.default_rng(2).integers(-32, 32, (50, 8))
    classes = execute(exact.network, exact.weights, x).argmax(axis=1)
    np.testing.assert_array_equal(classes, exact.run(CODES.to_real(x)).argmax(axis=1))


def test_a_last_quantiser_stays_in_the_network_and_its_scale_goes_to_the_host() -> None:
    source = Source((6,))
    source.quantise(source.norm(source.dense("x", 4)), 0.37, "ap_fixed<4,4,RND_CONV,SAT>")
    exact = check(source)
    assert ops_of(exact.network) == "input dense threshold"
    assert exact.tail is not None
    assert ops_of(exact.tail.network) == "input batch_norm"


def test_the_largest_of_evenly_scaled_integers_is_the_largest() -> None:
    source = mlp("ap_fixed<2,2,RND_CONV,SAT_SYM>", seed=2)
    last = source.norm(source.layers[-1].output, np.array([0.123]), np.array([-0.4]))
    source.add("argmax", last, shape=(1,))
    exact = check(source)
    assert ops_of(exact.network).endswith("dense argmax")
    assert exact.tail is None


# Less hardware where the chain allows it


def test_a_quantiser_behind_a_flatten_is_written_in_front_of_it() -> None:
    source = Source((2, 3, 4), FixedPoint(8, 8, False))
    x = source.add("flatten", "x", shape=(24,))
    x = source.norm(x, np.repeat([2.0, -1.0], 12), np.repeat([-1.0, 0.7], 12))
    source.dense(source.bipolar(x), 4)
    exact = check(source)
    assert ops_of(exact.network) == "input threshold flatten dense"
    assert exact.network.tensors["threshold3.thresholds"].shape == (2, 1)


def test_a_quantiser_whose_pixels_differ_stays_behind_the_flatten() -> None:
    source = Source((2, 3, 4), FixedPoint(8, 8, False))
    x = source.norm(source.add("flatten", "x", shape=(24,)), np.array([0.1]), np.linspace(-1, 1, 24))
    source.dense(source.bipolar(x), 4)
    assert ops_of(check(source).network) == "input flatten threshold dense"


def exact_norm(width: int) -> Source:
    """A batch norm with binary scales and a cast, which compute on formats throughout."""
    source = Source((4,))
    scale, shift = (np.array([3, -1, 2, 1]), FixedPoint(3, 1)), (np.array([1, 0, -2, 3]), FixedPoint(3, 2))
    x = source.add("batch_norm", "x", scale=scale, shift=shift, fmt=FixedPoint(10, 5))
    x = source.add("requantise", x, fmt=FixedPoint(width, width - 2, True, "RND", "SAT"))
    source.add("dense", x, shape=(2,), fmt=FixedPoint(20, width - 2), weight=source.weight(2, 4))
    return source


@pytest.mark.parametrize(("width", "ops"), [(4, "input threshold dense"), (5, "input batch_norm requantise dense")])
def test_thresholds_take_the_place_of_an_exact_multiplication_too(width: int, ops: str) -> None:
    assert ops_of(check(exact_norm(width)).network) == ops


@pytest.mark.parametrize("factor", [1, 3])
def test_exact_chains_in_front_of_pools_and_tables(factor: int) -> None:
    """Closed by thresholds or not, the values that a pool reads are the same; three times a power of two is a scale."""
    source = Source((4, 4, 4))
    ones = FixedPoint(2, 0, False)
    scale, shift = (np.array([3, -1, 2, 1]), FixedPoint(3, 1)), (np.array([1, 0, -2, 3]), FixedPoint(3, 2))
    x = source.add("batch_norm", "x", scale=scale, shift=shift, fmt=FixedPoint(10, 5))
    x = source.add("requantise", x, fmt=FixedPoint(3, 1, True, "RND", "SAT"))
    x = source.add(
        "batch_norm", x, scale=(np.full(4, factor), ones), shift=(np.zeros(4, int), ones), fmt=FixedPoint(6, 1)
    )
    x = source.add("max_pool2d", x, shape=(4, 2, 2), fmt=FixedPoint(6, 1), attrs={"kernel": (2, 2), "stride": (2, 2)})
    x = source.add(
        "lookup", x, fmt=FixedPoint(7, 2), attrs={"first": -32}, table=(np.arange(-32, 32), FixedPoint(7, 2))
    )
    source.add("requantise", x, fmt=FixedPoint(5, 1))
    assert ops_of(check(source).network).endswith("max_pool2d lookup requantise")


def test_a_network_of_formats_stays_as_it_is() -> None:
    source = Source((6,))
    x = source.add("dense", "x", shape=(4,), fmt=FixedPoint(9, 4), weight=source.weight(4, 6))
    x = source.add("requantise", source.add("relu", x, fmt=FixedPoint(8, 4)), fmt=FixedPoint(4, 2))
    source.add("dense", x, shape=(2,), fmt=FixedPoint(7, 1), weight=source.weight(2, 4))
    exact = check(source)
    assert exact.network == source.network()
    assert (exact.head, exact.tail, exact.notes) == (None, None, ())


def test_a_cast_that_loses_bits_is_kept_behind_a_bias_that_does_not_fit() -> None:
    """The layer computes exactly and casts once, whatever its bias: here to four bits."""
    source = Source((6,))
    fmt = FixedPoint(4, 1, True, "RND_CONV", "SAT")
    x = source.add("dense", "x", shape=(4,), fmt=fmt, weight=source.weight(4, 6), bias=np.array([0.3, -0.7, 0.0, 2.2]))
    source.dense(x, 2)
    assert ops_of(check(source).network) == "input dense threshold dense"
