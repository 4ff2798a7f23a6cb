# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import yaml
from cost_networks import LAW, Draft, mobilenet_v1, networks, resnet8, resnet50
from hypothesis import given
from hypothesis import strategies as st

from hwsim import cpu, device
from hwsim.design import Design
from hwsim.device import FOLDER
from hwsim.errors import InputError

A72 = device.load("cortex-a72")
CPUS = [name for name in device.names() if device.load(name).kind == "cpu"]
RATED = [name for name in CPUS if not device.load(name).is_priced]  # measured ones may be slower in int8


def with_number(keys, factor):
    data = yaml.safe_load((FOLDER / "cortex-a72.yaml").read_text())
    node = copy.deepcopy(data)
    leaf = node["numbers"]
    for key in keys:
        leaf = leaf[key]
    leaf["value"] *= factor
    return device.parse(node, "changed")


@pytest.mark.parametrize(
    ("network", "measured_us"),
    [
        # Raspberry Pi 4, TFLite 2.7.1 (ruy), SingleStream p50: github:mlcommons/inference_results_v2.0, v2.1
        (mobilenet_v1(), 26_600),
        (mobilenet_v1(None, None), 66_200),
        (mobilenet_v1(alpha=0.25, size=128), 1_940),
        (resnet50(None, None), 571_000),
        # Raspberry Pi 4, LEIP: github:mlcommons/tiny_results_v0.5, closed/latentai, ic
        (resnet8(), 1_074),
        (resnet8(None, None), 1_312),
    ],
)
def test_measured_latencies_are_within_the_error_bar(network, measured_us):
    latency = cpu.estimate(network, A72).latency_us
    assert latency.low <= measured_us <= latency.high


def test_energy_of_mobilenet_on_the_raspberry_pi_is_within_the_error_bar():
    # 6.4974 W wall power at 27.4 ms: github:mlcommons/inference_results_v2.0, open/Krai, rpi4 tflite-v2.7.1
    energy = cpu.estimate(mobilenet_v1(), A72).energy_uj
    assert energy.low <= 6.4974 * 27_383 <= energy.high


def test_layers_add_up_to_the_latency_without_the_fixed_cost():
    found = cpu.estimate(resnet8(), A72)
    prices = [A72[f"cycles_per.int8.{name}"] for name in ("inference", "input")]
    fixed = (prices[0] + 3 * 32 * 32 * prices[1]) / A72["clock_mhz"]
    assert sum(layer.latency_us for layer in found.layers) + fixed == pytest.approx(found.latency_us.value)


def test_every_bottleneck_occurs_where_it_should():
    draft = Draft(64, 32, 32)
    draft.conv(64)
    wide = cpu.estimate(draft.network(), A72).layers[0]
    vector = Draft(8)
    vector.dense(8)
    small = cpu.estimate(vector.network(), A72).layers[0]
    heavy = Draft(4096)
    heavy.dense(4096)
    streamed = cpu.estimate(heavy.network(), A72).layers[0]
    assert (wide.bottleneck, small.bottleneck, streamed.bottleneck) == ("compute", "overhead", "memory")


def test_weights_that_fit_the_cache_do_not_cross_main_memory():
    small, large = Draft(512), Draft(4096)
    small.dense(512)
    large.dense(4096)
    assert cpu.estimate(small.network(), A72).layers[0].bytes_moved == 0
    assert cpu.estimate(large.network(), A72).layers[0].bytes_moved == 4096 * 4096 + 4096


def test_six_bit_networks_run_in_int8_and_the_note_says_so():
    found = cpu.estimate(resnet8(6, 6), A72)
    assert found.latency_us == cpu.estimate(resnet8(8, 8), A72).latency_us
    assert found.notes[0].startswith("runs in int8 ")
    assert "numbers of up to 6 bits are computed and stored as int8" in found.notes[1]


def test_wide_fixed_point_and_float_networks_run_in_fp32():
    assert cpu.estimate(resnet8(12, 12), A72).notes[0].startswith("runs in fp32 ")
    assert cpu.estimate(resnet8(None, None), A72).notes[0].startswith("runs in fp32 ")


def test_a_design_is_refused():
    network = resnet8()
    with pytest.raises(InputError, match="cpu:cortex-a72: got a design; expected none"):
        cpu.estimate(network, A72, design=Design(network.hash, "pynq-z2", 100.0))


@LAW
@given(networks(), st.sampled_from(CPUS))
def test_latency_is_never_below_the_roofline(network, name):
    host = device.load(name)
    best = max(host["macs_per_cycle.int8"], host["macs_per_cycle.fp32"])
    bound_us = network.macs() / (host["cores"] * host["clock_mhz"] * best)
    found = cpu.estimate(network, host)
    assert found.latency_us.value >= bound_us
    assert found.energy_uj.value > 0 < found.power_w.value
    assert found.bytes_moved.value > 0


@LAW
@given(networks(16), st.sampled_from(RATED), st.lists(st.integers(2, 16), min_size=2, max_size=2))
def test_fewer_bits_never_cost_more(network, name, widths):
    few, many = sorted(widths)

    def at(bits):
        formats = {n: _narrowed(tensor, bits) for n, tensor in network.tensors.items()}
        return cpu.estimate(network.with_formats(formats), device.load(name))

    assert at(few).latency_us.value <= at(many).latency_us.value
    assert at(few).energy_uj.value <= at(many).energy_uj.value


def _narrowed(tensor, bits):
    return type(tensor.format)(bits, bits - 2)


@LAW
@given(networks(), st.sampled_from([("bandwidth_gb_s", "dram"), ("bandwidth_gb_s", "cache"), ("clock_mhz",),
                                    ("cache_kib",), ("cores",)]))  # fmt: skip
def test_more_of_anything_is_never_slower(network, keys):
    assert cpu.estimate(network, with_number(keys, 2)).latency_us.value <= cpu.estimate(network, A72).latency_us.value


@LAW
@given(networks(), st.data())
def test_fewer_channels_are_never_slower(network, data):
    layer = next(layer for layer in network.layers if layer.op == "conv2d")
    width = network.tensors[layer.params["weight"]].shape[0]
    narrower = {layer.name: data.draw(st.integers(1, width))}
    try:
        pruned = network.with_widths(narrower)
    except InputError:  # an addition ties this width to another one
        return
    assert cpu.estimate(pruned, A72).latency_us.value <= cpu.estimate(network, A72).latency_us.value


def test_a_batch_shares_weights_and_start_up():
    one, many = (cpu.estimate(resnet8(), A72, batch) for batch in (1, 8))
    assert one.latency_us.value < many.latency_us.value < 8 * one.latency_us.value
    assert many.interval_us.value == pytest.approx(many.latency_us.value / 8)
    assert many.energy_uj.value < one.energy_uj.value
