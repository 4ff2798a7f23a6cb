# SPDX-License-Identifier: Apache-2.0
"""Kernels at stated prices: sums by hand, and choices that a runtime has."""

import numpy as np
import pytest
import yaml
from cost_networks import Draft, resnet8

from hwsim import cpu, device, priced
from hwsim.kernel_terms import PRICES
from hwsim.workload import workload

ZERO = dict.fromkeys(PRICES, 0.0)


def with_prices(int8, fp32=None):
    """A Cortex-A72 at 1 MHz with one core, fast memory and the given prices."""
    data = yaml.safe_load((device.FOLDER / "cortex-a72.yaml").read_text(encoding="utf-8"))
    numbers = data["numbers"]
    numbers["clock_mhz"]["value"] = numbers["cores"]["value"] = 1
    for name in ("cache", "dram"):
        numbers["bandwidth_gb_s"][name]["value"] = 1e9
    for dtype in ("int8", "fp32"):
        numbers["macs_per_cycle"][dtype]["value"] = 1e9
    for dtype, prices in (("int8", int8), ("fp32", int8 if fp32 is None else fp32)):
        for name, value in (ZERO | prices).items():
            numbers["cycles_per"][dtype][name]["value"] = value
    return device.parse(data, "test")


def test_prices_add_up():
    draft = Draft(16, 4, 4)
    draft.conv(8, kernel=1)
    network = draft.network()
    found = cpu.estimate(network, with_prices({"mac": 2.0, "kernel": 5.0, "byte": 1.0, "inference": 7.0}))
    macs, moved = 16 * 16 * 8, (16 + 8) * 16
    assert found.layers[0].latency_us == pytest.approx(2 * macs + 5 + moved)
    assert found.latency_us.value == pytest.approx(2 * macs + 5 + moved + 7)


def test_cores_share_work_but_not_the_start():
    one, two = (dict(zip(PRICES, priced.cycles_per(np.ones(len(PRICES)), cores, 100), strict=True)) for cores in (1, 2))
    assert priced.cycles_per(np.ones(len(PRICES)), 2, 100)["mac"] == 200
    assert priced.cycles_per(np.ones(len(PRICES)), 2, 100)["kernel"] == 100
    assert set(one) == set(two) == set(PRICES)


def test_every_type_costs_what_was_measured():
    slow, fast = {"mac": 10.0}, {"mac": 1.0}
    slowly, quickly = (cpu.estimate(resnet8(), with_prices(*prices)) for prices in ((slow, fast), (fast, slow)))
    assert slowly.latency_us.value > 5 * quickly.latency_us.value


def test_blocks_of_channels_are_whole_in_wide_types():
    data = yaml.safe_load((device.FOLDER / "cortex-a72.yaml").read_text(encoding="utf-8"))
    data["numbers"]["block"] = {name: {"value": 16, "source": "a test"} for name in ("outputs", "channels")}
    blocked, plain = device.parse(data, "test"), device.load("cortex-a72")

    def layer_us(found, channels, bits):
        draft = Draft(channels, 32, 32, weights=bits, activations=bits)
        draft.conv(channels)
        return cpu.estimate(draft.network(), found).layers[0].latency_us

    assert layer_us(blocked, 40, None) > 1.2 * layer_us(plain, 40, None)
    assert layer_us(blocked, 48, None) == layer_us(plain, 48, None)
    assert layer_us(blocked, 40, 8) == layer_us(plain, 40, 8)


def test_thin_kernels_cost_no_more_than_full_ones():
    def layer_us(channels):
        draft = Draft(channels, 8, 8)
        draft.conv(16)
        return cpu.estimate(draft.network(), with_prices({"mac": 1.0, "thin_mac": 100.0})).layers[0].latency_us

    assert layer_us(7) == layer_us(8) == 64 * 16 * 9 * 8


def test_a_network_without_kernels_costs_a_call():
    draft = Draft(4)
    assert not workload(draft.network()).kernels
    assert cpu.estimate(draft.network(), with_prices({"inference": 3.0, "input": 9.0})).latency_us.value == 0.0
