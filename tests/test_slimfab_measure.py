# SPDX-License-Identifier: Apache-2.0
"""Random networks run under every runtime, prices fitted to recorded times come back from the device file."""

import contextlib
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from cost_networks import resnet8
from typer.testing import CliRunner

from hwsim import calibrate_gpu, cpu, device, device_file, gpu
from hwsim.errors import InputError, OutputError, UnknownNameError, UnsupportedError
from hwsim.kernel_terms import PRICES
from hwsim.runtime_nodes import LOWERINGS
from hwsim.surface_fit import Runs
from hwsim.workload import workload
from slimfab.cli import app
from slimfab.measure import cuda, host, micro, runtimes
from slimfab.measure.command import calibrate_to
from slimfab.measure.nodes import node_times
from slimfab.measure.onnx_graph import layer_of, onnx_model
from slimfab.measure.timing import PROBE, Probe, Timing, fastest_us, repeated, time_call

QUIET = (lambda share, text: None,)


def test_random_networks_are_the_same_for_a_seed_and_of_every_form():
    first, again, other = (micro.networks(10, seed) for seed in (0, 0, 1))
    assert [one.hash for one in first] == [one.hash for one in again]
    assert [one.hash for one in first] != [one.hash for one in other]
    assert {one.name.split("-")[0] for one in first} == {*micro.BLOCKS, "perceptron"}
    assert all(0 < one.macs() <= micro.LARGEST_MACS for one in first)


@pytest.mark.needs("onnxruntime", "onnx", "torch")
@pytest.mark.parametrize("form", range(5))
@pytest.mark.parametrize(("runtime", "dtype"), [("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("torch", "fp32")])
def test_every_form_runs_under_every_runtime(form, runtime, dtype):
    network = micro.networks(5, seed=3)[form]
    result = runtimes.prepare(network, runtime, dtype, threads=1)()
    values = result["y"] if isinstance(result, dict) and "y" in result else result
    found = values if isinstance(values, dict) else {"out": values[0]}
    last = list(found.values())[-1]
    assert tuple(last.shape) == (1, *network.tensors[network.outputs[0]].shape)


@pytest.mark.needs("onnxruntime", "onnx", "torch")
def test_both_runtimes_compute_what_the_network_says():
    network = resnet8(None, None)
    assert runtimes.prepare(network, "onnxruntime", "fp32", 1)()[0].shape == (1, 10)


@pytest.mark.needs("onnxruntime", "onnx")
@pytest.mark.parametrize("form", range(5))
def test_quantised_networks_are_computed_in_eight_bits_throughout(form, tmp_path):
    import onnx
    import onnxruntime

    network = micro.networks(5, seed=3)[form]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(onnx_model(network, quantised=True), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
    assert not {node.op_type for node in nodes} & {"Conv", "FusedConv", "Gemm", "FusedGemm", "Add", "Relu", "Clip"}
    named = [layer_of(network, node.name) for node in nodes]
    computed = {layer.name for layer in named if layer is not None}
    assert {layer.name for layer in network.layers if layer.op in ("conv2d", "dense", "add")} <= computed


def test_unknown_runtimes_types_and_layers_are_refused():
    network = micro.networks(1)[0]
    with pytest.raises(UnknownNameError, match="unknown runtime 'tvm'"):
        runtimes.prepare(network, "tvm", "fp32", 1)
    with pytest.raises(InputError, match="torch: got type int8; expected fp32"):
        runtimes.prepare(network, "torch", "int8", 1)


@pytest.mark.needs("onnx", "torch")
@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_a_layer_that_is_not_measured_is_named(runtime):
    grown = micro.Builder(3, 8, 8)
    grown.layer("upsample2d", attrs={"factor": (2, 2)})
    with pytest.raises(UnsupportedError, match="upsample2d_1: upsample2d is not measured"):
        runtimes.prepare(grown.network("up"), runtime, "fp32", 1)


def test_the_fastest_repetitions_count():
    timing = time_call(lambda: sum(range(1000)), threads=1, budget_s=0.0, fewest=20)
    assert timing.repetitions >= 20
    assert 0 < timing.best_us <= timing.median_us


def test_disturbed_repetitions_do_not_count():
    times = np.array([5.0, 1.0, 6.0, 7.0, 8.0])
    assert fastest_us(times, np.array([False, True, False, False, False])) == 5
    assert fastest_us(times, np.full(5, True)) == 1  # a machine that is never quiet
    assert fastest_us(times, np.full(5, False), share=1.0) == 6


def test_what_lies_beside_a_slow_probe_is_disturbed_and_repeated(monkeypatch):
    probes = iter([False, True, True, *[False] * 1000])
    monkeypatch.setattr(PROBE, "is_disturbed", lambda: next(probes))
    clock = itertools.count(step=400_000)  # a call takes 400 us, so that every call lies between two probes
    monkeypatch.setattr("time.perf_counter_ns", lambda: next(clock))
    seconds = itertools.count(step=0.001)
    monkeypatch.setattr("time.perf_counter", lambda: next(seconds))
    found = list(repeated(lambda: None, threads=2, budget_s=0.005, fewest=4, most=100))
    assert [late for _, late in found] == [True, True, True, False, False, False, False]
    assert {took for took, _ in found} == {400_000}


def test_a_probe_knows_its_shortest_time(monkeypatch):
    ends = iter([0, 100, 0, 112, 0, 113, 0, 80, 0, 100])
    monkeypatch.setattr("time.perf_counter_ns", lambda: next(ends))
    probe = Probe()
    assert [probe.is_disturbed() for _ in range(5)] == [False, False, True, False, True]


@pytest.mark.needs("onnxruntime", "onnx", "torch")
@pytest.mark.parametrize(("runtime", "dtype"), [("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("torch", "fp32")])
def test_every_node_has_a_time(runtime, dtype):
    if host.vector() != 16 and dtype == "fp32":
        pytest.skip("this machine's blocks of channels are not those of AVX-512")
    for network in micro.networks(5, seed=3):
        times = node_times(network, workload(network), runtime, dtype, 1, host.vector(), 0.0)
        assert np.isfinite(times).all()
        assert (times >= 0).all()


@pytest.mark.needs("onnxruntime", "onnx", "torch")
def test_measured_networks_are_the_sum_of_their_parts():
    runs = host.measure(micro.networks(2, seed=4), "onnxruntime", 1)
    assert sorted(runs) == ["fp32", "int8"]
    for one in runs.values():
        assert (one.total_us > 0).all()
        assert [len(times) > 3 for times in one.node_us] == [True, True]


def test_of_all_passes_the_shortest_time_counts(monkeypatch):
    networks = micro.networks(2, seed=4)
    taken = iter([9.0, 5.0, 7.0, 6.0])  # a neighbour is busy while the first network is first looked at
    inside = iter([[4.0, 4.0], [1.0, 2.0], [3.0, 3.0], [2.0, 3.0]])
    monkeypatch.setattr(runtimes, "prepare", lambda *given: None)
    monkeypatch.setattr(host, "time_call", lambda *given: Timing(next(taken), 99.0, 1))
    monkeypatch.setattr(host, "node_times", lambda *given: np.array(next(inside)))
    found = host.measure(networks, "torch", 1)["fp32"]
    assert found.total_us.tolist() == [7, 5]
    assert [one.tolist() for one in found.node_us] == [[3, 3], [1, 2]]
    taken = iter([9.0, 5.0, 7.0, 6.0])
    assert host.latencies(networks, "torch", "fp32", 1).tolist() == [7, 5]


@pytest.mark.needs("onnxruntime", "onnx")
def test_a_calibrated_host_estimates_networks(tmp_path, monkeypatch):
    def work_us(network, dtype):
        counts = host.counts_of([network], dtype)[0]
        return float(counts @ np.where(np.array(PRICES) == "kernel", 0.5, {"int8": 1e-5, "fp32": 4e-5}[dtype]))

    def recorded(networks, runtime, threads, listen):
        works = [workload(one) for one in networks]
        return {
            dtype: Runs(
                works,
                np.array([work_us(one, dtype) for one in networks]),
                [np.full(len(LOWERINGS[runtime](one, dtype, host.vector()).form), np.nan) for one in works],
            )
            for dtype in ("int8", "fp32")
        }

    monkeypatch.setattr(host, "measure", recorded)
    path = tmp_path / "host.yaml"
    lines = calibrate_to(path, "cpu", "onnxruntime", 2, 60, "", 0, *QUIET)
    assert "int8: 60 networks; 19 of 20 that had no part in the fit are within a factor of 1." in lines[0]
    found = device.load(str(path))
    assert found["cores"] == 2
    assert "slimfab calibrate" in found.quantity("cycles_per.int8.mac").source
    assert "60 random networks" in found.surfaces.source
    network = resnet8(None, None)
    assert cpu.estimate(network, found).latency_us.value == pytest.approx(work_us(network, "fp32"), rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("x.yaml", "tpu", "", 1, 40, "", 0), UnknownNameError, "unknown target 'tpu'"),
        (("x.txt", "cpu", "", 1, 40, "", 0), InputError, "expected a file that ends in .yaml"),
        (("x.yaml", "cpu", "", 1, 3, "", 0), InputError, "networks: got 3; expected at least 20"),
        (("x.yaml", "cpu", "", -1, 40, "", 0), InputError, "threads: got -1; expected at least 1"),
    ],
)
def test_impossible_calibrations_are_refused(tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        calibrate_to(tmp_path / arguments[0], *arguments[1:], *QUIET)


@pytest.mark.needs("torch")
def test_a_gpu_that_is_not_there_is_refused(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    path = tmp_path / "gpu.yaml"
    result = CliRunner().invoke(app, ["calibrate", "--target", "cuda", "--output", str(path)])
    assert isinstance(result.exception, InputError)
    assert "cuda: torch sees no GPU; expected one with a driver" in str(result.exception)
    assert not path.exists()


def recorded_gpu(tmp_path, monkeypatch):
    """A GPU whose latencies are those of the model of an H100 at half the launch cost, as if they were measured."""
    data = yaml.safe_load((device.FOLDER / "h100.yaml").read_text(encoding="utf-8"))
    data["numbers"]["overhead_us"]["op"]["value"] /= 2
    like = device.parse(data, "like")
    monkeypatch.setattr(cuda, "require_gpu", lambda: "made-up GPU")
    monkeypatch.setattr(
        cuda, "measure", lambda networks, mode, listen: np.array(
            [gpu.estimate(one, like).latency_us.value for one in networks])
    )  # fmt: skip
    calibrate_to(tmp_path / "gpu.yaml", "cuda", "graph", 1, 40, "h100", 0, *QUIET)
    return like, device.load(str(tmp_path / "gpu.yaml"))


def test_a_recorded_gpu_is_calibrated(tmp_path, monkeypatch):
    like, found = recorded_gpu(tmp_path, monkeypatch)
    assert "made-up GPU, graph mode" in found.quantity("overhead_us.op").source
    times = [(gpu.estimate(one, found).latency_us.value, gpu.estimate(one, like).latency_us.value)
             for one in micro.networks(20, seed=9)]  # fmt: skip
    assert np.median([abs(a / b - 1) for a, b in times]) < 0.1


class Cuda:
    """What torch.cuda does, on this processor: a recorded graph runs again what was called while it was recorded."""

    def __init__(self, monkeypatch):
        self.calls, self.recorded = [], []
        steps = cuda.torch_steps
        monkeypatch.setattr(cuda, "require_gpu", lambda: "stand-in")
        monkeypatch.setattr(cuda, "torch_steps", lambda network, seed, device: self.noted(steps(network, seed), device))
        monkeypatch.setattr(cuda, "SECONDS", 0.001)
        for name in ("Stream", "CUDAGraph", "graph", "stream", "current_stream", "synchronize"):
            monkeypatch.setattr(f"torch.cuda.{name}", getattr(self, name))

    def noted(self, run, device):
        def one():
            self.calls.append(device)
            return run()

        return one

    def synchronize(self):
        self.calls.append("synchronize")

    def Stream(self):
        return SimpleNamespace(wait_stream=lambda other: None)

    current_stream = Stream

    def CUDAGraph(self):
        return SimpleNamespace(replay=lambda: self.calls.append("replay"))

    @contextlib.contextmanager
    def stream(self, stream):
        yield

    @contextlib.contextmanager
    def graph(self, graph):
        before = len(self.calls)
        yield
        self.recorded.append(self.calls[before:])


@pytest.mark.needs("torch")
def test_every_inference_on_a_gpu_ends_before_the_next(monkeypatch):
    stand_in = Cuda(monkeypatch)
    times = cuda.measure(micro.networks(2), "eager", *QUIET)
    assert times.shape == (2,)
    assert (times > 0).all()
    assert stand_in.calls[::2] == ["cuda"] * (len(stand_in.calls) // 2)
    assert stand_in.calls[1::2] == ["synchronize"] * (len(stand_in.calls) // 2)
    assert not stand_in.recorded


@pytest.mark.needs("torch")
def test_a_graph_is_recorded_once_after_warming_up_and_then_replayed(monkeypatch):
    stand_in = Cuda(monkeypatch)
    cuda.measure(micro.networks(1), "graph", *QUIET)
    assert stand_in.recorded == [["cuda"]]
    assert stand_in.calls[:4] == ["cuda"] * 4  # three to warm up
    rest = stand_in.calls[4:]
    assert rest == ["replay", "synchronize"] * (len(rest) // 2)


def test_the_driver_is_named(tmp_path):
    said = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"
    (tmp_path / "version").write_text(said)
    assert cuda.driver_version(tmp_path / "version") == "550.54.15"
    opened = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build  (dvs-builder)\n"
    (tmp_path / "version").write_text(opened)
    assert cuda.driver_version(tmp_path / "version") == "560.35.03"
    assert cuda.driver_version(tmp_path / "none") == "not known"


def test_unseen_networks_are_held_against_a_recorded_gpu(monkeypatch, capsys):
    from benchmarks import host_gpu

    like = device.load("h100")
    monkeypatch.setattr(cuda, "require_gpu", lambda: "made-up GPU, driver 1.2")
    monkeypatch.setattr(
        cuda, "measure", lambda networks, mode, listen: np.array(
            [gpu.estimate(one, like).latency_us.value for one in networks])
    )  # fmt: skip
    monkeypatch.setattr(host_gpu, "networks", lambda seed: micro.networks(12, seed=9))
    record = host_gpu.judge("h100", "graph", 40, 0)
    assert record["gpu"] == "made-up GPU, driver 1.2"
    assert record["mean_error"] < 0.15
    assert (
        capsys.readouterr().out.splitlines()[-1].startswith("made-up GPU, driver 1.2, graph: 12 networks, mean error")
    )


def test_unknown_gpus_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cuda, "require_gpu", lambda: "made-up GPU")
    with pytest.raises(UnknownNameError, match="like: unknown GPU 'h10'; did you mean 'h100'"):
        calibrate_to(tmp_path / "gpu.yaml", "cuda", "graph", 1, 40, "h10", 0, *QUIET)
    with pytest.raises(InputError, match="mode: got 'lazy'; expected eager or graph"):
        cuda.measure([], "lazy", lambda share, text: None)


def test_too_little_is_no_calibration():
    data = yaml.safe_load((device.FOLDER / "h100.yaml").read_text(encoding="utf-8"))
    with pytest.raises(InputError, match="calibrate: got 2 networks in fp32; expected at least 20"):
        calibrate_gpu.calibrate(data, device.load("h100"), {"fp32": (micro.networks(2), np.ones(2))}, "test")
    with pytest.raises(InputError, match="expected fp32 at least"):
        calibrate_gpu.calibrate(data, device.load("h100"), {}, "test")


def test_a_file_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "calibrate", lambda *given: ({"title": "t"}, None, {}))
    monkeypatch.setattr(device_file, "text_of", lambda content, remark, surfaces: "")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        calibrate_to(tmp_path / "file" / "x.yaml", "cpu", "", 1, 40, "", 0, *QUIET)
