# SPDX-License-Identifier: Apache-2.0
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from search_problems import environment, weighted

from hwsim.errors import InputError
from prune.search import METHODS, classic, evolve, exact
from prune.search.agmc import EMBEDDING, GraphState, agmc
from prune.search.amc import HandMade, accuracy_guaranteed, quarter_warmup, walk, worth
from prune.search.costs import Tabulated
from prune.search.ddpg import Agent, Hyper
from prune.search.environment import PointLimit
from prune.search.features import STATE, Layers
from prune.search.refit import refit

EDGES = np.array([[0, 1], [1, 2], [2, 3]])


def layers(count=4, seed=0):
    rng = np.random.default_rng(seed)
    return Layers(rng.random((count, 8)), rng.uniform(1, 5, count), EDGES)


@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_keeps_the_budget_counts_and_repeats(method):
    histories = []
    for _ in range(2):
        env = environment(evaluations=24)
        METHODS[method](env, layers(), 3)
        assert 1 <= env.spent <= 24
        assert env.best().costs["cost"] <= env.limits[0].value
        histories.append([(one.values, one.score) for one in env.history])
    assert histories[0] == histories[1]


@pytest.mark.parametrize("method", ["random", "evolution", "tpe", "nsga2", "knapsack", "netadapt"])
def test_searches_find_more_than_the_same_share_everywhere(method):
    reference = environment(evaluations=1)
    classic.uniform(reference)
    env = environment(evaluations=60)
    METHODS[method](env, layers(), 0)
    assert env.best().score > reference.best().score


def test_hand_made_rules_use_up_their_budget():
    for rule in (classic.uniform, classic.deep_heavy, classic.shallow_heavy):
        env = environment(sizes=(24, 32, 48, 64), evaluations=1)
        rule(env)
        (one,) = env.history
        point = np.array([v.options.index(one.values[v.name]) for v in env.space.variables])
        wider = point[None] + np.eye(len(point), dtype=np.int64)
        assert not env.fits(np.minimum(wider, env.space.widest))[point < env.space.widest].any()


def test_the_knapsack_is_optimal_where_drops_add_up():
    env = environment(sizes=(4, 5, 4), share=0.45, evaluations=30)
    points = np.array(list(itertools.product(*(range(n) for n in env.space.sizes))))
    score = weighted(env.space)
    within = points[env.fits(points)]
    best = max(score(env.space.values(point)) for point in within)
    profile = exact.knapsack(env)
    assert env.best().score == pytest.approx(best, abs=1e-12)
    assert profile.predict(within[7]) == pytest.approx(score(env.space.values(within[7])), abs=1e-9)


def test_the_knapsack_does_not_solve_for_a_point_twice():
    env = environment(sizes=(4, 4), evaluations=30)
    profile = exact.measure(env, 9)
    first = exact.solve(env, profile)
    second = exact.solve(env, profile, [first])
    assert not np.array_equal(first, second)
    assert profile.predict(second) <= profile.predict(first) + 1e-12


def test_the_knapsack_learns_where_drops_do_not_add_up():
    def score(values):  # two layers that are only wide together, which single choices do not show
        return min(values["v1"], values["v2"]) / 8 + 0.01 * (values["v0"] + values["v3"])

    env = environment(share=0.3, evaluations=60, score=score)
    exact.knapsack(env)
    points = np.array(list(itertools.product(*(range(n) for n in env.space.sizes))))
    best = max(score(env.space.values(point)) for point in points[env.fits(points)])
    assert env.spent == 60  # as many as every method has, the measured drops among them
    assert env.best().score == pytest.approx(best)


def test_refitted_drops_explain_what_was_scored_and_stay_monotone():
    env = environment(sizes=(4, 5, 4), evaluations=30)
    measured = exact.measure(env, 13)
    rng = np.random.default_rng(0)
    env.rate([rng.integers(0, env.space.sizes) for _ in range(12)], passing=True)
    wrong = replace(measured, drops=tuple(0.5 * drops for drops in measured.drops))
    found = refit(env, wrong)
    points = np.stack([env.space.indices(one.values) for one in env.history])
    scores = np.array([one.score for one in env.history])
    assert np.abs(found.predict(points) - scores).mean() < 0.5 * np.abs(wrong.predict(points) - scores).mean()
    assert all((np.diff(drops) <= 1e-12).all() and drops[-1] == 0 for drops in found.drops)


def test_the_knapsack_says_what_it_needs():
    with pytest.raises(InputError, match=r"got 3 evaluations to measure 4 variables; expected at least 5"):
        exact.knapsack(environment(evaluations=4))
    env = environment()
    cost = env.limits[0].cost
    env.limits = [PointLimit("cost", 1e9, lambda points: cost(points))]
    with pytest.raises(InputError, match="'cost' is no sum or largest of layers"):
        exact.knapsack(env)


def test_a_largest_of_layers_limits_each_of_them():
    env = environment(sizes=(4, 4, 4), evaluations=24)
    cost = Tabulated(env.limits[0].cost.terms, 0.0, "max")
    env.limits = [PointLimit("slowest", 8.0, cost)]
    exact.knapsack(env)
    points = np.array(list(itertools.product(range(4), repeat=3)))
    score = weighted(env.space)
    assert env.best().score == pytest.approx(max(score(env.space.values(p)) for p in points[env.fits(points)]))


def test_netadapt_measures_on_the_way_and_ends_within():
    env = environment(evaluations=30)
    classic.netadapt(env)
    assert not env.history[0].within
    assert env.history[-1].within


def test_evolution_crosses_and_mutates_the_best():
    bred, drawn = (environment(sizes=(16, 16, 16, 16, 16, 16), evaluations=150) for _ in range(2))
    evolve.evolution(bred, 1, evolve.Evolution(population=20, parents=4, mutants=8, crossings=8))
    classic.random_search(drawn, 1)
    assert bred.best().score > drawn.best().score


def test_the_states_of_amc_know_what_was_chosen_before():
    found = layers()
    shares = np.array([0.5, 0.25, 1.0, 0.75])
    states = HandMade(found)(torch.as_tensor(shares[None], dtype=torch.float32))[0].numpy()
    for variable in range(4):
        assert states[variable] == pytest.approx(found.state(variable, shares[:variable]), abs=1e-6)


@pytest.mark.parametrize("encoder", [HandMade(layers()), GraphState(layers(), 0)])
def test_a_state_knows_nothing_of_later_actions(encoder):
    one, other = torch.full((1, 4), 0.5), torch.tensor([[0.5, 0.5, 0.9, 0.1]])
    with torch.no_grad():
        assert torch.equal(encoder(one)[0, :3], encoder(other)[0, :3])
        assert not torch.equal(encoder(one)[0, 3], encoder(other)[0, 3])


@pytest.mark.parametrize("frozen", [False, True])
def test_the_encoder_of_agmc_learns_unless_it_is_frozen(frozen):
    agent = agmc(environment(evaluations=16), layers(), 2, frozen=frozen)
    before = GraphState(layers(), 2).state_dict()
    same = [torch.equal(value, before[name]) for name, value in agent.encoder.state_dict().items()]
    assert all(same) if frozen else not any(same)


def test_the_encoder_learns_no_states_that_flatter_the_actor():
    encoder = GraphState(layers(), 2)
    agent = Agent(encoder, EMBEDDING, 4, Hyper(warmup=1, critic_lr=0.0), 0)
    with torch.no_grad():
        agent._critic.action.weight.zero_()  # all actions are worth the same, and only another state could be better
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    for reward in (0.2, 0.9, 0.4):
        agent.learn(np.full(4, reward), reward)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_an_encoder_moves_to_a_network_of_another_depth():
    trained = agmc(environment(evaluations=16), layers(), 2).encoder
    env = environment(sizes=(4, 4, 4, 4, 4, 4), evaluations=8)
    agent = agmc(env, layers(6), 0, frozen=True, encoder=trained)
    assert torch.equal(agent.encoder.first.weight, trained.first.weight)


def test_rewards_are_judged_by_those_of_their_batch():
    agent = Agent(HandMade(layers()), len(STATE), 4, Hyper(warmup=2, batch=12), 0)
    for reward in (1.0, 4.0, 4.0):  # the second good one is as good as the first
        agent.learn(np.full(4, reward / 4), reward)
    actions, above = agent._batch()
    assert sorted(above[:, 0].tolist()) == pytest.approx([-2.0, 1.0, 1.0])
    assert above[actions[:, 0] == 1.0].flatten().tolist() == pytest.approx([1.0, 1.0])


def test_the_agent_learns_what_pays():
    hyper = Hyper(warmup=20, actor_lr=1e-3, batch=64)
    agent = Agent(HandMade(layers()), len(STATE), 4, hyper, 0)
    for _ in range(60):
        shares = np.array([agent.act(np.ones(n)) for n in range(4)])
        agent.learn(shares, 1 - float(np.mean(shares)))  # small shares pay
    assert np.mean([agent.act(np.full(n, 0.3)) for n in range(4)]) < 0.4


def test_noise_lasts_as_long_as_the_search():
    def left(evaluations):
        hyper = quarter_warmup(environment(evaluations=evaluations))
        return hyper.warmup, hyper.decay ** (evaluations - hyper.warmup)

    assert quarter_warmup(environment(evaluations=60)).decay == Hyper().decay  # never sooner gone than published
    assert left(400) == (100, pytest.approx(0.02))
    assert left(2000) == (500, pytest.approx(0.02))


def test_failed_episodes_teach_nothing():
    env = environment(evaluations=10, score=lambda values: float("nan"))
    agent = Agent(HandMade(layers()), len(STATE), 4, Hyper(warmup=2), 0)
    walk(env, agent)
    assert agent.finished == 0
    assert env.dropped == env.spent == 10


def test_without_a_tight_budget_the_reward_trades_error_for_cost():
    assert worth(0.9, 10) > worth(0.9, 100) > worth(0.5, 100)
    assert worth(1.0, 100) == worth(0.5, 0.5) == 0
    env = environment(share=1.0, score=lambda values: 0.9 if values["v0"] > 1 else 0.2)  # the rest is of no use
    env.rate([env.space.widest])
    accuracy_guaranteed(env, layers(), hyper=Hyper(warmup=10))
    assert env.best().score == 0.9
    assert env.best().costs["cost"] < 0.6 * env.limits[0].value
    assert env.best().costs["cost"] == min(one.costs["cost"] for one in env.history if one.score == 0.9)
