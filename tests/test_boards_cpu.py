# SPDX-License-Identifier: Apache-2.0
"""The golden network as C++: compiled with g++, every integer equals the golden executor's."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import cost_networks
import hypothesis
import numpy as np
import pytest
import strategies as some
from board_runs import small_network
from hls_networks import Builder, corner_images
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strategies import ANY, array_of, data_for, networks, weights_for

from boards.cpu import calls
from boards.cpu.emit import bundle_files, emit
from boards.cpu.writer import Memory
from boards.driver import cpu
from boards.driver.manifest import Manifest, Port
from hwsim import ops, reference
from hwsim.errors import UnsupportedError
from hwsim.fixed import FixedPoint
from hwsim.network import Layer, Network, Tensor, Weights

pytestmark = pytest.mark.needs("g++")
#: Warnings are errors, and so is whatever C++ leaves undefined.
STRICT = ("-std=c++17", "-O0", "-Wall", "-Wextra", "-Werror", "-fno-strict-aliasing", "-shared", "-fPIC")
CHECKED = ("-fsanitize=undefined", "-fno-sanitize-recover")
GROUPS = 8  # of four networks each; the first is in the default suite
TABLES = {**ANY, "table": some.PARAMETERS, "thresholds": some.fixed_points(widths=(2, 12)),
          "start": some.PARAMETERS, "slope": some.PARAMETERS}  # fmt: skip


def port(network: Network, tensor: str) -> Port:
    """An end of a manifest as far as the processor cares."""
    fmt, shape = network.tensors[tensor].format, network.tensors[tensor].shape
    assert fmt is not None
    size = int(np.prod(shape))
    return Port(fmt.width, fmt.signed, fmt.rounding, fmt.step, shape, (size, 1, 1), 1, size, 8)


def manifest(network: Network) -> Manifest:
    ends = port(network, network.inputs[0]), port(network, network.outputs[0])
    return Manifest("net", "pynq-z2", "rtl", network.hash, 100.0, *ends, None, None, "axi_dma_0", "accelerator_0")


def laid_out(network: Network, weights: Weights, folder: Path) -> Path:
    """The part of an unpacked bundle that a processor needs."""
    for name, data in bundle_files(network, weights).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def strict(network: Network, weights: Weights, folder: Path, images: np.ndarray) -> np.ndarray:
    """What the C++ computes when warnings and undefined behaviour end it."""
    home = laid_out(network, weights, folder) / "cpu"
    subprocess.run(["g++", *STRICT, *CHECKED, "-o", home / "n.so", home / "network.cpp"], check=True)
    library = ctypes.CDLL(str(home / "n.so"))
    library.slimfab_run.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64]
    ends = manifest(network)
    x = np.ascontiguousarray(images, cpu.packing.container(ends.input))
    y = np.empty((len(x), *ends.output.shape), cpu.packing.container(ends.output))
    parameters = np.fromfile(home / "parameters.bin", np.uint8)
    library.slimfab_run(parameters.ctypes.data, x.ctypes.data, y.ctypes.data, len(x))
    return y


@pytest.mark.parametrize("group", [pytest.param(n, marks=[pytest.mark.slow] if n else []) for n in range(GROUPS)])
def test_random_networks_are_exact(group: int, tmp_path: Path) -> None:
    count = iter(range(1000))

    @hypothesis.seed(group)
    @settings(max_examples=4, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(networks(TABLES, (*some.BLOCKS, some.stepped, some.looked_up)), st.integers(0, 1000))
    def equal(network: Network, seed: int) -> None:
        weights, images = weights_for(network, seed), data_for(network, 20, seed)
        found = strict(network, weights, tmp_path / str(next(count)), images)
        np.testing.assert_array_equal(found, reference.execute(network, weights, images))

    equal()


def perceptron() -> tuple[Network, Weights]:
    build = Builder((16,), FixedPoint(16, 6, True, "RND", "SAT"))
    x, act = "x", FixedPoint(16, 6, False, "RND_CONV", "SAT")
    for width in (64, 32, 32):
        x = build.add("relu", build.dense(x, width, act, FixedPoint(16, 10), FixedPoint(16, 10)), act)
    return build.build(build.dense(x, 5, FixedPoint(24, 10), FixedPoint(16, 10), FixedPoint(16, 10)), "mlp")


def drafted(network: Network) -> tuple[Network, Weights]:
    return network, weights_for(network, 3)


def residual() -> tuple[Network, Weights]:
    act = FixedPoint(6, 3, False, "RND_CONV", "SAT")
    build = Builder((3, 8, 8), FixedPoint(8, 5))
    window = {"kernel": (3, 3), "padding": (1, 1, 1, 1)}
    x = build.conv("x", 8, weight=FixedPoint(5, 4), out=act, **window)
    y = build.conv(x, 8, weight=FixedPoint(5, 4), bias=FixedPoint(8, 6), out=FixedPoint(10, 5), **window)
    x = build.add("relu", build.add("add", (x, y), FixedPoint(10, 4, True, "RND", "SAT")), act)
    return build.build(build.add("global_avg_pool", x, FixedPoint(12, 9)), "residual")


def depthwise() -> tuple[Network, Weights]:
    act = FixedPoint(8, 4, False, "RND", "SAT")
    build = Builder((6, 9, 9), FixedPoint(8, 4))
    window = {"kernel": (3, 3), "padding": (1, 1, 1, 1), "stride": (2, 2)}
    x = build.conv("x", 12, weight=FixedPoint(8, 6), bias=FixedPoint(16, 10), out=act, groups=6, **window)
    return build.build(build.conv(x, 10, (1, 1), FixedPoint(16, 6), FixedPoint(8, 6)), "depthwise")


NETWORKS = {
    "mlp": perceptron,
    "residual": residual,
    "depthwise": depthwise,
    "resnet8": lambda: drafted(cost_networks.resnet8()),
    "mobilenet": lambda: drafted(cost_networks.mobilenet_v1(alpha=0.25, size=96)),
    "ad08": lambda: drafted(cost_networks.ad08()),
}
LONG = ("resnet8", "mobilenet", "ad08")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in NETWORKS])
def test_a_network_on_this_processor_is_exact(name: str, tmp_path: Path) -> None:
    network, weights = NETWORKS[name]()
    images = data_for(network, 24, 1)
    made = cpu.CpuNetwork(laid_out(network, weights, tmp_path), manifest(network))
    expected = reference.execute(network, weights, images)
    np.testing.assert_array_equal(made.run(images), expected)
    row, outputs = cpu.measure_cpu(tmp_path, made.manifest, images, cpu.Effort(1, 12, 2))
    np.testing.assert_array_equal(outputs, expected)
    assert (len(row["latency_s"]), len(row["interval_s"]), row["runtime"]) == (12, 2, "C++")
    assert "g++" in row["version"]
    assert "-O3" in row["version"]


def test_a_compiler_that_does_not_know_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_TARGET", {cpu.platform.machine(): ("-mcpu=unheard-of",)})
    network, weights = residual()
    made = cpu.CpuNetwork(laid_out(network, weights, tmp_path), manifest(network))
    assert "-mcpu" not in made.version
    images = data_for(network, 4)
    np.testing.assert_array_equal(made.run(images), reference.execute(network, weights, images))


#: Reads parameters.bin and x.bin, runs so many images, and writes so many bytes to y.bin.
PROGRAM = """
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>
extern "C" void slimfab_run(const void *, const void *, void *, int64_t);
static std::vector<char> content(const char *name) {
    FILE *file = fopen(name, "rb");
    fseek(file, 0, SEEK_END);
    std::vector<char> data(ftell(file));
    rewind(file);
    if (fread(data.data(), 1, data.size(), file) != data.size()) abort();
    return data;
}
int main(int, char **argument) {
    const auto parameters = content("parameters.bin"), x = content("x.bin");
    std::vector<char> y(atol(argument[2]));
    slimfab_run(parameters.data(), x.data(), y.data(), atol(argument[1]));
    FILE *file = fopen("y.bin", "wb");
    fwrite(y.data(), 1, y.size(), file);
    return fclose(file);
}
"""


@pytest.mark.slow
@pytest.mark.needs("arm-linux-gnueabihf-g++", "qemu-arm-static")
@pytest.mark.parametrize("name", NETWORKS)
def test_the_processor_of_a_zynq_7000_computes_the_same(name: str, tmp_path: Path) -> None:
    """Debian's cross compiler and QEMU's Cortex-A9, with the options that a board's own compiler gets."""
    network, weights = NETWORKS[name]()
    home, ends = laid_out(network, weights, tmp_path) / "cpu", manifest(network)
    (home / "main.cpp").write_text(PROGRAM)
    options = ("-std=c++17", "-O3", "-fno-strict-aliasing", "-static", "-mcpu=cortex-a9", "-mfpu=neon")
    files = ("-o", "program", "main.cpp", "network.cpp")
    subprocess.run(["arm-linux-gnueabihf-g++", *options, *files], cwd=home, check=True)
    images = data_for(network, 4, 1)
    expected = reference.execute(network, weights, images).astype(cpu.packing.container(ends.output))
    images.astype(cpu.packing.container(ends.input)).tofile(home / "x.bin")
    run = ["qemu-arm-static", "-cpu", "cortex-a9", "./program", "4", str(expected.nbytes)]
    subprocess.run(run, cwd=home, check=True)
    np.testing.assert_array_equal(np.fromfile(home / "y.bin", expected.dtype).reshape(expected.shape), expected)


def test_every_exact_operator_can_be_called() -> None:
    assert set(calls.RULES) == {name for name, op in ops.OPS.items() if op.exact and name != "input"}


@pytest.mark.parametrize(("rounding", "overflow"), [("TRN_ZERO", "WRAP"), ("RND_INF", "SAT_SYM"), ("RND", "SAT_ZERO")])
def test_wide_numbers_and_odd_means(rounding: str, overflow: str, tmp_path: Path) -> None:
    build = Builder((2, 3, 5), FixedPoint(30, 3))
    x = build.add("global_avg_pool", "x", FixedPoint(40, 9, True, rounding, overflow))
    x = build.dense(build.add("flatten", x, FixedPoint(40, 9)), 3, FixedPoint(33, 4, True, rounding, overflow),
                    FixedPoint(12, 2), FixedPoint(12, 20))  # fmt: skip
    network, weights = build.build(x)
    images = corner_images(network)
    found = strict(network, weights, tmp_path, images)
    np.testing.assert_array_equal(found, reference.execute(network, weights, images))


def test_what_cannot_be_exact_is_refused(tmp_path: Path) -> None:
    build = Builder((4,), FixedPoint(32, 0))
    network, weights = build.build(build.dense("x", 2, FixedPoint(16, 0), FixedPoint(32, 0)))
    with pytest.raises(UnsupportedError, match="dense1: an exact result may reach [0-9]+, beyond 62 bits; narrow"):
        emit(network, weights)
    with pytest.raises(UnsupportedError, match="net: expected one input, one output and a fixed-point format of ever"):
        emit(network.with_formats({"dense1.out": None}), weights)
    fmt = FixedPoint(4, 0)
    tensors = {"x": Tensor((2, 2, 2), fmt), "w": Tensor((3, 2), fmt), "y": Tensor((2, 2, 3), fmt)}
    layers = (Layer("x", "input", (), ("x",)), Layer("d", "dense", ("x",), ("y",), {}, {"weight": "w"}))
    images = Network("images", layers, tensors, ("x",), ("y",))
    refused = {"w": array_of(tensors["w"], (3, 2), np.random.default_rng(0))}
    with pytest.raises(UnsupportedError, match=r"d: got an image of shape \(2, 2, 2\); expected a vector; flatten it"):
        emit(images, refused)
    laid_out(images, refused, tmp_path)
    row, outputs = cpu.measure_cpu(tmp_path, manifest(images), np.zeros((1, 2, 2, 2), np.int64), cpu.Effort())
    assert row["missing"].startswith("d: got an image of shape")
    assert outputs.size == 0


def test_what_hinders_the_processor_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, weights = small_network()
    home = laid_out(network, weights, tmp_path) / "cpu"
    other = Manifest(**{**vars(manifest(network)), "model_hash": "0" * 16})
    with pytest.raises(cpu.CpuError, match=f"cpu: got network {network.hash}; expected 0000000000000000; build the bu"):
        cpu.CpuNetwork(tmp_path, other)
    (home / "layers.h").write_text("#error no layers\n")
    with pytest.raises(cpu.CpuError, match=r"cpu: .*g\+\+ failed: .*no layers; expected a library; it needs C\+\+17"):
        cpu.CpuNetwork(tmp_path, other)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        cpu.CpuError, match=r"cpu: no C\+\+ compiler here; expected one of g\+\+, c\+\+, clang\+\+; apt"
    ):
        cpu.CpuNetwork(tmp_path, other)
    shutil.rmtree(home)
    with pytest.raises(cpu.CpuError, match=r"the bundle holds no C\+\+; build it again"):
        cpu.CpuNetwork(tmp_path, other)


def test_arrays_that_do_not_live_together_share_a_place() -> None:
    memory = Memory()
    assert [memory.place(100, 0, 1), memory.place(60, 1, 2), memory.place(64, 2, 3), memory.place(65, 2, 3)] == [
        0, 128, 0, 192,
    ]  # fmt: skip
    assert memory.size == 320
