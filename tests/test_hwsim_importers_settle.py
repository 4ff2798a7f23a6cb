# SPDX-License-Identifier: Apache-2.0
"""Formats that follow from quantisers: exact ones between them, and casts moved to inputs and means."""

import numpy as np
import pytest

from hwsim.errors import FormatError
from hwsim.fixed import FixedPoint
from hwsim.importers.settle import settle_formats
from hwsim.network import Layer, Network, Tensor
from hwsim.reference import execute

ACT = FixedPoint(6, 3, True, "RND_CONV", "SAT")
UNSIGNED = FixedPoint(6, 4, False, "RND_CONV", "SAT")


def network_of(*layers: Layer, shape: tuple[int, ...] = (2, 3, 3), **known: Tensor) -> Network:
    """A chain of layers behind the input ``x``; tensors not in ``known`` are float with the input's shape."""
    names = [name for layer in layers for name in (*layer.outputs, *layer.params.values())]
    tensors = {name: Tensor(shape) for name in ("x", *names)} | known
    return Network("n", (Layer("x", "input", (), ("x",)), *layers), tensors, ("x",), (layers[-1].output,))


def quantiser(source: str, output: str) -> Layer:
    return Layer(output, "requantise", (source,), (output,))


def test_the_input_takes_the_format_of_its_quantiser() -> None:
    network = network_of(quantiser("x", "q"), Layer("r", "relu", ("q",), ("r",)), q=Tensor((2, 3, 3), ACT))
    settled, _ = settle_formats(network, {})
    assert [layer.name for layer in settled.layers] == ["x", "r"]
    assert settled.tensors["x"].format == ACT
    assert settled.tensors["r"].format == FixedPoint(5, 3, signed=False)
    assert settled.outputs == ("r",)


def test_also_through_a_flatten_and_for_two_equal_quantisers() -> None:
    network = network_of(
        Layer("f", "flatten", ("x",), ("f",)),
        quantiser("f", "p"),
        quantiser("f", "q"),
        Layer("s", "add", ("p", "q"), ("s",)),
        f=Tensor((18,)), p=Tensor((18,), ACT), q=Tensor((18,), ACT), s=Tensor((18,)),
    )  # fmt: skip
    settled, _ = settle_formats(network, {})
    assert [layer.op for layer in settled.layers] == ["input", "flatten", "add"]
    assert settled.tensors["x"].format == ACT
    assert settled.layers[-1].inputs == ("p", "p")


def test_two_different_quantisers_leave_the_input_float() -> None:
    network = network_of(
        quantiser("x", "p"),
        quantiser("x", "q"),
        Layer("s", "add", ("p", "q"), ("s",)),
        p=Tensor((2, 3, 3), ACT), q=Tensor((2, 3, 3), UNSIGNED),
    )  # fmt: skip
    settled, _ = settle_formats(network, {})
    assert settled.tensors["x"].format is None
    assert len(settled.layers) == 4


def test_a_quantiser_that_is_no_fixed_point_stays() -> None:
    network = network_of(quantiser("x", "q"), q=Tensor((2, 3, 3), None, 4))
    assert settle_formats(network, {})[0] == network


def test_a_quantiser_that_is_the_output_gives_the_input_its_format() -> None:
    settled, _ = settle_formats(network_of(quantiser("x", "q"), q=Tensor((2, 3, 3), ACT)), {})
    assert settled.outputs == ("x",)
    assert settled.tensors["x"].format == ACT


def mean_network(*behind: Layer, last: FixedPoint) -> Network:
    """A mean over nine values, some layers, a quantiser ``q``."""
    source = behind[-1].output if behind else "m"
    tensors = {name: Tensor((2, 1, 1)) for name in ("m", *(layer.output for layer in behind))}
    tensors |= {layer.output: Tensor((2,)) for layer in behind if layer.op == "flatten"}
    shape = tensors[source].shape
    mean = Layer("mean", "global_avg_pool", ("x",), ("m",))
    return network_of(mean, *behind, quantiser(source, "q"), **tensors, x=Tensor((2, 3, 3), ACT), q=Tensor(shape, last))


@pytest.mark.parametrize("last", [ACT, UNSIGNED, FixedPoint(4, 3, True, "TRN", "SAT_SYM")])
@pytest.mark.parametrize(
    "behind",
    [
        (),
        (Layer("relu", "relu", ("m",), ("r",)),),
        (Layer("flat", "flatten", ("m",), ("f",)),),
        (Layer("relu", "relu", ("m",), ("r",)), Layer("flat", "flatten", ("r",), ("f",))),
    ],
    ids=["alone", "relu", "flatten", "relu and flatten"],
)
def test_a_mean_casts_once_to_the_quantiser_behind_it(behind: tuple[Layer, ...], last: FixedPoint) -> None:
    network, _ = settle_formats(mean_network(*behind, last=last), {})
    assert network.is_quantised
    assert "requantise" not in [layer.op for layer in network.layers]
    assert network.outputs == ("q",)
    x = np.random.default_rng(0).integers(-32, 32, (500, 2, 3, 3))
    mean = x.sum(axis=(2, 3)) * ACT.step / 9
    if any(layer.op == "relu" for layer in behind):
        mean = np.maximum(mean, 0)
    out = network.tensors["q"].format
    assert out is not None
    ours = out.to_real(execute(network, {}, x)).reshape(500, 2)
    # No mean of nine falls on a tie by less than 1/9 of a step, so float64 decides every rounding as the exact ratio.
    np.testing.assert_array_equal(ours, last.to_real(last.quantise(mean)))


def test_a_mean_that_nothing_quantises_stays_without_a_format() -> None:
    network = mean_network(last=ACT)
    open_end = network_of(*network.layers[1:2], x=Tensor((2, 3, 3), ACT), m=Tensor((2, 1, 1)))
    settled, _ = settle_formats(open_end, {})
    assert settled.tensors["m"].format is None


def test_a_mean_over_a_power_of_two_is_exact() -> None:
    pool = Layer("p", "avg_pool2d", ("x",), ("p",), {"kernel": (2, 2), "stride": (1, 1)})
    settled, _ = settle_formats(network_of(pool, x=Tensor((2, 3, 3), ACT), p=Tensor((2, 2, 2))), {})
    assert settled.tensors["p"].format == FixedPoint(8, 5)


def norm(**params: np.ndarray) -> tuple[Network, dict]:
    layer = Layer("n", "batch_norm", ("x",), ("n",), params={role: f"n.{role}" for role in params})
    tensors = {f"n.{role}": Tensor(array.shape) for role, array in params.items()}
    return network_of(layer, x=Tensor((2, 3, 3), ACT), **tensors), {f"n.{r}": a for r, a in params.items()}


def test_constants_on_a_short_grid_become_fixed_point() -> None:
    network, weights = norm(scale=np.float32([0.5, -2]), shift=np.float32([0.25, 3]))
    settled, integers = settle_formats(network, weights)
    assert settled.is_quantised
    assert integers["n.scale"].tolist() == [1, -4]
    assert settled.tensors["n.scale"].format == FixedPoint(3, 1)
    assert settled.tensors["n.shift"].format == FixedPoint(4, 2, signed=False)
    assert weights["n.scale"].dtype == np.float32


@pytest.mark.parametrize("scale", [0.1, 2.0**17, 1 + 2.0**-17])
def test_other_constants_stay_float_together(scale: float) -> None:
    network, weights = norm(scale=np.float32([0.5, scale]), shift=np.float32([0.25, 3]))
    settled, floats = settle_formats(network, weights)
    assert not settled.is_quantised
    assert settled == network
    assert floats["n.shift"].dtype == np.float32


def test_an_accumulator_beyond_63_bits_is_refused() -> None:
    layers = [Layer(f"s{i}", "add", (f"s{i - 1}" if i else "x",) * 1024, (f"s{i}",)) for i in range(6)]
    with pytest.raises(FormatError, match=r"^s5: an exact result needs 66 bits; expected at most 63"):
        settle_formats(network_of(*layers, x=Tensor((2, 3, 3), ACT)), {})
