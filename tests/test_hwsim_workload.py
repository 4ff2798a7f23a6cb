# SPDX-License-Identifier: Apache-2.0
from cost_networks import LAW, Draft, mobilenet_v1, networks, resnet8
from hypothesis import given

from hwsim.workload import FREE, workload


def test_activations_are_taken_along_by_the_layer_before_them():
    draft = Draft(3, 8, 8)
    draft.conv(4)
    draft.relu()
    draft.max_pool()
    draft.layer("requantise")
    draft.layer("flatten")
    draft.dense(5)
    kernels = workload(draft.network()).kernels
    assert [(kernel.name, kernel.fused) for kernel in kernels] == [
        ("conv2d1", ("relu2",)), ("max_pool2d3", ("requantise4",)), ("dense6", ()),
    ]  # fmt: skip


def test_an_activation_read_by_two_layers_is_a_kernel_of_its_own():
    draft = Draft(3, 8, 8)
    conv = draft.conv(4)
    relu = draft.relu()
    draft.layer("add", conv, relu)
    assert [kernel.name for kernel in workload(draft.network()).kernels] == ["conv2d1", "relu2", "add3"]


def test_kinds_and_matrix_shapes_of_a_mobilenet():
    kernels = workload(mobilenet_v1()).kernels
    assert [kernel.kind for kernel in kernels[:3]] == ["conv", "depthwise", "pointwise"]
    assert (kernels[2].rows, kernels[2].columns, kernels[2].channels, kernels[2].taps) == (112 * 112, 64, 32, 1)
    assert kernels[1].groups == 32


def test_padded_work_counts_whole_register_tiles():
    draft = Draft(3, 4, 4)
    draft.conv(9, kernel=1)
    (kernel,) = workload(draft.network()).kernels
    assert kernel.macs == 9 * 3 * 16
    assert kernel.padded_macs == 16 * 3 * 16


def test_execution_bits_are_the_wider_of_weights_and_inputs():
    assert workload(resnet8(4, 6)).execution_bits.max() == 6
    assert workload(resnet8(None, None)).execution_bits.max() == 32


@LAW
@given(networks())
def test_every_layer_is_in_exactly_one_kernel_and_all_macs_are_counted(network):
    kernels = workload(network).kernels
    counted = [name for kernel in kernels for name in (kernel.name, *kernel.fused)]
    assert sorted(counted) == sorted(layer.name for layer in network.layers if layer.op not in FREE)
    assert sum(kernel.macs for kernel in kernels) == network.macs()
