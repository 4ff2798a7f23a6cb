# SPDX-License-Identifier: Apache-2.0
"""``slimfab.profile``: a module and an example in, a comparison out."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import slimfab
from hwsim.errors import InputError, UnknownNameError, UnsupportedError
from hwsim.targets import estimate
from slimfab.models import load_model
from slimfab.profiling import DEFAULT_TARGETS

TARGETS = ["cpu:cortex-a9", "fpga:pynq-z2"]


@pytest.fixture(scope="module")
def module() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


@pytest.mark.parametrize("x", [torch.zeros(7, 3, 6, 6), np.zeros((1, 3, 6, 6)), (3, 6, 6), [3, 6, 6]], ids=type)
def test_an_example_batch_and_a_shape_say_the_same(module: nn.Module, x: Any) -> None:
    profile = slimfab.profile(module, x, TARGETS)
    assert profile.network.macs() == 4 * 3 * 9 * 36 + 4 * 36 * 5
    assert [one.target for one in profile.estimates] == TARGETS


def test_it_is_what_the_targets_estimate(module: nn.Module) -> None:
    profile = slimfab.profile(module, (3, 6, 6), TARGETS)
    for target in TARGETS:
        assert profile[target] == estimate(profile.network, target)
    with pytest.raises(KeyError, match="gpu:h100; available: cpu:cortex-a9, fpga:pynq-z2"):
        profile["gpu:h100"]


def test_the_default_has_cpus_a_gpu_and_an_fpga(module: nn.Module) -> None:
    found = [one.target for one in slimfab.profile(module, (3, 6, 6)).estimates]
    assert found == list(DEFAULT_TARGETS)
    assert {target.split(":")[0] for target in found} == {"cpu", "gpu", "fpga"}


def test_bits_change_the_cost_and_not_the_module(module: nn.Module) -> None:
    before = module[0].weight.clone()  # type: ignore[index]
    wide, narrow = (slimfab.profile(module, (3, 6, 6), TARGETS, bits=bits) for bits in (16, 4))
    assert narrow.network.weight_bits() * 4 == wide.network.weight_bits()
    assert narrow["fpga:pynq-z2"].field("lut") < wide["fpga:pynq-z2"].field("lut")
    assert torch.equal(before, module[0].weight)  # type: ignore[index]
    assert module.training


def test_names_and_networks_are_taken_too() -> None:
    network = load_model("jet_mlp").network
    assert slimfab.profile("jet_mlp", None, TARGETS).estimates == slimfab.profile(network, None, TARGETS).estimates


def test_printing_it_shows_the_table(module: nn.Module) -> None:
    text = str(slimfab.profile(module, (3, 6, 6), TARGETS))
    assert text.startswith("Sequential")
    assert re.search(r"^ +fpga:pynq-z2 +[\d.]+ µs ÷×[\d.]+ +[\d.]+ µJ ", text, re.MULTILINE)
    assert "\x1b" not in text


class TwoResults(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x + 1


def test_what_no_model_knows_is_listed() -> None:
    found = slimfab.profile(nn.Sequential(nn.Conv2d(3, 4, 1), nn.PReLU()), (3, 6, 6), TARGETS)
    assert [one.operator for one in found.estimates[0].uncovered] == ["prelu"]
    assert "incomplete: not covered and not counted: prelu (1 layer): no MACs, 50.0% of the values" in str(found)


def test_a_network_of_which_nothing_is_known_has_a_table() -> None:
    text = str(slimfab.profile(nn.PReLU(), (3, 6, 6), ["npu:eyeriss", "fpga:pynq-z2"]))
    assert "prelu (1 layer): no MACs, 100.0% of the values written" in text


@pytest.mark.parametrize(("model", "x", "targets", "error", "message"), [
    (TwoResults(), (3, 6, 6), TARGETS, UnsupportedError, "TwoResults: returns 2 values; expected one tensor computed"),
    (nn.ReLU(), None, TARGETS, InputError, r"ReLU: input shape \(\); expected positive whole numbers such as \(1, 28"),
    (nn.ReLU(), (3,), ["cpu:a9"], UnknownNameError, "unknown target 'cpu:a9'"),
    ("nothing", None, TARGETS, UnknownNameError, "unknown network 'nothing'"),
    (3, (3,), TARGETS, InputError, "got int; expected a torch.nn.Module, a network, or a name"),
    (nn.ReLU(), 3, TARGETS, InputError, "got 3; expected an example batch, or an input shape such as"),
])  # fmt: skip
def test_what_it_refuses(model: Any, x: Any, targets: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        slimfab.profile(model, x, targets)


def test_printing_it_answers_which_target_is_best(module: nn.Module) -> None:
    lines = str(slimfab.profile(module, (3, 6, 6), TARGETS)).splitlines()
    assert [line.split(":")[0] for line in lines[-3:]] == ["latency", "throughput", "energy per inference"]
    assert lines[-3].startswith("latency: fpga:pynq-z2 wins, ")
    assert "latency: " not in str(slimfab.profile(module, (3, 6, 6), TARGETS[:1]))
