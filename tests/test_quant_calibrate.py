# SPDX-License-Identifier: Apache-2.0
"""Calibration on its own, and accuracy after it and after training on real images (8x8 digits)."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from quant_networks import Branches, Chain, Perceptron, Residual, float_network, images, quantised
from torch import nn

from hwsim.errors import DatasetError, WeightsError
from hwsim.importers.torch import import_torch
from hwsim.reference import execute
from quant.calibrate import calibrate
from quant.convert import to_network
from quant.executor import exact_forward
from quant.module import QuantModule
from quant.spec import QuantSpec
from quant.train import evaluate, fit


class DigitNet(nn.Module):
    """A residual network of 3,706 parameters."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(8)
        self.down = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.down_norm = nn.BatchNorm2d(16)
        self.block = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.block_norm = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        x = F.relu(self.down_norm(self.down(x)))
        x = F.relu(x + self.block_norm(self.block(x)))
        return self.fc(x.mean((2, 3)))


@pytest.fixture(scope="module")
def digits():
    """(network, weights, training images and labels, test images and labels, float accuracy)."""
    datasets = pytest.importorskip("sklearn.datasets", reason="needs sklearn")
    x, y = datasets.load_digits(return_X_y=True)
    x = (np.minimum(x * 16, 255) / 256).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:1300], order[1300:]
    torch.manual_seed(0)
    module = DigitNet()
    fit(module, (x[train], y[train]), epochs=12, batch_size=50, lr=0.1)
    accuracy = evaluate(module, x[test], y[test])
    assert accuracy > 0.93
    return *import_torch(module, (1, 8, 8)), (x[train], y[train]), (x[test], y[test]), accuracy


def calibrated(digits, spec):
    network, weights, train, _, _ = digits
    return calibrate(QuantModule(network, weights, spec), torch.from_numpy(train[0][:300]))


def test_eight_bits_keep_the_accuracy_without_training(digits):
    *_, test, accuracy = digits
    # 497 test images: one point is five of them
    assert evaluate(calibrated(digits, QuantSpec()), *test) >= accuracy - 0.01


@pytest.mark.parametrize("width", [3, 4])
def test_training_wins_back_what_few_bits_lose(digits, width):
    _, _, train, test, accuracy = digits
    module = calibrated(digits, QuantSpec(width, width))
    before = evaluate(module, *test)
    fit(module, train, epochs=4, batch_size=50, lr=0.01)
    after = evaluate(module, *test)
    assert after > before
    assert after >= accuracy - {3: 0.06, 4: 0.03}[width]
    network, weights = to_network(module)
    ints = np.round(test[0] * 256).astype(np.int64)
    logits = execute(network, weights, ints)
    assert np.array_equal(exact_forward(module, ints), logits)
    assert float((logits.argmax(1) == test[1]).mean()) == after


def test_formats_stay_fixed_in_training(digits):
    _, _, train, _, _ = digits
    module = calibrated(digits, QuantSpec(4, 4))
    before = {name: tensor.format for name, tensor in to_network(module)[0].tensors.items()}
    fit(module, train, epochs=1, batch_size=100, lr=0.05)
    after = to_network(module)[0]
    fixed = {"fc.weight", "fc.bias", "stem.weight", *module.activation_quantisers()}
    assert {name: after.tensors[name].format for name in fixed} == {name: before[name] for name in fixed}


def test_more_bits_are_never_further_from_the_float_network(digits):
    network, weights, _, (x, _), _ = digits
    want = execute(network, weights, x[:100])
    errors = []
    for width in (2, 4, 6, 8, 12, 16):
        module = calibrated(digits, QuantSpec(width, width, width)).eval()
        with torch.no_grad():
            errors.append(float(np.abs(module(torch.from_numpy(x[:100])).numpy() - want).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3 * errors[0]


@pytest.mark.parametrize("kind", [Chain, Residual, Branches])
def test_a_bias_is_never_finer_than_its_accumulator(kind):
    for spec in (QuantSpec(2, 2, 2), QuantSpec(8, 8), QuantSpec(8, 8, bias_width=2)):
        module = quantised(kind, spec)
        network, _ = to_network(module)
        for layer in network.layers:
            if "bias" not in layer.params:
                continue
            source = network.tensors[layer.inputs[0]].format
            weight, bias = (network.tensors[layer.params[role]].format for role in ("weight", "bias"))
            assert bias.frac <= source.frac + weight.frac
            assert bias.width == spec.bias_width


def test_calibration_is_determined_by_the_images():
    first, second = (to_network(quantised(Branches))[0] for _ in range(2))
    assert first == second


def test_calibration_leaves_the_weights_and_the_mode():
    network, weights = float_network(Chain)
    module = QuantModule(network, weights, QuantSpec()).train()
    calibrate(module, torch.from_numpy(images(Chain) / 256).float())
    assert module.training
    assert np.array_equal(module.weighted()["fc"].weight.detach().numpy(), weights["fc.weight"])
    assert not any(one._forward_pre_hooks for one in module.quantised_tensors().values())


def test_it_can_be_repeated_with_other_images():
    module = quantised(Perceptron)
    before = module.activation_quantisers()["body.1"].format.frac
    calibrate(module, torch.from_numpy(images(Perceptron) / 256 / 16).float())
    assert module.activation_quantisers()["body.1"].format.frac > before
    assert module.activation_quantisers()["input"].format == QuantSpec().input_format


@pytest.mark.parametrize("bad", [torch.zeros(0, 6), torch.full((4, 6), float("nan"))])
def test_unusable_images_are_refused(bad):
    module = QuantModule(*float_network(Perceptron), QuantSpec())
    with pytest.raises(DatasetError, match="calibration data: got . images, or values that are not finite; give a few"):
        calibrate(module, bad)


def test_a_tensor_that_is_not_finite_is_named():
    module = QuantModule(*float_network(Perceptron), QuantSpec())
    with torch.no_grad():
        module.weighted()["body.2"].weight.fill_(float("nan"))
    with pytest.raises(WeightsError, match=r"body.\d(.weight)?: a tensor to be quantised holds NaN or infinite values"):
        calibrate(module, torch.rand(4, 6))
