# SPDX-License-Identifier: Apache-2.0
"""The 8-bit ONNX file of a bundle: ONNX Runtime computes nearly what the golden executor does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder
from strategies import data_for
from test_boards_cpu import depthwise, manifest, perceptron, residual

from boards.driver import cpu
from boards.driver.manifest import Manifest
from hwsim import reference
from hwsim.fixed import FixedPoint
from hwsim.network import Network, Weights
from slimfab import onnx_bundle

pytestmark = pytest.mark.needs("onnx", "onnxruntime")


def laid_out(network: Network, weights: Weights, folder: Path) -> Manifest:
    for name, data in onnx_bundle.bundle_files(network, weights).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return manifest(network)


def eight_bits() -> tuple[Network, Weights]:
    """Saturating formats of eight bits: those of ONNX."""
    act, wide = FixedPoint(8, 5, False, "RND_CONV", "SAT"), FixedPoint(8, 2, True, "RND_CONV", "SAT")
    build = Builder((3, 8, 8), FixedPoint(8, 7, True, "RND_CONV", "SAT"))
    x = build.conv("x", 8, (3, 3), wide, FixedPoint(8, 7), FixedPoint(12, 10), padding=(1, 1, 1, 1))
    x = build.add("relu", x, act)
    x = build.add("max_pool2d", x, act, kernel=(2, 2), stride=(2, 2))
    x = build.dense(build.add("flatten", x, act), 5, wide, FixedPoint(8, 9), FixedPoint(12, 10))
    return build.build(x, "eight")


def test_eight_bits_under_onnx_runtime_are_nearly_ours(tmp_path: Path) -> None:
    import onnxruntime

    network, weights = eight_bits()
    ends = laid_out(network, weights, tmp_path)
    images = data_for(network, 50, 2)
    golden = reference.execute(network, weights, images)
    session = onnxruntime.InferenceSession(str(tmp_path / "cpu" / "network.onnx"), providers=["CPUExecutionProvider"])
    reals = images.astype(np.float32) * np.float32(ends.input.scale)
    found = np.concatenate([session.run(None, {"input": one[None]})[0] for one in reals])
    # Biases are rounded to products of two scales, and x86 without VNNI saturates sums of two products to 16 bits.
    assert np.corrcoef(found.ravel(), golden.ravel())[0, 1] > 0.99
    row = cpu.measure_onnx(tmp_path, ends, images, golden.argmax(axis=1), cpu.Effort(1, 10, 1))
    assert row["same_class"] >= 45
    assert (len(row["latency_s"]), row["runtime"]) == (10, "ONNX Runtime")


@pytest.mark.parametrize("made", [perceptron, residual, depthwise], ids=lambda made: made.__name__)
def test_wider_networks_run_too(made: Callable[[], tuple[Network, Weights]], tmp_path: Path) -> None:
    network, weights = made()
    ends = laid_out(network, weights, tmp_path)
    row = cpu.measure_onnx(tmp_path, ends, data_for(network, 3, 2), np.zeros(3), cpu.Effort(1, 10, 1))
    assert len(row["interval_s"]) == 1


def test_what_has_no_eight_bits_is_said(tmp_path: Path) -> None:
    fmt = FixedPoint(8, 4)
    build = Builder((3, 4, 4), fmt)
    scale, shift = build.parameter("scale", (3,), fmt), build.parameter("shift", (3,), fmt)
    network, weights = build.build(build.add("batch_norm", "x", fmt, {"scale": scale, "shift": shift}))
    ends = laid_out(network, weights, tmp_path)
    images = data_for(network, 1)
    row = cpu.measure_onnx(tmp_path, ends, images, np.zeros(1), cpu.Effort())
    assert row["missing"] == "batch_norm1: batch_norm has no 8-bit form in ONNX; see the C++ beside it"
    row = cpu.measure_onnx(tmp_path / "elsewhere", ends, images, np.zeros(1), cpu.Effort())
    assert row["missing"] == "the bundle holds no ONNX file; build it again"
