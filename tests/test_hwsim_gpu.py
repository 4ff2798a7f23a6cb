# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from cost_networks import LAW, Draft, networks, resnet8, resnet50
from hypothesis import given
from hypothesis import strategies as st

from hwsim import device, gpu
from hwsim.design import Design
from hwsim.errors import InputError
from hwsim.targets import estimate
from hwsim.workload import workload

ORIN, H100 = device.load("jetson-orin"), device.load("h100")
GPUS = [name for name in device.names() if device.load(name).kind == "gpu"]


def test_resnet50_on_the_orin_is_within_the_error_bar():
    # 0.630 to 0.691 ms, SingleStream: github:mlcommons/inference_results_v2.0, v2.1, v3.0, closed, Orin TensorRT
    latency = gpu.estimate(resnet50(), ORIN).latency_us
    assert latency.low <= 630 < 691 <= latency.high
    assert latency.value == pytest.approx(650, rel=0.1)


def test_small_networks_are_launch_bound_on_a_large_gpu():
    found = gpu.estimate(resnet8(), H100)
    assert {layer.bottleneck for layer in found.layers} == {"overhead"}
    assert found.latency_us.value < gpu.estimate(resnet8(), ORIN).latency_us.value


def test_float_networks_run_in_tf32_and_the_note_says_so():
    assert gpu.estimate(resnet8(None, None), H100).notes[0].startswith("runs in TF32 on tensor cores")
    assert gpu.estimate(resnet8(12, 12), H100).notes[0].startswith("runs in fp16 ")
    assert gpu.estimate(resnet8(4, 4), H100).notes[0].startswith("runs in int8 ")


def product(rows, width, reduction):
    draft = Draft(reduction, rows, 1)
    draft.conv(width, kernel=1)
    return workload(draft.network())


def test_tiles_and_waves_are_quantised():
    # 64 x 64 tiles over 16 cores: 16 tiles are one wave, 17 are two; a reduction of 256 is one chunk.
    full = 16 * 64 * 64 * 256
    assert gpu.executed_macs(ORIN, product(16 * 64, 64, 256), 1).tolist() == [full]
    assert gpu.executed_macs(ORIN, product(16 * 64 + 1, 64, 256), 1).tolist() == [2 * full]
    assert gpu.executed_macs(ORIN, product(16 * 64, 65, 256), 1).tolist() == [2 * full]


def test_a_long_reduction_is_shared_by_idle_cores():
    assert gpu.executed_macs(ORIN, product(64, 64, 4096), 1).tolist() == [16 * 64 * 64 * 256]


@LAW
@given(networks(), st.sampled_from(GPUS), st.integers(1, 16))
def test_executed_work_covers_the_macs(network, name, batch):
    work = workload(network)
    assert np.all(gpu.executed_macs(device.load(name), work, batch) >= work.column("macs") * batch)


@LAW
@given(networks(16), st.lists(st.integers(2, 16), min_size=2, max_size=2))
def test_fewer_bits_never_cost_more(network, widths):
    few, many = sorted(widths)
    at = [gpu.estimate(network.with_formats({name: type(tensor.format)(bits, 0)
                                             for name, tensor in network.tensors.items()}), H100)
          for bits in (few, many)]  # fmt: skip
    assert at[0].latency_us.value <= at[1].latency_us.value


@LAW
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 2000), st.integers(0, 2))
def test_a_larger_product_is_never_faster(rows, width, reduction, grown):
    larger = [rows, width, reduction]
    larger[grown] += 1
    small, large = (gpu.executed_macs(H100, product(*shape), 1)[0] for shape in ((rows, width, reduction), larger))
    assert large >= small


def test_batches_raise_throughput():
    one, many = (gpu.estimate(resnet8(), H100, batch) for batch in (1, 64))
    assert many.interval_us.value < one.interval_us.value / 10


def test_a_design_is_refused():
    with pytest.raises(InputError, match="gpu:h100: got a design; expected none"):
        gpu.estimate(resnet8(), H100, design=Design("", "pynq-z2", 100.0))


@pytest.mark.parametrize(
    ("channels", "bits", "padded"),
    [(16, 8, 16), (17, 8, 32), (17, 16, 24), (17, None, 20)],  # 16 bytes: 16 int8, 8 fp16, 4 TF32
)
def test_tensor_cores_take_whole_groups_of_channels(channels, bits, padded):
    draft = Draft(channels, 64, 64, weights=bits, activations=bits)
    draft.conv(64, kernel=1)
    work = workload(draft.network())
    assert gpu.executed_macs(ORIN, work, 1).tolist() == [64 * 64 * 64 * padded]


def test_cores_without_tensor_units_pad_nothing():
    draft = Draft(17, 8, 8)
    draft.conv(64, kernel=1)
    nano = device.load("jetson-nano")
    assert gpu.executed_macs(nano, workload(draft.network()), 1).tolist() == [64 * 64 * 17]


def test_resnet50_on_the_xavier_is_within_the_error_bar():
    # 1.82 to 2.11 ms, SingleStream: github:mlcommons/inference_results_v0.7, v1.0, v1.1, closed, AGX Xavier TensorRT
    latency = gpu.estimate(resnet50(), device.load("jetson-xavier")).latency_us
    assert latency.low <= 1817 < 2115 <= latency.high
    assert latency.value == pytest.approx(1960, rel=0.1)


@pytest.mark.parametrize("name", GPUS)
def test_launching_every_operation_is_never_faster(name):
    network = resnet8()
    graph, eager = estimate(network, f"gpu:{name}"), estimate(network, f"gpu:{name}/eager")
    assert eager.target == f"gpu:{name}/eager"
    assert eager.latency_us.value > graph.latency_us.value
    assert "launches, not fused" in eager.notes[-1]


def test_large_batches_hide_launches():
    ratio = [
        estimate(resnet8(), f"gpu:{mode}", batch).latency_us.value
        for batch in (1, 1024) for mode in ("h100/eager", "h100")
    ]  # fmt: skip
    assert ratio[0] / ratio[1] > 2 > ratio[2] / ratio[3]


def test_a_design_is_refused_in_eager_mode_too():
    with pytest.raises(InputError, match="gpu:h100/eager: got a design; expected none"):
        gpu.estimate_eager(resnet8(), H100, design=Design("", "pynq-z2", 100.0))
