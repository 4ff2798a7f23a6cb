# SPDX-License-Identifier: Apache-2.0
"""Pruning in one call: every criterion with every allocator under every budget, and the same again."""

import pytest
import torch
from prune_networks import randomise
from torch import nn

from hwsim import targets
from hwsim.errors import BudgetError, InputError, UnknownNameError, UnsupportedError, WeightsError
from hwsim.importers.torch import import_torch
from prune import ALLOCATORS, Choice, load_choice, mask, prune, rebuild, shrink
from prune.cut import shrink_network
from prune.groups import channel_groups

SHAPE = (1, 8, 8)


class Net(nn.Module):
    """Residual, depthwise, concat and flatten in 3,000 weights."""

    def __init__(self):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.inner, self.inner_norm = nn.Conv2d(12, 10, 3, padding=1, bias=False), nn.BatchNorm2d(10)
        self.outer, self.outer_norm = nn.Conv2d(10, 12, 1, bias=False), nn.BatchNorm2d(12)
        self.deep, self.deep_norm = nn.Conv2d(12, 12, 3, groups=12), nn.BatchNorm2d(12)
        self.side, self.side_norm = nn.Conv2d(12, 8, 1), nn.BatchNorm2d(8)
        self.head = nn.Linear(20 * 9, 3)

    def forward(self, x):
        x = torch.relu(self.stem_norm(self.stem(x)))
        x = torch.relu(x + self.outer_norm(self.outer(torch.relu(self.inner_norm(self.inner(x))))))
        x = torch.relu(self.deep_norm(self.deep(x)))
        x = torch.cat([x, torch.relu(self.side_norm(self.side(x)))], dim=1)
        return self.head(nn.functional.max_pool2d(x, 2).flatten(1))


def net(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Net()
        randomise(model)
    return model.eval()


RATIOS = {"stem": 0.5, "inner": 0.3, "side": 0.75}


@pytest.mark.parametrize("allocator", ALLOCATORS.names())
def test_the_budget_holds_for_the_module_itself(allocator):
    ratios = RATIOS if allocator == "per_layer" else None
    budget = {"macs": 0.6, "params": "70%", "weight_bits": 50_000}
    small = prune(net(), SHAPE, budget=budget, allocator=allocator, ratios=ratios)
    changes = {change.field: change for change in small.costs}
    assert set(changes) == set(budget)
    folded, _ = import_torch(small.module, SHAPE)
    assert changes["macs"].after == folded.macs() <= 0.6 * changes["macs"].before
    assert changes["params"].after == folded.parameters() <= 0.7 * changes["params"].before
    assert changes["weight_bits"].after == folded.weight_bits() <= 50_000
    assert small.used == max(change.after / change.limit for change in small.costs)


def test_result_equals_the_masked_original():
    model = net()
    small = prune(model, SHAPE, budget={"macs": 0.4})
    network, _ = import_torch(model, SHAPE, fold=False)
    x = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.allclose(small.module(x), mask(model, network, small.choice)(x), atol=1e-4)
    assert small.network.hash == shrink_network(network, small.choice).hash


def test_lowest_scores_go():
    model = net()
    with torch.no_grad():
        model.inner.weight[[2, 5, 7]] *= 1e-3
    small = prune(model, SHAPE, criterion="l1", allocator="per_layer", ratios={"inner": 0.7})
    assert small.choice.kept == {"inner": (0, 1, 3, 4, 6, 8, 9)}
    assert small.used is None


def test_same_seed_same_choice_other_seed_other_choice():
    model = net()
    first, again, other = (
        prune(model, SHAPE, budget={"macs": 0.5}, criterion="random", seed=seed).choice for seed in (1, 1, 2)
    )
    assert first == again
    assert first.kept != other.kept


def test_model_is_left_alone():
    model = net().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    small = prune(model, SHAPE, budget={"macs": 0.5})
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training
    assert small.module.training


@pytest.mark.parametrize("align", [2, 4])
def test_changed_widths_are_aligned(align):
    small = prune(net(), SHAPE, budget={"macs": 0.5}, align=align)
    for name, module in small.module.named_modules():
        if isinstance(module, nn.Conv2d):
            assert module.out_channels % align == 0 or module.out_channels == getattr(Net(), name).out_channels
    assert small.choice.align == align


def test_skipped_layers_and_their_partners_stay_whole():
    small = prune(net(), SHAPE, budget={"macs": 0.6}, skip=["outer"])
    assert (small.module.stem.out_channels, small.module.outer.out_channels, small.module.deep.groups) == (12, 12, 12)
    assert small.module.inner.out_channels < 10


def test_steps_tune_in_between_and_score_anew():
    ratios = {"inner": 0.4}  # 10 channels to 8, 6, 4
    first_step = prune(net(), SHAPE, allocator="per_layer", ratios={"inner": 0.8}).choice.kept["inner"]
    widths = []

    def weaken_the_first_filter(module, step):
        assert step == len(widths)
        widths.append(module.inner.out_channels)
        with torch.no_grad():
            module.inner.weight[0] *= 1e-3

    small = prune(
        net(), SHAPE, allocator="per_layer", ratios=ratios, schedule="iterative", steps=3, tune=weaken_the_first_filter
    )
    assert widths == [8, 6, 4]
    assert first_step[0] not in small.choice.kept["inner"]
    assert first_step[0] in prune(net(), SHAPE, allocator="per_layer", ratios={"inner": 0.8}).choice.kept["inner"]


@pytest.mark.parametrize(("schedule", "allocator"), [("iterative", "uniform"), ("agp", "global")])
def test_steps_end_within_the_budget_and_name_the_original_channels(schedule, allocator):
    model = net()
    small = prune(model, SHAPE, budget={"macs": 0.5}, schedule=schedule, allocator=allocator, steps=3)
    network, _ = import_torch(model, SHAPE, fold=False)
    assert small.costs[0].after <= small.costs[0].limit
    x = torch.randn(2, *SHAPE)
    with torch.no_grad():
        assert torch.equal(shrink(model, network, small.choice)(x), small.module(x))


def test_steps_without_tuning_end_at_the_given_ratios():
    small = prune(net(), SHAPE, allocator="per_layer", ratios=RATIOS, schedule="iterative", steps=2)
    assert {name: len(kept) for name, kept in small.choice.kept.items()} == {"stem": 6, "inner": 3, "side": 6}


def test_saved_result_is_rebuilt(tmp_path):
    small = prune(net(), SHAPE, budget={"macs": 0.5}, schedule="iterative", steps=2)
    small.save(tmp_path)
    again = rebuild(Net, tmp_path / "choice.json", tmp_path / "weights.safetensors").eval()
    x = torch.randn(2, *SHAPE)
    assert torch.equal(again(x), small.module(x))
    assert isinstance(load_choice(tmp_path / "choice.json"), Choice)


def test_bits_change_the_cost_and_nothing_else():
    wide, narrow = (prune(net(), SHAPE, budget={"weight_bits": 0.5}, bits=bits) for bits in (None, 4))
    assert wide.choice == narrow.choice
    assert [c.before for c in wide.costs if c.field == "weight_bits"] == [8 * narrow.costs[0].before]


def test_area_budget_comes_with_the_design_it_holds_for():
    small = prune(net(), SHAPE, budget={"fpga:pynq-z2.lut": 0.8}, bits=8)
    (target,) = small.designs
    deployed = import_torch(small.module, SHAPE)[0].with_bits(8)
    assert targets.estimate(deployed, target, design=small.designs[target]).field("lut") == small.costs[0].after
    assert small.costs[0].after <= small.costs[0].limit


def test_any_cost_function_can_be_the_budget():
    def peak(network, field):
        return max(t.size for t in network.tensors.values()) if field == "peak" else 1.0

    small = prune(net(), SHAPE, budget={"peak": 0.5}, cost=peak)
    assert small.costs[0].after <= 0.5 * small.costs[0].before


def test_training_mode_gradients_flow_through_the_result():
    small = prune(net(), SHAPE, budget={"macs": 0.5}).module.train()
    small(torch.randn(4, *SHAPE)).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())


class FixedSizes(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)
        self.last = nn.Linear(4 * 36, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)).view(-1, 4 * 36))


def test_forward_that_counts_on_the_old_widths_is_refused():
    with pytest.raises(
        UnsupportedError, match=r"FixedSizes: forward of the pruned module gives .*; write sizes in forward"
    ):
        prune(FixedSizes(), SHAPE, budget={"macs": 0.5})


def test_unreachable_budget_is_refused():
    with pytest.raises(
        BudgetError, match=r"budget macs: asked for at most .*; the smallest reachable is .*; raise the"
    ):
        prune(net(), SHAPE, budget={"macs": 0.001})


def test_weights_that_are_not_finite_are_refused():
    model = net()
    with torch.no_grad():
        model.inner.weight[0, 0] = float("nan")
    with pytest.raises(WeightsError, match=r"inner\.weight"):
        prune(model, SHAPE, budget={"macs": 0.5})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, InputError, "prune: got no budget; expected one such as"),
        ({"budget": {"macs": "lots"}}, InputError, "budget macs: got 'lots'"),
        ({"budget": {"mcas": 0.5}}, UnknownNameError, "unknown cost 'mcas'; did you mean 'macs'"),
        ({"budget": {"macs": 0.5}, "criterion": "l3"}, UnknownNameError, "unknown pruning criterion 'l3'; "),
        ({"budget": {"macs": 0.5}, "allocator": "unifrom"}, UnknownNameError, "did you mean 'uniform'"),
        ({"budget": {"macs": 0.5}, "steps": 2}, InputError, "one_shot: got steps=2; expected 1"),
        (
            {"budget": {"macs": 0.5}, "skip": ["stam"]},
            InputError,
            "unknown channel group or layer 'stam'; did you mean 'stem'",
        ),
        ({"budget": {"macs": 0.5}, "floor": 1}, InputError, "floor=1; expected at least 2"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        prune(net(), SHAPE, **arguments)


def test_groups_of_the_small_network_are_those_of_the_large_one():
    model = net()
    small = prune(model, SHAPE, budget={"macs": 0.5})
    before = channel_groups(import_torch(model, SHAPE, fold=False)[0])
    after = channel_groups(import_torch(small.module, SHAPE, fold=False)[0])
    assert [(g.name, g.layers) for g in after] == [(g.name, g.layers) for g in before]
    assert all(
        len(small.choice.kept.get(g.name, range(g.width))) == a.width for g, a in zip(before, after, strict=True)
    )


def test_a_change_is_found_by_its_field():
    small = prune(net(), SHAPE, budget={"macs": 0.6})
    assert 0 < small.change("macs").after <= 0.6 * small.change("macs").before
    with pytest.raises(UnknownNameError, match="unknown cost 'mac' of a pruned network; did you mean 'macs'"):
        small.change("mac")


def test_a_budget_of_cycles_gives_a_smaller_module_and_its_card():
    field = "fpga:pynq-z2.cycles"
    small = prune(net(), torch.zeros(2, *SHAPE), budget={field: 0.7}, bits=8)
    assert small.choice == prune(net(), SHAPE, budget={field: 0.7}, bits=8).choice
    found = small.card(accuracy=0.9, dataset="digits")
    assert (found.target, found.accuracy, found.dataset, found.fits) == ("fpga:pynq-z2", 0.9, "digits", True)
    deployed = import_torch(small.module, SHAPE)[0].with_bits(8)
    assert found.latency_us == targets.estimate(deployed, "fpga:pynq-z2").latency_us
    assert small.change(field).after == targets.cost(deployed, field) <= 0.7 * small.change(field).before
    assert small.card("cpu:cortex-a72").target == "cpu:cortex-a72"


def test_a_card_has_the_design_that_holds_a_budgeted_area():
    small = prune(net(), SHAPE, budget={"fpga:pynq-z2/folded.lut": 0.8}, bits=8)
    area = small.change("fpga:pynq-z2/folded.lut")
    device = targets.parse("fpga:pynq-z2/folded").device
    assert small.card().occupied["lut"] == pytest.approx(area.after / device["lut"], rel=0.05)
    with pytest.raises(InputError, match="card: the budget names no target; expected one such as fpga:pynq-z2"):
        prune(net(), SHAPE, budget={"macs": 0.5}).card()
