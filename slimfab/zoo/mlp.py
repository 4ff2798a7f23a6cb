# SPDX-License-Identifier: Apache-2.0
"""Fully connected networks: the jet tagger of hls4ml and the anomaly detector of MLPerf Tiny."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from slimfab.zoo.entry import ZOO, Published, ZooNetwork


class Mlp(nn.Module):
    """Linear layers with ReLU between them. Input (N, F), output (N, classes)."""

    def __init__(self, features: int, classes: int, hidden: Sequence[int]) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for index, width in enumerate(hidden, 1):
            layers[f"fc{index}"] = nn.Linear(features, width)
            layers[f"relu{index}"] = nn.ReLU()
            features = width
        self.features = nn.Sequential(layers)
        self.head = nn.Linear(features, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


class Autoencoder(nn.Module):
    """Linear layers with batch norm and ReLU, narrow in the middle, and a linear output that repeats the input.

    Input (N, F), output (N, outputs). As in the reference the linear layers keep the bias that the
    batch norm makes redundant, so that parameters compare.
    """

    def __init__(self, features: int, outputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for index, width in enumerate(hidden, 1):
            layers[f"fc{index}"] = nn.Linear(features, width)
            layers[f"bn{index}"] = nn.BatchNorm1d(width)
            layers[f"relu{index}"] = nn.ReLU()
            features = width
        self.features = nn.Sequential(layers)
        self.head = nn.Linear(features, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def jet_mlp(in_shape: tuple[int, ...] = (16,), classes: int = 5, hidden: Sequence[int] = (64, 32, 32)) -> nn.Module:
    """The 16-64-32-32-5 jet tagger."""
    return Mlp(in_shape[0], classes, hidden)


def ad_autoencoder(
    in_shape: tuple[int, ...] = (640,),
    classes: int = 640,
    hidden: Sequence[int] = (128, 128, 128, 128, 8, 128, 128, 128, 128),
) -> nn.Module:
    """The 640-128×4-8-128×4-640 autoencoder; ``classes`` is the number of outputs, one per input feature."""
    return Autoencoder(in_shape[0], classes, hidden)


ZOO.register("jet_mlp")(
    ZooNetwork(
        jet_mlp,
        (16,),
        5,
        "hls4ml jet tagger 16-64-32-32-5",
        "Duarte et al., JINST 13 P07027 (2018), arXiv:1804.06913",
        (
            Published("parameters", 4_389, 0.0, "Duarte et al., table 1: 4389 parameters, weights and biases"),
            Published("macs", 4_256, 0.0, "the same less the 133 biases: each weight is used once"),
        ),
    )
)
ZOO.register("ad_autoencoder")(
    ZooNetwork(
        ad_autoencoder,
        (640,),
        640,
        "MLPerf Tiny anomaly detection",
        "Banbury et al., MLPerf Tiny Benchmark, NeurIPS 2021, arXiv:2106.07597",
        (
            Published(
                "macs",
                264_192,
                0.0,
                "summed over the weight shapes of the reference model "
                "(github.com/mlcommons/tiny, benchmark/training/anomaly_detection/keras_model.py)",
            ),
            Published(
                "parameters",
                269_992,
                0.01,
                "Keras count of the same model, running means and variances included (2,064 of them)",
            ),
        ),
    )
)
