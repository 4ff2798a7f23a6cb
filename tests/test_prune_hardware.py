# SPDX-License-Identifier: Apache-2.0
"""Area while widths change: the design goes along, so that a smaller network is a smaller accelerator."""

import pytest
from prune_networks import Draft

from hwsim import targets
from hwsim.fpga.folded import legal_pe, legal_simd
from hwsim.fpga.hls4ml import legal_reuse_factors
from hwsim.fpga.stages import pipeline
from prune.allocate import ALLOCATORS
from prune.budget import Bounds, Ledger, Limit, fit
from prune.groups import channel_groups
from prune.hardware import area_target, carried_designs, carry_design, hardware_cost

TARGETS = ["fpga:pynq-z2", "fpga:pynq-z2/folded"]


def network():
    draft = Draft(1, 12, 12)
    stem = draft.relu(draft.conv(16))
    draft.layer("add", draft.conv(16, draft.relu(draft.depthwise())), stem)
    draft.relu(draft.conv(24))
    draft.head(flatten=False)
    return draft.network().with_bits(16)


def parallelism(stage, folding):
    return stage.mw * stage.mh * stage.groups / folding.reuse_factor


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("width", [2, 5, 8, 13, 16])
def test_carried_folding_is_legal_and_no_wider(target, width):
    before = network()
    stem, last = (layer.name for layer in before.layers[1:] if layer.name in ("conv2d1", "conv2d7"))
    outer = next(layer.name for layer in before.layers if layer.op == "add")
    producer = before.producer(before.layer(outer).inputs[0]).name
    after = before.with_widths({stem: width, producer: width, last: width + 1})
    old = targets.design(before, target)
    new = carry_design(old, before, after)
    wide = {stage.name: stage for stage in pipeline(before).stages}
    assert new.network_hash == after.hash
    assert set(new.folding) == set(old.folding)
    for stage in pipeline(after).stages:
        folding = new.folding.get(stage.name)
        if folding is None:
            continue
        if target.endswith("folded"):
            assert folding.pe in legal_pe(stage)
            assert folding.simd in legal_simd(stage)
            assert folding.pe <= old.folding[stage.name].pe
            assert folding.simd <= old.folding[stage.name].simd
        elif folding.strategy == "resource":
            assert folding.reuse_factor in legal_reuse_factors(stage)
            assert parallelism(stage, folding) <= parallelism(wide[stage.name], old.folding[stage.name])


@pytest.mark.parametrize("target", TARGETS)
def test_unchanged_network_keeps_its_area(target):
    before = network()
    cost = hardware_cost(before)
    for name in ("lut", "ff", "dsp", "bram18"):
        assert cost(before, f"{target}.{name}") == targets.cost(before, f"{target}.{name}")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("field", ["lut", "ff", "bram18"])
def test_area_budget_is_kept_at_the_carried_design(target, field):
    before = network()
    groups = channel_groups(before)
    ledger = Ledger(before, groups, hardware_cost(before))
    name = f"{target}.{field}"
    levels = {group.name: Bounds().levels(group) for group in groups}
    # Half of what pruning can save: DMA and interconnect stay.
    whole, least = ledger.cost(ledger.whole(), name), ledger.cost({g: counts[0] for g, counts in levels.items()}, name)
    assert least < whole
    limit = Limit(name, (whole + least) / 2, whole)
    result = fit(ledger, ALLOCATORS["uniform"](groups, {}, {}), [limit], levels)
    assert result.costs[name] <= limit.value
    after = ledger.network_of(result.counts)
    design = carried_designs(before, after, {name: 0.8, "macs": 0.5})[target]
    assert targets.estimate(after, target, design=design).field(field) == result.costs[name]


def test_time_is_asked_of_the_best_design():
    before = network()
    name = "fpga:pynq-z2.cycles"
    small = before.with_widths({"conv2d7": 4})
    assert hardware_cost(before)(small, name) == targets.cost(small, name)


@pytest.mark.parametrize(
    ("field", "target"),
    [
        ("fpga:pynq-z2.dsp", "fpga:pynq-z2"),
        ("fpga:pynq-z2/folded.lut", "fpga:pynq-z2/folded"),
        ("fpga:pynq-z2.cycles", None),
        ("cpu:cortex-a9.latency_us", None),
        ("macs", None),
    ],
)
def test_area_fields(field, target):
    assert area_target(field) == target
