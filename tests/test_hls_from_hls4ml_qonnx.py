# SPDX-License-Identifier: Apache-2.0
"""Brevitas networks through QONNX and hls4ml: equal to hls4ml's C simulation, integer by integer."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hls4ml", reason="needs hls4ml")
pytest.importorskip("brevitas", reason="needs brevitas")
pytest.importorskip("onnxoptimizer", reason="needs onnxoptimizer")

import brevitas_networks
from brevitas_networks import conv, identity, linear, relu
from hls4ml_models import c_simulation, from_onnx, golden, quiet, samples
from torch import nn

from hls.from_hls4ml import from_model_graph


class Residual(nn.Module):
    """Strided, depthwise and pointwise convolutions and an addition."""

    def __init__(self) -> None:
        super().__init__()
        self.quant_in, self.conv1, self.relu1 = identity(), conv(3, 8, 3, padding=1, stride=2), relu()
        self.conv2, self.quant2, self.relu2 = conv(8, 8, 3, padding=1), identity(), relu()
        self.depthwise, self.relu3 = conv(8, 8, 3, groups=8, padding=1), relu()
        self.pointwise, self.relu4, self.head = conv(8, 4, 1), relu(), linear(4 * 36, 5)

    def forward(self, x):
        x = self.relu1(self.conv1(self.quant_in(x)))
        x = self.relu2(x + self.quant2(self.conv2(x)))
        x = self.relu4(self.pointwise(self.relu3(self.depthwise(x))))
        return self.head(x.flatten(1))


NETWORKS = {
    **{name: brevitas_networks.NETWORKS[name] for name in ("mlp", "plain", "norm")},
    "residual": (Residual, (3, 12, 12)),
}


def compare(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(brevitas_networks, "NETWORKS", NETWORKS)
    with quiet():
        path, _, _ = brevitas_networks.export(name, folder)
    graph = from_onnx(path, folder / "slimfab", io_type="io_stream")
    x = samples(graph, count)
    expected = c_simulation(from_onnx(path, folder / "vitis", "Vitis"), x, folder / "cache")
    assert len(np.unique(expected)) > 5
    np.testing.assert_array_equal(golden(graph, x), expected)


@pytest.mark.needs("g++")
def test_a_quantised_network_equals_the_c_simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare("mlp", tmp_path, monkeypatch, 1000)


@pytest.mark.slow
@pytest.mark.needs("g++")
@pytest.mark.parametrize("name", ["plain", "norm", "residual"])
def test_more_networks_equal_the_c_simulation(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(name, tmp_path, monkeypatch, 300)


@pytest.mark.slow
def test_a_depthwise_convolution_keeps_one_filter_per_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brevitas_networks, "NETWORKS", NETWORKS)
    with quiet():
        path, _, _ = brevitas_networks.export("residual", tmp_path)
    network = from_model_graph(from_onnx(path, tmp_path / "model")).network
    groups = [layer.attrs["groups"] for layer in network.layers if layer.op == "conv2d"]
    assert groups == [1, 1, 8, 1]
