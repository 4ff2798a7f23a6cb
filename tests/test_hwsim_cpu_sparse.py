# SPDX-License-Identifier: Apache-2.0
"""Sparse kernels on CPUs: which zeros they leave out, what that saves at most, and what is said of the others."""

from dataclasses import replace

import pytest
from cost_networks import mobilenet_v1, resnet8

from hwsim import targets
from hwsim.errors import InputError, UnknownNameError
from hwsim.network import Tensor
from hwsim.sparsity import block, everywhere, kernel_pattern, n_m, unstructured
from hwsim.sweep import sweep
from hwsim.variants import variants

DEVICE = "cpu:cortex-a72"


def in_float(network):
    return replace(network, tensors={name: Tensor(one.shape) for name, one in network.tensors.items()})


RESNET, MOBILENET = in_float(resnet8()), in_float(mobilenet_v1(alpha=0.5, size=128))


def estimates(network, pattern, batch=1):
    """Dense, and under the sparse runtime."""
    zeros = {name: pattern for name in everywhere(network, pattern) if network.layer(name).op == "conv2d"}
    dense = targets.estimate(network, DEVICE, batch)
    return dense, targets.estimate(network, f"{DEVICE}/sparse", batch, sparsity=zeros)


def test_without_zeros_nothing_changes_but_the_name():
    dense = targets.estimate(RESNET, DEVICE)
    assert targets.estimate(RESNET, f"{DEVICE}/sparse") == replace(dense, target=f"{DEVICE}/sparse")


@pytest.mark.parametrize("pattern", [kernel_pattern(4), block(8, 4, 0.3), block(1, 4, 0.3)], ids=str)
def test_convolutions_take_the_share_of_their_products(pattern):
    dense, sparse = estimates(RESNET, pattern)
    assert sparse.latency_us.value < 0.85 * dense.latency_us.value
    assert sparse.latency_us.value > pattern.density * dense.latency_us.value
    assert sparse.latency_us.high == dense.latency_us.high  # nothing was fitted to measurements
    assert sparse.energy_uj.value < dense.energy_uj.value
    assert "not fitted to measurements" in " ".join(sparse.notes)


def test_the_order_of_patterns_is_that_of_what_they_share():
    """At the same density, taller blocks share loaded pixels; patterns are reordered so that they do too."""
    single, double, tall = (estimates(RESNET, block(rows, 4, 4 / 9))[1].latency_us.value for rows in (1, 2, 8))
    assert single > double == tall
    assert estimates(RESNET, kernel_pattern(4))[1].latency_us.value >= tall  # 1 x 1 convolutions have none


def test_single_zeros_pay_in_pointwise_convolutions_from_two_thirds_on():
    dense, few = estimates(MOBILENET, unstructured(0.4))
    assert few.latency_us == dense.latency_us
    assert "sparsity unstructured, 40% kept saves nothing: kernels for zeros anywhere want two thirds" in few.notes[-1]
    _, many = estimates(MOBILENET, unstructured(0.2))
    assert many.latency_us.value < 0.8 * dense.latency_us.value
    assert "only 1 x 1 convolutions have kernels for zeros anywhere" in many.notes[-1]  # the first layer
    _, regular = estimates(MOBILENET, n_m(1, 5))
    assert regular.latency_us == many.latency_us  # as good as anywhere
    _, nothing = estimates(RESNET, unstructured(0.2))
    assert nothing.latency_us.value > 0.9 * targets.estimate(RESNET, DEVICE).latency_us.value  # its shortcuts


def test_dense_layers_want_blocks_that_fill_vectors_or_a_batch_that_does():
    head = next(layer.name for layer in RESNET.layers if layer.op == "dense")
    low = {head: block(4, 4, 0.25)}
    found = targets.estimate(RESNET, f"{DEVICE}/sparse", sparsity=low)
    assert found.notes[-1].endswith("with one pixel, blocks must span 8 outputs")
    tall = targets.estimate(RESNET, f"{DEVICE}/sparse", sparsity={head: block(8, 4, 0.25)})
    assert tall.latency_us.value <= found.latency_us.value
    batch = targets.estimate(RESNET, f"{DEVICE}/sparse", 8, sparsity=low)
    assert "not fitted to measurements" in batch.notes[-1]


def test_eight_bits_and_depthwise_convolutions_have_no_sparse_kernels():
    quantised = resnet8()
    found = targets.estimate(quantised, f"{DEVICE}/sparse", sparsity=everywhere(quantised, block(8, 4, 0.3)))
    assert found.latency_us == targets.estimate(quantised, DEVICE).latency_us
    assert found.notes[-1].endswith("saves nothing: sparse kernels compute in float")
    depthwise = next(layer.name for layer in MOBILENET.layers if layer.attrs.get("groups", 1) > 1)
    found = targets.estimate(MOBILENET, f"{DEVICE}/sparse", sparsity={depthwise: block(8, 1, 0.3)})
    assert found.notes[-1].endswith("depthwise convolutions have no sparse kernels")


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_sparse_kernels_are_never_slower(kept):
    for rows in (1, 2, 8):
        dense, sparse = estimates(RESNET, block(rows, 1, kept))
        assert sparse.latency_us.value <= dense.latency_us.value


def test_what_is_refused():
    with pytest.raises(UnknownNameError, match="sparsity: no layer with weights 'conv9'"):
        targets.estimate(RESNET, f"{DEVICE}/sparse", sparsity={"conv9": n_m(1, 4)})
    first = next(layer.name for layer in MOBILENET.layers if layer.op == "conv2d")
    with pytest.raises(InputError, match="sweep: got cpu:cortex-a72/sparse; expected no fpga, eager or sparse one"):
        sweep(variants(MOBILENET, {first: [8, 16]}), [f"{DEVICE}/sparse"])
    design = targets.design(resnet8(), "fpga:pynq-z2")
    with pytest.raises(InputError, match="cpu:cortex-a72/sparse: got a design; expected none"):
        targets.estimate(resnet8(), f"{DEVICE}/sparse", design=design)
