# SPDX-License-Identifier: Apache-2.0
"""Metric cards: complete, consistent with the estimate, and honest about what is not known."""

from dataclasses import fields

import pytest
from cost_networks import LAW, Draft, mobilenet_v1, networks, resnet8
from hypothesis import given
from hypothesis import strategies as st

from hwsim import targets
from hwsim.card import bound, card, energy_parts
from hwsim.energy import breakdown

TARGETS = ("cpu:cortex-a72", "gpu:a100", "gpu:jetson-orin", "npu:eyeriss", "npu:tpu-v1", "fpga:pynq-z2", "fpga:zcu104")


def made(network, target, batch=1, **known):
    return card(network, targets.parse(target).device, targets.estimate(network, target, batch), **known)


@pytest.mark.parametrize("target", TARGETS)
def test_a_card_repeats_the_estimate_and_leaves_nothing_out(target):
    network = resnet8()
    estimate, found = targets.estimate(network, target, 4), made(network, target, 4)
    assert (found.latency_us, found.energy_uj, found.power_w) == (
        estimate.latency_us, estimate.energy_uj, estimate.power_w
    )  # fmt: skip
    assert found.batch == 4
    assert found.per_second.value == pytest.approx(1e6 / estimate.interval_us.value)
    assert found.per_second.low <= found.per_second.value <= found.per_second.high
    assert found.covered == 1.0
    assert found.accuracy is found.dataset is None
    for field in fields(found):
        if field.name not in ("accuracy", "dataset", "occupied"):
            assert getattr(found, field.name) not in ("", None), field.name
    assert bool(found.occupied) == target.startswith("fpga:")


def test_what_was_measured_is_on_the_card():
    found = made(resnet8(), "npu:gemmini", accuracy=0.871, dataset="CIFAR-10")
    assert (found.accuracy, found.dataset) == (0.871, "CIFAR-10")


@LAW
@given(networks(8), st.sampled_from(TARGETS), st.integers(1, 4))
def test_parts_of_the_energy_add_up_and_utilisation_is_a_share(network, target, batch):
    found = made(network, target, batch)
    assert found.energy_parts.total_uj == pytest.approx(found.energy_uj.value)
    assert min(found.energy_parts.shares_uj().values()) >= 0
    assert 0 <= found.utilisation <= 1 + 1e-9
    assert 0 < found.bound_share <= 1


def test_utilisation_of_an_array_is_macs_over_elements():
    network = resnet8()
    found = made(network, "npu:gemmini", 8)
    elements_at_work = network.macs() * found.per_second.value / 1e9  # at 1 GHz
    assert found.utilisation == pytest.approx(elements_at_work / 256)


def test_processors_are_measured_against_the_type_they_run():
    narrow, wide = (made(resnet8(bits, bits), "cpu:cortex-a72") for bits in (8, None))
    # 8 and 4 products per cycle and core: the float network is no more than twice as close to its peak.
    assert narrow.utilisation == pytest.approx(12_501_632 / (4 * 1800 * 8) * narrow.per_second.value / 1e6)
    assert wide.utilisation == pytest.approx(12_501_632 / (4 * 1800 * 4) * wide.per_second.value / 1e6)


def test_tables_never_say_more_than_was_measured():
    network = mobilenet_v1()
    estimate = targets.estimate(network, "gpu:jetson-orin")
    table = breakdown(network, targets.parse("gpu:jetson-orin").device["cache_kib"] * 8192).total_uj.sum()
    parts = energy_parts(network, targets.parse("gpu:jetson-orin").device, estimate)
    assert parts.other_uj == pytest.approx(max(estimate.energy_uj.value - table, 0.0))
    board = targets.parse("fpga:pynq-z2").device
    assert energy_parts(resnet8(), board, targets.estimate(resnet8(), "fpga:pynq-z2")).other_uj > 0


def test_a_network_without_work_has_a_card():
    draft = Draft(3, 4, 4)
    draft.layer("flatten")
    found = made(draft.network(), "cpu:cortex-a72")
    assert (found.covered, found.utilisation, found.bound_by) == (1.0, 0.0, "")
    assert bound(targets.estimate(draft.network(), "cpu:cortex-a72")) == ("", 0.0)
