# SPDX-License-Identifier: Apache-2.0
"""The zoo: published sizes, shapes at other inputs, seeds, and errors by their text."""

from functools import cache

import pytest
import torch
from torch import nn

from hwsim.errors import NetworkError, UnknownNameError
from slimfab import zoo
from slimfab.zoo.mobilenet import multiple_of_8

NAMES = [
    "ad_autoencoder",
    "ds_cnn",
    "jet_mlp",
    "mobilenet_tiny",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet20",
    "resnet56",
    "resnet8",
    "vgg_small",
    "vgg_tiny",
]
# Another input than the default one, and another number of outputs.
OTHERS = {
    "ad_autoencoder": ((24,), 24),
    "ds_cnn": ((2, 30, 12), 3),
    "jet_mlp": ((7,), 2),
    "mobilenet_tiny": ((3, 17, 9), 4),
    "mobilenet_v1": ((1, 40, 32), 7),
    "mobilenet_v2": ((1, 33, 64), 7),
    "resnet20": ((1, 15, 20), 6),
    "resnet56": ((1, 9, 8), 6),
    "resnet8": ((1, 28, 28), 10),
    "vgg_small": ((3, 32, 24), 5),
    "vgg_tiny": ((3, 12, 9), 5),
}
# What the importers, the quantiser and the pruner have to know.
LAYERS = {
    nn.Conv2d,
    nn.Linear,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.ReLU6,
    nn.MaxPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Identity,
}


@cache
def built(name: str) -> nn.Module:
    """A default network, shared by the tests that only look at it."""
    return zoo.build(name)


@cache
def default_macs(name: str) -> int:
    return count_macs(zoo.build(name), zoo.ZOO[name].in_shape)


def count_macs(module: nn.Module, in_shape: tuple[int, ...]) -> int:
    """MACs of convolutions and linear layers, counted while the network runs on one input."""
    total = 0

    def add(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += layer.weight[0].numel() * output[0].numel()
        elif isinstance(layer, nn.Linear):
            total += layer.weight.numel()

    for layer in module.modules():
        layer.register_forward_hook(add)
    with torch.no_grad():
        module.eval()(torch.zeros(1, *in_shape))
    return total


def test_the_zoo_holds_the_promised_networks() -> None:
    assert zoo.ZOO.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_published_numbers(name: str) -> None:
    entry = zoo.ZOO[name]
    ours = {"macs": default_macs(name), "parameters": sum(p.numel() for p in built(name).parameters())}
    for number in entry.published:
        assert abs(ours[number.quantity] - number.value) <= number.tolerance * number.value, number
        assert number.source


def test_exact_macs() -> None:
    """Counts worked out by hand from the papers' tables, which print them rounded."""
    exact = {
        "mobilenet_v1": 568_740_352,
        "mobilenet_v2": 300_774_272,
        "resnet20": 40_813_184,
        "resnet56": 125_747_840,
        "ds_cnn": 2_656_768,
        "vgg_small": 7_338_880,
        "vgg_tiny": 1_863_104,
        "mobilenet_tiny": 1_359_168,
    }
    assert {name: default_macs(name) for name in exact} == exact


@pytest.mark.parametrize("name", NAMES)
def test_another_input_size_and_number_of_outputs(name: str) -> None:
    in_shape, classes = OTHERS[name]
    module = zoo.build(name, in_shape, classes).eval()
    x = torch.rand(3, *in_shape)
    before = x.clone()
    with torch.no_grad():
        y = module(x)
    assert y.shape == (3, classes)
    assert torch.equal(x, before)
    assert not torch.allclose(y.sum(dim=1), torch.ones(3))  # logits, not the output of a softmax


@pytest.mark.parametrize("name", NAMES)
def test_layers_are_plain_and_change_nothing_in_place(name: str) -> None:
    leaves = [module for module in built(name).modules() if not list(module.children())]
    assert {type(leaf) for leaf in leaves} <= LAYERS
    assert not any(getattr(leaf, "inplace", False) for leaf in leaves)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name: str) -> None:
    in_shape, classes = OTHERS[name]
    module = zoo.build(name, in_shape, classes).train()
    module(torch.rand(4, *in_shape)).square().sum().backward()
    assert [n for n, p in module.named_parameters() if p.grad is None] == []


def test_resnet8_has_the_kernels_of_the_mlperf_tiny_reference() -> None:
    """Kernel shapes of pretrainedResnet.h5 in github.com/mlcommons/tiny (there in the order H, W, C, K)."""
    kernels = [tuple(p.shape) for p in built("resnet8").parameters() if p.ndim >= 2]
    assert kernels == [
        (16, 3, 3, 3),
        (16, 16, 3, 3),
        (16, 16, 3, 3),
        (32, 16, 3, 3),
        (32, 32, 3, 3),
        (32, 16, 1, 1),
        (64, 32, 3, 3),
        (64, 64, 3, 3),
        (64, 32, 1, 1),
        (10, 64),
    ]


def test_parameter_names_read_well() -> None:
    names = dict(built("resnet8").named_parameters())
    assert {"conv.weight", "stages.1.0.conv1.weight", "stages.1.0.shortcut.bn.bias", "head.weight"} <= set(names)


def test_ds_cnn_map_has_25_by_5_positions() -> None:
    module = zoo.build("ds_cnn")
    assert module.conv(torch.zeros(1, 1, 49, 10)).shape == (1, 64, 25, 5)


def test_widths_come_from_the_caller() -> None:
    module = zoo.build("resnet8", options={"widths": [12, 20, 40]})
    assert module.conv.out_channels == 12
    assert module.head.in_features == 40
    assert count_macs(zoo.build("mobilenet_v1", (3, 96, 96), 2, options={"width": 0.25}), (3, 96, 96)) == 7_489_664
    assert zoo.build("mobilenet_v2", options={"activation": "relu", "width": 0.35}).head.in_features == 1280


@pytest.mark.parametrize(("channels", "expected"), [(3, 8), (11.2, 16), (12, 16), (24, 24), (33.6, 32), (91, 88)])
def test_multiple_of_8_never_loses_more_than_a_tenth(channels: float, expected: int) -> None:
    assert multiple_of_8(channels) == expected


def test_the_seed_decides_the_weights_and_nothing_else_is_touched() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (zoo.build("vgg_tiny", seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["features.conv1.weight"], other["features.conv1.weight"])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "resnet9"}, UnknownNameError, "unknown network 'resnet9'; did you mean 'resnet8'"),
        (
            {"name": "resnet8", "options": {"width": [4]}},
            UnknownNameError,
            "resnet8: unknown option 'width'; did you mean 'widths'",
        ),
        (
            {"name": "jet_mlp", "in_shape": (1, 4, 4)},
            NetworkError,
            r"jet_mlp: in_shape=\(1, 4, 4\); expected \(F,\) of positive sizes, e.g. \(16,\)",
        ),
        ({"name": "resnet8", "in_shape": (0, 4, 4)}, NetworkError, r"expected \(C, H, W\) of positive sizes"),
        ({"name": "resnet8", "classes": 0}, NetworkError, "resnet8: classes=0; expected at least 1"),
        (
            {"name": "vgg_small", "in_shape": (1, 3, 3)},
            NetworkError,
            r"vgg_small: cannot be built for in_shape=\(1, 3, 3\), classes=10 \(.*Output size is too small\)",
        ),
        ({"name": "resnet8", "options": {"widths": [16, "x"]}}, NetworkError, "resnet8: cannot be built for .*widths="),
        (
            {"name": "mobilenet_v2", "options": {"activation": "relu5"}},
            NetworkError,
            "mobilenet_v2: .*unknown activation 'relu5'; did you mean 'relu",
        ),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        zoo.build(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", NAMES)
def test_the_importer_counts_the_same_macs(name: str) -> None:
    from hwsim.importers.torch import import_torch

    network, _ = import_torch(zoo.build(name).eval(), zoo.ZOO[name].in_shape)
    assert network.macs() == default_macs(name)
