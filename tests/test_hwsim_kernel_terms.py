# SPDX-License-Identifier: Apache-2.0
"""Counts of kernels, by hand on small layers, and the laws that make prices of them monotone."""

import numpy as np
import pytest
from cost_networks import LAW, Draft, networks
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.kernel_terms import FIRST_CACHE, PRICES, TERMS, kernel_terms, network_terms
from hwsim.workload import workload


def counts(network, element=1.0, batch=1):
    work = workload(network)
    table = kernel_terms(work, np.full(len(work.kernels), element), batch)
    return [dict(zip(TERMS, row.tolist(), strict=True)) for row in table]


def test_a_pointwise_convolution():
    draft = Draft(16, 4, 4)
    draft.conv(12, kernel=1)
    found = counts(draft.network())[0]
    sums = 16 * 16  # 4 x 4 positions, 12 outputs in tiles of 8
    assert found["mac"] == sums * 16
    assert found["result"] == sums
    assert found["gather"] == 16 * 16
    assert found["weight"] == 12 * 16
    assert found["byte"] == (16 + 12) * 16
    assert found["thin_mac"] == found["depthwise_mac"] == found["move"] == found["byte_l2"] == 0


def test_few_input_channels_are_thin():
    draft = Draft(3, 8, 8)
    draft.conv(8)
    found = counts(draft.network())[0]
    assert (found["mac"], found["gather"]) == (0, 0)
    assert found["thin_mac"] == 64 * 8 * 27


def test_a_dense_layer_is_a_matrix_vector_product_until_there_is_a_batch():
    draft = Draft(40)
    draft.dense(10)
    one, many = counts(draft.network())[0], counts(draft.network(), batch=4)[0]
    assert (one["dense_weight"], one["mac"]) == (400, 0)
    assert (many["dense_weight"], many["mac"], many["weight"]) == (0, 4 * 16 * 40, 400)


def test_large_activations_pass_further_caches():
    draft = Draft(64, 32, 32)
    draft.conv(64)
    found = counts(draft.network(), element=4.0)[0]
    assert found["byte"] == found["byte_l2"] == 2 * 64 * 32 * 32 * 4 > FIRST_CACHE
    assert found["byte_memory"] == 0


def test_a_network_is_the_sum_of_its_kernels_one_call_and_its_inputs():
    draft = Draft(16, 8, 8)
    draft.conv(16)
    draft.conv(8)
    network = draft.network()
    work = workload(network)
    total = network_terms(work, np.ones(len(work.kernels)), batch=2)
    assert total.shape == (len(PRICES),)
    assert total[:-2] == pytest.approx(kernel_terms(work, np.ones(len(work.kernels)), 2).sum(axis=0))
    assert total[-2:].tolist() == [1, 2 * 16 * 64]


def kinds(network):
    return [kernel.kind for kernel in workload(network).kernels]


@LAW
@given(networks(), st.data())
def test_fewer_channels_never_count_more(network, data):
    layer = next(layer for layer in network.layers if layer.op == "conv2d")
    width = network.tensors[layer.params["weight"]].shape[0]
    try:
        pruned = network.with_widths({layer.name: data.draw(st.integers(1, width))})
    except InputError:  # an addition ties this width to another one
        return
    if kinds(pruned) != kinds(network):
        return  # a depthwise convolution of one channel is a plain one, whose tile of channels is mostly empty
    few, many = (network_terms(workload(each), np.ones(len(workload(each).kernels))) for each in (pruned, network))
    change = dict(zip(PRICES, few - many, strict=True))
    # Below 8 input channels a kernel counts as thin, and one channel alone as depthwise: another column of prices.
    # And what is no multiple of four is ragged.
    other = {"thin_mac", "mac", "tap_mac", "ragged_mac", "ragged_depthwise_mac", "gather", "result", "weight"}
    assert all(value <= 0 for name, value in change.items() if name not in other and "depthwise" not in name)
    assert change["mac"] + change["thin_mac"] + change["depthwise_mac"] <= 0
