# SPDX-License-Identifier: Apache-2.0
"""Networks with real scales as integer networks: equal to the float executor, layer for layer, or refused by name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hwsim.errors import UnsupportedError
from hwsim.exact import Exact
from hwsim.fixed import FixedPoint
from hwsim.integerise import integerise
from hwsim.network import Layer, Network, Tensor, Weights
from hwsim.reference import execute

Array = np.ndarray
CODES = FixedPoint(6, 4)


class Source:
    """A network that grows by one layer at a time, with weights; every method returns the tensor it made."""

    def __init__(self, shape: tuple[int, ...], fmt: FixedPoint | None = CODES, seed: int = 0) -> None:
        self.layers = [Layer("x", "input", (), ("x",))]
        self.tensors, self.weights = {"x": Tensor(shape, fmt)}, Weights()
        self.rng = np.random.default_rng(seed)

    def add(self, op: str, *inputs: str, shape: Any = None, fmt: Any = None, attrs: Any = None, **params: Any) -> str:
        """Append a layer; a parameter is an array of reals, or (integers, format)."""
        name = f"{op}{len(self.layers)}"
        for role, given in params.items():
            array, stored = given if isinstance(given, tuple) else (np.asarray(given, dtype=np.float64), None)
            self.weights[f"{name}.{role}"], self.tensors[f"{name}.{role}"] = array, Tensor(array.shape, stored)
        roles = {role: f"{name}.{role}" for role in params}
        self.layers.append(Layer(name, op, inputs, (name,), attrs or {}, roles))
        self.tensors[name] = Tensor(shape or self.tensors[inputs[0]].shape, fmt)
        return name

    def channels(self, x: str) -> int:
        return self.tensors[x].shape[0]

    def norm(self, x: str, scale: Any = None, shift: Any = None) -> str:
        """A batch norm; random scales fall in some channels."""
        channels = self.channels(x)
        scale = self.rng.normal(size=channels) * 0.4 if scale is None else np.resize(scale, channels)
        shift = self.rng.normal(size=channels) if shift is None else np.resize(shift, channels)
        return self.add("batch_norm", x, scale=scale.astype(np.float64), shift=shift.astype(np.float64))

    def quantise(self, x: str, scale: float, fmt: str) -> str:
        down = self.norm(x, np.array([1.0 / scale]), np.zeros(1))
        cast = self.add("requantise", down, fmt=FixedPoint.parse(fmt))
        return self.norm(cast, np.array([scale]), np.zeros(1))

    def bipolar(self, x: str, scale: float = 1.0) -> str:
        ones = np.ones(self.channels(x))
        return self.add("threshold", x, thresholds=0.0 * ones[:, None], start=-scale * ones, slope=2 * scale * ones)

    def weight(self, *shape: int) -> tuple[Array, FixedPoint]:
        return self.rng.integers(-3, 4, shape), FixedPoint(3, 0)

    def dense(self, x: str, outputs: int, **bias: Any) -> str:
        weight = self.weight(outputs, self.channels(x))
        return self.add("dense", x, shape=(outputs,), weight=weight, **bias)

    def conv(self, x: str, outputs: int, groups: int = 1, **bias: Any) -> str:
        channels, rows, columns = self.tensors[x].shape
        attrs = {"kernel": (3, 3), "padding": (1, 1, 1, 1), "groups": groups}
        weight = self.weight(outputs, channels // groups, 3, 3)
        return self.add("conv2d", x, shape=(outputs, rows, columns), attrs=attrs, weight=weight, **bias)

    def network(self, *outputs: str) -> Network:
        return Network("net", tuple(self.layers), self.tensors, ("x",), outputs or (self.layers[-1].output,))

    def exact(self) -> Exact:
        return integerise(self.network(), self.weights)


def executed(network: Network, weights: Weights, x: Array) -> Array:
    """Real outputs of a network, on integers where it is integer throughout."""
    source, target = (network.tensors[name].format for name in (*network.inputs, *network.outputs))
    if not network.is_quantised:
        return execute(network, weights, x)
    assert source is not None
    assert target is not None
    return target.to_real(execute(network, weights, source.quantise(x)))


def check(source: Source, images: int = 40) -> Exact:
    """The integer network, whose real outputs are those of the float executor."""
    network, exact = source.network(), source.exact()
    assert exact.network.is_quantised
    tensor = network.tensors["x"]
    x = np.random.default_rng(1).normal(size=(images, *tensor.shape)) * 2
    if tensor.format is not None:
        x = tensor.format.to_real(tensor.format.quantise(np.clip(x, -1.9, 1.9)))
    expected = executed(network, source.weights, x)
    got = exact.run(x)
    # float64 against integers times a scale; levels are 0.05 or more apart
    np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-6, atol=1e-6)
    assert len(np.unique(expected)) > 1
    return exact


def ops_of(network: Network) -> str:
    return " ".join(layer.op for layer in network.layers)


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


# Refusals


def broken(build: Callable[[Source], Any], shape: tuple[int, ...] = (4, 4, 4), fmt: FixedPoint | None = CODES) -> Any:
    def call() -> None:
        source = Source(shape, fmt)
        build(source)
        source.exact()

    return call


FOUR = "ap_fixed<4,4,RND_CONV,SAT>"
REFUSED = {
    "real input": (
        broken(lambda s: s.dense("x", 2), (4,), None),
        "dense1: reads the real numbers of an input without a format; expected integers; give the input a format "
        "(input_format)",
    ),
    "nothing quantised": (
        broken(lambda s: s.norm("x"), (4,), None),
        "batch_norm1: nothing between input and output is quantised; expected quantisers; quantise the network",
    ),
    "two quantisers of a real input": (
        broken(lambda s: s.add("add", s.quantise("x", 0.3, FOUR), s.quantise("x", 0.3, FOUR)), fmt=None),
        "add7: reads 'batch_norm6', the second quantiser of a real input; expected one for the host to compute; give "
        "the input a format (input_format)",
    ),
    "real numbers between layers": (
        broken(lambda s: s.dense(s.add("relu", s.norm(s.dense("x", 3))), 2), (4,)),
        "dense4: reads real numbers (batch_norm, relu without a quantiser behind); expected quantised values; quantise "
        "what it reads",
    ),
    "real weights": (
        broken(lambda s: s.add("dense", "x", shape=(2,), weight=np.ones((2, 4))), (4,)),
        "dense1: weights are real numbers; expected quantised ones; quantise them",
    ),
    "width without levels": (
        broken(lambda s: s.dense(s.add("requantise", s.norm("x")), 2), (4,)),
        "requantise2: only the width of its result is known; expected its levels; export a Quant node",
    ),
    "scales per input channel": (
        broken(lambda s: s.conv(s.norm(s.quantise("x", 0.3, FOUR), np.linspace(1, 2, 4), 0.0), 2)),
        "conv2d5: sums channels of different scales; expected one scale; quantise its input per tensor",
    ),
    "branches of different scales": (
        broken(lambda s: s.add("add", s.quantise("x", 0.3, FOUR), s.quantise("x", 0.4, FOUR))),
        "add7: adds tensors of different scales; expected one scale, or scales a power of two apart; let the branches "
        "share a quantiser",
    ),
    "a maximum that a falling norm turns": (
        broken(lambda s: s.add("global_max_pool", s.norm("x", np.array([-0.3])), shape=(4, 1, 1))),
        "global_max_pool2: global_max_pool of real numbers behind batch_norm1, which it cannot precede; expected a "
        "quantiser between them; quantise its input",
    ),
    "zeros that a shift moves": (
        broken(lambda s: s.add("pad2d", s.norm("x"), shape=(4, 6, 6), attrs={"padding": (1, 1, 1, 1)})),
        "pad2d2: pad2d of real numbers behind batch_norm1, which it cannot precede; expected a quantiser between them; "
        "quantise its input",
    ),
    "argmax of scales per class": (
        broken(lambda s: s.add("argmax", s.norm(s.dense("x", 3)), shape=(1,)), (4,)),
        "argmax3: argmax of real numbers behind batch_norm2; expected one positive scale for all classes; end the "
        "network before it",
    ),
    "a table of scaled integers": (
        broken(
            lambda s: s.add(
                "lookup", s.quantise("x", 0.3, FOUR), attrs={"first": -8}, table=(np.arange(16), FixedPoint(5, 0))
            ),
            (4,),
        ),
        "lookup4: lookup of values that are no fixed-point numbers; expected a power of two as scale; quantise its "
        "input so",
    ),
    "an uneven mean": (
        broken(
            lambda s: s.add("global_avg_pool", s.quantise("x", 0.3, FOUR), shape=(4, 1, 1)),
            (4, 3, 3),
        ),
        "global_avg_pool4: a mean over 9 values has no exact binary form; give its output a format (a quantiser after "
        "the pool)",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Any, message: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        call()
    assert str(raised.value) == message
