# SPDX-License-Identifier: Apache-2.0
"""What modules compute: products counted as torch counts them, and budgets of modules that hwsim does not know."""

import pytest
import torch
from prune_architectures import ARCHITECTURES, built
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hwsim.errors import BudgetError, InputError
from prune.traced import prune_traced
from prune.work import costing, products


def counted(model, example):
    """Multiplications per image, by torch's own counter."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*example)
    return counter.get_total_flops() / 2 / len(example[0])


FEW = ("swin", "shufflenet v1", "temporal cnn", "gpt-2")
FUSED = ("vit, fused kernel", "distilbert")  # torch does not count its fused kernel on a CPU


@pytest.mark.parametrize("name", FEW)
def test_products_are_those_that_torch_counts(name):
    model, example = built(name)
    assert products(model, example).macs() == counted(model, example)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*ARCHITECTURES} - {*FEW, *FUSED}))
def test_products_of_every_architecture(name):
    test_products_are_those_that_torch_counts(name)


def test_fused_attention_counts_as_much_as_attention_written_out():
    assert products(*built("vit, fused kernel")).macs() == products(*built("vit")).macs()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.ConvTranspose2d(4, 6, 3, 2, groups=2), (2, 4, 5, 5)),
        (nn.Conv3d(4, 6, 3, groups=2), (2, 4, 5, 5, 5)),
        (nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2), (2, 4, 9)),
    ],
)
def test_convolutions_of_every_kind(layer, shape):
    example = (torch.randn(shape),)
    assert products(layer, example).macs() == counted(layer, example)


def test_a_known_module_is_its_own_network():
    model, example = built("resnet18")
    found = costing(model, example)
    assert found.why == ""
    assert any(layer.op == "add" for layer in found.network(model).layers)
    model, example = built("swin")
    found = costing(model, example)
    assert "permute" in found.why
    assert {layer.op for layer in found.network(model).layers} == {"input", "conv2d"}


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("vit", {"macs": 0.7, "params": "80%"}),
        ("shufflenet v1", {"cpu:cortex-a72.latency_us": 0.95}),
        ("bert", {"npu:eyeriss.energy_uj": 0.8}),
    ],
)
def test_budgets_hold_for_the_module_itself(name, budget):
    model, example = built(name)
    small = prune_traced(model, example, budget=budget, bits=8)
    assert {change.field for change in small.costs} == set(budget)
    for change in small.costs:
        assert change.after == costing(model, example, 8)(small.module, change.field) <= change.limit < change.before
    assert 0.8 < small.used <= 1


def test_a_known_module_has_budgets_on_fpgas_and_others_have_not():
    model, example = built("vgg11")
    (change,) = prune_traced(model, example, budget={"fpga:pynq-z2.cycles": 0.7}, bits=8).costs
    assert change.after <= 0.7 * change.before
    model, example = built("vit")
    with pytest.raises(
        InputError, match=r"budget fpga:pynq-z2.dsp: Vit is no pipeline of known layers \(.*\); expected"
    ):
        prune_traced(model, example, budget={"fpga:pynq-z2.dsp": 0.5})


def test_what_no_widths_meet_is_refused_with_the_bound():
    model, example = built("vit")
    with pytest.raises(BudgetError, match="budget macs: asked for at most .*; the smallest reachable is"):
        prune_traced(model, example, budget={"macs": 0.01})
    with pytest.raises(InputError, match="prune_traced: expected either keep, such as 0.5, or a budget"):
        prune_traced(model, example, keep=0.5, budget={"macs": 0.5})
