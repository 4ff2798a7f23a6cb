# SPDX-License-Identifier: Apache-2.0
"""Patterns of zeros on every kind of target: counted where hardware leaves them out, a plain warning elsewhere."""

from dataclasses import replace

import pytest
from cost_networks import mobilenet_v1, resnet8, resnet50

from hwsim import targets
from hwsim.errors import InputError, UnknownNameError
from hwsim.sparsity import KINDS, OBSTACLES, block, everywhere, kernel_pattern, n_m, parse_pattern, unstructured


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("2:4", n_m(2, 4)),
        ("4/9", kernel_pattern(4)),
        ("16x8@0.5", block(16, 8, 0.5)),
        ("0.1", unstructured(0.1)),
        ("1", unstructured(1.0)),
    ],
)
def test_patterns_as_text(text, pattern):
    assert parse_pattern(text) == pattern


@pytest.mark.parametrize("text", ["", "2:", "4x4", "16x8@", "half", "-0.5", "2:4:8", "4/", "9/4"])
def test_texts_that_are_no_pattern(text):
    with pytest.raises(InputError) as error:
        parse_pattern(text)
    expected = "2:4, 4/9 of every kernel, blocks such as 16x8@0.5, or a share such as 0.1"
    if text == "9/4":
        expected = "0 < n <= m, such as 4/9"
    assert str(error.value) == f"sparsity: got {text if text == '9/4' else repr(text)}; expected {expected}"


def test_depthwise_layers_are_left_alone():
    network = mobilenet_v1(alpha=0.25, size=96)
    named = everywhere(network, n_m(2, 4))
    assert len(named) == 15
    assert not [name for name in named if network.layer(name).attrs.get("groups", 1) > 1]


@pytest.mark.parametrize(
    "target", ["cpu:cortex-a72", "gpu:titan-xp", "gpu:a100/eager", "fpga:pynq-z2", "fpga:pynq-z2/folded"]
)
@pytest.mark.parametrize("pattern", [n_m(2, 4), kernel_pattern(4), block(4, 4, 0.25), unstructured(0.05)], ids=str)
def test_where_a_pattern_cannot_pay_nothing_changes_but_a_warning(target, pattern):
    if (target, pattern.kind) == ("fpga:pynq-z2/folded", "block"):
        return  # these pay: tests/test_hwsim_fpga_stated_zeros.py
    network = resnet8()
    dense = targets.estimate(network, target)
    found = targets.estimate(network, target, sparsity=everywhere(network, pattern))
    why = OBSTACLES[target.partition(":")[0]][pattern.kind]
    assert found == replace(dense, notes=(*dense.notes, f"{target}: sparsity {pattern} saves nothing: {why}"))


def test_tensor_cores_select_two_of_four():
    network = resnet50()
    dense, sparse, four = (
        targets.estimate(network, "gpu:a100", 64, sparsity=zeros)
        for zeros in (None, everywhere(network, n_m(2, 4)), everywhere(network, n_m(1, 2)))
    )
    assert 0.5 * dense.latency_us.value < sparse.latency_us.value < 0.9 * dense.latency_us.value
    assert sparse.notes == dense.notes
    assert four.latency_us == dense.latency_us  # one of two is no pattern of the hardware
    assert "sparsity 1:2 saves nothing" in four.notes[-1]
    with pytest.raises(UnknownNameError, match="sparsity: no layer with weights 'conv2d99'"):
        targets.estimate(network, "gpu:a100", sparsity={"conv2d99": n_m(2, 4)})


def test_patterns_of_kernels_go_with_windows_of_their_size():
    network = mobilenet_v1(alpha=0.25, size=96)
    named = everywhere(network, kernel_pattern(4))
    assert [network.layer(name).attrs["kernel"] for name in named] == [(3, 3)]  # the others are depthwise or 1 x 1
    pointwise = next(layer.name for layer in network.layers if layer.attrs.get("kernel") == (1, 1))
    with pytest.raises(InputError, match=f"{pointwise}: got pattern 4/9; expected 9 positions, its window has 1"):
        targets.estimate(network, "cpu:cortex-a72", sparsity={pointwise: kernel_pattern(4)})
    found = targets.estimate(network, "npu:gemmini", sparsity=named)
    assert found.notes[-1].endswith("filters of a fold keep different positions")


def test_every_kind_of_pattern_has_a_reason_on_every_kind_of_target():
    kinds = {name.split("/")[0] for name in targets.TARGET_KINDS} - {"npu"}  # which skips what it can
    assert set(OBSTACLES) == kinds
    assert all(set(reasons) == set(KINDS) for reasons in OBSTACLES.values())


def test_arrays_skip_what_they_can_in_every_dataflow():
    network = resnet8()
    zeros = everywhere(network, block(16, 16, 0.5))
    for name in ("npu:gemmini", "npu:gemmini/os", "npu:gemmini/is"):
        dense, sparse = targets.estimate(network, name), targets.estimate(network, name, sparsity=zeros)
        assert sparse.target == name
        assert sparse.latency_us.value < dense.latency_us.value
        assert sparse.energy_uj.value < dense.energy_uj.value
    two = targets.compare(network, ["npu:gemmini", "cpu:cortex-a72"], 1, zeros)
    assert [": sparsity " in one.notes[-1] for one in two] == [False, True]


@pytest.mark.parametrize("target", ["cpu:cortex-a72", "npu:gemmini"])
def test_layers_that_do_not_exist_are_refused(target):
    with pytest.raises(UnknownNameError, match="sparsity: no layer with weights 'conv2d99'; did you mean"):
        targets.estimate(resnet8(), target, sparsity={"conv2d99": n_m(2, 4)})
