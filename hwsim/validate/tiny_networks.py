# SPDX-License-Identifier: Apache-2.0
"""The four networks of MLPerf Tiny as counts of work on a microcontroller.

Layers as in github:mlcommons/tiny, benchmark/training: an autoencoder of ten dense layers (ad), ResNet-8 on CIFAR-10
(ic), a depthwise separable network on 49 x 10 coefficients (kws) and MobileNetV1 of width 0.25 at 96 pixels (vww).
A microcontroller has no caches worth counting: kernels, and products of convolutions, depthwise convolutions and
dense layers are what it is measured by.
"""

import itertools
from collections.abc import Mapping

import numpy as np

from hwsim.columns import Column

TERMS = ("kernel", "mac", "depthwise_mac", "dense_weight")
Layer = tuple[str, int]  # term, products


def _conv(pixels: int, inputs: int, outputs: int, taps: int) -> Layer:
    return "mac", pixels * inputs * outputs * taps


def _depthwise(pixels: int, channels: int) -> Layer:
    return "depthwise_mac", pixels * channels * 9


def _dense(inputs: int, outputs: int) -> Layer:
    return "dense_weight", inputs * outputs


def _ad() -> list[Layer]:
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    return [_dense(a, b) for a, b in itertools.pairwise(widths)]


def _ic() -> list[Layer]:
    layers = [_conv(32 * 32, 3, 16, 9), _conv(32 * 32, 16, 16, 9), _conv(32 * 32, 16, 16, 9)]
    for side, inputs, outputs in ((16, 16, 32), (8, 32, 64)):
        layers += [
            _conv(side**2, inputs, outputs, 9),
            _conv(side**2, outputs, outputs, 9),
            _conv(side**2, inputs, outputs, 1),
        ]
    return [*layers, _dense(64, 10)]


def _kws() -> list[Layer]:
    blocks = [layer for _ in range(4) for layer in (_depthwise(125, 64), _conv(125, 64, 64, 1))]
    return [_conv(125, 1, 64, 40), *blocks, _dense(64, 12)]


def _vww() -> list[Layer]:
    outputs, strides = (
        (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256),
        (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1),
    )
    side, channels = 48, 8
    layers = [_conv(side**2, 3, 8, 9)]
    for width, stride in zip(outputs, strides, strict=True):
        side //= stride
        layers += [_depthwise(side**2, channels), _conv(side**2, channels, width, 1)]
        channels = width
    return [*layers, _dense(256, 2)]


BENCHMARKS: Mapping[str, list[Layer]] = {"ad": _ad(), "ic": _ic(), "kws": _kws(), "vww": _vww()}


def counts(benchmark: str) -> Column:
    """Counts in TERMS, (terms,); NaN for a benchmark that is none of BENCHMARKS."""
    if benchmark not in BENCHMARKS:
        return np.full(len(TERMS), np.nan)
    layers = BENCHMARKS[benchmark]
    products = [sum(size for term, size in layers if term == name) for name in TERMS[1:]]
    return np.array([len(layers), *products], dtype=np.float64)
