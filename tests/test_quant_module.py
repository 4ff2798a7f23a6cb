# SPDX-License-Identifier: Apache-2.0
"""Torch and the golden executor on the same integers, for every kind of layer, width and rounding."""

import copy

import numpy as np
import pytest
import torch
from quant_networks import MODULES, Branches, Chain, Perceptron, Residual, float_network, images, quantised

from hwsim.errors import InputError, UnknownNameError, UnsupportedError, WeightsError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor
from hwsim.reference import execute, trace
from quant.calibrate import calibrate
from quant.convert import to_network
from quant.executor import exact_forward
from quant.module import QuantModule
from quant.spec import LayerWidths, QuantSpec

SPECS = (
    QuantSpec(),
    QuantSpec(4, 3, 5, first_width=8, last_width=6),
    QuantSpec(3, 3, 4, 6, rounding="TRN"),
    QuantSpec(6, 5, 9, input_format=FixedPoint(7, 5)),
)


@pytest.mark.parametrize("kind", MODULES)
def test_before_calibration_it_is_the_float_network(kind):
    network, weights = float_network(kind)
    module = QuantModule(network, weights, QuantSpec(2, 2)).eval()
    x = images(kind) / 256
    with torch.no_grad():
        got = module(torch.from_numpy(x).float()).numpy()
    # float32 against float64 over at most 5 layers of numbers near 1
    assert np.allclose(got, execute(network, weights, x), atol=1e-5)


@pytest.mark.parametrize("spec", SPECS, ids=("8 bits", "mixed", "3 bits truncated", "signed input"))
@pytest.mark.parametrize("kind", MODULES)
def test_torch_computes_the_integers_of_the_golden_network(kind, spec):
    module = quantised(kind, spec)
    network, weights = to_network(module)
    x = images(kind, high=spec.input_format.max_int + 1)
    if spec.input_format.signed:
        x[2:] -= x[2:].max() // 2
        x[1] = spec.input_format.min_int
    got = exact_forward(module, x)
    assert network.is_quantised
    assert np.array_equal(got, execute(network, weights, x))
    assert len(np.unique(got)) > 1  # a dead network would be equal too


@pytest.mark.parametrize("width", range(2, 17))
def test_every_width_is_exact(width):
    module = quantised(Residual, QuantSpec(width, width, width, 16, input_format=FixedPoint(width, width, False)))
    network, weights = to_network(module)
    x = images(Residual, high=2**width)
    assert np.array_equal(exact_forward(module, x), execute(network, weights, x))
    assert {network.tensors[t].format.width for t in ("stem.weight", "relu", "left", "mean")} == {width}


def test_widths_may_differ_from_layer_to_layer():
    overrides = {"conv1": LayerWidths(3, 5), "conv2": LayerWidths(7)}
    network, weights = to_network(quantised(Chain, QuantSpec(8, 6, overrides=overrides)))
    widths = {name: network.tensors[name].format.width for name in ("conv1.weight", "relu", "conv2.weight", "relu_2")}
    assert widths == {"conv1.weight": 3, "relu": 5, "conv2.weight": 7, "relu_2": 6}
    assert np.abs(weights["conv1.weight"]).max() <= 3


def test_every_activation_has_the_values_of_its_format():
    network, weights = to_network(quantised(Branches))
    values = trace(network, weights, images(Branches))
    for tensor, ints in values.items():
        fmt = network.tensors[tensor].format
        assert fmt.min_int <= ints.min() <= ints.max() <= fmt.max_int


def test_ties_and_the_ends_of_the_range_agree():
    # One weight sweeps the whole input range through rounding and saturation.
    layers = (
        Layer("x", "input", (), ("x",)),
        Layer("fc", "dense", ("x",), ("fc",), params={"weight": "w", "bias": "b"}),
        Layer("relu", "relu", ("fc",), ("relu",)),
    )
    tensors = dict.fromkeys(("x", "fc", "relu", "b"), Tensor((1,))) | {"w": Tensor((1, 1))}
    float_weights = {"w": np.array([[0.75]], np.float32), "b": np.array([-0.125], np.float32)}
    for rounding in ("RND_CONV", "TRN"):
        module = QuantModule(
            Network("n", layers, tensors, ("x",), ("relu",)), float_weights, QuantSpec(4, 3, rounding=rounding)
        )
        calibrate(module, torch.linspace(0, 0.7, 50)[:, None])
        network, weights = to_network(module)
        x = np.arange(256)[:, None]
        assert np.array_equal(exact_forward(module, x), execute(network, weights, x))
        # (3/4 n/256 - 1/8) * 8 rounded and clipped to 0..7, by hand
        scaled = (3 * x - 128) * (2.0 ** network.tensors["relu"].format.frac / 1024)
        rounded = np.rint(scaled) if rounding == "RND_CONV" else np.floor(scaled)
        assert np.array_equal(exact_forward(module, x), np.clip(rounded, 0, 7))


def test_a_checkpoint_restores_weights_formats_and_mode():
    module = quantised(Chain, QuantSpec(5, 4))
    other = QuantModule(*float_network(Chain, seed=3), QuantSpec(5, 4)).eval()
    other.load_state_dict(module.state_dict())
    x = torch.from_numpy(images(Chain) / 256).float()
    with torch.no_grad():
        assert torch.equal(other(x), module(x))
    assert to_network(other)[0] == to_network(module)[0]


def test_a_checkpoint_of_other_widths_is_refused():
    other = QuantModule(*float_network(Chain), QuantSpec(5, 3))
    with pytest.raises(WeightsError, match=r"quantisers.relu\..*: the checkpoint has 4 bits; expected 3; use its own"):
        other.load_state_dict(quantised(Chain, QuantSpec(5, 4)).state_dict())


def test_a_copy_trains_apart_from_the_original():
    module = quantised(Perceptron, QuantSpec(4, 4))
    x = images(Perceptron)
    before = exact_forward(module, x)
    other = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.25)
    other.load_state_dict(other.state_dict())
    assert np.array_equal(exact_forward(module, x), before)
    assert not np.array_equal(exact_forward(other, x), before)


def test_every_parameter_gets_a_gradient():
    module = quantised(Branches).train()
    x = torch.from_numpy(images(Branches) / 256).float()
    module(x).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in module.parameters())


def test_layer_names_that_torch_cannot_use_are_kept_apart():
    layers = (
        Layer("x", "input", (), ("x",)),
        Layer("a.b", "dense", ("x",), ("t",), params={"weight": "a.b.weight"}),
        Layer("a_b", "dense", ("t",), ("u",), params={"weight": "a_b.weight"}),
    )
    tensors = dict.fromkeys(("x", "t", "u"), Tensor((2,))) | dict.fromkeys(("a.b.weight", "a_b.weight"), Tensor((2, 2)))
    weights = {"a.b.weight": np.eye(2, dtype=np.float32), "a_b.weight": 2 * np.eye(2, dtype=np.float32)}
    module = QuantModule(Network("n", layers, tensors, ("x",), ("u",)), weights, QuantSpec())
    assert torch.equal(module(torch.ones(1, 2)), torch.full((1, 2), 2.0))
    assert set(module.weighted()) == {"a.b", "a_b"}


def test_weights_that_are_not_finite_are_refused():
    network, weights = float_network(Chain)
    weights = {**weights, "fc.weight": np.full_like(weights["fc.weight"], np.nan)}
    with pytest.raises(WeightsError, match="fc.weight: 60 values are NaN or infinite"):
        QuantModule(network, weights, QuantSpec())


def test_weights_that_became_nan_in_training_are_named():
    module = quantised(Chain)
    with torch.no_grad():
        module.weighted()["conv2"].weight.fill_(float("nan"))
    with pytest.raises(WeightsError, match=r"conv2.weight: .* NaN or infinite"):
        to_network(module)


def test_a_network_with_formats_is_not_quantised_again():
    network, weights = to_network(quantised(Perceptron))
    with pytest.raises(UnsupportedError, match="Perceptron: has number formats already; quantise the float network"):
        QuantModule(network, weights, QuantSpec())


def test_without_calibration_there_is_no_golden_network():
    module = QuantModule(*float_network(Perceptron), QuantSpec())
    with pytest.raises(InputError, match="Perceptron: has no number formats yet; call quant.calibrate first"):
        to_network(module)


def test_unknown_quantisers_are_refused():
    with pytest.raises(UnknownNameError, match="unknown quantiser 'ternery'"):
        QuantModule(*float_network(Perceptron), QuantSpec(weight_quantiser="ternery"))
