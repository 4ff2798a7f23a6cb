# SPDX-License-Identifier: Apache-2.0
"""Microcontrollers against published latencies of the MLPerf Tiny networks."""

import pytest
from cost_networks import resnet8

from hwsim.targets import estimate


@pytest.mark.parametrize(
    ("target", "measured_us"),
    [
        # ic, ResNet-8: github:mlcommons/tiny_results_v1.1 (microTVM with CMSIS-NN) and v1.2 (X-CUBE-AI 9.0)
        ("cpu:cortex-m4", 389_560),
        ("cpu:cortex-m4", 165_125),
        # v0.7 and v1.2, STMicroelectronics
        ("cpu:cortex-m7", 70_363),
        ("cpu:cortex-m7", 40_845),
    ],
)
def test_published_latencies_are_within_the_error_bar(target, measured_us):
    latency = estimate(resnet8(), target).latency_us
    assert latency.low <= measured_us <= latency.high


def test_a_float_network_takes_longer_and_both_take_milliwatts():
    whole, real = (estimate(resnet8(bits, bits), "cpu:cortex-m4") for bits in (8, None))
    assert real.latency_us.value > 1.5 * whole.latency_us.value
    assert whole.power_w.value < 0.1


def test_the_faster_core_is_the_faster_one():
    m4, m7, a72 = (estimate(resnet8(), f"cpu:cortex-{name}").latency_us.value for name in ("m4", "m7", "a72"))
    assert m4 > 2 * m7 > 20 * a72
