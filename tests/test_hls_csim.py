# SPDX-License-Identifier: Apache-2.0
"""C simulation of generated hls4ml projects equals the golden executor, integer by integer.

Many operators share a network, because g++ takes seconds for each. Every intermediate tensor is compared, so a
difference anywhere shows.
"""

from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder, corner_images

from hls import csim
from hls.compile import QUICK, Library, compile_project
from hls.legality import default_folding
from hls.lowering import lower
from hls.project import write_project
from hwsim import reference
from hwsim.design import Design, Folding
from hwsim.fixed import FixedPoint
from hwsim.network import Network, Weights

pytestmark = pytest.mark.needs("g++", "hls4ml")

S8 = FixedPoint(8, 4, True, "RND_CONV", "SAT")
U6 = FixedPoint(6, 4, False, "RND_CONV", "SAT")
W6, W4, B8 = FixedPoint(6, 5), FixedPoint(4, 2), FixedPoint(8, 7)
MODES = [("TRN", "WRAP"), ("RND", "SAT"), ("RND_ZERO", "SAT_SYM"), ("TRN_ZERO", "SAT_ZERO"), ("RND_INF", "WRAP"),
         ("RND_MIN_INF", "SAT"), ("RND_CONV", "SAT")]  # fmt: skip


def design(network: Network, io_type: str, backend: str = "Vitis", **folding: Folding) -> Design:
    return Design(network.hash, "pynq-z2", 100.0, io_type, backend, {**default_folding(network), **folding})


def compiled(network: Network, weights: Weights, plan: Design, folder: Path) -> Library:
    project = write_project(lower(network, weights, plan), folder / "project", trace=True)
    return compile_project(project, folder / "cache", QUICK)


def assert_exact(network: Network, weights: Weights, plan: Design, folder: Path) -> None:
    library = compiled(network, weights, plan, folder)
    images = corner_images(network)
    golden = reference.trace(network, weights, images)
    traced = csim.trace(library, network, images)
    assert list(traced) == list(golden)
    for tensor, expected in golden.items():
        np.testing.assert_array_equal(traced[tensor], expected, err_msg=tensor)
    outputs = csim.predict(library, network, images)
    np.testing.assert_array_equal(outputs, golden[network.outputs[0]])
    assert len(np.unique(outputs)) > 10  # the network computes something


def convolutions() -> tuple[Network, Weights]:
    """Asymmetric padding, strides, groups, depthwise, dilation, 1x1 and one-row kernels, with and without bias."""
    b = Builder((3, 7, 6), FixedPoint(6, 3))
    t = b.conv("x", 4, (3, 2), S8, W6, B8, padding=(1, 0, 2, 1), stride=(1, 1))
    deep = b.conv(t, 4, (3, 3), S8, W4, B8, groups=4, padding=(1, 1, 1, 1))
    grouped = b.conv(deep, 6, (2, 2), S8, W4, groups=2, stride=(2, 1))
    dilated = b.conv(
        grouped, 4, (2, 2), FixedPoint(10, 3, True, "RND", "SAT"), W4, B8, dilation=(2, 1), padding=(1, 0, 1, 0)
    )
    point = b.conv(dilated, 3, (1, 1), S8, W6, FixedPoint(12, 9), stride=(2, 1))
    row = b.conv(point, 4, (1, 2), S8, W4, B8, stride=(2, 1), padding=(1, 0, 0, 1))
    flat = b.add("flatten", row, S8)
    return b.build(b.dense(flat, 5, FixedPoint(20, 10), W6, B8))


def image_layers() -> tuple[Network, Weights]:
    """Pooling, averages with ties, sums of different scales, concatenation, upsampling, padding, normalisation."""
    b = Builder((2, 6, 6), FixedPoint(7, 4))
    relu = b.add("relu", "x", FixedPoint(5, 2, False, "RND_CONV", "SAT"))
    maximum = b.add("max_pool2d", "x", FixedPoint(6, 2, True, "RND_CONV", "SAT"), kernel=(2, 2), stride=(2, 2))
    mean = b.add("avg_pool2d", relu, FixedPoint(6, 1, True, "RND_INF", "SAT"), kernel=(2, 2), stride=(2, 2))
    total = b.add("add", (maximum, mean, maximum), FixedPoint(9, 1, True, "RND_CONV", "SAT"))
    bigger = b.add("upsample2d", total, FixedPoint(7, 1, True, "TRN", "SAT"), factor=(2, 2))
    padded = b.add("pad2d", "x", FixedPoint(6, 3, True, "RND", "SAT"), padding=(0, 2, 0, 1))
    thirds = b.add("avg_pool2d", padded, FixedPoint(8, 4, True, "RND", "SAT"), kernel=(2, 3), stride=(2, 3))
    wide = b.conv(thirds, 2, (1, 1), S8, W4, B8)
    joined = b.add("concat", (maximum, wide, total), S8)
    params = {"scale": b.parameter("s", (6,), W4), "shift": b.parameter("t", (6,), B8)}
    normal = b.add("batch_norm", joined, S8, params)
    clipped = b.add("clip", normal, FixedPoint(5, 3, False, "RND_CONV", "SAT"), low=0.0, high=5.0)
    half = b.add("max_pool2d", clipped, U6, kernel=(2, 2), stride=(2, 2), padding=(1, 1, 0, 0))
    again = b.add("requantise", bigger, FixedPoint(5, 0, True, "RND_CONV", "SAT"))
    top = b.add("max_pool2d", again, S8, kernel=(3, 3), stride=(3, 3))
    both = b.add("concat", (half, top), S8)
    flat = b.add("flatten", both, S8)
    after = b.add("relu", flat, U6)
    return b.build(b.dense(after, 4, FixedPoint(18, 8), W6))


def averages() -> tuple[Network, Weights]:
    """Means over 49 values in different rounding modes (a stream has at most seven readers), and the maximum."""
    b = Builder((2, 7, 7), FixedPoint(6, 0))
    means = []
    for rounding, overflow in (mode for mode in MODES if mode[0] != "RND_INF"):
        pooled = b.add("global_avg_pool", "x", FixedPoint(5, 1, True, rounding, overflow))
        means.append(b.add("flatten", pooled, FixedPoint(5, 1, True, rounding, overflow)))
    best = b.add("global_max_pool", "x", FixedPoint(6, 0))
    means.append(b.add("flatten", best, FixedPoint(6, 0)))
    return b.build(b.add("concat", means, FixedPoint(8, 1)))


def overlapping_pools() -> tuple[Network, Weights]:
    """What only io_parallel can do: overlapping windows, padding of signed values, means over what is inside."""
    b = Builder((2, 7, 6), FixedPoint(6, 3))
    out = FixedPoint(7, 4, True, "RND_CONV", "SAT")
    maximum = b.add("max_pool2d", "x", out, kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1))
    inside = b.add("avg_pool2d", "x", out, kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1), count_include_pad=False)
    whole = b.add("avg_pool2d", "x", out, kernel=(3, 2), stride=(2, 2), padding=(1, 0, 1, 0))
    one = b.add("clip", inside, FixedPoint(7, 4, False), low=0.0, high=1.0)
    six = b.add("clip", b.add("add", (maximum, whole), FixedPoint(9, 3, True, "RND", "SAT")), S8, low=0.0, high=6.0)
    return b.build(b.add("concat", (maximum, inside, whole, one, six), S8))


def vectors() -> tuple[Network, Weights]:
    """A multi-layer perceptron in which every rounding and overflow mode occurs."""
    b = Builder((9,), FixedPoint(6, 3))
    t = "x"
    for rounding, overflow in MODES:
        t = b.dense(t, 7, FixedPoint(7, 2, True, rounding, overflow), W4, B8)
    params = {"scale": b.parameter("s", (7,), W4), "shift": b.parameter("t", (7,), B8)}
    normal = b.add("batch_norm", t, FixedPoint(9, 4, True, "RND_CONV", "SAT"), params)
    both = b.add("clip", normal, FixedPoint(9, 5), low=-1.25, high=2.5)
    above = b.add("clip", normal, FixedPoint(9, 3, True, "RND_CONV"), low=-1.5, high=100.0)
    relu6 = b.add("clip", normal, FixedPoint(7, 3, False, "RND_CONV", "SAT"), low=0.0, high=6.0)
    below = b.add("clip", normal, FixedPoint(8, 4, True, "RND", "SAT_SYM"), low=-100.0, high=0.75)
    total = b.add("add", (both, above, relu6, below), FixedPoint(12, 6))
    return b.build(b.add("output", total, FixedPoint(11, 4, True, "RND_CONV", "SAT")))


@pytest.mark.parametrize("io_type", ["io_stream", "io_parallel"])
@pytest.mark.parametrize("make", [convolutions, image_layers, averages], ids=lambda make: make.__name__)
def test_every_tensor_is_exact(make, io_type, tmp_path):
    network, weights = make()
    assert_exact(network, weights, design(network, io_type), tmp_path)


def test_pools_that_only_io_parallel_can_do(tmp_path):
    network, weights = overlapping_pools()
    assert_exact(network, weights, design(network, "io_parallel"), tmp_path)


@pytest.mark.parametrize(
    ("io_type", "backend", "folding"),
    [("io_stream", "Vitis", Folding(reuse_factor=7)), ("io_parallel", "Vivado", Folding(strategy="latency"))],
)
def test_vectors_in_every_mode_backend_and_strategy(io_type, backend, folding, tmp_path):
    network, weights = vectors()
    plan = design(network, io_type, backend, **{name: folding for name in default_folding(network)})
    assert_exact(network, weights, plan, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["Vitis", "Vivado"])
@pytest.mark.parametrize("io_type", ["io_stream", "io_parallel"])
@pytest.mark.parametrize("strategy", ["latency", "resource"])
@pytest.mark.parametrize("make", [convolutions, image_layers, averages, vectors], ids=lambda make: make.__name__)
def test_every_combination_is_exact(make, strategy, io_type, backend, tmp_path):
    network, weights = make()
    foldings = {name: Folding(reuse_factor=6, strategy=strategy) for name in default_folding(network)}
    assert_exact(network, weights, design(network, io_type, backend, **foldings), tmp_path)
