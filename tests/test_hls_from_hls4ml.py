# SPDX-License-Identifier: Apache-2.0
"""Networks read out of hls4ml model graphs equal hls4ml's own C simulation of the same model, integer by integer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("hls4ml", reason="needs hls4ml")

import torch
from hls4ml_models import c_simulation, from_torch, golden, samples
from torch import nn

from hls.from_hls4ml import from_model_graph


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    """A module with random weights, and batch norms that have seen data."""
    torch.manual_seed(0)
    module = build()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.normal_()
            layer.bias.data.normal_()
    return module


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.relu, self.last, self.flat = nn.ReLU(), nn.ReLU(), nn.Flatten()
        self.head = nn.Linear(4 * 36, 5)

    def forward(self, x):
        x = self.relu(self.first(x))
        return self.head(self.flat(self.last(torch.add(x, self.second(x)))))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 12), nn.Tanh(), nn.Linear(12, 5), nn.Sigmoid())


def cnn() -> nn.Module:
    """Everything that a layout can get wrong: channels, uneven kernels and strides, a flatten."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, (3, 2), stride=(1, 2)),
        nn.AvgPool2d(1, (2, 1)), nn.Flatten(), nn.Linear(3 * 2 * 2, 5),
    )  # fmt: skip


NARROW = {"Precision": {"result": "fixed<12,5,RND_CONV,SAT>"}}
# module, input shape, changes to the configuration
MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], dict[str, Any]]] = {
    "mlp": (mlp, (16,), {"_0": {"Precision": {"accum": "fixed<21,5>"}}, "_2": NARROW, "_4": NARROW}),
    "cnn": (cnn, (2, 12, 12), {}),
    "residual": (Residual, (3, 6, 6), {}),
    "means": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.AvgPool2d(2), nn.AvgPool2d(3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
        ),
        (2, 12, 12),
        {"_2": {"Precision": {"accum": "fixed<40,20>", "result": "fixed<12,4,RND,SAT>"}}},
    ),
    "padded maximum": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Linear(100, 3)),
        (2, 12, 12),
        {},
    ),
    "one dimension": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(32, 3)
        ),
        (3, 16),
        {},
    ),
    "batch norm": (
        lambda: nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.BatchNorm1d(6), nn.Linear(6, 4)), (8,), {}
    ),
    "slopes": (
        lambda: nn.Sequential(nn.Linear(8, 6), nn.LeakyReLU(0.3), nn.Linear(6, 4), nn.PReLU(4), nn.Linear(4, 4)),
        (8,),
        {},
    ),
    "narrow sums": (
        lambda: nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)),
        (8,),
        {
            "_0": {"Precision": {"accum": "fixed<16,4>", "result": "fixed<9,4,RND,SAT>", "bias": "fixed<18,4>"}},
            "_2": {"Precision": {"accum": "fixed<40,20,TRN,SAT>", "result": "fixed<6,6,RND>"}},
        },
    ),
}  # fmt: skip


def compare(name: str, folder: Path, io_type: str, count: int) -> None:
    build, shape, names = MODELS[name]
    module = seeded(build)
    settings = {"default_precision": "ap_fixed<10,4>", "names": names}
    graph = from_torch(module, shape, folder / "slimfab", io_type=io_type, **settings)
    x = samples(graph, count)
    expected = c_simulation(from_torch(module, shape, folder / "vitis", "Vitis", **settings), x, folder / "cache")
    got = golden(graph, x)
    assert got.shape == expected.shape
    assert len(np.unique(expected)) > 10
    np.testing.assert_array_equal(got, expected)


@pytest.mark.needs("g++")
def test_a_convolutional_network_equals_the_c_simulation(tmp_path: Path) -> None:
    compare("cnn", tmp_path, "io_stream", 1000)


@pytest.mark.slow
@pytest.mark.needs("g++")
@pytest.mark.parametrize("name", [name for name in MODELS if name != "cnn"])
def test_more_layers_equal_the_c_simulation(name: str, tmp_path: Path) -> None:
    compare(name, tmp_path, "io_parallel", 300)


def test_layers_keep_their_names_and_transposes_vanish(tmp_path: Path) -> None:
    build, shape, names = MODELS["cnn"]
    graph = from_torch(seeded(build), shape, tmp_path, default_precision="ap_fixed<10,4>", names=names)
    network = from_model_graph(graph).network
    assert [layer.op for layer in network.layers] == [
        "input", "conv2d", "relu", "max_pool2d", "conv2d", "avg_pool2d", "flatten", "dense",
    ]  # fmt: skip
    assert network.tensors[network.inputs[0]].shape == (2, 12, 12)
    assert network.layers[-1].name == "_7"
