# SPDX-License-Identifier: Apache-2.0
"""A chain of real steps and the integer operators in its place give equal levels on every integer."""

import re
from typing import Any

import numpy as np
import pytest
from exact_graphs import chain

from hwsim.chains import Closed, close
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor
from hwsim.reference import execute
from hwsim.staircase import run_steps

X = FixedPoint(9, 2)
SCALE, SHIFT = [0.1301234, -0.2107654, 0.0, 1.7003579], [0.4123, -1.0321, 0.3, 5.0117]
NORM = ("batch_norm", SCALE, SHIFT)


def integers(x: FixedPoint, stride: int) -> np.ndarray:
    """Integers of a format, (points, 4)."""
    return np.arange(x.min_int, x.max_int + 1, stride)[:, None].repeat(4, axis=1)


def executed(closed: Closed, x: FixedPoint, stride: int = 1) -> np.ndarray:
    """Real values (points, 4) by the golden executor on the integer layers."""
    layers, weights = [Layer("x", "input", (), ("x",))], {}
    tensors = {"x": Tensor((4,), x)}
    for index, part in enumerate(closed.parts):
        roles = {role: f"{index}.{role}" for role in part.params}
        for role, (array, fmt) in part.params.items():
            tensors[roles[role]], weights[roles[role]] = Tensor(array.shape, fmt), array
        tensors[f"y{index}"] = Tensor((4,), part.format)
        layers.append(Layer(f"y{index}", part.op, layers[-1].outputs, (f"y{index}",), part.attrs, roles))
    network = Network("parts", tuple(layers), tensors, ("x",), layers[-1].outputs)
    return closed.parts[-1].format.to_real(execute(network, weights, integers(x, stride))) * closed.scale


def in_float32(ops: list[tuple], x: FixedPoint, stride: int = 1) -> np.ndarray:
    return run_steps(chain(*ops), x.to_real(integers(x, stride)))


def scaled(scale: float, fmt: str, zero: float = 0.0, **attrs: float) -> list[tuple]:
    """A quantiser: to integers, and back."""
    ones = np.ones(4)
    there = [("batch_norm", ones / scale, ones * zero), *([("clip", attrs)] if attrs else []), ("requantise", fmt)]
    return [*there, ("batch_norm", ones * scale, -ones * zero * scale)]


def centred(scale: float, fmt: str, zero: float) -> list[tuple]:
    """A quantiser with a zero point, which is added after the division."""
    first, *rest = scaled(scale, fmt, zero)
    return [(*first[:2], np.zeros(4)), ("batch_norm", np.ones(4), first[2]), *rest]


THREE = [[-0.5, 0.3, 0.31], [-20.0, 0.0, 2.0], [0.0, 0.0, 0.0], [9.0, 9.0, 99.0]]
CHAINS: dict[str, tuple[list[tuple], list[str], str]] = {
    "one bit": (
        [NORM, ("threshold", np.zeros((4, 1)), -np.ones(4), 2.0 * np.ones(4))],
        ["threshold"],
        "1 threshold per channel over -256..255",
    ),
    "one bit of scale 0.3": (
        [NORM, ("threshold", np.zeros((4, 1)), -0.3 * np.ones(4), 0.6 * np.ones(4))],
        ["threshold"],
        "1 threshold per channel",
    ),
    "relu of one bit": (
        [NORM, ("threshold", np.zeros((4, 1)), -np.ones(4), 2.0 * np.ones(4)), ("relu",)],
        ["threshold"],
        "1 threshold per channel",
    ),
    "two bits": ([NORM, ("requantise", "ap_fixed<2,2,RND_CONV,SAT_SYM>")], ["threshold"], "2 thresholds"),
    "four bits of scale 0.7": ([NORM, *scaled(0.7, "ap_fixed<4,4,RND_CONV,SAT>")], ["threshold"], "15 thresholds"),
    "four bits behind relu": (
        [NORM, ("relu",), *scaled(0.7, "ap_fixed<4,4,RND_CONV,SAT>")],
        ["threshold"],
        "7 thresholds",
    ),
    "rising thresholds, falling slope": (
        [NORM, ("threshold", THREE, 0.75 * np.ones(4), -0.25 * np.ones(4))],
        ["threshold"],
        "3 thresholds",
    ),
    "sigmoid": ([NORM, ("sigmoid",), *scaled(0.08, "ap_ufixed<4,4,RND_CONV,SAT>")], ["threshold"], "12 thresholds"),
    "two quantisers": (
        [NORM, *scaled(0.1, "ap_fixed<9,9,RND_CONV,SAT>"), *scaled(1.1, "ap_fixed<3,3,TRN,SAT>")],
        ["threshold"],
        "7 thresholds",
    ),
    "eight bits": ([NORM, *scaled(0.05, "ap_fixed<8,8,RND_CONV,SAT>")], ["batch_norm"], "multiply and shift by "),
    "eight bits with zero point": (
        [NORM, *centred(0.05, "ap_ufixed<8,8,RND_CONV,SAT>", zero=37.0)],
        ["batch_norm", "clip"],
        "multiply and shift by ",
    ),
    "thirty-one levels": (
        [NORM, *scaled(0.4, "ap_ufixed<5,5,RND_CONV,SAT>", low=0.0, high=30.0)],
        ["batch_norm", "clip"],
        "multiply and shift by ",
    ),
    "a shift": ([*scaled(8.0, "ap_fixed<5,5,RND,SAT>")], ["requantise"], "shift by 5, 31 steps proved over -256..255"),
    "ties": ([*scaled(0.4, "ap_fixed<7,7,RND_CONV,SAT>")], ["batch_norm"], "multiply and shift by "),
    "tanh of many levels": (
        [("tanh",), *scaled(0.01, "ap_fixed<8,8,RND_CONV,SAT>")],
        ["lookup"],
        "a table",
    ),
    "a function that falls and rises": ([("silu",), ("requantise", "ap_fixed<4,2,TRN,SAT>")], ["lookup"], "a table"),
    "a cast that wraps": ([("requantise", "ap_fixed<4,2>")], ["lookup"], "a table"),
    "a relu that wraps": ([("relu",), ("requantise", "ap_fixed<4,2>")], ["lookup"], "a table"),
    "a slope below zero": (
        [("leaky_relu", {"alpha": -0.5}), ("requantise", "ap_fixed<4,5,TRN,SAT>")],
        ["lookup"],
        "a table",
    ),
    "a cast that could wrap and does not": ([("requantise", "ap_fixed<4,8>")], ["threshold"], "15 thresholds"),
}


def expect_equal(closed: Closed, ops: list[tuple], x: FixedPoint) -> None:
    # levels are at least 0.01 apart, and float32 gives them to 1e-6
    np.testing.assert_allclose(executed(closed, x), in_float32(ops, x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("ops", "expected_ops", "note"), CHAINS.values(), ids=CHAINS)
def test_integers_equal_float32(ops: list[tuple], expected_ops: list[str], note: str) -> None:
    closed = close(chain(*ops), X, 4)
    assert [part.op for part in closed.parts] == expected_ops
    assert closed.note.startswith(note)
    expect_equal(closed, ops, X)


@pytest.mark.parametrize("x", [FixedPoint(6, -2), FixedPoint(8, 6, False)], ids=str)
def test_other_formats_of_the_accumulator(x: FixedPoint) -> None:
    for ops, expected_ops, _ in CHAINS.values():
        if expected_ops != ["lookup"]:
            expect_equal(close(chain(*ops), x, 4), ops, x)


def test_formats_of_thresholds_do_not_depend_on_their_values() -> None:
    formats = []
    for scale in (0.01, 3.0):
        ops = [("batch_norm", np.ones(4) * scale, np.zeros(4)), ("requantise", "ap_fixed<3,3,RND_CONV,SAT>")]
        (part,) = close(chain(*ops), X, 4).parts
        formats.append([str(fmt) for _, fmt in part.params.values()])
    assert formats == [["ap_fixed<10,8>", "ap_fixed<3,3>", "ap_fixed<2,2>"]] * 2


def test_bipolar_values_are_minus_one_and_one_in_two_bits() -> None:
    (part,) = close(chain(*CHAINS["one bit"][0]), X, 4).parts
    assert part.format == FixedPoint(2, 0)
    assert part.params["slope"][0].tolist() == [2, -2, 2, 2]


def test_a_power_of_two_needs_no_scale_behind_it() -> None:
    for scale, left in ((0.25, 1.0), (0.3, 1.2), (3.0, 1.5)):
        closed = close(chain(*scaled(scale, "ap_fixed<3,3,RND_CONV,SAT>")), X, 4)
        np.testing.assert_allclose(closed.scale, left)


def test_where_float32_is_no_line_real_numbers_are_and_the_difference_is_counted() -> None:
    """Accumulators of 20 bits: float32 moves some steps by one."""
    rng = np.random.default_rng(0)
    norm = ("batch_norm", np.float32(rng.normal(size=4) * 2e-4), np.float32(rng.normal(size=4) * 40))
    ops, x = [norm, ("requantise", "ap_ufixed<8,8,RND_CONV,SAT>")], FixedPoint(20, 0)
    closed = close(chain(*ops), x, 4)
    differing = re.search(r"; float32 rounds (\d+) of 1020 steps elsewhere$", closed.note)
    assert differing is not None
    wrong = np.count_nonzero(executed(closed, x, 3) != in_float32(ops, x, 3))
    assert 0 < wrong <= int(differing[1])


def wide(*ops: tuple) -> Any:
    return lambda: close(chain(*ops), FixedPoint(13, 0), 4)


REFUSED = {
    "softmax": (
        wide(("softmax",), ("requantise", "ap_fixed<4,4>")),
        "softmax0: softmax has no exact integer form; end the network before it",
    ),
    "levels without zero": (
        wide(("threshold", THREE, 0.1 * np.ones(4), np.ones(4))),
        "threshold0: its levels are 0.1 and steps of 1 from it; expected zero to be such a level or midway between "
        "two; choose another zero point",
    ),
    "sigmoid behind a quantiser": (
        wide(("requantise", "ap_fixed<4,4>"), ("sigmoid",)),
        "sigmoid1: sigmoid between a quantiser and the layer that reads it; expected scales, relu or clip there; "
        "quantise behind it",
    ),
    "a bound between levels": (
        wide(("requantise", "ap_fixed<4,4,TRN,SAT>"), ("clip", {"low": -1.0, "high": 2.5})),
        "clip1: takes a value between the levels of the quantiser before it; expected bounds on its levels; clip "
        "before the quantiser",
    ),
    "curved and wide": (
        wide(("batch_norm", np.full(4, 1e-3), np.zeros(4)), ("tanh",), ("requantise", "ap_fixed<8,1,TRN,SAT>")),
        "requantise2: no multiply-and-shift equals batch_norm, tanh, requantise over -4096..4095; expected at most 12 "
        "bits for a table; quantise in front of it",
    ),
    "curved and different": (
        lambda: close(chain(NORM, ("tanh",), ("requantise", "ap_fixed<8,1,TRN,SAT>")), X, 4),
        "requantise2: no multiply-and-shift equals batch_norm, tanh, requantise, whose channels differ; expected one "
        "function for a table; quantise in front of it",
    ),
    "too many levels": (
        lambda: close(chain(("requantise", "ap_fixed<24,24,TRN,SAT>")), FixedPoint(30, 0), 4),
        "requantise0: 4 channels with 16777216 levels each are too many to prove equal; expected at most 16777216 in "
        "all; quantise to fewer bits",
    ),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(call: Any, message: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        call()
    assert str(raised.value) == message
