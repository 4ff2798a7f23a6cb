# SPDX-License-Identifier: Apache-2.0
"""A budget is met by construction, by every allocator, in every field, under every alignment."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from prune_networks import AsModule, Draft, networks, random_weights

from hwsim import targets
from hwsim.errors import BudgetError, InputError
from prune.allocate import ALLOCATORS, best_units
from prune.budget import GOOD_USE, Bounds, Ledger, Limit, exact_counts, fit, read_budget
from prune.choice import Choice, widths
from prune.criteria import CRITERIA, Context, score
from prune.cut import shrink_network
from prune.groups import channel_groups
from prune.samples import Samples, observe


def cost(network, field):
    fields = {
        "macs": network.macs,
        "params": network.parameters,
        # Neither smooth nor monotone, as folded hardware can be: odd widths cost more than the next even one.
        "steps": lambda: sum(1 + t.shape[0] // 2 + 3 * (t.shape[0] % 2) for t in network.tensors.values()),
    }
    return float(fields[field]())


def chain(*widths_):
    draft = Draft(1, 8, 8)
    for width in widths_:
        draft.relu(draft.norm(draft.conv(width)))
    draft.head(flatten=False)
    return draft.network()


def fitted(network, budget, allocator="uniform", bounds=Bounds(), ratios=None, seed=0):  # noqa: B008
    groups = channel_groups(network)
    ledger = Ledger(network, groups, cost)
    rng = np.random.default_rng(seed)
    scores = {g.name: rng.random(g.width) for g in groups}
    limits = read_budget(budget, lambda field: ledger.cost(ledger.whole(), field))
    levels = {g.name: bounds.levels(g) for g in groups}
    return fit(ledger, ALLOCATORS[allocator](groups, scores, ratios or {}), limits, levels), limits


@given(
    networks(),
    st.dictionaries(st.sampled_from(["macs", "params", "steps", "channels"]), st.floats(0.3, 1), min_size=1),
    st.sampled_from(["uniform", "global", "global_raw"]),
    st.sampled_from([1, 2, 3]),
)
@settings(max_examples=60, deadline=None)
def test_the_budget_holds_or_the_smallest_widths_break_it(network, budget, allocator, align):
    groups = channel_groups(network)
    assume(groups)
    bounds = Bounds(align=align)
    ledger = Ledger(network, groups, cost)
    try:
        result, limits = fitted(network, budget, allocator, bounds)
    except BudgetError:
        least = {g.name: bounds.levels(g)[0] for g in groups}
        shares = [ledger.cost(least, f) / ledger.cost(ledger.whole(), f) - share for f, share in budget.items()]
        assert max(shares) > 0
        return
    small = network.with_widths(widths(groups, result.counts))
    for limit in limits:
        after = ledger.cost(result.counts, "channels") if limit.field == "channels" else cost(small, limit.field)
        assert after == result.costs[limit.field] <= limit.value
    assert all(result.counts[g.name] in bounds.levels(g) for g in groups)
    assert result.used >= GOOD_USE or not wider_that_fits(ledger, result.counts, limits, bounds)


def wider_that_fits(ledger, counts, limits, bounds):
    """Groups that could have kept one level more."""
    found = []
    for group in ledger.groups:
        levels = bounds.levels(group)
        for level in levels[levels.index(counts[group.name]) + 1 :][:1]:
            wider = {**counts, group.name: level}
            if all(ledger.cost(wider, limit.field) <= limit.value for limit in limits):
                found.append(group.name)
    return found


def seen(network, groups, context):
    """The context with what layers see and feel on random images."""
    shape = network.tensors[network.inputs[0]].shape
    x = torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))
    return observe(context, AsModule(network), groups, Samples(x, torch.arange(8) % 3))


@pytest.mark.parametrize("field", ["macs", "params", "weight_bits", "channels", "cpu:cortex-a53.latency_us"])
@pytest.mark.parametrize("criterion", CRITERIA.names())
@pytest.mark.parametrize("allocator", ALLOCATORS.names())
def test_every_criterion_and_allocator_keeps_every_budget(criterion, allocator, field):
    network = chain(12, 16, 20)
    groups = channel_groups(network)
    weights = random_weights(network)
    scores = score(groups, criterion, seen(network, groups, Context(weights, weights)))
    ledger = Ledger(network, groups, targets.cost)
    levels = {g.name: Bounds().levels(g) for g in groups}
    before, least = ledger.whole(), {g: counts[0] for g, counts in levels.items()}
    # Half of what pruning can save: a processor spends its overhead whatever the widths.
    limit = Limit(field, (ledger.cost(before, field) + ledger.cost(least, field)) / 2, ledger.cost(before, field))
    ratios = {"conv2d1": 0.5, "conv2d4": 0.75, "conv2d7": 0.5} if allocator == "per_layer" else {}
    priorities = ALLOCATORS[allocator](groups, scores, ratios)
    result = fit(ledger, priorities, [limit], levels)
    small = shrink_network(network, Choice("", (), {g: best_units(scores[g], k) for g, k in result.counts.items()}))
    found = ledger.cost(result.counts, field) if field == "channels" else targets.cost(small, field)
    assert found == result.costs[field] <= limit.value
    assert result.used >= GOOD_USE or not wider_that_fits(ledger, result.counts, [limit], Bounds())


def test_what_an_expensive_channel_frees_goes_back_to_cheap_ones():
    network = chain(4, 64)
    groups = channel_groups(network)

    def weighed(candidate, field):
        return 100.0 * candidate.tensors["conv2d1"].shape[0] + candidate.tensors["conv2d4"].shape[0]

    ledger = Ledger(network, groups, weighed)
    # The cheap layer goes first, down to its floor, and still one expensive channel has to go.
    priorities = {"conv2d1": np.full(4, 2.0), "conv2d4": np.ones(64)}
    levels = {g.name: Bounds().levels(g) for g in groups}
    result = fit(ledger, priorities, [Limit("weighed", 350.0, 464.0)], levels)
    assert result.counts["conv2d1"] == 3
    assert 0.97 <= result.used <= 1


@pytest.mark.parametrize("allocator", ["uniform", "global", "global_raw"])
@pytest.mark.parametrize("field", ["macs", "params", "channels"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_at_least_97_percent_of_the_budget_is_used(allocator, field, share):
    result, _ = fitted(chain(32, 64, 64), {field: share}, allocator)
    assert 0.97 <= result.used <= 1


def test_several_budgets_hold_at_once_and_the_tightest_is_used_up():
    result, limits = fitted(chain(32, 64, 64), {"macs": 0.5, "params": 0.25})
    by_field = {limit.field: result.costs[limit.field] / limit.value for limit in limits}
    assert by_field["macs"] <= 1
    assert 0.97 <= by_field["params"] <= 1
    assert result.used == by_field["params"]


def test_uniform_keeps_equal_shares_up_to_one_channel():
    result, _ = fitted(chain(20, 40, 60), {"channels": 0.5})
    kept = list(result.counts.values())
    assert all(abs(count - width / 2) <= 1 for count, width in zip(kept, (20, 40, 60), strict=True))


def test_a_budget_that_holds_already_removes_nothing():
    network = chain(8, 8)
    result, _ = fitted(network, {"macs": 10 * network.macs()})
    assert set(result.counts.values()) == {8}


def test_absolute_budget():
    result, _ = fitted(chain(32, 32), {"params": 3000})
    assert 0.97 * 3000 <= result.costs["params"] <= 3000


def test_per_layer_ratios_are_scaled_until_the_budget_holds():
    network = chain(32, 32)
    result, _ = fitted(network, {"macs": 0.4}, "per_layer", ratios={"conv2d4": 0.5})
    assert result.counts["conv2d1"] == 32
    assert result.costs["macs"] <= 0.4 * network.macs()
    assert result.counts["conv2d4"] < 16


@given(st.integers(2, 70), st.integers(1, 16), st.integers(2, 9), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_levels_respect_floor_cap_and_alignment(width, align, floor, cap):
    (group,) = channel_groups(chain(width))
    levels = Bounds(floor, cap, align).levels(group)
    assert levels[-1] == width
    assert levels == sorted(set(levels))
    for count in levels[:-1]:
        assert count % align == 0
        assert count >= floor
        assert width - count <= cap * width + 1e-6


def test_alignment_counts_channels_not_units():
    draft = Draft(1, 4, 4)
    draft.conv(16)
    draft.conv(4, groups=2)
    draft.head()
    (first, _) = channel_groups(draft.network())
    assert (first.width, first.multiplicity["conv2d1"]) == (8, 2)
    assert Bounds(align=4).levels(first) == [2, 4, 6, 8]


def test_cap_of_nine_tenths_leaves_one_in_ten():
    (group,) = channel_groups(chain(50))
    assert Bounds(cap=0.9).levels(group)[0] == 5


def test_each_cost_is_asked_for_once():
    network = chain(32, 32)
    asked = []

    def counting(candidate, field):
        asked.append((candidate.hash, field))
        return cost(candidate, field)

    groups = channel_groups(network)
    ledger = Ledger(network, groups, counting)
    limits = read_budget({"macs": 0.5}, lambda field: ledger.cost(ledger.whole(), field))
    priorities = ALLOCATORS["uniform"](groups, {}, {})
    fit(ledger, priorities, limits, {g.name: Bounds().levels(g) for g in groups})
    assert len(asked) == len(set(asked)) < 20


def test_exact_counts_round_to_nearest_then_down_to_the_alignment():
    levels = {"a": [4, 8, 10], "b": [2, 3, 4]}
    assert exact_counts({"a": 7.6, "b": 2.4}, levels) == {"a": 8, "b": 2}
    assert exact_counts({"a": 7.4, "b": 0.1}, levels) == {"a": 4, "b": 2}


def measure_100(field):
    return 100.0


@pytest.mark.parametrize(
    ("asked", "value"),
    [(0.5, 50), (1, 100), (1.0, 100), ("50%", 50), (" 12.5 %", 12.5), (120, 120), ("=0.8", 0.8), ("120", 120)],
)
def test_budgets_are_shares_or_amounts(asked, value):
    assert read_budget({"macs": asked}, measure_100) == (Limit("macs", value, 100.0),)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("half", "budget macs: got 'half'; expected a share such as 0.5 or '50%', or an amount such as 120"),
        (None, "budget macs: got None; expected a share"),
        (True, "budget macs: got True; expected a share"),
        (0, "budget macs: got 0; expected a number above 0"),
        (-3, "budget macs: got -3; expected a number above 0"),
        (float("nan"), "budget macs: got nan; expected a number above 0"),
    ],
)
def test_other_budgets_are_refused(asked, message):
    with pytest.raises(InputError, match=message):
        read_budget({"macs": asked}, measure_100)


def test_share_of_nothing_is_refused():
    with pytest.raises(
        InputError, match="budget uram: got a share of a cost that is 0; give an amount or another field"
    ):
        read_budget({"uram": 0.5}, lambda field: 0.0)


def test_unreachable_budget_states_the_bound():
    network = chain(16, 16)
    least = network.with_widths({"conv2d1": 2, "conv2d4": 2}).macs()
    with pytest.raises(BudgetError) as caught:
        fitted(network, {"macs": 0.001})
    assert str(caught.value).startswith(
        f"budget macs: asked for at most {0.001 * network.macs():.6g}; the smallest reachable is {least:.6g} "
        f"({100 * least / network.macs():.3g}% of the unpruned network), with 2 prunable groups"
    )


def test_cost_models_that_give_no_number_are_named():
    network = chain(8)
    with pytest.raises(BudgetError, match="cycles: the cost model gives nan for widths"):
        Ledger(network, channel_groups(network), lambda *_: float("nan")).cost({"conv2d1": 8}, "cycles")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"floor": 1}, "floor=1; expected at least 2 channels per layer"),
        ({"align": 0}, "align=0; expected a number of channels, at least 1"),
        ({"cap": 1.5}, "cap=1.5; expected the largest share to remove from a layer, 0 to 1"),
    ],
)
def test_bad_bounds_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Bounds(**arguments)
